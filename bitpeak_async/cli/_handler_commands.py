"""The commands for single handlers."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator
from contextlib import aclosing
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import typer

from bitpeak_async import InvalidRequestError, NotificationHandler, ReplyError, settings_from_dict
from bitpeak_async._bulk.identity import not_taken
from bitpeak_async.cli import _output
from bitpeak_async.cli._app import Json, Yes, command
from bitpeak_async.cli._connection import Connection, confirmed, is_interactive
from bitpeak_async.cli._exit import Exit, UsageError
from bitpeak_async.cli._shared import Variables, pairs
from bitpeak_async.notification_handlers import NotificationHandlers
from bitpeak_async.provisioning.spec_files.environment import expand
from bitpeak_async.settings import CLASSES, FIELDS, WIRE_FIELDS

Id = Annotated[int, typer.Argument(help="The handler's id.", metavar="ID")]
_TYPE_OPTION: Final = typer.Option(
    "--type", help="A type such as email or slack.", autocompletion=lambda: [*CLASSES]
)
Type = Annotated[str | None, _TYPE_OPTION]
_DAYS: Final = {"h": 1 / 24, "d": 1, "w": 7}


def _complete_field(context: typer.Context) -> list[str]:
    """Return the fields of the given type; without a type, all fields."""
    cls = CLASSES.get(str(context.params.get("handler_type")))
    names = [wire.name for wire in FIELDS[cls].values()] if cls is not None else [*WIRE_FIELDS]
    return [f"{name}=" for name in names]


Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A settings field; for secrets, ${NAME} takes the value from the environment.",
        metavar="FIELD=VALUE",
        autocompletion=_complete_field,
    ),
]


@command("list", "list --type slack --stale 30d")
async def list_handlers(
    *,
    match: Annotated[
        str, typer.Option(help="Only handlers whose name matches.", metavar="GLOB")
    ] = "*",
    handler_type: Type = None,
    is_enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Only enabled or disabled handlers.")
    ] = None,
    stale: Annotated[
        str | None,
        typer.Option(
            help="Only handlers without a delivery in this time, such as 12h, 30d or 8w.",
            metavar="TIME",
        ),
    ] = None,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Show the handlers that match all options, with secrets masked."""
    since = _since(stale)

    def is_wanted(handler: NotificationHandler) -> bool:
        used = handler.last_datetime or handler.datetime
        return (
            fnmatchcase(handler.name, match)
            and handler_type in (None, handler.type)
            and is_enabled in (None, handler.is_enabled)
            and (since is None or used < since)
        )

    async def wanted(
        handlers: AsyncGenerator[NotificationHandler, None],
    ) -> AsyncGenerator[NotificationHandler, None]:
        async with aclosing(handlers):
            async for handler in handlers:
                if is_wanted(handler):
                    yield handler

    async with connection.open() as bitpeak:
        handlers = wanted(bitpeak.notification_handlers.iterate())
        await _output.show_handlers(handlers, as_json=as_json)
    return Exit.DONE


def _since(stale: str | None) -> dt.datetime | None:
    if stale is None:
        return None
    if not (stale[:-1].isdecimal() and stale[-1:] in _DAYS and len(stale) < 8):
        raise UsageError("--stale takes a time such as 12h, 30d or 8w")
    days = int(stale[:-1]) * _DAYS[stale[-1]]
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=days)


@command("get", "get 'Ops alerts'")
async def get(
    handler: Annotated[str, typer.Argument(help="Its id or name.", metavar="ID_OR_NAME")],
    *,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Show one handler, with secrets masked."""
    async with connection.open() as bitpeak:
        handlers = bitpeak.notification_handlers
        found = await (
            handlers.get(int(handler)) if handler.isdecimal() else _named(handlers, handler)
        )
        _output.show_handler(found, as_json=as_json)
    return Exit.DONE


async def _named(handlers: NotificationHandlers, name: str) -> NotificationHandler:
    """Return the handler with a name.

    Raises:
        InvalidRequestError: no handler or several have it.
    """
    async with aclosing(handlers.iterate()) as listed:
        found = [handler async for handler in listed if handler.name == name]
    if not found and (kept := await handlers.find(name)) is not None:
        found = [kept]
    if len(found) == 1:
        return found[0]
    problem = f"no handler has the name {name!r}"
    if found:
        ids = ", ".join(map(str, sorted(handler.id for handler in found)))
        problem = f"several handlers have the name {name!r}: give one of the ids {ids}"
    raise InvalidRequestError(problem, argument="name")


@command("create", "create Ops --type slack --set 'slack=${SLACK_HOOK}'")
async def create(
    name: Annotated[str, typer.Argument(help="The handler's name.", metavar="NAME")],
    *,
    handler_type: Annotated[str, _TYPE_OPTION],
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
    # Single fields stay a mapping; update() refuses unknown ones by name.
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
    handler_id: Annotated[
        int | None, typer.Argument(help="The handler's id.", metavar="ID")
    ] = None,
    *,
    name: Annotated[str | None, typer.Option(help="The handler's name, instead of ID.")] = None,
    yes: Yes = False,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Delete a handler; ask first on a terminal."""
    if (handler_id is None) == (name is None):
        raise UsageError("give an ID or --name")
    async with connection.open() as bitpeak:
        handlers = bitpeak.notification_handlers
        if name is not None:
            handler_id = (await _named(handlers, name)).id
        assert handler_id is not None  # noqa: S101 - for the type checker
        if not (yes or connection.sandbox):
            if is_interactive() and name is None:
                name = (await handlers.get(handler_id)).name
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
    """Return the fields of ``--set``, with variables expanded."""
    expanded = {}
    for name, text in pairs("--set", fields).items():
        try:
            expanded[name] = expand(text, variables.environ().reveal())
        except ValueError as error:
            raise InvalidRequestError(f"--set {name}: {error}", argument=name) from None
    return expanded
