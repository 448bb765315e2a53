"""The documentation: its links as files, and the site that Sphinx builds of it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

import fabnet
from fabnet.cli import VERBS

ROOT = Path(fabnet.__file__).parent.parent
DOCS = ROOT / "docs"
CARDS = ROOT / "fabnet" / "weights"
PAGES = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *DOCS.glob("tutorials/*.ipynb"), *CARDS.rglob("*.md")]


def text_of(page: Path) -> str:
    """The Markdown of a page; of a notebook, that between its code."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)", re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE))
    missing = [target for target in targets if ":" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_every_page_is_listed_in_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    lists = re.findall(r"^```{toctree}\n(.*?)^```$", index, re.DOTALL | re.MULTILINE)
    listed = {line.rpartition("<")[2].rstrip(">") for each in lists for line in each.splitlines()}
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES if DOCS in page.parents}
    assert pages - listed == {"index"}


def test_pages_named_in_the_code_exist() -> None:
    folders = [ROOT / name for name in ("fabnet", "experiments", "benchmarks", "scripts", "tests")]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in (".py", ".md", "")]
    named = {
        name
        for file in files
        if file.is_file()
        for name in re.findall(r"\bdocs/(?:\w+/)*[\w-]+\.(?:md|ipynb|py)\b", file.read_text(encoding="utf-8"))
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_modules_named_to_contributors_exist_and_the_map_has_every_folder() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = (ROOT, DOCS, ROOT / "fabnet", ROOT / "fabnet" / "probes" / "protocols")
    named = {name for name in re.findall(r"`([\w/]+\.(?:py|md))`", text) if not re.search("NAME|VERB", name)}
    assert named
    assert [name for name in sorted(named) if not any((place / name).is_file() for place in places)] == []
    starts = re.findall(r"^  (\w+)/ .* start: (\S+)$", text, re.MULTILINE)
    assert [f"{room}/{file}" for room, file in starts if not (ROOT / "fabnet" / room / file).is_file()] == []
    rooms = {file.parent.name for file in (ROOT / "fabnet").glob("*/__init__.py")}
    assert rooms - set(re.findall(r"^  (\w+)/ ", text, re.MULTILINE)) == set()


def test_locked_tools_of_the_site_are_not_locked_twice() -> None:
    def names(file: str) -> set[str]:
        lines = (ROOT / "requirements" / file).read_text().splitlines()
        return {re.sub(r"[-_.]+", "-", line.partition("==")[0].lower()) for line in lines if "==" in line}

    assert {"sphinx", "furo", "myst-nb", "nbclient"} <= names("docs.txt")
    assert names("docs.txt") & names("full.txt") == set()


def verb_help() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verb_help", DOCS / "verb_help.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_help_of_a_verb_becomes_a_section() -> None:
    made = verb_help()
    section = made.section("read", made.help_of("read"))
    assert section.startswith("\n## read\n\nRead pose, points, expression")
    assert "\n```bash\nfabnet read photo.jpg\n" in section
    assert "[docs/reading.md](reading.md)" in section
    assert "\n`INPUTS ...`\n: Photos, videos, folders of them" in section
    assert "\n`--fps FLOAT|{all}`\n: Frames kept per second of video, or all. (default: all)\n" in section
    assert "\n`--embedding, --no-embedding`\n: Add the 256 numbers of the canonical crop. (default: False)\n" in section
    flags = set(re.findall(r"^│ (--[\w-]+)", made.help_of("read"), re.MULTILINE))
    assert flags == set(re.findall(r"^`(--[\w-]+)", section, re.MULTILINE))
    assert not re.search("[╭╮╰╯│─]", section)
    assert "--config" not in section
    assert made.parts_of(made.help_of("read"))[2].startswith("With --config FILE, options come from")
    assert made.plain("`a_b` is a_b: docs/verbs.md") == r"`a_b` is a\_b: [docs/verbs.md](verbs.md)"


class Assets(HTMLParser):
    """The addresses that a browser fetches when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "link" or "src" in given:
            self.found.append(given.get("src") or given.get("href") or "")


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    for tool in ("sphinx", "furo", "myst_nb"):
        pytest.importorskip(tool)
    site = tmp_path / "site"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-b",
            "html",
            "-W",
            "--keep-going",
            "-c",
            "docs",
            "-d",
            tmp_path,
            ".",
            site,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        assets = Assets()
        assets.feed(page.read_text(encoding="utf-8"))
        assert [asset for asset in assets.found if re.match(r"(?:https?:)?//", asset)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet
    options = (site / "docs" / "options.html").read_text(encoding="utf-8")
    assert all(f'<section id="{verb}">' in options for verb in VERBS)
    functions = (site / "docs" / "api.html").read_text(encoding="utf-8")
    assert all(f'id="fabnet.{name}"' in functions for name in fabnet.__all__)
    assert "Side of the stored crops in pixels." in functions  # an option of track, from the dataclass
