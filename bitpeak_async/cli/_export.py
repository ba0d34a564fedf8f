"""``bitpeak export``: write the server's handlers to a spec file."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from contextlib import aclosing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final

import typer

from bitpeak_async import HandlerSpec, NotificationHandler, PlanError
from bitpeak_async._bulk.identity import is_masked
from bitpeak_async.cli import _output
from bitpeak_async.cli._app import Json, command
from bitpeak_async.cli._connection import Connection
from bitpeak_async.cli._exit import Exit, UsageError
from bitpeak_async.provisioning.files import Format, dump_environ, dump_specs

_SUFFIXES: Final[dict[str, Format]] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".json": "json",
    ".csv": "csv",
}


@command("export", "export --output handlers.yaml --env-file handlers.env")
async def export(
    *,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; by default stdout.")
    ] = None,
    file_format: Annotated[
        Format | None,
        typer.Option(
            "--format", help="The format; by default from the suffix of --output, else yaml."
        ),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(help="Write the secrets to this file, which only you can read."),
    ] = None,
    match: Annotated[
        str, typer.Option(help="Only handlers whose name matches.", metavar="GLOB")
    ] = "*",
    schema: Annotated[
        str | None,
        typer.Option(
            help="A JSON Schema to name in the first line, for editors; YAML only.", metavar="URL"
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Overwrite files.")] = False,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Write the server's handlers as a spec file, with ${NAME} for each secret."""
    chosen = _format_of(output, file_format, as_json=as_json)
    _refuse_paths(output, env_file, yes=yes)
    if schema is not None and (chosen != "yaml" or not schema.isprintable()):
        raise UsageError("--schema takes a URL or path, and needs YAML")
    async with (
        connection.open() as bitpeak,
        aclosing(bitpeak.notification_handlers.iterate()) as handlers,
    ):
        found = [handler async for handler in handlers if fnmatchcase(handler.name, match)]
    specs, skipped = _specs_of(found, chosen)
    for problem in skipped:
        _output.print_error(f"skipped: {problem}")
    seen: dict[str, str] = {}
    ids = {handler.name: handler.id for handler in found}
    text = dump_specs(specs, chosen, environ=seen, ids=ids)
    if schema is not None:
        text = f"# yaml-language-server: $schema={schema}\n{text}"
    environ = {name: "" if is_masked(value) else value for name, value in seen.items()}
    hidden = sum(not value for value in environ.values())
    if output is None:
        _output.write_document(text)
    else:
        _replace(output, text)
    if env_file is not None:
        _replace(env_file, dump_environ(environ), is_private=True)
    if output is not None and as_json:
        _output.show_json(
            {"handlers": len(specs), "secrets": len(environ), "secrets_not_returned": hidden}
        )
    counts = [(len(specs), "handler"), (len(environ), "secret")]
    listed = ", ".join(_output.counted(*each) for each in counts)
    _output.note(f"{listed}, {_output.counted(hidden, 'secret')} not returned")
    return Exit.CHANGES_FAILED if skipped else Exit.DONE


def _specs_of(
    handlers: list[NotificationHandler], chosen: Format
) -> tuple[list[HandlerSpec], list[str]]:
    """Return a spec for each handler, or the reason why a spec file cannot hold it."""
    ids = defaultdict[str, list[int]](list)
    for handler in handlers:
        ids[handler.name].append(handler.id)
    skipped = [
        f"{name!r}: several handlers have this name (ids {', '.join(map(str, sorted(numbers)))})"
        for name, numbers in ids.items()
        if len(numbers) > 1
    ]
    specs = []
    for handler in handlers:
        if len(ids[handler.name]) > 1:
            continue
        # Confirming a pending handler enables it; applying the file must not disable it again.
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


def _format_of(output: Path | None, wanted: Format | None, *, as_json: bool) -> Format:
    """Return the format that the suffix of the output file or ``--format`` selects."""
    suffix = _SUFFIXES.get(output.suffix.lower()) if output is not None else None
    if output is not None and suffix is None:
        known = ", ".join(_SUFFIXES)
        raise PlanError(f"{output}: has no known suffix; use one of {known}")
    if suffix is not None and wanted not in (None, suffix):
        raise PlanError(f"{output} has the suffix of {suffix}, but --format is {wanted}")
    return suffix or wanted or ("json" if as_json else "yaml")


def _refuse_paths(output: Path | None, env_file: Path | None, *, yes: bool) -> None:
    """Raise PlanError if both files are the same, or one exists and ``yes`` is not given."""
    paths = [path for path in (output, env_file) if path is not None]
    if len({path.resolve() for path in paths}) < len(paths):
        raise PlanError(f"--output and --env-file are the same file, {output}")
    if taken := [str(path) for path in paths if path.exists() and not yes]:
        raise PlanError(f"{' and '.join(taken)} would be overwritten; add --yes to allow it")


def _replace(path: Path, text: str, *, is_private: bool = False) -> None:
    """Write a file atomically. Only its owner can read a private one, even during the write."""
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
