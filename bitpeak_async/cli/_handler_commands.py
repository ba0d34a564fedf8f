"""The commands for single handlers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bitpeak_async import InvalidRequestError, ReplyError, settings_from_dict
from bitpeak_async._bulk.identity import not_taken
from bitpeak_async.cli import _output
from bitpeak_async.cli._app import Json, Yes, command
from bitpeak_async.cli._connection import Connection, confirmed, is_interactive
from bitpeak_async.cli._exit import Exit
from bitpeak_async.cli._shared import Variables, pairs
from bitpeak_async.provisioning.spec_files.environment import expand

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
    variables: Variables,
    connection: Connection,
) -> Exit:
    """Create a handler and show its id. Pass secrets in the environment, not in arguments."""
    settings = settings_from_dict(handler_type, _expanded(fields, variables))
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
    variables: Variables,
    connection: Connection,
) -> Exit:
    """Update the given fields of a handler. --type requires all settings of that type."""
    given = _expanded(fields, variables)
    # Single fields are a mapping: what is no field of a type, update() refuses by name.
    settings: Any = settings_from_dict(handler_type, given) if handler_type else given or None
    async with connection.open() as bitpeak:
        handlers = bitpeak.notification_handlers
        await handlers.update(handler_id, name=name, settings=settings, is_enabled=is_enabled)
        if given and not handler_type:
            handler = await handlers.get(handler_id)
            if ignored := not_taken(given, handler.settings):
                raise ReplyError(
                    f"the server did not take {', '.join(ignored)}: handler {handler_id} is of "
                    f"type {handler.type}; --type changes it"
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
        if not (yes or connection.sandbox):
            name = (await handlers.get(handler_id)).name if is_interactive() else ""
            question = f"Delete {name!r} from {connection.place}?"
            if not confirmed(question, is_required=True, as_json=as_json):
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


def _expanded(fields: list[str] | None, variables: Variables) -> dict[str, str]:
    """Return what ``--set`` gives, with the values of variables."""
    expanded = {}
    for name, text in pairs("--set", fields).items():
        try:
            expanded[name] = expand(text, variables.environ().value)
        except ValueError as error:
            raise InvalidRequestError(f"--set {name}: {error}", argument=name) from None
    return expanded
