"""What ``bitpeak export`` writes, and where."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

from bitpeak_async import HandlerSpec, NotificationHandler, PlanError
from bitpeak_async.provisioning.files import Format, dump_specs

_SUFFIXES: Final[dict[str, Format]] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".json": "json",
    ".csv": "csv",
}


def specs_of(
    handlers: list[NotificationHandler], chosen: Format
) -> tuple[list[HandlerSpec], list[str]]:
    """Return specs for handlers, and for each that no spec file can hold the reason."""
    ids = defaultdict[str, list[int]](list)
    for handler in handlers:
        ids[handler.name].append(handler.id)
    skipped = [
        f"{name!r}: several handlers have this name (ids {', '.join(map(str, numbers))})"
        for name, numbers in ids.items()
        if len(numbers) > 1
    ]
    specs = []
    for handler in handlers:
        if len(ids[handler.name]) > 1:
            continue
        # Confirming a handler switches it on: a file is not to switch it off again.
        is_enabled = handler.is_enabled or handler.is_pending
        spec = HandlerSpec(handler.name, handler.settings, is_enabled)
        try:
            dump_specs([spec], chosen, environ={})
        except PlanError as error:
            reasons = "; ".join(problem.removeprefix("[0].") for problem in error.problems)
            skipped.append(f"{handler.name!r} (id {handler.id}): {reasons}")
        else:
            specs.append(spec)
    return specs, skipped


def format_of(output: Path | None, wanted: Format | None, *, as_json: bool) -> Format:
    """Return the format to write, by the options or else by the suffix of the output file."""
    suffix = _SUFFIXES.get(output.suffix.lower()) if output is not None else None
    if output is not None and suffix is None:
        known = ", ".join(_SUFFIXES)
        raise PlanError(f"{output}: has no known suffix; use one of {known}")
    if suffix is not None and wanted not in (None, suffix):
        raise PlanError(f"{output} has the suffix of {suffix}, but --format is {wanted}")
    return suffix or wanted or ("json" if as_json else "yaml")


def refuse_paths(output: Path | None, env_file: Path | None, *, yes: bool) -> None:
    """Raise PlanError for files that are the same or, without ``yes``, exist already."""
    paths = [path for path in (output, env_file) if path is not None]
    if len({path.resolve() for path in paths}) < len(paths):
        raise PlanError(f"--output and --env-file are the same file, {output}")
    if taken := [str(path) for path in paths if path.exists() and not yes]:
        raise PlanError(f"{' and '.join(taken)} would be overwritten; add --yes to allow it")


def replace(path: Path, text: str, *, is_private: bool = False) -> None:
    """Write a file atomically; only its owner can ever read a private one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        if not is_private:
            temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
