"""The settings of each handler type: one class per type, and a table of all classes.

To add a type, add a member of ``HandlerType``, a class whose fields carry their wire names, the
class to the ``KnownSettings`` union, and a sample to ``tests/samples/handlers/``. Everything else,
from decoding to spec files, reads the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeAlias, TypedDict, get_args
from urllib.parse import urlsplit

from attrs import Attribute, field, fields, frozen

from bitpeak_async.errors import InvalidRequestError

__all__ = [
    "DiscordSettings",
    "EmailSettings",
    "GoogleChatSettings",
    "HandlerType",
    "InternalNotificationSettings",
    "KnownSettings",
    "MicrosoftTeamsSettings",
    "Settings",
    "SettingsFields",
    "SlackSettings",
    "TelegramSettings",
    "UnknownSettings",
    "WebhookSettings",
    "XSettings",
]


class HandlerType(StrEnum):
    """The documented handler types."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    SLACK = "slack"
    DISCORD = "discord"
    TELEGRAM = "telegram"
    MICROSOFT_TEAMS = "microsoft_teams"
    X = "x"
    GOOGLE_CHAT = "google_chat"
    INTERNAL_NOTIFICATION = "internal_notification"


class Format(StrEnum):
    """The format that a settings field must have."""

    TEXT = "a non-empty string"
    EMAIL = "an email address such as 'hey@example.com'"
    URL = "an absolute http(s) URL such as 'https://example.com/hook'"


@frozen
class WireField:
    """The API's representation of a settings field.

    Attributes:
        name: the form parameter, and the key in the reply's ``settings``.
        format: the format, checked before sending.
        secret: whether the value lets its owner act in the user's name.
    """

    name: str
    format: Format = Format.TEXT
    secret: bool = True


def mask(value: object) -> str:
    """Mask a secret for display: show only the scheme and host of a URL, and nothing otherwise."""
    try:
        url = urlsplit(str(value))
        if url.scheme in ("http", "https") and url.hostname:
            return f"{url.scheme}://{url.hostname}/***"
    except ValueError:
        pass
    return "***" if value else "''"


def _wire(name: str, text: Format = Format.TEXT, *, secret: bool = True) -> dict[str, WireField]:
    return {"wire": WireField(name, text, secret=secret)}


@frozen
class EmailSettings:
    """An email address."""

    email: str = field(metadata=_wire("email", Format.EMAIL, secret=False))
    type: ClassVar[HandlerType] = HandlerType.EMAIL


@frozen
class WebhookSettings:
    """A URL of yours that receives the alerts."""

    url: str = field(repr=mask, metadata=_wire("webhook", Format.URL))
    type: ClassVar[HandlerType] = HandlerType.WEBHOOK


@frozen
class SlackSettings:
    """A Slack incoming webhook."""

    webhook_url: str = field(repr=mask, metadata=_wire("slack", Format.URL))
    type: ClassVar[HandlerType] = HandlerType.SLACK


@frozen
class DiscordSettings:
    """A Discord webhook."""

    webhook_url: str = field(repr=mask, metadata=_wire("discord", Format.URL))
    type: ClassVar[HandlerType] = HandlerType.DISCORD


@frozen
class TelegramSettings:
    """A Telegram bot and the chat it posts to."""

    api_token: str = field(repr=mask, metadata=_wire("telegram"))
    chat_id: str = field(metadata=_wire("telegram_chat_id", secret=False))
    type: ClassVar[HandlerType] = HandlerType.TELEGRAM


@frozen
class MicrosoftTeamsSettings:
    """A Microsoft Teams incoming webhook."""

    webhook_url: str = field(repr=mask, metadata=_wire("microsoft_teams", Format.URL))
    type: ClassVar[HandlerType] = HandlerType.MICROSOFT_TEAMS


@frozen
class XSettings:
    """The four credentials of an X account."""

    consumer_key: str = field(repr=mask, metadata=_wire("x_consumer_key"))
    consumer_secret: str = field(repr=mask, metadata=_wire("x_consumer_secret"))
    access_token: str = field(repr=mask, metadata=_wire("x_access_token"))
    access_token_secret: str = field(repr=mask, metadata=_wire("x_access_token_secret"))
    type: ClassVar[HandlerType] = HandlerType.X


