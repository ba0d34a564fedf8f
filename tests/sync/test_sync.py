"""The synchronous client: what it mirrors, threads, callers' own code, closing."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from builders import specs

import bitpeak_async
from bitpeak_async import (
    BitPeak,
    ClosedError,
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    InvalidRequestError,
    NotFoundError,
    NotificationHandlers,
    Pace,
    PlanError,
    ReplyError,
    RequestTimeoutError,
    Stream,
    SyncBitPeak,
    SyncNotificationHandlers,
    Timeout,
    partial_report,
)
from bitpeak_async.events import Event
from bitpeak_async.sandbox import Fault, Sandbox
from bitpeak_async.sync import portal, shutdown
from bitpeak_async.sync.client import sync_client_over
from bitpeak_async.sync.mailbox import END, CallerMailbox
from bitpeak_async.sync.pending_call import PendingCall

Connect = Callable[..., SyncBitPeak]
# The client imports the classes of its annotations only when they are used.
EXPORTED = {name: getattr(bitpeak_async, name) for name in bitpeak_async.__all__}
MIRRORS = {BitPeak: SyncBitPeak, NotificationHandlers: SyncNotificationHandlers}
METHODS = [
    pytest.param(original, name, id=f"{original.__name__}.{name}")
    for original in MIRRORS
    for name, _ in inspect.getmembers(original, inspect.isfunction)
    if not name.startswith("_") and name != "with_replies"
]


# What it mirrors


@pytest.mark.parametrize(("original", "name"), METHODS)
def test_a_mirror_has_the_signature_and_docstring_of_its_original(original: type, name: str):
    method, mirror = getattr(original, name), getattr(MIRRORS[original], name)
    assert str(parameters(method)) == str(parameters(mirror))
    assert inspect.getdoc(method) == inspect.getdoc(mirror)


@pytest.mark.parametrize(("original", "name"), METHODS)
def test_a_mirror_returns_what_awaiting_its_original_does(original: type, name: str):
    returned = get_type_hints(getattr(original, name), localns=EXPORTED)["return"]
    if get_origin(returned) is AsyncGenerator:
        returned = Stream[get_args(returned)[0]]
    assert returned == get_type_hints(getattr(MIRRORS[original], name), localns=EXPORTED)["return"]


@pytest.mark.parametrize(("original", "name"), METHODS)
def test_no_mirror_counts_as_a_coroutine_function(original: type, name: str):
    assert not inspect.iscoroutinefunction(getattr(MIRRORS[original], name))
    assert not hasattr(getattr(MIRRORS[original], name), "_is_coroutine")


@pytest.mark.parametrize("original", MIRRORS)
def test_nothing_is_mirrored_that_is_not_there(original: type):
    own = {name for name in vars(MIRRORS[original]) if not name.startswith("_")}
    assert own <= set(dir(original)) | set(get_type_hints(original))


def parameters(method: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(method).replace(return_annotation=inspect.Signature.empty)


def test_a_client_takes_the_same_arguments_but_a_session():
    expected = dict(inspect.signature(BitPeak).parameters)
    del expected["session"]
    assert expected == dict(inspect.signature(SyncBitPeak).parameters)


@pytest.mark.parametrize(("original", "name"), METHODS)
def test_each_argument_arrives(original: type, name: str, monkeypatch: pytest.MonkeyPatch):
    """Each parameter gets a value of its own; the spy must see it under the same name."""
    called = "pages" if name == "iterate" else name
    seen = {}
    method = getattr(original, called)
    signature = inspect.signature(method)

    def spy(self: object, *args: Any, **kwargs: Any) -> Any:
        seen.update(signature.bind(self, *args, **kwargs).arguments)
        if inspect.iscoroutinefunction(inspect.unwrap(method)):
            return asyncio.sleep(0)
        if get_origin(get_type_hints(method, localns=EXPORTED)["return"]) is AsyncGenerator:
            return nothing()
        return self

    bitpeak = SyncBitPeak("key")
    monkeypatch.setattr(original, called, spy)
    on = bitpeak if original is BitPeak else bitpeak.notification_handlers
    mirror = getattr(on, name)
    given: dict[str, Any] = {each: object() for each in inspect.signature(mirror).parameters}
    if "specs" in given:
        given["specs"] = [given["specs"]]
    checked = {"on_outcome": print, "progress": False}  # before they get there
    given |= {key: value for key, value in checked.items() if key in given}
    [*mirror(**given)] if name in {"iterate", "pages", "create_many"} else mirror(**given)
    if "on_outcome" in given:  # it runs in the caller's thread; a test below tells more
        assert callable(seen.pop("on_outcome"))
        del given["on_outcome"]
    given.pop("strict", None)  # it applies to pages in the caller's thread; likewise
    if name == "create_many":
        del given["progress"]  # shown where the number of specs is known
        given["specs"] = seen["specs"]  # pulled in the caller's thread; likewise
    if "headers" in given:
        seen["headers"] = seen["headers"].reveal()  # hidden from tracebacks with locals
    assert given == {key: value for key, value in seen.items() if key != "self"}


async def nothing() -> AsyncGenerator[object, None]:
    return
    yield


def test_it_does_what_the_asynchronous_client_does(
    sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox
):
    handlers = sync_bitpeak.notification_handlers
    handler_id = handlers.create("Ops", EmailSettings("ops@example.com"))
    handlers.update(handler_id, is_enabled=False, name="Old ops")
    assert "Old ops" == handlers.get(handler_id).name
    assert not handlers.list().data[0].is_enabled
    handlers.delete(handler_id)
    with pytest.raises(NotFoundError) as caught:
        handlers.get(handler_id)
    shown = "".join(traceback.format_exception(caught.value))
    assert "handlers.get(handler_id)" in shown
    assert "_http/transport.py" in shown

    assert not sync_bitpeak.plan(specs(30)).is_empty
    assert 30 == len(sync_bitpeak.apply(sync_bitpeak.plan(specs(30))).created)
    assert 30 == len(sync_bitpeak.provision(specs(30)).unchanged)
    assert [f"n{i}" for i in range(30)] == sorted(
        (handler.name for handler in handlers.iterate(results_per_page=10)),
        key=lambda name: int(name[1:]),
    )
    assert [10, 10, 10] == [len(page) for page in handlers.pages(results_per_page=10)]
    assert repr(sync_bitpeak) == f"SyncBitPeak(base_url={threaded_sandbox.base_url!r})"


def test_derived_clients_share_the_connections(
    sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox
):
    threaded_sandbox.seed_handlers(1)
    threaded_sandbox.inject(Fault.stall())
    derived = sync_bitpeak.with_options(deadline=0.05)
    with pytest.raises(RequestTimeoutError, match="deadline"):
        derived.notification_handlers.get(1)
    derived.close()
    assert 1 == sync_bitpeak.notification_handlers.get(1).id


def test_refused_arguments_are_refused_at_the_call():
    handlers = SyncBitPeak("key").notification_handlers
    with pytest.raises(InvalidRequestError, match="results_per_page"):
        handlers.pages(results_per_page=7)
    with pytest.raises(InvalidRequestError, match="results_per_page"):
        handlers.iterate(results_per_page=7)


# Threads and loops


async def test_it_works_inside_a_running_loop(connect_sync: Connect, threaded_sandbox: Sandbox):
    with connect_sync(threaded_sandbox) as bitpeak:
        assert 1 == bitpeak.notification_handlers.create("a", EmailSettings("a@example.com"))


def test_eight_threads_share_a_client(connect_sync: Connect, threaded_sandbox: Sandbox):
    with connect_sync(threaded_sandbox, pace=Pace(in_flight=4)) as bitpeak:

        def create(n: int) -> int:
            return bitpeak.notification_handlers.create(f"n{n}", EmailSettings("a@example.com"))

        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(create, range(200)))
    assert list(range(1, 201)) == sorted(ids)
    assert threaded_sandbox.peak_in_flight <= 4


def test_all_clients_share_one_thread(connect_sync: Connect, threaded_sandbox: Sandbox):
    shutdown()
    before = threading.active_count()
    clients = [connect_sync(threaded_sandbox) for _ in range(20)]
    for client in clients:
        client.notification_handlers.list()
    assert before + 1 == threading.active_count()
    for client in clients:
        client.close()


def test_a_blocking_call_on_the_loop_thread_is_a_clear_error(
    connect_sync: Connect, threaded_sandbox: Sandbox
):
    threaded_sandbox.seed_handlers(1)
    errors: list[str] = []

    def hook(event: Event) -> None:
        for call in (
            bitpeak.notification_handlers.list,
            lambda: next(bitpeak.notification_handlers.iterate()),
            lambda: next(stream),
            stream.close,
            bitpeak.close,
            shutdown,
        ):
            with pytest.raises(ClosedError, match="loop thread") as caught:
                call()
            errors.append(str(caught.value))

    with (
        connect_sync(threaded_sandbox, hooks=[hook]) as bitpeak,
        connect_sync(threaded_sandbox) as other,
    ):
        stream = other.notification_handlers.iterate()
        next(stream)
        assert 1 == bitpeak.notification_handlers.get(1).id
    assert 12 == len(errors)


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("fetch", ["one", "ahead"])
def test_an_exit_raised_in_a_hook_reaches_the_caller(
    exception: type[BaseException], fetch: str, connect_sync: Connect, threaded_sandbox: Sandbox
):
    threaded_sandbox.seed_handlers(30)
    armed = True

    def hook(event: Event) -> None:
        if armed:
            raise exception(7)

    with connect_sync(threaded_sandbox, hooks=[hook]) as bitpeak:
        handlers = bitpeak.notification_handlers
        with pytest.raises(exception, match="7"):
            handlers.get(1) if fetch == "one" else list(handlers.iterate())
        armed = False
        assert 30 == len(list(handlers.iterate(results_per_page=10)))


def test_hooks_see_the_callers_context(connect_sync: Connect, threaded_sandbox: Sandbox):
    request_id = contextvars.ContextVar("request_id", default="none")
    seen = set()
    with connect_sync(threaded_sandbox, hooks=[lambda _: seen.add(request_id.get())]) as bitpeak:
        request_id.set("first")
        bitpeak.notification_handlers.list()
        assert {"first"} == seen
        request_id.set("second")
        list(bitpeak.notification_handlers.iterate())
        assert {"first", "second"} == seen


# Iterators


def stream(
    bitpeak: SyncBitPeak, generator: AsyncGenerator[int, None], ahead: int = 1
) -> Stream[int]:
    return bitpeak._runner.stream(generator, lambda number: (number,), ahead=ahead)


class Numbers:
    """An endless asynchronous generator, and what became of it."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = threading.Event()

    async def __call__(self) -> AsyncGenerator[int, None]:
        try:
            while True:
                self.made += 1
                yield self.made
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            self.closed.set()


