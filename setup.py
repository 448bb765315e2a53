"""The description on a package index: README.md, with links that work there.

A page of an index has no files beside it. Relative links become links below the project's source address (`Source` of
project.urls); without one, pictures and their captions are left out and links become their text.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
PICTURE = re.compile(r"!\[[^\]]*\]\((?![a-z]+:)([^)]+)\)\n\n\*[^\n]+\*\n\n")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)]+)\)")


def described(text: str, source: str | None) -> str:
    """Return the text with no relative link."""
    if source is None:
        return LINK.sub(r"\2", PICTURE.sub("", text))
    return LINK.sub(lambda link: f"{link[1]}[{link[2]}]({source}/{'raw' if link[1] else 'blob'}/main/{link[3]})", text)


project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
readme = (ROOT / "README.md").read_text(encoding="utf-8")
setup(
    long_description=described(readme, project.get("urls", {}).get("Source")),
    long_description_content_type="text/markdown",
)
