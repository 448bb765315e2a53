"""How Sphinx builds the site: `scripts/docs`. Its source folder is the clone, so that pages keep their links."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from docutils import nodes
from verb_help import page_of_verbs

from fabnet.version import VERSION

project = "fabnet"
author = "The fabnet contributors"
project_copyright = "the fabnet contributors"
release = version = VERSION
root_doc = "docs/index"
include_patterns = [
    "docs/*.md", "docs/tutorials/*.ipynb", "fabnet/weights/**.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
]  # fmt: skip
exclude_patterns = ["docs/figures", "docs/results", ".*"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the tests execute the notebooks
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80
python_display_short_literal_types = True
napoleon_custom_sections = ["Source"]
default_role = "code"  # docstrings mark code with one backtick
smartquotes = False
pygments_dark_style = "github-dark"
highlight_language = "none"

html_theme = "furo"
html_title = "fabnet"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
html_additional_pages = {"index": "to_start.html"}
templates_path = ["templates"]


def complete(app: object, docname: str, source: list[str]) -> None:
    """Add to a page what is generated at every build: the verbs' options, and the link to a notebook's file."""
    if docname == "docs/options":
        source[0] += page_of_verbs()
    elif docname.startswith("docs/tutorials/"):
        notebook = json.loads(source[0])
        name = docname.rpartition("/")[2]
        notebook["cells"][0]["source"].insert(1, f"\n{{download}}`Download this notebook <{name}.ipynb>`\n")
        source[0] = json.dumps(notebook)


def write_dashes(app: object, doctree: nodes.document) -> None:
    """Write the dash between a parameter and its meaning. In running text, two hyphens begin a flag and stay."""
    for text in [each for each in doctree.findall(nodes.Text) if each == " -- "]:
        text.parent.replace(text, nodes.Text(" – "))


def setup(app: object) -> None:
    """Register what this site adds to Sphinx."""
    app.connect("source-read", complete)  # type: ignore[attr-defined]
    app.connect("doctree-read", write_dashes)  # type: ignore[attr-defined]