def test_one_task_runs_a_whole_iterator(sync_bitpeak: SyncBitPeak):
    """What belongs to a task, as a TaskGroup or the token of a variable, survives iteration."""
    variable = contextvars.ContextVar[int]("variable")

    async def numbers() -> AsyncGenerator[int, None]:
        token = variable.set(1)
        async with asyncio.TaskGroup() as group, asyncio.timeout(60):
            for number in range(5):
                yield await group.create_task(asyncio.sleep(0, number))
        variable.reset(token)

    assert list(range(5)) == list(stream(sync_bitpeak, numbers()))


def test_iterating_strictly_raises_for_a_handler_that_cannot_be_read(
    sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox
):
    page = b'{"data": [{"id": 2}], "meta": {"page": 1, "results_per_page": 25, "total": 1}}'
    threaded_sandbox.inject(Fault(body=page), times=2)
    assert [] == list(sync_bitpeak.notification_handlers.iterate())
    with pytest.raises(ReplyError, match="handler 2 "):
        list(sync_bitpeak.notification_handlers.iterate(strict=True))


def test_iterators_are_lazy(sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox):
    numbers = Numbers()
    iterator = stream(sync_bitpeak, numbers())
    assert 0 == numbers.made
    iterator.close()
    assert [] == list(iterator)
    assert 0 == numbers.made


