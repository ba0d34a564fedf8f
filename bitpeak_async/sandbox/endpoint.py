"""Take each HTTP request from arrival to response: record, limit, fault, execute, deliver."""

import asyncio
from collections.abc import Callable
from urllib.parse import unquote

from aiohttp import web
from attrs import evolve

from bitpeak_async.sandbox.api import Api
from bitpeak_async.sandbox.dashboard import Dashboard
from bitpeak_async.sandbox.delivery import deliver
from bitpeak_async.sandbox.faults import Fault
from bitpeak_async.sandbox.form import parse_form, parse_urlencoded
from bitpeak_async.sandbox.injection import FaultPlan
from bitpeak_async.sandbox.limits import Limit, Verdict
from bitpeak_async.sandbox.rendering import RawResponse, Renderer
from bitpeak_async.sandbox.traffic import RequestRecord, Traffic

_NO_FAULT = Fault()
_ADMITTED = Verdict(admitted=True, headers={})


class Endpoint:
    """A request handler for `aiohttp.web.Server`.

    As in PHP, a request is executed to its end even if its client hangs up.

    Args:
        api: Executes requests.
        renderer: Renders the 429.
        base_path: The path of the base URL, such as `/api`.
        faults: Decides which requests fail.
        traffic: Records requests.
        limit: `Authorization` header → rate limit; None admits everything.
        clock: The rate limits' clock, in seconds.
        before_request: Called before every request.
        dashboard: Answers requests that are not for the API.
    """

    def __init__(
        self,
        api: Api,
        renderer: Renderer,
        *,
        base_path: str,
        faults: FaultPlan,
        traffic: Traffic,
        limit: Callable[[str], Limit | None],
        clock: Callable[[], float],
        before_request: Callable[[], None],
        dashboard: Dashboard,
    ) -> None:
        self._api = api
        self._renderer = renderer
        self._base_path = base_path
        self._faults = faults
        self._traffic = traffic
        self._limit = limit
        self._clock = clock
        self._before_request = before_request
        self._dashboard = dashboard
        self._loop = asyncio.get_running_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._late_commits: set[asyncio.Task[None]] = set()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        self._connections.add(request.task)
        try:
            if self._dashboard.owns(request):
                return await self._dashboard.answer(request)
            record = self._record(request, await request.read())
            with self._traffic.track(record, self._loop.time):
                return await self._serve(request, record)
        finally:
            self._connections.discard(request.task)

    async def settled(self) -> None:
        """Wait until every delayed commit has been executed."""
        while self._late_commits:
            await asyncio.wait(self._late_commits)

    async def close(self) -> None:
        """Cancel the requests in flight and the delayed commits."""
        tasks = self._connections | self._late_commits
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _record(self, request: web.BaseRequest, body: bytes) -> RequestRecord:
        raw_path, _, query = request.raw_path.partition("?")
        path = unquote(raw_path)
        inside = path.startswith(f"{self._base_path}/")
        content_type = request.headers.get("Content-Type", "")
        return RequestRecord(
            method=request.method,
            path=path.removeprefix(self._base_path) if inside else f"..{path}",
            query=parse_urlencoded(query.encode()),
            fields=parse_form(content_type, body) if request.method == "POST" else {},
            authorization=request.headers.get("Authorization", ""),
            started=self._loop.time(),
        )

    async def _serve(self, request: web.BaseRequest, record: RequestRecord) -> web.StreamResponse:
        self._before_request()
        limit = self._limit(record.authorization)
        verdict = _ADMITTED if limit is None else limit.admit(self._clock())
        if verdict.admitted:
            fault = self._faults.choose(record) or _NO_FAULT
            raw = await self._execute(record, fault)
        else:
            fault = _NO_FAULT
            raw = self._renderer.error(429, "Too many requests.")
        added = {**verdict.headers, **fault.headers}
        if added:
            raw = evolve(raw, headers={**raw.headers, **added})
        response = await deliver(request, raw, fault)
        if fault.answers:
            record.status = raw.status
        return response

    async def _execute(self, record: RequestRecord, fault: Fault) -> RawResponse:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        raw = RawResponse(200)
        if fault.commits and fault.commit_delay:
            commit = self._loop.create_task(self._commit_later(record, fault))
            self._late_commits.add(commit)
            commit.add_done_callback(self._late_commits.discard)
        elif fault.commits:
            raw = self._api.answer(record, fault.stores)
        if fault.replaces_response:
            status = raw.status if fault.status is None else fault.status
            return RawResponse(status, fault.body or b"", {"Content-Type": "text/html"})
        return raw.edited(fault.edits) if fault.edits else raw

    async def _commit_later(self, record: RequestRecord, fault: Fault) -> None:
        await asyncio.sleep(fault.commit_delay)
        self._api.answer(record, fault.stores)
