"""Build the transport of a client from its configuration and the environment."""

from __future__ import annotations

import platform
from typing import Final

from bitpeak_async._http.decode import decoder
from bitpeak_async._http.endpoint import checked_base_url, checked_key, checked_proxy
from bitpeak_async._http.lifecycle import Lifecycle, Network
from bitpeak_async._http.protocol import SessionOptions, Wire
from bitpeak_async._http.replies import ReplyReader
from bitpeak_async._http.retry import Budget
from bitpeak_async._http.session import AIOHTTP_VERSION
from bitpeak_async._http.transport import Transport
from bitpeak_async._log import log_to_stderr
from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._secret import Secret
from bitpeak_async._version import __version__
from bitpeak_async.events import Emitter
from bitpeak_async.keywords import ClientConfig

_USER_AGENT: Final = (
    f"bitpeak_async/{__version__} Python/{platform.python_version()} aiohttp/{AIOHTTP_VERSION}"
)


def new_transport(
    network: Network, api_key: Secret[str | None], config: ClientConfig, *, is_direct: bool = False
) -> Transport:
    """Return the transport of one client.

    Args:
        network: carries its requests.
        api_key: the key; None reads it from the environment.
        config: the client's options.
        is_direct: whether to ignore the environment's proxy.

    Raises:
        ConfigurationError: the key, the base URL or the environment's proxy is invalid.
    """
    log_to_stderr()
    base_url = checked_base_url(config.base_url, allow_insecure=config.allow_insecure)
    proxy = checked_proxy(config.proxy, base_url, ignore_environment=is_direct)
    user_agent = f"{config.app_info} {_USER_AGENT}" if config.app_info else _USER_AGENT
    wire = Wire(base_url=base_url, api_key=checked_key(api_key), user_agent=user_agent)
    emit = Emitter(config.hooks)
    limiters = LimiterFactory(config.pace, config.retry, wire.account, emit, config.pace_store)
    ssl = True if config.ssl is None else config.ssl
    session_options = SessionOptions(base_url, config.max_reply_bytes, proxy, ssl)
    return Transport(
        wire,
        ReplyReader(decoder(config.timezone), wire.api_key),
        Lifecycle(
            network.connections(wire.headers, session_options),
            network.new_limiter(limiters),
            config.pace.in_flight,
        ),
        Budget(config.retry.budget),
        emit,
    )
