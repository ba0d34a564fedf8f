"""Whose handlers a key opens, and what counts its requests."""

from collections.abc import Iterable, Mapping
from copy import deepcopy

from bitpeak_async.sandbox.limits import Limit


class Accounts:
    """The accounts of a sandbox, one a key.

    The first key's account is `""`: its handlers are those of databases that knew no other.

    Args:
        api_key: The first key.
        api_keys: Further ones.
        limit: Counts the requests of the first key and of those that are none; the further keys
            get copies. None for no limit.
    """

    def __init__(self, api_key: str, api_keys: Iterable[str], limit: Limit | None) -> None:
        self.by_key: Mapping[str, str] = {**{key: key for key in api_keys}, api_key: ""}
        self._limit = limit
        self._limits = {
            f"Bearer {key}": deepcopy(limit) for key, account in self.by_key.items() if account
        }

    def limit_of(self, authorization: str) -> Limit | None:
        """Return what counts the requests with this authorization."""
        return self._limits.get(authorization, self._limit)

    def of(self, api_key: str) -> str:
        """Return the account of a key.

        Raises:
            ValueError: It is no key of this sandbox.
        """
        if api_key not in self.by_key:
            raise ValueError("it is no key of this sandbox; see api_keys")
        return self.by_key[api_key]
