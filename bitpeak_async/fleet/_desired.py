"""Accounts → what is to be done for each, or all that is wrong with any of them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from bitpeak_async._secret import Secret
from bitpeak_async.errors import ConfigurationError, PlanError
from bitpeak_async.fleet.account import Account
from bitpeak_async.options import Pace
from bitpeak_async.provisioning.plan import usable
from bitpeak_async.provisioning.spec_files.document import refuse
from bitpeak_async.provisioning.spec_files.loader import SpecLoader
from bitpeak_async.records import HandlerSpec

_NAMED: Final = 3  # accounts that one problem of a shared file names


@frozen
class Credentials:
    """What the requests of some accounts have in common, and so their pace.

    Attributes:
        base_url: where they go.
        api_key: what they bear.
    """

    base_url: str
    api_key: Secret[str]


@frozen
class ResolvedAccount:
    """One account and what it should have.

    Attributes:
        account: whose.
        key: resolved.
        specs: all of them.
    """

    account: Account
    key: Credentials
    specs: tuple[HandlerSpec, ...]


Check: TypeAlias = Callable[[Credentials, Pace | None], object]


def read_specs_of(
    accounts: Iterable[Account],
) -> tuple[list[tuple[HandlerSpec, ...]], list[str]]:
    """Return the specs of each account, and all that is wrong with any; a file is read once."""
    files = SpecLoader(Secret(os.environ))
    specs: list[tuple[HandlerSpec, ...]] = []
    problems: list[str] = []
    in_files = defaultdict[str, list[Account]](list)
    for account in accounts:
        found = files.read(account.spec_files)
        for problem in found.problems:
            in_files[problem].append(account)
        specs.append(found.specs + account.specs if account.specs else found.specs)
        if not found.problems and account.specs:
            problems += _spec_problems(account, specs[-1])
    problems += [f"{_named(whose)}: {problem}" for problem, whose in in_files.items()]
    return specs, problems


def key_of(account: Account, base_url: str, check: Check) -> Credentials:
    """Return an account's key, resolved and checked; see ``desired``.

    Raises:
        ConfigurationError: there is none, or it or the URL is unusable.
    """
    url = (account.base_url or base_url).rstrip("/")
    key = Credentials(url, Secret(account.key.resolve()))
    check(key, account.pace)
    return key


def desired(
    accounts: Sequence[Account], base_url: str, check: Check, *, prunes: bool
) -> list[list[ResolvedAccount]]:
    """Return what is to be done, the accounts of one key together: they must not run at once.

    Args:
        accounts: to be provisioned.
        base_url: of accounts that tell none.
        check: raises ConfigurationError for keys and URLs that are unusable.
        prunes: whether handlers that are not desired are deleted.

    Raises:
        PlanError: accounts or their files are unusable; its ``problems`` are all there are.
    """
    groups = defaultdict[Credentials, list[ResolvedAccount]](list)
    all_specs, problems = read_specs_of(accounts)
    for account, specs in zip(accounts, all_specs, strict=True):
        try:
            key = key_of(account, base_url, check)
        except ConfigurationError as error:
            problems.append(f"{account.title}: {error}")
        else:
            groups[key].append(ResolvedAccount(account, key, specs))
    for group in groups.values():
        if len(group) > 1:
            problems += _conflicts(group, prunes=prunes)
    refuse(problems)
    return list(groups.values())


def _spec_problems(account: Account, specs: tuple[HandlerSpec, ...]) -> list[str]:
    try:
        usable(specs)
    except PlanError as error:
        return [f"{account.title}: {problem}" for problem in error.problems]
    return []


def _conflicts(group: Sequence[ResolvedAccount], *, prunes: bool) -> list[str]:
    """Return why accounts cannot have one key."""
    first, *others = group
    problems: list[str] = []
    names = {spec.name: first.account for spec in first.specs}
    for other in others:
        both = f"{other.account.title} and {first.account.name!r} have the same key"
        if other.account.pace != first.account.pace:
            problems.append(f"{both} and another pace; give both the same")
        if prunes:
            problems.append(f"{both}: pruning one would delete what the other describes")
        for spec in other.specs:
            if (owner := names.setdefault(spec.name, other.account)) is not other.account:
                problems.append(
                    f"{other.account.title} and {owner.name!r} have the same key and both "
                    f"describe {spec.name!r}; let one of them do so"
                )
                break
    return problems


def _named(accounts: Sequence[Account]) -> str:
    names = ", ".join(repr(account.name) for account in accounts[:_NAMED])
    if len(accounts) > _NAMED:
        names += f" and {len(accounts) - _NAMED:,} more"
    return f"account{'s' if len(accounts) > 1 else ''} {names}"
