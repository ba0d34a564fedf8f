"""Specs → existing handlers: a create, and the update that only it makes possible."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from bitpeak_async.errors import BitPeakError, InvalidRequestError
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import Settings

__all__ = ["CreateOutcome"]


class Handlers(Protocol):
    """What creating from a spec needs of the resource."""

    async def create(self, name: str, settings: Settings) -> int: ...

    async def update(
        self, handler_id: int, *, name: str, settings: Settings, is_enabled: bool
    ) -> None: ...


@frozen
class CreateOutcome:
    """What became of one spec of ``create_many``.

    Attributes:
        spec: as given.
        handler_id: the id of the handler, or None if it was not created.
        error: None where all went well. With a handler_id: it exists, but could not be disabled.
    """

    spec: HandlerSpec
    handler_id: int | None
    error: BitPeakError | None = None

    @property
    def ok(self) -> bool:
        """Whether the handler is as its spec says."""
        return self.error is None


async def create_one(handlers: Handlers, spec: HandlerSpec) -> CreateOutcome:
    """Create a handler as its spec says; an error becomes part of the outcome.

    A create has no ``is_enabled``, so one that is to be disabled is updated right after. The
    update sends everything: what the server makes of omitted fields is not documented.
    """
    handler_id = None
    try:
        if not isinstance(spec, HandlerSpec):
            raise InvalidRequestError(
                f"specs must hold HandlerSpec, not {type(spec).__name__}", argument="specs"
            )
        handler_id = await handlers.create(spec.name, spec.settings)
        if not spec.is_enabled:
            await handlers.update(
                handler_id, name=spec.name, settings=spec.settings, is_enabled=False
            )
    except BitPeakError as error:
        return CreateOutcome(spec, handler_id, error)
    return CreateOutcome(spec, handler_id)
