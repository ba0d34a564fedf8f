"""The names of aiohttp that its documentation does not describe: all that the SDK uses.

Run on the lowest and the newest supported aiohttp: a name that goes fails here.
"""

import ast
import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine, HttpProcessingError

import bitpeak_async._http

FILES = Path(bitpeak_async._http.__file__).parent
# What the modules import from below aiohttp, and the private attributes that they read.
USED = {
    "causes": {"BadHttpMessage", "BadStatusLine", "HttpProcessingError"},
    "idle": {"_available_connections", "_conns"},
    "lean": {"TimerNoop", "_buffer"},
    "session": {"AbstractStreamWriter", "_middlewares", "_request"},
}


def undocumented(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith("aiohttp."):
                yield from (name.name for name in node.names)
            case ast.Attribute(ast.Attribute(ast.Name("aiohttp")), name) if name[0] == "_":
                yield name
            case ast.Call(ast.Name("getattr"), [_, ast.Constant(str(name)), *_]) if name[0] == "_":
                yield name


@pytest.mark.parametrize("path", sorted(FILES.glob("*.py")), ids=lambda path: path.stem)
def test_no_module_uses_another_name(path: Path):
    assert USED.get(path.stem, set()) == set(undocumented(ast.parse(path.read_text("utf-8"))))


async def test_the_session_and_its_pool_have_them():
    assert inspect.iscoroutinefunction(aiohttp.ClientSession._request)
    async with aiohttp.ClientSession() as session:
        assert () == session._middlewares
        assert {} == session.connector._conns
        assert 0 < session.connector._available_connections(None)
    write = inspect.signature(aiohttp.BytesPayload.write_with_length)
    assert ["self", "writer", "content_length"] == list(write.parameters)
    assert inspect.isclass(AbstractStreamWriter)


def test_the_request_and_the_connector_have_them():
    assert isinstance(ClientRequest.connection_key, property)
    assert {"loop", "ssl"} <= set(inspect.signature(ClientRequest).parameters)
    assert "Accept-Encoding" in ClientRequest.DEFAULT_HEADERS
    connect = inspect.signature(aiohttp.TCPConnector.connect)
    assert ["self", "req", "traces", "timeout"] == list(connect.parameters)
    assert {"protocol", "release", "close"} <= set(dir(Connection))
    assert TimerNoop() is not None


async def test_the_response_protocol_has_them():
    protocol = ResponseHandler(asyncio.get_running_loop())
    params = inspect.signature(protocol.set_response_params).parameters
    assert {"timer", "read_until_eof", "read_bufsize"} <= set(params)
    assert inspect.iscoroutinefunction(protocol.read)
    assert (False, False) == (protocol.should_close, protocol.is_connected())
    assert protocol.transport is None
    assert callable(protocol.close)


async def test_the_stream_of_a_body_has_them():
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(ResponseHandler(loop), 2**16, loop=loop)
    stream.feed_data(b"body")
    assert ([b"body"], 4) == ([*stream._buffer], stream.total_bytes)


def test_the_parser_raises_them():
    assert issubclass(BadStatusLine, BadHttpMessage)
    assert issubclass(BadHttpMessage, HttpProcessingError)
    assert not issubclass(HttpProcessingError, aiohttp.ClientError)