@frozen
class GoogleChatSettings:
    """A Google Chat webhook."""

    webhook_url: str = field(repr=mask, metadata=_wire("google_chat", Format.URL))
    type: ClassVar[HandlerType] = HandlerType.GOOGLE_CHAT


@frozen
class InternalNotificationSettings:
    """A notification inside BitPeak; it has no settings."""

    type: ClassVar[HandlerType] = HandlerType.INTERNAL_NOTIFICATION


def _mask_values(values: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{name!r}: {mask(value)}" for name, value in values.items()) + "}"


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        kind = type(values).__name__
        problem = f"fields must be a mapping of API fields to values, not {kind}"
        raise InvalidRequestError(problem, argument="settings.fields")
    return dict(values)


@frozen
class UnknownSettings:
    """Settings of a type that this release does not know. They can be read, compared and sent.

    Attributes:
        type: the handler type, as the API writes it; ``""`` if there is none, which can be read and
            compared but not sent.
        fields: API field → value, as received. Only strings can be sent.

    Raises:
        InvalidRequestError: ``fields`` is not a mapping.
    """

    type: str
    fields: Mapping[str, Any] = field(factory=dict, converter=_copy, repr=_mask_values, hash=False)


KnownSettings: TypeAlias = (
    EmailSettings
    | WebhookSettings
    | SlackSettings
    | DiscordSettings
    | TelegramSettings
    | MicrosoftTeamsSettings
    | XSettings
    | GoogleChatSettings
    | InternalNotificationSettings
)
Settings: TypeAlias = KnownSettings | UnknownSettings


class SettingsFields(TypedDict, total=False):
    """The API's names of all documented settings fields, to update single fields of one type.

    ``type`` is not needed; with it, fields of another type are refused.
    """

    type: str
    email: str
    webhook: str
    slack: str
    discord: str
    telegram: str
    telegram_chat_id: str
    microsoft_teams: str
    x_consumer_key: str
    x_consumer_secret: str
    x_access_token: str
    x_access_token_secret: str
    google_chat: str


def wire_fields(cls: type[KnownSettings]) -> dict[str, WireField]:
    """Return Python name → wire field of a settings class, in the order of its fields."""
    attributes: tuple[Attribute[Any], ...] = fields(cls)
    return {attribute.name: attribute.metadata["wire"] for attribute in attributes}


# The table: type → class, class → its fields, wire name → field.
CLASSES: Final[Mapping[str, type[KnownSettings]]] = MappingProxyType(
    {str(cls.type): cls for cls in get_args(KnownSettings)}
)
FIELDS: Final[Mapping[type[KnownSettings], Mapping[str, WireField]]] = MappingProxyType(
    {cls: MappingProxyType(wire_fields(cls)) for cls in CLASSES.values()}
)
WIRE_FIELDS: Final[Mapping[str, WireField]] = MappingProxyType(
    {wire.name: wire for wires in FIELDS.values() for wire in wires.values()}
)
TYPE_OF_FIELD: Final[Mapping[str, str]] = MappingProxyType(
    {wire.name: str(cls.type) for cls, wires in FIELDS.items() for wire in wires.values()}
)


def settings_fields(settings: Settings) -> dict[str, Any]:
    """Return wire name → value of a settings object, as in a reply."""
    if isinstance(settings, UnknownSettings):
        return dict(settings.fields)
    wires = FIELDS[type(settings)]
    return {wire.name: getattr(settings, python) for python, wire in wires.items()}


def shown_fields(settings: Settings) -> dict[str, str]:
    """Return wire name → value for display: public values in quotes, secrets masked."""
    return {
        name: repr(value) if _is_open(name) else mask(value)
        for name, value in settings_fields(settings).items()
    }


def masked_fields(settings: Settings) -> dict[str, str]:
    """Return wire name → value, with secrets masked."""
    return {
        name: value if _is_open(name) else mask(value)
        for name, value in settings_fields(settings).items()
    }


def _is_open(name: str) -> bool:
    return name in WIRE_FIELDS and not WIRE_FIELDS[name].secret
