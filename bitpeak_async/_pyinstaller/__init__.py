"""Tells PyInstaller where its hooks for this package are; see the entry point."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """Return the folders of the hooks."""
    return [str(Path(__file__).parent)]
