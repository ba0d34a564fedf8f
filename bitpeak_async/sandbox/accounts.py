"""Map API keys to accounts and their rate limits."""

from collections.abc import Iterable, Mapping
from copy import deepcopy

from bitpeak_async.sandbox.limits import Limit


class Accounts:
    """The accounts of a sandbox, one per key; the first key's account is `""`.

    Args:
        api_key: The first key.
        api_keys: Additional keys.
        limit: Rate limit of the first key and of unknown keys; additional keys get copies.
            None means no limit.
    """

    def __init__(self, api_key: str, api_keys: Iterable[str], limit: Limit | None) -> None:
        self.by_key: Mapping[str, str] = {**{key: key for key in api_keys}, api_key: ""}
        self._limit = limit
        self._limits = {
            f"Bearer {key}": deepcopy(limit) for key, account in self.by_key.items() if account
        }

    def limit_of(self, authorization: str) -> Limit | None:
        """Return the rate limit that applies to an `Authorization` header."""
        return self._limits.get(authorization, self._limit)

    def of(self, api_key: str) -> str:
        """Return the account of a key.

        Raises:
            ValueError: The sandbox does not know the key.
        """
        if api_key not in self.by_key:
            raise ValueError("unknown API key; pass it as one of api_keys")
        return self.by_key[api_key]
