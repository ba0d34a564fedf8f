"""Single requests, ours against those of other clients, plain and over TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from attrs import frozen
from generated_peers import openapi_generator, openapi_python_client
from measure import Ratio, compare
from peers import (
    Peer,
    aiosonic_client,
    curl_cffi_client,
    httpr_client,
    httpx_client,
    installed,
    niquests_client,
    pyreqwest_client,
    raw_aiohttp,
    requests_in_threads,
    wreq_client,
)
from results import Cell, Row
from server import serving
from stage import MakePeer, NewLoop, Size, Stage, compare_calls

CPU = "requests per CPU second, theirs = 1"
PLAIN, TLS = "Plain http", "TLS"
LOOPS_PLAIN, LOOPS_TLS = "Event loops, plain http", "Event loops, TLS"
RAW = "aiohttp"  # with msgspec; all other figures are of clients that do more by themselves

Bars = dict[str, tuple[float, float]]  # the bar and the aim of a column

GET_1, GET_16 = "GET, 1 in flight", "GET, 16 in flight"
CREATE_1, CREATE_16 = "create, 1 in flight", "create, 16 in flight"


def _bars(one: tuple[float, float], many: tuple[float, float]) -> Bars:
    return {GET_1: one, GET_16: many, CREATE_1: one, CREATE_16: many}


def _parts(column: str) -> tuple[str, int]:
    """Return what a column calls, and how many at once."""
    what, many = column.split(", ")
    return what.lower(), int(many.split()[0])


@frozen
class Rival:
    """Another client.

    Attributes:
        name: for the tables.
        make: opens it.
        bars: where it has any.
        columns: what is compared.
        has_records: whether it makes records of what it reads, as ours does.
    """

    name: str
    make: MakePeer
    bars: Bars = {}  # noqa: RUF008 - frozen
    columns: tuple[str, ...] = (GET_1, GET_16, CREATE_1, CREATE_16)
    has_records: bool = False


RIVALS = (
    Rival(RAW, raw_aiohttp, {GET_1: (1.2, 1.3), GET_16: (1.35, 1.8), CREATE_16: (3.3, 4.5)}),
    Rival(
        "aiohttp, bytes ready-made",
        partial(raw_aiohttp, ready_made=True),
        {CREATE_16: (1.35, 1.8)},
        (CREATE_1, CREATE_16),
    ),
    Rival("wreq", wreq_client, _bars((1.0, 1.25), (0.59, 0.77))),
    Rival("pyreqwest", pyreqwest_client, _bars((1.0, 1.25), (0.91, 1.1))),
    Rival("aiosonic", aiosonic_client),
    Rival("httpr", httpr_client),
    Rival("curl_cffi", curl_cffi_client),
    Rival("niquests", niquests_client),
    Rival("httpx2", partial(httpx_client, package="httpx2")),
    Rival("httpx", httpx_client, _bars((4, 6), (8, 14))),
    Rival("requests in 16 threads", requests_in_threads, {}, (GET_16, CREATE_16)),
    Rival("OpenAPI Generator", openapi_generator, _bars((3, 4), (4, 5)), has_records=True),
    Rival("openapi-python-client", openapi_python_client, _bars((4, 6), (8, 14)), has_records=True),
)


def request_rows(size: Size) -> Iterator[Row]:
    """GET and create against every rival; then pages."""
    for table in (TLS, PLAIN):
        with ExitStack() as stack:
            server = stack.enter_context(serving(1000, tls=table is TLS))
            stage = Stage(stack, server)
            for rival in RIVALS:
                for column in rival.columns:
                    bar, aim = rival.bars.get(column, (None, None))
                    yield Row(
                        f"{column}, {table} / {rival.name}",
                        CPU,
                        partial(_against, stage, rival, column, size),
                        bar,
                        aim,
                        cell=Cell(table, rival.name, column),
                    )
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(1000)))
        yield Row(
            "page of 1,000 to records / aiohttp + msgspec",
            CPU,
            lambda: _page(stage, stage.ours, size),
            0.25,  # not far below what the constructors of 1,000 records leave: the page says why
            0.35,
        )
        for rival in RIVALS:
            if rival.has_records:
                yield Row(
                    f"the same page by {rival.name} / aiohttp + msgspec",
                    CPU,
                    partial(lambda rival: _page(stage, stage.peer(rival.make), size), rival),
                )


def _against(stage: Stage, rival: Rival, column: str, size: Size) -> Ratio:
    theirs = stage.peer(rival.make)
    return compare_calls((stage, stage.ours), (stage, theirs), *_parts(column), size)


def _page(stage: Stage, peer: Peer, size: Size) -> Ratio:
    ours, theirs = (
        stage.calls(each.page, max(8, int(size.seconds * 500)), 4)
        for each in (peer, stage.peer(raw_aiohttp))
    )
    return compare(ours, theirs, size.rounds)


def uvloop() -> NewLoop:
    """Return what makes uvloop's loops."""
    return installed("uvloop").new_event_loop


def aiofastnet() -> NewLoop:
    """Return what makes asyncio's loops with the transports of aiofastnet."""
    return installed("aiofastnet").loop_factory()


def aiofastnet_on_uvloop() -> NewLoop:
    """Return what makes uvloop's loops with the transports of aiofastnet."""
    return installed("aiofastnet").loop_factory(uvloop())


LOOPS: dict[str, Callable[[], NewLoop]] = {
    "uvloop": uvloop,
    "aiofastnet": aiofastnet,
    "aiofastnet on uvloop": aiofastnet_on_uvloop,
}


def loop_rows(size: Size) -> Iterator[Row]:
    """Our client on faster event loops against the same on asyncio's."""
    for table in (LOOPS_TLS, LOOPS_PLAIN):
        with ExitStack() as stack:
            server = stack.enter_context(serving(1000, tls=table is LOOPS_TLS))
            standard = Stage(stack, server)
            for name, new_loop in LOOPS.items():
                for column in (GET_1, GET_16):
                    yield Row(
                        f"{column}, {name} / asyncio, {table}",
                        "requests per CPU second, on asyncio = 1",
                        partial(_on_loop, new_loop, standard, column, size),
                        cell=Cell(table, name, column),
                    )


def _on_loop(new_loop: Callable[[], NewLoop], standard: Stage, column: str, size: Size) -> Ratio:
    with ExitStack() as stack:
        fast = Stage(stack, standard.server, new_loop())
        sides = [(each, each.ours) for each in (fast, standard)]
        return compare_calls(*sides, *_parts(column), size)
