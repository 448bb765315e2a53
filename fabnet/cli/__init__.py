"""The command line: `fabnet VERB ...`. One module a verb, and no logic in any of them.

A verb's module has `run`, whose signature and docstring become flags and help, and `show`, which prints its
result for people. A verb whose flags depend on others has `command_for(args, values) -> run` in place of `run`, where
`values` are the options of `--config FILE` by name.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from fabnet.errors import FabnetError
from fabnet.runtime.cores import sleep_soon
from fabnet.runtime.interrupts import raising
from fabnet.runtime.streams import flush_output, prepare_streams
from fabnet.runtime.terminal import say

__all__ = ["VERBS", "main"]

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("fabnet.cli.demo", "the whole chain on a real clip that an installed package carries"),
    "track": ("fabnet.cli.track", "raw videos to a store of face-tracks"),
    "import": ("fabnet.cli.import_", "folders of frames or of cropped videos to a store of face-tracks"),
    "info": (
        "fabnet.cli.info",
        "what a store, a dataset, a table, a run or a model holds; --verify: whether a store is sound",
    ),
    "compact": ("fabnet.cli.compact", "a store or an embeddings dataset in fewer files"),
    "remove": ("fabnet.cli.remove", "people out of a store or an embeddings dataset, and off the disk"),
    "train": ("fabnet.cli.train", "train an encoder on a store, without labels"),
    "read": (
        "fabnet.cli.read",
        "photos and videos to pose, points, expression and action units, with how sure they are",
    ),
    "live": ("fabnet.cli.live", "the faces of a camera or stream, read as they come, in the terminal and on a page"),
    "courses": (
        "fabnet.cli.courses",
        "what read found, over time: smoothed, against a baseline, summed up, as ELAN tiers or subtitles",
    ),
    "embed": ("fabnet.cli.embed", "photos, videos, folders or a store to 256 numbers a face"),
    "teach": ("fabnet.cli.teach", "attributes for your own encoder, by the shipped one's readings of your videos"),
    "search": ("fabnet.cli.search", "the nearest faces of an embeddings dataset, by photo or by row"),
    "serve": ("fabnet.cli.serve", "an embeddings dataset as a page in the browser"),
    "report": ("fabnet.cli.report", "a run as one page to look at"),
    "export": ("fabnet.cli.export", "an encoder to ONNX, to run without torch; a model to a folder to publish"),
    "probe": ("fabnet.cli.probe", "what an embedding knows, by a linear probe"),
    "table": ("fabnet.cli.table", "the paper's tables, published rows beside what was run here"),
}


def _usage() -> str:
    verbs = "\n".join(f"  {verb:<8} {line}" for verb, (_, line) in VERBS.items())
    return f"""usage: fabnet VERB ... [--config FILE] [--json] [--debug]
       fabnet --version

A facial-attribute embedding learned from raw face videos, without labels.

{verbs}

  --config FILE  read options of the verb from a YAML file; flags on the command line win
  --json         print the result as one JSON object on stdout; everything else goes to stderr
  --debug        show the traceback of an error

Examples:
  fabnet demo
  fabnet read talk.mp4 --out talk.csv
  fabnet track videos/ --out tracks.lance
  fabnet train tracks.lance --out run --max-minutes 30

fabnet VERB --help explains each verb."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb.

    Args:
        argv: the arguments; None: those of the process.

    Returns:
        The exit code: 0, or that of the error (see `fabnet.errors`); 130 after an interrupt.
    """
    if argv is None:
        prepare_streams()
    args = list(sys.argv[1:] if argv is None else argv)
    as_json, debug = "--json" in args, "--debug" in args
    args = ["--k" if arg == "-k" else arg for arg in args if arg not in ("--json", "--debug")]
    if not args or args[0] in ("-h", "--help"):
        _say(_usage())
        return 0 if args else 2
    if args[0] == "--version":
        from fabnet.version import VERSION

        _say(VERSION)
        return 0
    verb, rest = args[0], args[1:]
    if verb not in VERBS:
        import difflib

        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; the verbs are {', '.join(VERBS)}"
        say(f"fabnet: no verb is called {verb!r}{hint}", to_stderr=True)
        return 2
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # its warnings about a file would not say which file
    sleep_soon()
    try:
        with raising():
            return _run(verb, rest, as_json=as_json)
    except FabnetError as error:
        if debug:
            raise
        say(f"fabnet {verb}: {' '.join(str(error).split())}", to_stderr=True)
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        say(f"fabnet {verb}: {str(interrupt) or 'interrupted'}", to_stderr=True)
        return 130
    except ModuleNotFoundError as error:
        if debug or (error.name or "").startswith("fabnet"):
            raise
        say(f"fabnet {verb}: needs the package {error.name}: pip install 'fabnet[train]'", to_stderr=True)
        return 9
    except BrokenPipeError:
        return 1
    except MemoryError:
        if debug:
            raise
        say(f"fabnet {verb}: there is too little memory: is one of the inputs corrupt, or huge?", to_stderr=True)
        return 1
    except Exception as error:
        from fabnet.errors import first_line
        from fabnet.files.places import refusal

        reason = refusal(error)
        if isinstance(error, OSError) and error.errno:  # a name too long, a folder closed to the user, a failing disk
            reason = reason or first_line(error)
        if debug or reason is None:
            raise
        say(f"fabnet {verb}: {reason}", to_stderr=True)
        return 2


def _run(verb: str, args: list[str], *, as_json: bool) -> int:
    import tyro

    from fabnet.cli.config_file import configured, read_config, split_config
    from fabnet.cli.flags import described, registry
    from fabnet.cli.mistakes import refuse_mistakes

    args, file = split_config(args)
    values = {} if file is None else read_config(file)
    module = import_module(VERBS[verb][0])
    run, of_options = configured(
        module.command_for(args, values) if hasattr(module, "command_for") else module.run, values, file, args
    )
    refuse_mistakes(verb, {name: module for name, (module, _) in VERBS.items()}, run, args)
    try:
        result = tyro.cli(
            described(run),
            prog=f"fabnet {verb}",
            args=args,
            description=_description(run),
            registry=registry(of_options),
        )
    finally:
        flush_output()  # the help of a verb
    if os.environ.get("RANK", "0") != "0":
        pass  # one of several processes that torchrun started: the first one speaks for all
    elif as_json:
        import json

        _say(json.dumps(_plain(result)))
    else:
        _say(result, module.show)
    return int(getattr(result, "exit_code", 0))


def _say(result: Any, show: Callable[[Any], None] = print) -> None:
    """Print a result, as far as somebody reads it."""
    with suppress(BrokenPipeError, SystemExit):  # Rich ends the process
        show(result)
    flush_output()


def _description(run: Callable[..., Any]) -> str:
    """What a verb's help says before its flags: the docstring up to `Args:`, with its examples as they stand."""
    own = inspect.cleandoc(run.__doc__ or "").split("\nArgs:\n")[0].strip()
    paragraphs = [
        each if each.startswith("Examples:") else " ".join(each.split()) for each in own.split("\n\n") if each.strip()
    ]
    config = "With --config FILE, options come from a YAML file, and flags win: see docs/verbs.md."
    return "\n\n".join([*paragraphs, config])


def _plain(result: Any) -> Any:
    return result.to_json() if hasattr(result, "to_json") else result
