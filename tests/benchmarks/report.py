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

The picture shows requests per second of processor time, with `bitpeak_async` as 1: more is better.
Processor time is what a client costs if the network is not the limit. It is that of the client with
all its threads; the server is a separate process. All asynchronous clients run on asyncio's own
event loop, except `bitpeak_async[speed]`, which uses a faster one. Each figure is
the ratio of two sides that are measured in the same run, in alternating slices, so that a noisy
machine affects both alike. Connections are open before a slice begins.

Measured on MACHINE.

## Against other clients

Requests per CPU second of `bitpeak_async`, divided by those of the other client: above 1,
`bitpeak_async` is ahead. It does more for each request: it makes a record of the reply, keeps to
the rate limit, and retries what is safe to retry. *Missed* marks a figure beyond its bar: the least
(≥) or most (≤) that `-- --check` accepts. A bar below 1 allows the other client to be ahead.
"""

_CLIENTS = """
Every client keeps one session for all calls; `requests` keeps one per thread. Each is used as its
own documentation recommends, and decodes JSON as it does by default. `aiohttp` is
`ClientSession.request` with msgspec. Its creates send `FormData`; in the row *bytes ready-made*,
they send bytes that were joined by hand in advance. httpr's forms can only hold files, so it also
sends bytes joined by hand. OpenAPI Generator's client sends an urlencoded form. httpx2 is the fork
of httpx that Pydantic maintains.
"""

_LOOPS = """
## Faster event loops

Requests per CPU second of `bitpeak_async`, divided by those on asyncio's own event loop. The extra
`bitpeak_async[speed]` installs uvloop and aiofastnet. Your application chooses its loop itself:
`asyncio.run(main(), loop_factory=aiofastnet.loop_factory(uvloop.new_event_loop))`, or
`asyncio.Runner(loop_factory=...)` before Python 3.12. Over TLS, aiofastnet on uvloop is the
fastest; over plain http, both gain less.
"""

_REST = """
## Other measurements

Each name is what was measured / what it is compared with, which the unit calls *theirs*. More is
better for what is *per second*; less for CPU time, wall time and MB.

| what | figure | quartiles | bar | unit |
|---|---|---|---|---|
"""

_OUTRO = """
## Where the time goes

Each part was measured alone, on CPython 3.11:

- **A GET over TLS** with 16 in flight costs 60 µs. Of these, 20 go to the event loop, TLS and the
  system calls: that is the cost of a bare `asyncio.Protocol` that parses nothing. aiohttp's
  connector, parser and streams take 25. The rest is the SDK: pacing, retries, timeouts and the
  record.
- **A create** costs 20 to 30 µs more. It checks the settings, encodes the form, and avoids
  connections that the server may be about to close.
- **A handler of `create_many`** costs about 15 µs more than a create: the ledger, the worker, its
  queue, the outcome and the iterator. A third to a half of the whole is the system call that sends,
  which the bare loop makes too. So this row stays below the row *aiohttp, bytes ready-made* of
  single creates.
- **An account of a fleet** with one handler costs 1.3 ms; its three requests cost 0.6 ms if aiohttp
  alone sends them. Of the 1.3, sending and receiving take 0.5 with the event loop; opening and
  closing the account's client 0.15; slots and pace 0.1; reading the replies 0.05. The rest is the
  work of one account, in many small parts: the plan, the check that each list is complete, the
  record of what was sent, and two tasks. If opening a client cost nothing, the row *fleet of 2,000
  accounts* would show about 2.0.
- **A page of 1,000** costs 2.4 ms: 0.35 to decode the JSON, 1.6 to build the records, the rest to
  receive it. Two thirds of the building is spent in the constructors of frozen attrs classes, which
  set each field with a call; a class that is not frozen takes a third of that. aiohttp with msgspec
  builds no records, and decoding takes it 0.5 ms. So the row *page of 1,000* cannot get much above
  0.35 for a client that returns frozen records, even if everything else cost nothing.
- **A list of 100,000** may cost more per handler than one of 1,000, because all records are kept:
  the decoder alone costs 1.3 times as much if the records of 100 pages are kept, and 1.1 times with
  the garbage collector off. msgspec's untyped decode costs 2.6 and 2.0 times as much. The bar is
  1.5 for this reason. Iterating without keeping anything cost 1.0 times as much per handler in one
  run and 1.3 in another.
- **A synchronous call** wakes the thread of the event loop and then the caller's. So single calls
  reach about half the rate of the asynchronous client.

The ratios depend on the machine, most of all for creates with 16 in flight. A machine with the same
number of cores measured 1.46 against ready-made bytes and 0.73 against wreq, over TLS, for the code
of a week before.

## Repeat it

`nox -s bench` measures all rows. `-- --quick` measures the same rows in about a minute, less
precisely. `-- --check` fails if a bar is missed or a row could not be measured. `-- --only TLS
--only wreq` measures the rows whose names contain both words. [benchmarks.json](benchmarks.json)
contains all figures, bars and quartiles.
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
    return f"""These clients do more requests per CPU second. `bitpeak_async` reaches this share of
theirs:

{figures}

In all other cells of the tables under [Against other clients](#against-other-clients),
`bitpeak_async` is ahead."""


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
