"""Keyword arguments that several callables share, each defined once.

Callers pass the ``…Options``, as ``**options: Unpack[…]`` (PEP 692). The ``…Config`` add defaults
and check the values.
"""

from __future__ import annotations

import datetime as dt
import inspect
import re
import ssl as tls
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypedDict, TypeVar, cast, get_type_hints

from attrs import Attribute, field, fields_dict, frozen, validators

from bitpeak_async._checks import check_app_info, check_flag, check_number, check_type
from bitpeak_async._rate.store import RateStore, check_store
from bitpeak_async._secret import Secret
from bitpeak_async.events import Hook, checked_hooks
from bitpeak_async.options import Pace, Retry, Timeout, as_timeout

__all__ = [
    "ApplyOptions",
    "ClientOptions",
    "ListFilters",
    "PlanOptions",
    "PortableOptions",
    "ProvisionOptions",
]

F = TypeVar("F", bound=Callable[..., Any])


class PortableOptions(TypedDict, total=False):
    """Keyword arguments of a client that can be sent to another process.

    Attributes:
        base_url: the URL of the API; by default ``BITPEAK_BASE_URL``, else
            ``https://bitpeak.ru/api``.
        timeout: the timeout of one attempt; a number is the total in seconds.
        retry: the retry policy.
        pace: the most requests in flight, and per minute.
        proxy: the URL of an HTTP proxy. By default ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``
            decide when the client is created; they never apply to loopback addresses.
        max_reply_bytes: refuse larger replies, measured after decompression.
        allow_insecure: allow plain http to hosts other than loopback.
        pace_store: coordinates one pace for all processes that use the key, for example a
            ``bitpeak_async.redis.RedisPaceStore``. By default each process has its own.
        timezone: the timezone of the API's datetimes, which have no offset. The SDK assumes UTC by
            default.
        app_info: your application, such as ``"acme-bot/2.1"``; the user agent begins with it.
    """

    base_url: str | None
    timeout: Timeout | float
    retry: Retry
    pace: Pace
    proxy: str | None
    max_reply_bytes: int
    allow_insecure: bool
    pace_store: RateStore | None
    timezone: dt.tzinfo
    app_info: str | None


class ClientOptions(PortableOptions, total=False):
    """Keyword arguments of every client: these and ``PortableOptions``.

    Attributes:
        ssl: a TLS context, for example with your own certificates.
        hooks: called with each event; see ``bitpeak_async.events``.
        headers: sent with each request. Those that the SDK sets itself are refused: for the key,
            the connection, the body and the user agent.
    """

    ssl: tls.SSLContext | None
    hooks: Iterable[Hook]
    headers: Mapping[str, str] | None


class ListFilters(TypedDict, total=False):
    """Filters of a list. The API does not document them, and a server may ignore them.

    They are sent unchanged, booleans as 1 and 0; None is not sent.

    Attributes:
        search: a part of the name, or of the field in ``search_by``.
        search_by: a field such as ``"name"``.
        type: a handler type.
        is_enabled: whether alerts are delivered.
        order_by: a field such as ``"name"``, ``"datetime"`` or ``"last_datetime"``.
        order_type: ``"ASC"`` or ``"DESC"``.
        datetime_field: the field that ``datetime_start`` and ``datetime_end`` limit, such as
            ``"last_datetime"``.
        datetime_start: a date such as ``"2025-12-01"``.
        datetime_end: a date such as ``"2025-12-31"``.
    """

    search: str | None
    search_by: str | None
    type: str | None
    is_enabled: bool | None
    order_by: str | None
    order_type: str | None
    datetime_field: str | None
    datetime_start: str | None
    datetime_end: str | None


class PlanOptions(TypedDict, total=False):
    """Keyword arguments of all methods that plan.

    Attributes:
        prune: a shell-style name pattern, such as ``"team-a *"`` or ``"*"``: delete the handlers
            that match it and are not desired. By default nothing is deleted.
        resend_secrets: a name pattern: update handlers that match it and have secrets that the
            server hides, because those cannot be compared.
    """

    prune: str | None
    resend_secrets: str | None


class ApplyOptions(TypedDict, total=False):
    """Keyword arguments of all methods that apply a plan.

    Attributes:
        verify: check every outcome against a listing after the last write. Without it, outcomes
            rely on the replies alone.
        max_deletes: refuse a plan that deletes more handlers.
        force: apply even a plan that deletes more than 30 % of ten or more handlers that
            match its ``prune``.
        grace: seconds that requests in flight have to finish when the task is cancelled.
    """

    verify: bool
    max_deletes: int | None
    force: bool
    grace: float


