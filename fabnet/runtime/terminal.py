"""What reaches the terminal: names out of files are shown, and never obeyed.

A file's name, a row's identity or an error's text may hold escape sequences that move the cursor or set the title, line
ends that fake a message of ours, and marks that turn the direction of writing. They are shown as `\\x1b`, `\\n` and so
on. JSON is exact: it escapes these by itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "say", "shown"]

LEAST_COLUMNS, USUAL_COLUMNS = 20, 80
UNSHOWN = (
    r"\x00-\x1f\x7f-\x9f"  # controls
    r"\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # direction, invisible, line ends
    r"\ud800-\udfff"  # bytes of a name that is not UTF-8
    r"\U000e0000-\U000e007f"  # invisible tags
)
_UNSHOWN = re.compile(f"[{UNSHOWN}]")
_UNSHOWN_IN_LINES = re.compile(f"(?!\n)[{UNSHOWN}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def shown(text: object) -> str:
    """A text in one line, with what a terminal would obey written out; another call leaves it as it is."""
    return _UNSHOWN.sub(_written_out, str(text))


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] in _SHORT:
        return _SHORT[found[0]]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def say(*parts: object, to_stderr: bool = False) -> None:
    """Print one line, with everything in it `shown`."""
    print(*map(shown, parts), file=sys.stderr if to_stderr else sys.stdout, flush=to_stderr)


def console(*, to_stderr: bool = False) -> Console:
    """A console of rich for tables and lines, which takes no markup and shows everything, see `shown`."""
    import rich.console
    from rich.segment import Segment
    from rich.text import Text

    class Shown(rich.console.Console):
        """Strings are shown in one line; texts that were laid out keep their lines."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(shown(text), **options)

        def render(self, *given: Any, **options: Any) -> Iterable[Segment]:
            for segment in super().render(*given, **options):
                is_plain = segment.control or _UNSHOWN_IN_LINES.search(segment.text) is None
                yield segment if is_plain else Segment(_UNSHOWN_IN_LINES.sub(_written_out, segment.text), segment.style)

    shown_on = Shown(markup=False, stderr=to_stderr)
    if shown_on.width < LEAST_COLUMNS:  # COLUMNS=0, as some build servers have it: nothing would be shown
        shown_on.width = USUAL_COLUMNS
    return shown_on
