"""Sphinx configuration."""

import importlib
import re
from typing import Any

import bitpeak_async

project = "bitpeak_async"
author = "the bitpeak_async authors"
release = version = bitpeak_async.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
exclude_patterns = ["_build", "examples"]

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
    """Write names of types as users import them."""
    app.connect("missing-reference", _resolve_public)
    app.connect("autodoc-process-signature", _name_aliases)


def _name_aliases(*event: Any) -> tuple[str | None, str | None]:
    """Mend what autodoc makes of an alias within another type."""
    wrong = r"TypeAliasForwardRef\('(.*?)'\)"
    signature, returned = event[-2:]
    return signature and re.sub(wrong, r"~\1", signature), returned


def _resolve_public(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Lead a reference to where a name is defined on to where it is public."""
    name = node.get("reftarget", "").rpartition(".")[2]
    for module in PUBLIC:
        if hasattr(importlib.import_module(module), name):
            return env.get_domain("py").resolve_xref(
                env, node["refdoc"], app.builder, "obj", f"{module}.{name}", node, content
            )
    return None
