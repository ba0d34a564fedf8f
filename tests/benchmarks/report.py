"""The results as a page of the documentation."""

from __future__ import annotations

from chart import speeds
from request_rows import GET_16, LOOPS_PLAIN, LOOPS_TLS, PLAIN, TLS
from results import Result

_INTRO = """# Benchmarks

```{image} benchmarks.svg
:alt: CLIENTS
```

BEHIND

The picture shows processor time, because that is what a client costs where the network is not the
limit. Only the client's is counted, all its threads included; the server is a process of its own.
All run on asyncio's own event loop, except `bitpeak_async[speed]`, which is on a faster one.
Each figure is the ratio of two sides that are measured in the same run, in slices that alternate,
so that a noisy machine affects both alike. Connections are open before a slice begins.

Measured on MACHINE.

## Against other clients

How many times as many requests per CPU second `bitpeak_async` handles; above 1 it is ahead. It does
more for each request than the others: it makes a record of the reply, keeps to the rate limit, and
retries what is safe to retry.
"""

_CLIENTS = """
All clients keep one session for all calls, `requests` one for each thread. Each is used as its own
documentation recommends, and decodes JSON as it does by default. `aiohttp` is
`ClientSession.request` with msgspec; creates are `FormData`, or bytes that were joined by hand.
httpr's forms hold only files, so it sends bytes joined by hand; OpenAPI Generator's client sends
its form urlencoded. httpx2 is the fork of httpx that Pydantic maintains.
"""

_LOOPS = """
## Faster event loops

Requests per CPU second of `bitpeak_async`, on asyncio's own event loop = 1. The extra
`bitpeak_async[speed]` installs uvloop and aiofastnet, and an application chooses its loop itself:
`asyncio.run(main(), loop_factory=aiofastnet.loop_factory(uvloop.new_event_loop))`, or
`asyncio.Runner(loop_factory=...)` before Python 3.12. Over TLS, aiofastnet on uvloop pays most;
plain http gains little from either.
"""

_REST = """
## All else

| what | figure | quartiles | bar | unit |
|---|---|---|---|---|
"""

_OUTRO = """
## Where the time goes

Parts measured alone (CPython 3.11):

- **A GET over TLS**, 16 in flight, costs 60 µs. A bare `asyncio.Protocol` that parses nothing takes
  20 of them, for the event loop, TLS and the system calls. aiohttp's connector, parser and streams
  take 25. The rest is the SDK: pacing, retries, timeouts and the record.
- **A create** costs 20 to 30 µs more: it checks the settings, encodes the form, and takes no
  connection that the server may be about to drop.
- **A page of 1,000** costs 2.4 ms: 0.35 to decode the JSON, 1.6 to build the records, the rest to
  receive it. Two thirds of the building are the constructors of frozen attrs classes. The other
  side builds no records; its JSON takes 0.5.
- **A synchronous call** wakes two threads.

## Repeat it

`nox -s bench` measures it all. `-- --quick` measures the same rows in about a minute, less exactly;
`-- --check` fails if a bar is not reached or a row could not be measured; `-- --only TLS --only
wreq` measures the rows whose names hold both words. [benchmarks.json](benchmarks.json) has all
figures, bars and quartiles.
"""


def markdown(results: list[Result], machine: str) -> str:
    """Return the page."""
    clients = speeds(results)
    alt = f"requests per CPU second, {GET_16}, over TLS: " + ", ".join(
        f"{name} {speed:.2f}" for name, speed in clients
    )
    intro = _INTRO.replace("CLIENTS", alt).replace("BEHIND", behind(results))
    return "\n".join(
        [
            intro.replace("MACHINE", machine),
            matrix(results, TLS),
            matrix(results, PLAIN),
            _CLIENTS,
            _LOOPS,
            matrix(results, LOOPS_TLS),
            matrix(results, LOOPS_PLAIN),
            _REST + others(results) + _OUTRO,
        ]
    )


def behind(results: list[Result]) -> str:
    """Return where we are behind, and by what."""
    slower: dict[str, list[str]] = {}
    for each in results:
        cell = each.row.cell
        if cell and cell.table in (TLS, PLAIN) and each.ratio and each.ratio.median < 1:
            where = f"{cell.column}, {'over TLS' if cell.table == TLS else 'plain'}"
            slower.setdefault(cell.line, []).append(f"{each.ratio.median:.2f} for {where}")
    if not slower:
        return "No client in the table is ahead of `bitpeak_async`."
    figures = "\n".join(f"- **{name}**: {'; '.join(each)}" for name, each in slower.items())
    return f"""These clients do more requests per CPU second. `bitpeak_async` reaches, of theirs:

{figures}

In all other rows it is ahead."""


def matrix(results: list[Result], table: str) -> str:
    """Return the cells of one table: a line for each client, a column for each kind of request."""
    cells: dict[str, dict[str, Result]] = {}
    for each in results:
        if (cell := each.row.cell) and cell.table == table:
            cells.setdefault(cell.line, {})[cell.column] = each
    columns = list(dict.fromkeys(column for line in cells.values() for column in line))
    lines = [f"| {table} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, line in cells.items():
        texts = [_text(line[column]) if column in line else "" for column in columns]
        lines.append(f"| {name} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def _text(result: Result) -> str:
    if (ratio := result.ratio) is None:
        return f"**not measured: {result.reason}**"
    return f"{ratio.median:.2f}" + ("" if result.holds else f" (missed: {result.wanted})")


def others(results: list[Result]) -> str:
    """Return the rows that stand in no table of their own."""
    lines = []
    for each in results:
        row = each.row
        if row.cell is not None:
            continue
        if (ratio := each.ratio) is None:
            figures = f"**not measured: {each.reason}** | "
        else:
            figures = f"{ratio.median:.2f} | {ratio.low:.2f} to {ratio.high:.2f}"
        bar = each.wanted + ("" if each.holds or not each.wanted else " (missed)")
        lines.append(f"| {row.name} | {figures} | {bar} | {row.unit} |")
    return "\n".join(lines) + "\n"
