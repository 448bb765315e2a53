"""Models on the Hugging Face Hub: `hf:OWNER/NAME[@REVISION]` to a model folder in the hub's cache.

Of a repository only a model folder's own files are downloaded, and of one that is no fabnet model only its
`config.json` and `README.md`; nothing in them is unpickled. Where the cache lies, who asks and whether there is a
network at all is said to huggingface_hub by its own variables: `HF_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from fabnet.errors import MissingDependencyError, ModelError, first_line
from fabnet.models.model_folder import CONFIG_FILE, MODEL_FILES, README_FILE, read_card

__all__ = ["download", "is_hub_name"]

PREFIX = "hf:"
NAME = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def is_hub_name(model: str | Path) -> bool:
    """Whether a model's name is meant for the hub."""
    return str(model).startswith(PREFIX)


@cache
def download(name: str) -> Path:
    """Download a model, or find it in the hub's cache; asked for again, it stays the same while this process lives.

    Args:
        name: "hf:OWNER/NAME", with "@REVISION" (a branch, a tag or a commit) for another than the main branch.

    Returns:
        The model folder, inside the hub's cache.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
        ModelError: the name is none, there is no such repository or revision, it holds no fabnet model, or the hub
            cannot be reached and the cache does not have it.
    """
    parts = NAME.fullmatch(name)
    if parts is None:
        raise ModelError(f"{name!r} names no model of the hub; expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION")
    try:
        from huggingface_hub import errors, snapshot_download
        from huggingface_hub.utils import tqdm
    except ImportError:
        raise MissingDependencyError(f"{name} needs huggingface_hub: pip install 'fabnet[hub]'") from None

    class Bar(tqdm):  # type: ignore[misc]
        """None where all lies in the cache already."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"delay": 2.0})

    repo, revision = parts["repo"], parts["revision"]
    try:
        folder = Path(
            snapshot_download(repo, revision=revision, allow_patterns=[CONFIG_FILE, README_FILE], tqdm_class=Bar)
        )
        read_card(folder)
        # A snapshot's folder has the name of its commit: both calls give files of one and the same.
        return Path(snapshot_download(repo, revision=folder.name, allow_patterns=list(MODEL_FILES), tqdm_class=Bar))
    except ModelError as error:
        raise ModelError(f"{name} holds no model that this fabnet reads: {error}") from None
    except errors.GatedRepoError:
        raise ModelError(f"{name} is gated: ask for access on its page, and set HF_TOKEN") from None
    except errors.RepositoryNotFoundError:
        raise ModelError(
            f"the hub has no model {repo}; check the name, and set HF_TOKEN if it is a private one"
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{repo} has no revision {revision!r}; expected a branch, a tag or a commit") from None
    except errors.LocalEntryNotFoundError:
        raise ModelError(
            f"{name} is not in the hub's cache, and the hub cannot be reached (no network, or HF_HUB_OFFLINE is set)"
        ) from None
    except Exception as error:  # its own, and its HTTP client's, which share no narrower base
        raise ModelError(f"{name} cannot be downloaded: {first_line(error)}") from None
