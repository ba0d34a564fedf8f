"""The commands for single handlers."""

from __future__ import annotations

from typing import Annotated

import typer

from bitpeak_async import ConfigurationError, InvalidRequestError
from bitpeak_async.cli import _output
from bitpeak_async.cli._app import Json, Yes, command
from bitpeak_async.cli._connection import Connection, ask, is_interactive
from bitpeak_async.cli._exit import Exit
from bitpeak_async.provisioning.files import read_settings

Id = Annotated[int, typer.Argument(help="The handler's id.", metavar="ID")]
Type = Annotated[str | None, typer.Option("--type", help="A type such as email or slack.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A settings field; for secrets, ${NAME} takes the value from the environment.",
        metavar="FIELD=VALUE",
    ),
]


@command("list", "list --json")
async def list_handlers(*, as_json: Json = False, connection: Connection) -> Exit:
    """Show all handlers, secrets masked."""
    async with connection.open() as bitpeak:
        handlers = bitpeak.notification_handlers.iterate()
        await _output.show_handlers(handlers, as_json=as_json)
    return Exit.DONE


@command("get", "get 7")
async def get(handler_id: Id, *, as_json: Json = False, connection: Connection) -> Exit:
    """Show one handler, secrets masked."""
    async with connection.open() as bitpeak:
        handler = await bitpeak.notification_handlers.get(handler_id)
        _output.show_handler(handler, as_json=as_json)
    return Exit.DONE


@command("create", "create Ops --type slack --set 'slack=${SLACK_HOOK}'")
async def create(
    name: Annotated[str, typer.Argument(help="The handler's name.", metavar="NAME")],
    *,
    handler_type: Annotated[str, typer.Option("--type", help="A type such as email or slack.")],
    fields: Set = None,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Create a handler and show its id. Pass secrets in the environment, not in arguments."""
    settings = read_settings(handler_type, _pairs(fields))
    async with connection.open() as bitpeak:
        handler_id = await bitpeak.notification_handlers.create(name, settings)
        _show_id("created", handler_id, as_json=as_json)
    return Exit.DONE


@command("update", "update 7 --name 'Ops (old)' --disable")
async def update(
    handler_id: Id,
    *,
    name: Annotated[str | None, typer.Option(help="The new name.")] = None,
    handler_type: Type = None,
    fields: Set = None,
    is_enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether alerts are delivered.")
    ] = None,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Update the given fields of a handler. --type requires all settings of that type."""
    pairs = _pairs(fields)
    settings = read_settings(handler_type, pairs) if handler_type or pairs else None
    async with connection.open() as bitpeak:
        await bitpeak.notification_handlers.update(
            handler_id, name=name, settings=settings, is_enabled=is_enabled
        )
        _show_id("updated", handler_id, as_json=as_json)
    return Exit.DONE


@command("delete", "delete 7 --yes")
async def delete(
    handler_id: Id, *, yes: Yes = False, as_json: Json = False, connection: Connection
) -> Exit:
    """Delete a handler; ask first on a terminal."""
    async with connection.open() as bitpeak:
        handlers = bitpeak.notification_handlers
        if is_interactive() and not yes:
            handler = await handlers.get(handler_id)
            question = _output.printable(f"Delete {handler.name!r}?")
            if not ask(lambda: typer.confirm(question, err=True)):
                _output.print_error("nothing was deleted")
                return Exit.ERROR
        await handlers.delete(handler_id)
        _show_id("deleted", handler_id, as_json=as_json)
    return Exit.DONE


def _show_id(what: str, handler_id: int, *, as_json: bool) -> None:
    if as_json:
        _output.show_json({"id": handler_id})
    else:
        _output.show(f"{what} {handler_id}")


def _pairs(fields: list[str] | None) -> dict[str, str]:
    pairs = {}
    for field in fields or []:
        name, equals, value = field.partition("=")
        if not (equals and name.isidentifier()):
            raise ConfigurationError("--set takes FIELD=VALUE, such as --set email=a@example.com")
        if name in pairs:
            raise InvalidRequestError(f"--set {name} is given twice", argument=name)
        pairs[name] = value
    return pairs
