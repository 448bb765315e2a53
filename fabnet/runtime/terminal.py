"""Output to the terminal: control characters in names and texts are shown, never interpreted.

A file's name, a row's identity or an error's text may contain escape sequences that move the cursor or set the title,
line ends that fake a message of fabnet, and marks that change the direction of writing. They are shown as `\\x1b`,
`\\n` and so on. JSON output is left alone, because JSON escapes them itself.
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
    """A text in one line, with control characters escaped. Idempotent."""
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
    """A rich console for tables and lines, without markup, that escapes control characters as `shown` does."""
    import rich.console
    from rich.segment import Segment
    from rich.text import Text

    class Shown(rich.console.Console):
        """Shows strings in one line; texts that rich has laid out keep their lines."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(shown(text), **options)

        def render(self, *given: Any, **options: Any) -> Iterable[Segment]:
            for segment in super().render(*given, **options):
                is_plain = segment.control or _UNSHOWN_IN_LINES.search(segment.text) is None
                yield segment if is_plain else Segment(_UNSHOWN_IN_LINES.sub(_written_out, segment.text), segment.style)

    shown_on = Shown(markup=False, stderr=to_stderr)
    if shown_on.width < LEAST_COLUMNS:  # COLUMNS=0, as on some build servers, would show nothing
        shown_on.width = USUAL_COLUMNS
    return shown_on
