"""Sphinx configuration."""

project = "bitpeak_async"
author = "the bitpeak_async authors"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build", "examples"]
