"""Serve the dashboard, static files and JSON, under the server's own address only."""

import asyncio
import re
import time
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from ipaddress import ip_address

import msgspec
from aiohttp import web

from bitpeak_async.sandbox.dashboard_data import read_injection, read_state
from bitpeak_async.sandbox.injection import FaultPlan
from bitpeak_async.sandbox.store import Store
from bitpeak_async.sandbox.traffic import Traffic

_FOLDER = "/sandbox/"
#: path -> (file, content type)
_FILES: Mapping[str, tuple[str, str]] = {
    "/": ("dashboard.html", "text/html"),
    "/favicon.ico": ("icon.svg", "image/svg+xml"),
    "/sandbox/dashboard.css": ("dashboard.css", "text/css"),
    "/sandbox/dashboard.js": ("dashboard.js", "text/javascript"),
}
_SAFE = frozenset({"GET", "HEAD"})
#: No foreign or inline resources, no markup from strings, no frames.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]+)?", re.IGNORECASE)


class Dashboard:
    """Answer the browser; its requests do not count as API traffic.

    Other websites cannot use it: the Host check stops DNS rebinding, the Origin check stops
    cross-site requests, and the same-origin policy hides the responses.

    Args:
        store: The handlers to show.
        faults: The faults to show and change.
        traffic: The requests to show.
        host: The address that the server listens on, accepted like a loopback name.
    """

    def __init__(self, store: Store, *, faults: FaultPlan, traffic: Traffic, host: str) -> None:
        self._store = store
        self._faults = faults
        self._traffic = traffic
        self._host = host
        self._epoch = time.time() - asyncio.get_running_loop().time()

    def owns(self, request: web.BaseRequest) -> bool:
        """Return whether a request is for the dashboard instead of the API."""
        path = _path(request)
        return path in _FILES or path.startswith(_FOLDER)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        host = request.headers.get("Host", "")
        if not self._is_local(host):
            response = _refuse(
                403, "Open the dashboard under localhost or the address of the sandbox."
            )
        # Browsers send Origin with every method except GET and HEAD.
        elif request.method not in _SAFE and request.headers.get("Origin") != f"http://{host}":
            response = _refuse(403, "Only the dashboard itself may do this.")
        else:
            response = await self._route(request)
        response.headers.update(_HEADERS)
        return response

    async def _route(self, request: web.BaseRequest) -> web.Response:
        path = _path(request)
        if path == "/sandbox/faults":
            return await self._change_faults(request)
        if path != "/sandbox/state" and path not in _FILES:
            return _refuse(404, "The page was not found.")
        if request.method not in _SAFE:
            return _refuse(405, "The method is not allowed.", {"Allow": "GET, HEAD"})
        if path in _FILES:
            name, content_type = _FILES[path]
            return web.Response(body=_read(name), content_type=content_type, charset="utf-8")
        state = read_state(self._store, self._traffic, self._faults.injections, epoch=self._epoch)
        return web.Response(body=msgspec.json.encode(state), content_type="application/json")

    async def _change_faults(self, request: web.BaseRequest) -> web.Response:
        match request.method:
            case "POST":
                try:
                    injection = read_injection(await request.read())
                except ValueError as error:
                    return _refuse(400, str(error))
                self._faults.injections.append(injection)
            case "DELETE":
                self._faults.injections.clear()
            case _:
                return _refuse(405, "The method is not allowed.", {"Allow": "POST, DELETE"})
        return web.Response(status=204)

    def _is_local(self, host: str) -> bool:
        parsed = _HOST.fullmatch(host)
        if parsed is None:
            return False
        name = (parsed[1] or parsed[2]).lower()
        return name in ("localhost", self._host.lower()) or _is_loopback(name)


def _path(request: web.BaseRequest) -> str:
    return request.raw_path.partition("?")[0]


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _refuse(status: int, title: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=title, headers=headers)


@cache
def _read(name: str) -> bytes:
    return (files("bitpeak_async.sandbox") / "assets" / name).read_bytes()