class ProvisionOptions(PlanOptions, ApplyOptions, total=False):
    """Keyword arguments of all methods that plan and apply in one step."""


def _hidden(value: Any) -> Secret[Any]:
    return Secret.of(value)


def _instance_of(cls: type[Any]) -> Callable[..., None]:
    def validate(_: object, attribute: Attribute[Any], value: object) -> None:
        check_type(attribute.name, value, cls)

    return validate


@frozen(kw_only=True, repr=False)  # tracebacks show it half built after a refused option
class ClientConfig:
    """The options of a client: complete and checked.

    Raises:
        ConfigurationError: an option is invalid; the message names it and a valid value.
    """

    base_url: str | None = None
    timeout: Timeout = field(default=Timeout(), converter=as_timeout)
    retry: Retry = field(default=Retry(), validator=_instance_of(Retry))
    pace: Pace = field(default=Pace(), validator=_instance_of(Pace))
    proxy: Secret[str | None] = field(default=None, converter=_hidden)
    ssl: tls.SSLContext | None = field(
        default=None, validator=validators.optional(_instance_of(tls.SSLContext))
    )
    max_reply_bytes: int = 32 * 1024 * 1024
    allow_insecure: bool = False
    hooks: tuple[Hook, ...] = field(default=(), converter=checked_hooks)
    pace_store: RateStore | None = None
    timezone: dt.tzinfo = field(default=dt.UTC, validator=_instance_of(dt.tzinfo))
    app_info: str | None = None
    headers: Secret[Mapping[str, str] | None] = field(default=None, converter=_hidden)

    def __attrs_post_init__(self) -> None:
        check_number("BitPeak(max_reply_bytes=)", self.max_reply_bytes, 1, integer=True)
        check_flag("BitPeak(allow_insecure=)", self.allow_insecure)
        check_store(self.pace_store)
        check_app_info(self.app_info)


@frozen(kw_only=True)
class ProvisionConfig:
    """The options of ``provision``, and so of ``plan`` and ``apply``: complete and checked.

    Raises:
        ConfigurationError: an option is invalid; the message names it and a valid value.
    """

    prune: str | None = None
    resend_secrets: str | None = None
    verify: bool = True
    max_deletes: int | None = None
    force: bool = False
    grace: float = 5.0

    def __attrs_post_init__(self) -> None:
        if self.max_deletes is not None:
            check_number("max_deletes", self.max_deletes, 0, integer=True)
        check_number("grace", self.grace, 0)
        check_flag("force", self.force)


def refuse_unknown(function: str, options: Mapping[str, object], group: type[Any]) -> None:
    """Raise TypeError if ``options`` has a name that the group does not have."""
    unknown = next((name for name in options if name not in group.__annotations__), None)
    if unknown is not None:
        # A secret passed under a wrong name must not show in tracebacks with locals.
        cast(dict[str, object], options).clear()
        raise TypeError(f"{function}() got an unexpected keyword argument {unknown!r}")


def takes(group: type[Any], config: type[Any] | None = None) -> Callable[[F], F]:
    """Add a group's keywords to the docstring and signature of a callable with ``**options``.

    ``help()``, notebooks and Sphinx show these; type checkers and editors expand the group
    themselves.

    Args:
        group: the type of ``options``.
        config: the class with the defaults; without it, every default is None.
    """

    def spell_out(target: F) -> F:
        taker: Any = target
        function: Any = taker.__init__ if inspect.isclass(taker) else taker
        signature = inspect.signature(function)
        types, defaults = get_type_hints(group), fields_dict(config) if config else None
        *explicit, _ = signature.parameters.values()
        keywords = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults[name].default if defaults else None,
                annotation=types[name],
            )
            for name in group.__annotations__
        ]
        cast(Any, function).__signature__ = signature.replace(parameters=[*explicit, *keywords])
        if target.__doc__:  # python -OO has none
            target.__doc__ = _OPTIONS.sub(lambda found: _described(group, found[1]), target.__doc__)
        return target

    return spell_out


_OPTIONS: Final = re.compile(r"^( *)\*\*\w+: .+$", re.MULTILINE)
_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def _described(group: type[Any], indent: str) -> str:
    """Return the descriptions of a group's keywords, as lines of an ``Args:`` section."""
    texts: dict[str, str] = {}
    for each in (PortableOptions, ClientOptions, PlanOptions, ApplyOptions, ListFilters):
        texts |= _ATTRIBUTE.findall(inspect.cleandoc(each.__doc__ or ""))
    return "\n".join(
        f"{indent}{name}: {texts[name]}".replace("\n        ", f"\n{indent}    ")
        for name in group.__annotations__
    )
