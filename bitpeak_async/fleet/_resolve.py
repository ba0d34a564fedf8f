"""Resolves accounts: their base URL, their key and their desired handlers."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from attrs import frozen

from bitpeak_async._checks import check_type
from bitpeak_async._http.endpoint import checked_base_url, checked_key, checked_proxy
from bitpeak_async._secret import Secret
from bitpeak_async.errors import ConfigurationError, PlanError
from bitpeak_async.fleet.account import Account
from bitpeak_async.keywords import ClientConfig
from bitpeak_async.provisioning.desired import validate_specs
from bitpeak_async.provisioning.spec_files.document import refuse
from bitpeak_async.provisioning.spec_files.loader import SpecLoader
from bitpeak_async.records import HandlerSpec

_MAX_NAMED: Final = 3  # accounts to name in one problem of a shared file


@frozen
class Credentials:
    """A base URL and key; accounts that share them share one pace.

    Attributes:
        base_url: the API's base URL.
        api_key: the key.
    """

    base_url: str
    api_key: Secret[str]

    def fingerprint(self, salt: bytes) -> bytes:
        """Return a keyed hash that is equal for equal credentials."""
        digest = blake2b(f"{self.base_url}\n".encode(), key=salt, digest_size=16)
        digest.update(self.api_key.reveal().encode())
        return digest.digest()


@frozen
class ResolvedAccount:
    """One account with its credentials and desired handlers."""

    account: Account
    credentials: Credentials
    specs: tuple[HandlerSpec, ...]


class Resolver:
    """Resolves and checks accounts; sends nothing.

    Args:
        config: the options of the fleet's clients.

    Attributes:
        base_url: the default for accounts without one.

    Raises:
        ConfigurationError: the base URL is unusable.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._proxies = dict[str, Secret[str | None]]()
        self.base_url = self._checked_url(config.base_url)

    def credentials(self, account: Account) -> Credentials:
        """Return an account's credentials.

        Raises:
            ConfigurationError: the key is missing, or the key or URL is unusable.
        """
        base_url = self._checked_url(account.base_url or self.base_url)
        return Credentials(base_url, checked_key(Secret(account.key.resolve())))

    def resolve(self, accounts: Sequence[Account], *, prunes: bool) -> list[list[ResolvedAccount]]:
        """Return accounts grouped by credentials. Accounts of one group must not run at once.

        Args:
            accounts: the accounts to provision.
            prunes: whether handlers that are not desired are deleted.

        Raises:
            PlanError: accounts, keys or spec files are unusable; ``problems`` lists everything.
        """
        groups = defaultdict[Credentials, list[ResolvedAccount]](list)
        all_specs, problems = read_account_specs(accounts)
        for account, specs in zip(accounts, all_specs, strict=True):
            try:
                credentials = self.credentials(account)
            except ConfigurationError as error:
                problems.append(f"{account.title}: {error}")
            else:
                groups[credentials].append(ResolvedAccount(account, credentials, specs))
        for group in groups.values():
            if len(group) > 1:
                problems += _conflicts(group, prunes=prunes)
        refuse(problems)
        return list(groups.values())

    def _checked_url(self, base_url: str | None) -> str:
        base_url = checked_base_url(base_url, allow_insecure=self._config.allow_insecure)
        # Otherwise an unusable proxy would fail only at the first request.
        self.proxy_for(base_url)
        return base_url

    def proxy_for(self, base_url: str) -> Secret[str | None]:
        """Return the proxy for a base URL, resolved once for all its accounts.

        Raises:
            ConfigurationError: the proxy's URL is unusable.
        """
        if base_url not in self._proxies:
            proxy = checked_proxy(self._config.proxy, base_url, ignore_environment=False)
            self._proxies[base_url] = proxy
        return self._proxies[base_url]


def checked_accounts(accounts: Iterable[Account]) -> tuple[Account, ...]:
    """Return the accounts of a fleet.

    Raises:
        ConfigurationError: one is no Account, or names repeat; the message lists them.
    """
    checked = tuple(accounts)
    for account in checked:
        check_type("accounts", account, Account)
    counts = Counter(account.name for account in checked)
    if several := [account.title for account in checked if counts[account.name] > 1]:
        raise ConfigurationError(f"account names must be unique: {'; '.join(several)}")
    return checked


def read_account_specs(
    accounts: Iterable[Account], unset: dict[str, str] | None = None
) -> tuple[list[tuple[HandlerSpec, ...]], list[str]]:
    """Return the specs of each account, and all problems. Each file is read once.

    Args:
        accounts: the accounts.
        unset: receives variable → problem for each variable that is not set. If None, these are
            among the problems.
    """
    files = SpecLoader(Secret(os.environ))
    specs: list[tuple[HandlerSpec, ...]] = []
    problems: list[str] = []
    accounts_by_problem = defaultdict[str, list[Account]](list)
    missing: dict[str, str] = {} if unset is None else unset
    for account in accounts:
        variables = Secret(tuple(sorted(account.variables.items())))
        found = files.read(account.spec_files, variables)
        skipped = {
            problem
            for name, problem in found.unset.items()
            if missing.setdefault(name, problem) != problem or unset is not None
        }
        for problem in found.problems:
            if problem not in skipped:
                accounts_by_problem[problem].append(account)
        specs.append(found.specs + account.specs if account.specs else found.specs)
        if not found.problems and account.specs:
            problems += _spec_problems(account, specs[-1])
    problems += [f"{_named(users)}: {problem}" for problem, users in accounts_by_problem.items()]
    return specs, problems


def _spec_problems(account: Account, specs: tuple[HandlerSpec, ...]) -> list[str]:
    try:
        validate_specs(specs)
    except PlanError as error:
        return [f"{account.title}: {problem}" for problem in error.problems]
    return []


def _conflicts(group: Sequence[ResolvedAccount], *, prunes: bool) -> list[str]:
    """Return why accounts cannot share their key."""
    first, *others = group
    problems: list[str] = []
    owners = {spec.name: first.account for spec in first.specs}
    for other in others:
        both = f"{other.account.title} and {first.account.name!r} have the same key"
        if other.account.pace != first.account.pace:
            problems.append(f"{both} but different paces; give both the same")
        if prunes:
            problems.append(f"{both}: pruning one would delete what the other describes")
        for spec in other.specs:
            if (owner := owners.setdefault(spec.name, other.account)) is not other.account:
                problems.append(
                    f"{other.account.title} and {owner.name!r} have the same key and both "
                    f"describe {spec.name!r}; let only one of them do so"
                )
                break
    return problems


def _named(accounts: Sequence[Account]) -> str:
    names = ", ".join(repr(account.name) for account in accounts[:_MAX_NAMED])
    if len(accounts) > _MAX_NAMED:
        names += f" and {len(accounts) - _MAX_NAMED:,} more"
    return f"account{'s' if len(accounts) > 1 else ''} {names}"
