"""What a client is configured with: usable, or a ConfigurationError that says what would be."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from bitpeak_async._secret import Secret
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.events import Hook

_BASE_URL: Final = "https://bitpeak.ru/api"


def check_type(argument: str, value: object, cls: type[Any]) -> None:
    """Raise ConfigurationError unless an argument is of a class."""
    if not isinstance(value, cls):
        raise ConfigurationError(
            f"{argument} must be a {cls.__module__.partition('.')[0]} {cls.__name__}, "
            f"not {type(value).__name__}"
        )


def check_listener(argument: str, listener: object, takes: str = "one argument") -> None:
    """Raise ConfigurationError unless a listener is None or a function to be called as it is."""
    if listener is None or (callable(listener) and not inspect.iscoroutinefunction(listener)):
        return
    kind = "a coroutine function" if callable(listener) else type(listener).__name__
    raise ConfigurationError(f"{argument} must be a plain function of {takes}, not {kind}")


def check_store(store: object) -> None:
    """Raise ConfigurationError unless a pace store is None or can be connected to."""
    is_store = callable(getattr(store, "connect", None)) and not isinstance(store, type)
    if store is not None and not is_store:
        raise ConfigurationError(
            f"pace_store must be a store such as RedisPaceStore, not {type(store).__name__}"
        )


def checked_hooks(hooks: Iterable[Hook]) -> tuple[Hook, ...]:
    """Return hooks that can be called."""
    try:
        checked = tuple(hooks)
    except TypeError:
        raise ConfigurationError("hooks must be an iterable of callables") from None
    if not all(map(callable, checked)):
        raise ConfigurationError("hooks must be callables that take one event")
    return checked


def checked_key(given: Secret[str | None]) -> Secret[str]:
    """Return a key that can stand in a header; by default the environment's."""
    key = given if given.value is not None else Secret(os.environ.get("BITPEAK_API_KEY") or None)
    if key.value is None:
        raise ConfigurationError("api_key is missing: pass it or set BITPEAK_API_KEY")
    if problem := _key_problem(key.value):
        raise ConfigurationError(f"api_key {problem}")
    return Secret(key.value)


def _key_problem(api_key: object) -> str | None:
    if not isinstance(api_key, str):
        return f"must be a string, not {type(api_key).__name__}"
    if not api_key:
        return "must not be empty"
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        return "must be ASCII without spaces, line ends or control characters"
    return None


def checked_url(argument: str, value: str) -> SplitResult:
    """Return the parts of a URL that requests can go to."""
    wrong = ConfigurationError(
        f"{argument} must be an absolute http(s) URL such as 'https://bitpeak.ru/api'"
    )
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise wrong
    try:
        url = urlsplit(value)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        raise wrong from None
    try:
        URL(value)
    except ValueError:
        raise wrong from None
    if not usable or " " in value:
        raise wrong
    if argument == "base_url" and (url.query or url.fragment or url.username or url.password):
        raise ConfigurationError(f"{argument} must have no query, fragment, user or password")
    return url


def checked_base_url(base_url: str | None, *, allow_insecure: bool) -> str:
    """Return where requests go, without a trailing slash; by default what the environment says."""
    if base_url is None:
        base_url = os.environ.get("BITPEAK_BASE_URL") or _BASE_URL
    url = checked_url("base_url", base_url)
    if url.scheme == "http" and not (allow_insecure or is_loopback(url)):
        raise ConfigurationError(
            "base_url must be https: the key would travel in clear; allow_insecure=True allows it"
        )
    return base_url.rstrip("/")


def is_loopback(url: SplitResult) -> bool:
    """Whether a URL's host is this machine."""
    host = url.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def environment_proxy(base_url: str) -> str | None:
    """Resolve the proxy once: asking at each request costs 2.7 times the request itself."""
    url = urlsplit(base_url)
    host = url.hostname or ""
    if is_loopback(url) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if proxy:
        checked_url("the proxy of the environment", proxy)
    return proxy or None
