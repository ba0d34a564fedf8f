"""Sphinx configuration."""

import importlib
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from docutils import nodes
from sphinx.util import logging

import bitpeak_async

sys.path.insert(0, str(Path(__file__).parent))
import cli_reference

project = "bitpeak_async"
author = "the bitpeak_async authors"
release = version = bitpeak_async.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "furo"
html_title = f"{project} {release}"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
toc_object_entries_show_parents = "hide"
exclude_patterns = ["_build", "changelog.d", "examples"]
copybutton_prompt_text = "$ "

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signature has the types
autodoc_type_aliases = {
    name: f"bitpeak_async.{name}" for name in ("Change", "Event", "KnownSettings", "Settings")
}
python_maximum_signature_line_length = 88
# Links into other projects would need their inventories, and so the network.
nitpick_ignore_regex = [
    ("py:.*", r"(?!bitpeak_async).*"),
    ("py:.*", r"bitpeak_async\..*\.[ST]"),  # type variables
]
PUBLIC = [
    "bitpeak_async",
    *("bitpeak_async.provisioning.files", "bitpeak_async.sandbox", "bitpeak_async.telemetry"),
]


def setup(app: Any) -> None:
    """Add unreleased changes; show public names of types; frame pictures; check links."""
    app.connect("source-read", _add_unreleased_changes)
    app.connect("source-read", _add_commands)
    app.connect("missing-reference", _resolve_public)
    app.connect("autodoc-process-signature", _name_aliases)
    app.connect("doctree-read", _frame_pictures)
    app.connect("build-finished", _check_links)


def _add_unreleased_changes(app: Any, page: str, source: list[str]) -> None:
    """Append the fragments of ``changelog.d`` to the head of the changelog, as a draft."""
    if page != "changelog":
        return
    app.env.note_reread()  # the page depends on files that Sphinx does not know
    draft = ["build", "--draft", "--version", release, "--date", "unreleased"]
    fragments = subprocess.run(  # noqa: S603 - fixed words
        [sys.executable, "-m", "towncrier", *draft],
        cwd=Path(app.srcdir).parent,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    head, mark, releases = source[0].partition("<!-- towncrier release notes start -->\n")
    source[0] = f"{head}{mark}\n{fragments}{releases}"


def _add_commands(app: Any, page: str, source: list[str]) -> None:
    """Append the reference of the command line to its page."""
    if page == "cli":
        app.env.note_reread()  # the page depends on the package
        source[0] += f"\n{cli_reference.reference()}"


def _name_aliases(*event: Any) -> tuple[str | None, str | None]:
    """Fix how autodoc shows an alias within another type."""
    wrong = r"TypeAliasForwardRef\('(.*?)'\)"
    signature, returned = event[-2:]
    return signature and re.sub(wrong, r"~\1", signature), returned


def _resolve_public(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Redirect a reference from the module that defines a name to the public one."""
    name = node.get("reftarget", "").rpartition(".")[2]
    for module in PUBLIC:
        if hasattr(importlib.import_module(module), name):
            return env.get_domain("py").resolve_xref(
                env, node["refdoc"], app.builder, "obj", f"{module}.{name}", node, content
            )
    return None


def _frame_pictures(_: Any, doctree: Any) -> None:
    """Put each picture into a frame that scrolls on a phone."""
    for image in list(doctree.findall(nodes.image)):
        frame = nodes.container(classes=["picture"])
        image.replace_self(frame)
        frame += image


def _check_links(app: Any, error: Exception | None) -> None:
    """Warn about each link within the pages to a missing file or anchor."""
    if error is not None or app.builder.format != "html":
        return
    pages = {page: page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html")}
    places = {page: {*re.findall(r'\bid="([^"]*)"', text)} for page, text in pages.items()}
    for page, text in pages.items():
        for link in map(unescape, re.findall(r'\b(?:href|src)="([^"]*)"', text)):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, place = link.partition("#")
            target = (page.parent / unquote(file.partition("?")[0])).resolve() if file else page
            if not target.is_file() or (place and unquote(place) not in places.get(target, ())):
                logging.getLogger(__name__).warning("%s: %s is a broken link", page.name, link)
