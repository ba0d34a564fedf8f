"""The notification handler types of the API and their settings fields."""

from collections.abc import Mapping

#: Type → settings fields, which are the form parameters of a create and the keys of `settings`.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "email": ("email",),
    "webhook": ("webhook",),
    "slack": ("slack",),
    "discord": ("discord",),
    "telegram": ("telegram", "telegram_chat_id"),
    "microsoft_teams": ("microsoft_teams",),
    "x": ("x_consumer_key", "x_consumer_secret", "x_access_token", "x_access_token_secret"),
    "google_chat": ("google_chat",),
    "internal_notification": (),
}

#: The only fields that are not secret; a webhook URL carries a token.
ADDRESSES = frozenset({"email", "telegram_chat_id"})
