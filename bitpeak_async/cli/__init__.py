"""The command line. Its dependencies come with the extra ``cli``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the ``bitpeak`` command."""
    try:
        from bitpeak_async.cli._app import app  # noqa: PLC0415 - it may be missing an extra
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "yaml"):
            raise
        sys.exit("bitpeak needs more to run: pip install 'bitpeak_async[cli]'")
    app(prog_name="bitpeak")