@pytest.mark.parametrize("ahead", [1, 4])
def test_what_is_not_taken_is_not_produced(ahead: int, sync_bitpeak: SyncBitPeak):
    numbers = Numbers()
    with stream(sync_bitpeak, numbers(), ahead) as iterator:
        for expected in range(1, 100):
            assert expected == next(iterator)
            assert numbers.made <= expected + ahead
    assert numbers.closed.is_set()


def test_leaving_a_loop_closes_the_generator(sync_bitpeak: SyncBitPeak):
    broken, raised, collected = Numbers(), Numbers(), Numbers()
    for _ in stream(sync_bitpeak, broken()):
        break
    assert broken.closed.wait(5)

    with pytest.raises(ZeroDivisionError), stream(sync_bitpeak, raised()) as iterator:
        for _ in iterator:
            _ / 0
    assert raised.closed.is_set()

    cycle: list[Any] = [stream(sync_bitpeak, collected())]
    next(cycle[0])
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert collected.closed.wait(5)


def test_an_error_ends_an_iterator_once(sync_bitpeak: SyncBitPeak):
    async def numbers() -> AsyncGenerator[int, None]:
        yield 1
        raise LookupError("no more")

    iterator = stream(sync_bitpeak, numbers())
    assert 1 == next(iterator)
    with pytest.raises(LookupError, match="no more"):
        next(iterator)
    assert [] == list(iterator)
    iterator.close()


