"""Sphinx's settings for the documentation; `make docs` builds it."""

from __future__ import annotations

import sys
from enum import Enum
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.pycode import ModuleAnalyzer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).with_name("_extensions")))

project = "arqade"
version = release = installed_version("arqade")

extensions = [
    "flavours",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["arqade.css"]
html_title = f"arqade {release}"
html_copy_source = False
html_show_copyright = False

# Docstrings are Google's style, with single backquotes around names.
default_role = "py:obj"
autodoc_mock_imports = ["pytest"]  # of it, the reference shows nothing
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_attr_annotations = False
python_maximum_signature_line_length = 70
toc_object_entries_show_parents = "hide"


def one_signature_of_enqueue(_app: Sphinx) -> None:
    """Show the signature of ``enqueue`` and not its overloads, which differ in one type."""
    for module in ("arqade._async.queue", "arqade._sync.queue"):
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
        analyzer.overloads.clear()


def keep_colons(
    _app: Sphinx,
    what: str,
    _name: str,
    _obj: object,
    _options: object,
    lines: list[str],
) -> None:
    """Hide a colon in the docstring of a field: napoleon takes what is before it for a type."""
    if what in {"attribute", "property"}:
        lines[:0] = ["..", ""]  # a comment


def plain_signature(
    _app: Sphinx,
    what: str,
    _name: str,
    obj: object,
    _options: object,
    signature: str,
    returns: str,
) -> tuple[str, str]:
    """Leave out what no caller writes: the signatures of enums and protocols, attrs' NOTHING."""
    if what == "class" and (
        issubclass(obj, Enum) or getattr(obj, "_is_protocol", False)
    ):
        return "", returns
    return signature and signature.replace("= NOTHING", "= {}"), returns


def setup(app: Sphinx) -> None:
    """Connect the above; Sphinx calls this."""
    app.connect("builder-inited", one_signature_of_enqueue)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("autodoc-process-signature", plain_signature)
