"""bitpeak_async: an asynchronous client of the BitPeak notification-handlers API."""

from importlib import import_module
from typing import TYPE_CHECKING

from bitpeak_async._version import __version__

if TYPE_CHECKING:
    from bitpeak_async._bulk.driver import CreateOutcome
    from bitpeak_async._rate.store import RateStore
    from bitpeak_async.client import BitPeak
    from bitpeak_async.errors import (
        APIError,
        AuthenticationError,
        BitPeakError,
        ClosedError,
        ConfigurationError,
        DuplicateError,
        InvalidRequestError,
        NotFoundError,
        NotSentError,
        OutcomeUnknownError,
        PermissionDeniedError,
        PlanError,
        ProvisionError,
        RateLimitError,
        RedirectError,
        ReplyError,
        RequestTimeoutError,
        ServerError,
        TransportError,
        ValidationError,
    )
    from bitpeak_async.events import (
        Event,
        Hook,
        OutcomeKnown,
        PaceStoreLost,
        PaceStoreRestored,
        Paused,
        RateChanged,
        RateSnapshot,
        ReplyReceived,
        RequestAbandoned,
        RequestFailed,
        RequestSent,
        Retrying,
    )
    from bitpeak_async.keywords import (
        ApplyOptions,
        ClientOptions,
        ListFilters,
        PlanOptions,
        PortableOptions,
        ProvisionOptions,
    )
    from bitpeak_async.mappings import (
        settings_from_dict,
        spec_from_dict,
        specs_from_rows,
        to_dict,
    )
    from bitpeak_async.notification_handlers import NotificationHandlers
    from bitpeak_async.options import Pace, Retry, Timeout
    from bitpeak_async.provisioning import (
        Change,
        Conflict,
        Create,
        Delete,
        Difference,
        Outcome,
        Plan,
        Report,
        Result,
        Unchanged,
        Update,
        partial_report,
    )
    from bitpeak_async.records import (
        HandlerSpec,
        NotificationHandler,
        Page,
        PageLinks,
        PageMeta,
        UnreadableHandler,
    )
    from bitpeak_async.settings import (
        DiscordSettings,
        EmailSettings,
        GoogleChatSettings,
        HandlerType,
        InternalNotificationSettings,
        KnownSettings,
        MicrosoftTeamsSettings,
        Settings,
        SettingsFields,
        SlackSettings,
        TelegramSettings,
        UnknownSettings,
        WebhookSettings,
        XSettings,
    )
    from bitpeak_async.sync import Stream, SyncBitPeak, SyncNotificationHandlers
    from bitpeak_async.sync.with_replies import SyncHandlersWithReplies
    from bitpeak_async.with_replies import HandlersWithReplies, Reply, WithReplies

__all__ = [
    "APIError",
    "ApplyOptions",
    "AuthenticationError",
    "BitPeak",
    "BitPeakError",
    "Change",
    "ClientOptions",
    "ClosedError",
    "ConfigurationError",
    "Conflict",
    "Create",
    "CreateOutcome",
    "Delete",
    "Difference",
    "DiscordSettings",
    "DuplicateError",
    "EmailSettings",
    "Event",
    "GoogleChatSettings",
    "HandlerSpec",
    "HandlerType",
    "HandlersWithReplies",
    "Hook",
    "InternalNotificationSettings",
    "InvalidRequestError",
    "KnownSettings",
    "ListFilters",
    "MicrosoftTeamsSettings",
    "NotFoundError",
    "NotSentError",
    "NotificationHandler",
    "NotificationHandlers",
    "Outcome",
    "OutcomeKnown",
    "OutcomeUnknownError",
    "Pace",
    "PaceStoreLost",
    "PaceStoreRestored",
    "Page",
    "PageLinks",
    "PageMeta",
    "Paused",
    "PermissionDeniedError",
    "Plan",
    "PlanError",
    "PlanOptions",
    "PortableOptions",
    "ProvisionError",
    "ProvisionOptions",
    "RateChanged",
    "RateLimitError",
    "RateSnapshot",
    "RateStore",
    "RedirectError",
    "Reply",
    "ReplyError",
    "ReplyReceived",
    "Report",
    "RequestAbandoned",
    "RequestFailed",
    "RequestSent",
    "RequestTimeoutError",
    "Result",
    "Retry",
    "Retrying",
    "ServerError",
    "Settings",
    "SettingsFields",
    "SlackSettings",
    "Stream",
    "SyncBitPeak",
    "SyncHandlersWithReplies",
    "SyncNotificationHandlers",
    "TelegramSettings",
    "Timeout",
    "TransportError",
    "Unchanged",
    "UnknownSettings",
    "UnreadableHandler",
    "Update",
    "ValidationError",
    "WebhookSettings",
    "WithReplies",
    "XSettings",
    "__version__",
    "partial_report",
    "settings_from_dict",
    "spec_from_dict",
    "specs_from_rows",
    "to_dict",
]

# Public name → the module that defines it, imported on first use.
_HOMES = {
    name: module
    for module, names in {
        "_bulk.driver": "CreateOutcome",
        "_rate.store": "RateStore",
        "client": "BitPeak",
        "errors": (
            "APIError AuthenticationError BitPeakError ClosedError ConfigurationError "
            "DuplicateError InvalidRequestError NotFoundError NotSentError "
            "OutcomeUnknownError PermissionDeniedError PlanError ProvisionError "
            "RateLimitError RedirectError ReplyError RequestTimeoutError ServerError "
            "TransportError ValidationError"
        ),
        "events": (
            "Event Hook OutcomeKnown PaceStoreLost PaceStoreRestored Paused RateChanged "
            "RateSnapshot ReplyReceived RequestAbandoned RequestFailed RequestSent Retrying"
        ),
        "keywords": (
            "ApplyOptions ClientOptions ListFilters PlanOptions PortableOptions ProvisionOptions"
        ),
        "mappings": "settings_from_dict spec_from_dict specs_from_rows to_dict",
        "notification_handlers": "NotificationHandlers",
        "options": "Pace Retry Timeout",
        "provisioning": (
            "Change Conflict Create Delete Difference Outcome Plan "
            "Report Result Unchanged Update partial_report"
        ),
        "records": "HandlerSpec NotificationHandler Page PageLinks PageMeta UnreadableHandler",
        "settings": (
            "DiscordSettings EmailSettings GoogleChatSettings HandlerType "
            "InternalNotificationSettings KnownSettings MicrosoftTeamsSettings Settings "
            "SettingsFields SlackSettings TelegramSettings UnknownSettings "
            "WebhookSettings XSettings"
        ),
        "sync": "Stream SyncBitPeak SyncNotificationHandlers",
        "sync.with_replies": "SyncHandlersWithReplies",
        "with_replies": "HandlersWithReplies Reply WithReplies",
    }.items()
    for name in names.split()
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name on first use.

        pytest loads the plugin, and with it this package, in every run where it is installed.
        Runs that never use it do not wait for aiohttp.
        """
        if name in _HOMES:
            try:
                module = import_module(f"{__name__}.{_HOMES[name]}")
            except AttributeError as error:  # else Python says that this package lacks the name
                raise ImportError(f"{name} cannot be imported: {error}", name=__name__) from error
            return globals().setdefault(name, getattr(module, name))
        if name in _HOMES.values():
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