def test_threads_that_share_an_iterator_get_each_item_once(
    sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox
):
    threaded_sandbox.seed_handlers(500)
    with (
        sync_bitpeak.notification_handlers.iterate(results_per_page=10) as iterator,
        ThreadPoolExecutor(8) as pool,
    ):
        parts = pool.map(lambda _: [handler.id for handler in iterator], range(8))
        assert list(range(1, 501)) == sorted(each for part in parts for each in part)


def test_closing_wakes_a_thread_that_waits(sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox):
    threaded_sandbox.inject(Fault.stall())
    iterator = sync_bitpeak.notification_handlers.iterate()
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(list, iterator)
        wait_for(lambda: threaded_sandbox.in_flight)
        iterator.close()
        assert [] == rest.result(5)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait for what another thread does and nobody tells of."""
    for _ in range(5000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it did not happen within 5 s")


# The caller's own code


def test_specs_are_pulled_in_the_callers_thread(connect_sync: Connect, threaded_sandbox: Sandbox):
    """So copying from one account to another is a generator over blocking calls."""
    threaded_sandbox.seed_handlers(30)
    threads = set()
    with Sandbox() as target, connect_sync(threaded_sandbox) as ours, connect_sync(target) as their:

        def copies() -> Iterator[HandlerSpec]:
            for handler in ours.notification_handlers.iterate(results_per_page=10):
                threads.add(threading.current_thread())
                yield HandlerSpec(handler.name, handler.settings)

        outcomes = list(their.notification_handlers.create_many(copies()))
        assert 30 == len([outcome for outcome in outcomes if outcome.ok])
        assert {threading.current_thread()} == threads
        assert 30 == len(their.provision(copies()).unchanged)


def test_specs_are_pulled_as_they_are_needed(sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox):
    pulled = count()
    endless = (HandlerSpec(f"n{n}", EmailSettings("a@example.com")) for n in pulled)
    with sync_bitpeak.notification_handlers.create_many(endless) as outcomes:
        for _ in range(100):
            assert next(outcomes).ok
    assert next(pulled) < 200


def test_specs_may_be_asynchronous_too(sync_bitpeak: SyncBitPeak):
    async def some() -> AsyncGenerator[HandlerSpec, None]:
        for spec in specs(3):
            yield spec

    assert 3 == len(list(sync_bitpeak.notification_handlers.create_many(some())))


class Rows:
    """Specs of a database connection: each step belongs to one thread."""

    def __init__(self, specs: list[HandlerSpec]) -> None:
        self.specs = specs
        self.threads = set[threading.Thread]()

    def __iter__(self) -> Iterator[HandlerSpec]:
        self.threads.add(threading.current_thread())
        return self.rows()

    def rows(self) -> Iterator[HandlerSpec]:
        try:
            for spec in self.specs:
                self.threads.add(threading.current_thread())
                yield spec
        finally:
            self.threads.add(threading.current_thread())
            self.specs = []


@pytest.mark.parametrize("end", ["exhausted", "closed", "left", "error"])
def test_an_iterator_of_specs_lives_and_ends_in_the_callers_thread(
    end: str, sync_bitpeak: SyncBitPeak
):
    """Its cleanup is prompt too: it may hold a cursor or a transaction."""
    rows = Rows(specs(40))
    outcomes = sync_bitpeak.notification_handlers.create_many(rows)
    gc.disable()
    try:
        next(outcomes)
        if end == "exhausted":
            assert 39 == len(list(outcomes))
        elif end == "closed":
            outcomes.close()
        elif end == "left":
            del outcomes
        else:
            with pytest.raises(ZeroDivisionError), outcomes:
                _ = 1 / 0
        assert [] == rows.specs
    finally:
        gc.enable()
    assert {threading.current_thread()} == rows.threads


def test_an_iterator_that_waits_for_itself_is_refused(sync_bitpeak: SyncBitPeak):
    def circular() -> Iterator[HandlerSpec]:
        yield from specs(1)
        next(outcomes)

    outcomes = sync_bitpeak.notification_handlers.create_many(circular())
    with pytest.raises(ClosedError, match="inside next\\(\\) of the same iterator"):
        list(outcomes)


@pytest.mark.parametrize("specs", [None, 5])
def test_what_holds_no_specs_is_refused_at_the_call(specs: Any):
    with SyncBitPeak("key") as bitpeak:
        with pytest.raises(InvalidRequestError, match="specs must be an iterable"):
            bitpeak.notification_handlers.create_many(specs)
        for call in (bitpeak.plan, bitpeak.provision):
            with pytest.raises(PlanError, match="specs must be an iterable"):
                call(specs)


def test_a_listener_that_would_never_run_is_refused():
    async def on_outcome(_: object) -> None: ...

    with SyncBitPeak("key") as bitpeak:
        for listener in (on_outcome, 1):
            with pytest.raises(ConfigurationError, match="on_outcome must be a plain function"):
                bitpeak.provision([], on_outcome=listener)


def test_an_error_of_the_specs_is_raised_when_what_was_begun_is_told(sync_bitpeak: SyncBitPeak):
    def broken() -> Iterator[HandlerSpec]:
        yield from specs(3)
        raise LookupError("no more rows")

    outcomes = []
    with pytest.raises(LookupError, match="no more rows"):
        outcomes.extend(sync_bitpeak.notification_handlers.create_many(broken()))
    with pytest.raises(LookupError, match="no more rows"):
        sync_bitpeak.plan(broken())


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_what_interrupts_the_specs_cancels_the_run(
    interruption: type[BaseException], sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox
):
    def interrupted() -> Iterator[HandlerSpec]:
        yield from specs(3)
        raise interruption

    with pytest.raises(interruption):
        list(sync_bitpeak.notification_handlers.create_many(interrupted()))
    wait_for(lambda: not threaded_sandbox.in_flight)
    assert sync_bitpeak.notification_handlers.list().meta.total <= 3


def test_on_outcome_runs_in_the_callers_thread(
    sync_bitpeak: SyncBitPeak, caplog: pytest.LogCaptureFixture
):
    seen = []

    def on_outcome(outcome: Any) -> None:
        seen.append((threading.current_thread(), outcome.change.spec.name))
        assert sync_bitpeak.notification_handlers.get(outcome.handler_id).is_enabled
        raise ValueError("broken")

    report = sync_bitpeak.provision(specs(5), on_outcome=on_outcome)
    assert report.ok
    assert {(threading.current_thread(), f"n{i}") for i in range(5)} == set(seen)
    assert "on_outcome failed on Outcome" in caplog.text


# Ctrl-C at the worst moments


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_hands_over_a_report_that_was_finished(
    times: int, monkeypatch: pytest.MonkeyPatch, sync_bitpeak: SyncBitPeak
):
    """The first comes in a slow callback, and perhaps a second one while it waits for the end."""
    wait, seen = PendingCall.wait, []

    def interrupted(call: PendingCall[Any]) -> None:
        wait(call)
        raise KeyboardInterrupt

    def on_outcome(outcome: Any) -> None:
        seen.append(outcome)
        if len(seen) == 1:
            wait_for(lambda: not portal.ensure_portal()._calls)
            if times == 2:
                monkeypatch.setattr(PendingCall, "wait", interrupted)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        sync_bitpeak.provision(specs(5), on_outcome=on_outcome)
    monkeypatch.undo()
    report = partial_report(caught.value)
    assert report is not None
    assert 5 == len(report.created)


class Lossy:
    """An inbox of which Ctrl-C takes a message just as it was got."""

    def __init__(self, inbox: Any, lost: object) -> None:
        self._inbox = inbox
        self._lost = lost

    def put(self, message: object) -> None:
        self._inbox.put(message)

    def get(self, *arguments: Any) -> object:
        message = self._inbox.get(*arguments)
        if message is self._lost:
            self._lost = None
            raise KeyboardInterrupt
        return message


def test_ctrl_c_just_as_a_call_ends_is_no_hang(sync_bitpeak: SyncBitPeak):
    caller = CallerMailbox()
    caller._inbox = Lossy(caller._inbox, END)
    with pytest.raises(KeyboardInterrupt):
        sync_bitpeak._runner.run(lambda: asyncio.sleep(0), caller)
    sync_bitpeak.notification_handlers.list()


@pytest.mark.parametrize("moment", ["got", "taken"])
def test_ctrl_c_just_as_a_batch_arrives_ends_the_iterator(
    moment: str, sync_bitpeak: SyncBitPeak, monkeypatch: pytest.MonkeyPatch
):
    """A batch is lost then; going on without it would lose it silently."""
    numbers = Numbers()
    iterator = stream(sync_bitpeak, numbers())
    if moment == "got":
        iterator._caller._inbox = Lossy(iterator._caller._inbox, 2)
    else:

        def take() -> None:
            if numbers.made > 1:
                raise KeyboardInterrupt
            original()

        original = iterator._channel.take
        monkeypatch.setattr(iterator._channel, "take", take)
    assert 1 == next(iterator)
    with pytest.raises(KeyboardInterrupt):
        next(iterator)
    assert numbers.closed.is_set()
    assert [] == list(iterator)


# The end


def test_use_after_close_is_a_clear_error(connect_sync: Connect, threaded_sandbox: Sandbox):
    bitpeak = connect_sync(threaded_sandbox)
    derived = bitpeak.with_options(timeout=Timeout(total=5))
    bitpeak.close()
    bitpeak.close()
    for client in (bitpeak, derived):
        with pytest.raises(ClosedError, match="the client is closed"):
            client.notification_handlers.list()
        with pytest.raises(ClosedError, match="the client is closed"):
            list(client.notification_handlers.iterate())
        with pytest.raises(ClosedError, match="the client is closed"):
            client.__enter__()


def test_a_client_without_references_is_closed(connect_sync: Connect, threaded_sandbox: Sandbox):
    threaded_sandbox.seed_handlers(20)
    handlers = connect_sync(threaded_sandbox).with_options(deadline=5).notification_handlers
    handlers.list()
    session = handlers._handlers._transport.lifecycle._binding.exchange._session
    iterator = handlers.iterate(results_per_page=10)
    del handlers
    assert 20 == len(list(iterator))
    assert not session.closed
    del iterator
    wait_for(lambda: session.closed)


def test_shutdown_ends_what_is_under_way(connect_sync: Connect, threaded_sandbox: Sandbox):
    threaded_sandbox.inject(Fault.stall(), times=None)
    bitpeak = connect_sync(threaded_sandbox)
    iterator = bitpeak.notification_handlers.iterate()
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(bitpeak.notification_handlers.get, 1),
            pool.submit(next, iterator),
        ]
        wait_for(lambda: threaded_sandbox.in_flight == 2)
        shutdown()
        for each in waiting:
            with pytest.raises(ClosedError, match="shut down"):
                each.result(5)
    with pytest.raises(ClosedError):
        bitpeak.notification_handlers.get(1)
    assert [] == list(iterator)
    shutdown()


def test_clients_that_come_and_go_do_not_disturb_a_shutdown(connect_sync: Connect):
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            with SyncBitPeak("key") as bitpeak, contextlib.suppress(ClosedError):
                bitpeak._runner.portal()

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(come_and_go) for _ in range(8)]
        for _ in range(300):
            shutdown()
        over.set()
        for each in running:
            each.result(10)


def test_calls_that_race_with_a_shutdown_end(connect_sync: Connect, threaded_sandbox: Sandbox):
    threaded_sandbox.seed_handlers(1)
    over = threading.Event()

    def call_on() -> None:
        while not over.is_set():
            try:
                with connect_sync(threaded_sandbox) as bitpeak:
                    bitpeak.notification_handlers.get(1)
            except ClosedError:
                pass

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(call_on) for _ in range(4)]
        for _ in range(50):
            shutdown()
        over.set()
        for each in running:
            each.result(10)


def test_a_client_that_closes_when_a_shutdown_begins_is_closed(
    threaded_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """The shutdown still waits for a call, and closes the clients after that."""
    bitpeak = BitPeak(threaded_sandbox.api_key, base_url=threaded_sandbox.base_url)
    client, thread = sync_client_over(bitpeak), portal.ensure_portal()
    is_cancelled, may_end = threading.Event(), threading.Event()
    run, pool = thread.run, ThreadPoolExecutor(1)

    async def end_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_cancelled.set()
            await asyncio.to_thread(may_end.wait)

    def run_late(*args: Any) -> Any:
        pool.submit(shutdown)
        assert is_cancelled.wait(10)
        return run(*args)

    client.notification_handlers.list()
    thread.run_detached(end_slowly)
    with pool:
        monkeypatch.setattr(thread, "run", run_late)
        client.close()
        may_end.set()
    with pytest.raises(ClosedError, match="the client is closed"):
        asyncio.run(bitpeak.notification_handlers.list())


def test_a_thread_that_cannot_start_is_an_error_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
):
    loops: list[asyncio.AbstractEventLoop] = []

    class Loop(portal._Loop):
        def __init__(self, *args):
            super().__init__(*args)
            loops.append(self)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    portal.shutdown()
    monkeypatch.setattr(portal, "_Loop", Loop)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ClosedError, match="cannot start: can't start new thread"):
        SyncBitPeak("key").notification_handlers.list()
    [loop] = loops
    assert loop.is_closed()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # open sockets
def test_a_thread_that_dies_ends_every_call_and_the_next_starts_another(
    sync_bitpeak: SyncBitPeak, threaded_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    def fail() -> None:
        monkeypatch.undo()
        raise MemoryError

    threaded_sandbox.inject(Fault.stall())
    loop_thread = portal.ensure_portal()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sync_bitpeak.notification_handlers.list)
        while not threaded_sandbox.in_flight:
            assert not waiting.done()
        monkeypatch.setattr(loop_thread._loop, "_run_once", fail)
        loop_thread.call_soon(int)
        with pytest.raises(ClosedError, match=r"the loop thread failed: MemoryError\(\)"):
            waiting.result(10)
    assert 0 == sync_bitpeak.notification_handlers.list().meta.total
    del waiting
    gc.collect()  # of the dead loop's sockets, while their warnings are ignored
