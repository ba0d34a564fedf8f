"""JSON values → records, or the place and the reason why not."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, TypeVar

from attrs import field, frozen
from attrs.validators import ge

from bitpeak_async.records import NotificationHandler

T = TypeVar("T")


class ShapeError(ValueError):
    """JSON that is not of the promised shape: where, and what stood there."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


@frozen
class HandlerReply:
    """The body of a retrieve."""

    data: NotificationHandler


@frozen
class HandlerId:
    """The id in the body of a create or update."""

    id: int = field(validator=ge(1))


@frozen
class IdReply:
    """The body of a create or update."""

    data: HandlerId


class Decoder:
    """JSON values → records, quickly; a failure is looked at again for its place and reason."""

    def __init__(self, timezone: dt.tzinfo) -> None:
        # Its library takes a tenth of the time of importing this package, and only clients need it.
        from bitpeak_async._http import converter  # noqa: PLC0415

        self._converter = converter
        self._timezone = timezone
        self._fast = converter.converter_of(timezone, detailed=False)
        self._structure_handler = self._fast.get_structure_hook(NotificationHandler)

    def decode(self, raw: object, shape: type[T]) -> T:
        """Return ``raw`` as ``shape``.

        Raises:
            ShapeError: it does not fit; the error names the path and the problem, no value.
        """
        try:
            return self._fast.structure(raw, shape)
        except Exception:  # noqa: BLE001 - whatever it is, _explain() says why
            problem = self._explain(raw, shape)
        raise problem

    def handler(self, raw: Any) -> NotificationHandler:
        """Return the handler in the body of a retrieve; raise ShapeError as ``decode()``."""
        try:
            handler: NotificationHandler = self._structure_handler(raw["data"], None)
        except Exception:  # noqa: BLE001 - decode() says what it is
            return self.decode(raw, HandlerReply).data
        return handler

    def handler_id(self, raw: Any) -> int:
        """Return the id in the body of a create or update; raise ShapeError as ``decode()``."""
        try:
            handler_id = raw["data"]["id"]
        except (LookupError, TypeError):
            handler_id = None
        if type(handler_id) is int and handler_id > 0:
            return handler_id
        return self.decode(raw, IdReply).data.id

    def _explain(self, raw: object, shape: type[T]) -> ShapeError:
        if type(raw) is not dict:
            return ShapeError("$", f"expected an object, got {self._converter.kind(raw)}")
        try:
            self._converter.converter_of(self._timezone, detailed=True).structure(raw, shape)
        except Exception as error:  # noqa: BLE001 - any failure of a hook is one of shape
            return ShapeError(*self._converter.first_problem(error, "$"))
        raise AssertionError("the detailed converter accepts what the fast one refused")


@lru_cache(maxsize=8)
def decoder(timezone: dt.tzinfo) -> Decoder:
    """Return the decoder for an assumed timezone; compiling one takes milliseconds."""
    return Decoder(timezone)
