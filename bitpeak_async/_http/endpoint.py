"""Where requests go and as whom: base URL, key and proxy, from arguments or the environment."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from bitpeak_async._secret import Secret
from bitpeak_async.errors import ConfigurationError

_BASE_URL: Final = "https://bitpeak.ru/api"


def checked_base_url(base_url: str | None, *, allow_insecure: bool) -> str:
    """Return the base URL without a trailing slash; None takes it from the environment.

    Raises:
        ConfigurationError: it is not an absolute https URL, or holds a query or a password.
    """
    if base_url is None:
        base_url = os.environ.get("BITPEAK_BASE_URL") or _BASE_URL
    _check_url("base_url", Secret(base_url))
    url = urlsplit(base_url)
    if url.query or url.fragment or url.username or url.password:
        raise ConfigurationError("base_url must have no query, fragment, user or password")
    if url.scheme == "http" and not (allow_insecure or _is_loopback(url)):
        raise ConfigurationError(
            "base_url must be https: the key would travel in clear; allow_insecure=True allows it"
        )
    return base_url.rstrip("/")


def checked_key(given: Secret[str | None]) -> Secret[str]:
    """Return a key that can be sent in a header; None takes it from the environment.

    Raises:
        ConfigurationError: there is none, or it cannot be sent.
    """
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


def checked_proxy(
    given: Secret[str | None], base_url: str, *, ignore_environment: bool
) -> Secret[str | None]:
    """Return the URL of the proxy for a base URL; None takes it from the environment.

    Resolved once per client: asking the environment at each request takes 2.7 times as long as
    the request itself.

    Raises:
        ConfigurationError: it is not an absolute http(s) URL.
    """
    if given.value is not None:
        _check_url("proxy", given)
        return given
    url = urlsplit(base_url)
    if ignore_environment or _is_loopback(url) or proxy_bypass(url.hostname or ""):
        return given
    proxies = Secret(getproxies())
    proxy = Secret(proxies.value.get(url.scheme) or proxies.value.get("all") or None)
    if proxy.value is not None:
        _check_url("the proxy of the environment", proxy)
    return proxy


def _check_url(argument: str, url: Secret[object]) -> None:
    if not _is_http_url(url.value):
        raise ConfigurationError(
            f"{argument} must be an absolute http(s) URL such as 'https://bitpeak.ru/api'"
        )


def _is_http_url(value: object) -> bool:
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()) or " " in value:
        return False
    try:
        URL(value)
        url = urlsplit(value)
        is_valid_port = url.port != 0
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and is_valid_port


def _is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
