"""The command line; needs the extra ``cli``."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

__all__ = ["main"]


def main() -> None:
    """Run the ``bitpeak`` command."""
    try:
        _main()
    except KeyboardInterrupt:  # while modules are still being imported
        sys.exit(130)


def _main() -> None:
    # A stream is None if the shell closed it.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - os.devnull stays open
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - the same
    try:
        from bitpeak_async.cli import _handler_commands, _provision_commands  # noqa: F401, PLC0415 - they register; typer may be missing
        from bitpeak_async.cli._app import app  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "yaml"):
            raise
        sys.exit("bitpeak needs the extra cli: install bitpeak_async[cli]")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # it may be unable to encode a handler's name
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="bitpeak")
