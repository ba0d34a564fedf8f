"""The notification handler types of the API and the settings fields of each."""

from collections.abc import Mapping

#: type -> its settings fields: the form parameters of a create, the keys of `settings` in a reply.
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

#: Fields that only say where to send. All others are secrets: webhook URLs carry a token.
ADDRESSES = frozenset({"email", "telegram_chat_id"})
