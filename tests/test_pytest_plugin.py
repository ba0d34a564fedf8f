"""The pytest plugin as its users run it: in a pytest of their own, where a warning is an error."""

import os
from collections.abc import Callable

import pytest

# Loaded before the runs below import every name: pytester forgets what they load first.
import bitpeak_async.mappings
import bitpeak_async.sync.with_replies  # noqa: F401

HEAD = """
import asyncio
import pytest
from bitpeak_async import *
from bitpeak_async.sandbox import Fault

MAIL = EmailSettings("hey@example.com")
"""


@pytest.fixture(autouse=True)
def _without_other_plugins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable plugins of this suite that are slow to load; ``pytester`` would clear that."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:schemathesis -pno:hypothesispytest -pno:faker")


ASYNC_TESTS = """
@pytest_asyncio.fixture
async def handler_id(bitpeak):
    handler_id = await bitpeak.notification_handlers.create("from a fixture", MAIL)
    yield handler_id
    await bitpeak.notification_handlers.delete(handler_id)

async def test_it_answers(bitpeak, bitpeak_sandbox):
    handler_id = await bitpeak.notification_handlers.create("a", MAIL)
    assert ["a"] == [handler["name"] for handler in bitpeak_sandbox.handlers]

async def test_fixtures_may_use_it_before_and_after(bitpeak, handler_id):
    assert "from a fixture" == (await bitpeak.notification_handlers.get(handler_id)).name

async def test_it_may_be_closed(bitpeak):
    async with bitpeak:
        await bitpeak.notification_handlers.list()

async def test_it_may_go_unused(bitpeak):
    pass

async def test_nothing_need_be_sent(bitpeak):
    with pytest.raises(InvalidRequestError):
        await bitpeak.notification_handlers.create("", MAIL)

async def test_it_may_be_cancelled(bitpeak, bitpeak_sandbox):
    bitpeak_sandbox.inject(Fault.stall())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bitpeak.notification_handlers.list(), 0.1)
"""
STRICT = "import pytest_asyncio\npytestmark = pytest.mark.asyncio\n"
LOOP_OF_THE_MODULE = 'pytestmark = pytest.mark.asyncio(loop_scope="module")\n'
ANYIO = """
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run tests in their own session, with the plugin and without any other output."""

    def run(source: str, *args: str) -> pytest.RunResult:
        pytester.makepyfile(HEAD + source)
        # Except what pytest-asyncio says of each run without that option.
        warnings = (
            "-Werror",
            "-Wignore:The configuration option:pytest.PytestDeprecationWarning",
            # pytest cannot rewrite the assertions of what this process has imported already.
            "-Wignore:Module already imported:pytest.PytestAssertRewriteWarning",
        )
        result = pytester.runpytest_inprocess(
            *warnings, "--strict-markers", "-pno:cacheprovider", *args
        )
        assert "Unclosed" not in result.stdout.str() + result.stderr.str()
        return result

    return run


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("import pytest_asyncio\n", ("-pno:anyio", "--asyncio-mode=auto")),
        (STRICT, ("-pno:anyio", "--asyncio-mode=strict")),
        (STRICT, ("--asyncio-mode=strict",)),
        (ANYIO, ("-pno:asyncio",)),
    ],
    ids=["asyncio auto", "asyncio strict", "asyncio beside anyio", "anyio"],
)
def test_the_client_works_under_each_plugin_for_asynchronous_tests(
    run: Callable[..., pytest.RunResult], head: str, options: tuple[str, ...]
):
    tests = ASYNC_TESTS
    if head == ANYIO:
        tests = tests.replace("pytest_asyncio", "pytest")
    run(head + tests, *options).assert_outcomes(passed=6)


def test_the_client_may_be_closed_before_its_loop(run: Callable[..., pytest.RunResult]):
    run(
        LOOP_OF_THE_MODULE
        + """
async def test_one(bitpeak):
    await bitpeak.notification_handlers.list()

async def test_two(bitpeak):
    assert 1 == len(asyncio.all_tasks())
    await bitpeak.notification_handlers.list()
""",
        "--asyncio-mode=strict",
    ).assert_outcomes(passed=2)


def test_plain_tests_need_no_plugin_at_all(run: Callable[..., pytest.RunResult]):
    run(
        """
def test_blocking(sync_bitpeak, bitpeak_sandbox):
    sync_bitpeak.notification_handlers.create("a", MAIL)
    assert ["a"] == [handler["name"] for handler in bitpeak_sandbox.handlers]

def test_a_loop_that_the_test_itself_runs(bitpeak):
    async def own_code():
        return await bitpeak.notification_handlers.create("a", MAIL)
    assert 1 == asyncio.run(own_code())

@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()

def test_a_loop_that_is_open_still(loop, bitpeak):
    loop.run_until_complete(bitpeak.notification_handlers.list())

@pytest.fixture
def portal():
    from anyio.from_thread import start_blocking_portal
    with start_blocking_portal() as portal:
        yield portal

def test_a_loop_that_runs_in_a_thread(portal, bitpeak):
    portal.call(bitpeak.notification_handlers.list)

def test_both_clients_use_the_same_server(bitpeak, sync_bitpeak):
    sync_bitpeak.notification_handlers.create("a", MAIL)
    assert 1 == len(asyncio.run(bitpeak.notification_handlers.list()))
""",
        "-pno:asyncio",
        "-pno:anyio",
    ).assert_outcomes(passed=5)


def test_each_test_has_its_own_sandbox(run: Callable[..., pytest.RunResult]):
    run(
        """
@pytest.mark.parametrize("n", range(3))
def test_starts_empty(n, sync_bitpeak, bitpeak_sandbox):
    assert [] == bitpeak_sandbox.handlers
    assert 1 == sync_bitpeak.notification_handlers.create("a", MAIL)
"""
    ).assert_outcomes(passed=3)


def test_marks_of_test_class_and_module_stack(run: Callable[..., pytest.RunResult]):
    """Retries do not wait, so a test of an outage is fast."""
    run(
        """
pytestmark = pytest.mark.bitpeak_fault(Fault.gateway_error(503), method="GET", after=1)

@pytest.mark.bitpeak_fault(Fault.gateway_error(502), method="DELETE", times=None)
class TestMarked:
    @pytest.mark.bitpeak_fault(Fault.gateway_error(504), method="POST", times=1)
    @pytest.mark.bitpeak_fault(Fault.gateway_error(521), method="POST", times=1)
    def test_all(self, sync_bitpeak, bitpeak_sandbox):
        handlers = sync_bitpeak.notification_handlers
        with pytest.raises(OutcomeUnknownError):  # after 521, which says it never arrived
            handlers.create("a", MAIL)
        assert 1 == handlers.create("a", MAIL)
        assert 1 == len(handlers.list())
        assert 1 == len(handlers.list())
        with pytest.raises(ServerError):
            handlers.delete(1)
        assert {
            ("POST", 521): 1, ("POST", 504): 1, ("POST", 200): 1,
            ("GET", 200): 2, ("GET", 503): 1, ("DELETE", 502): 5,
        } == {**bitpeak_sandbox.counts}

def test_only_the_modules(sync_bitpeak):
    assert 1 == sync_bitpeak.notification_handlers.create("a", MAIL)
    sync_bitpeak.notification_handlers.delete(1)
"""
    ).assert_outcomes(passed=2)


WRONG = {
    "": "argument: 'fault'",
    "'GET'": "'fault' must be <class*Fault'> (got 'GET'*",
    "Fault.stall(), metod='GET'": "unexpected keyword argument 'metod'*",
    "Fault.stall(), 'GET'": "positional arguments*",
    "Fault.stall(), method=1": "'method' must be <class 'str'> (got 1*",
    "Fault.stall(), when='GET'": "'when' must be callable*",
    "Fault.stall(), times='3'": "'times' must be <class 'int'> (got '3'*",
    "Fault.stall(), after=-1": "'after' must be >= 0: -1",
    "Fault.stall(), probability=2": "'probability' must be <= 1: 2",
}


def test_the_error_names_wrong_arguments_of_the_mark(run: Callable[..., pytest.RunResult]):
    result = run(
        "".join(
            f"@pytest.mark.bitpeak_fault({arguments})\ndef test_{n}(bitpeak_sandbox): ...\n"
            for n, arguments in enumerate(WRONG)
        )
    )
    result.assert_outcomes(errors=len(WRONG))
    takes = "@pytest.mark.bitpeak_fault takes a Fault and the keywords of Sandbox.inject"
    result.stdout.fnmatch_lines(
        [f"E  *UsageError: {takes}: *{complaint}" for complaint in WRONG.values()]
    )


def test_the_mark_is_listed(pytester: pytest.Pytester):
    result = pytester.runpytest_subprocess("--markers", timeout=60)
    result.stdout.fnmatch_lines(["@pytest.mark.bitpeak_fault(fault, [*], method=None*"])


def test_a_run_without_the_fixtures_does_not_import_the_sdk(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
):
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)  # measuring would itself import sqlite3
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others may import anything
    pytester.makepyfile("""
        import sys

        def test_modules():
            ours = {name for name in sys.modules if name.startswith("bitpeak_async.")}
            assert {"bitpeak_async._version", "bitpeak_async.pytest_plugin"} == ours
            heavy = {"aiohttp", "attrs", "cattrs", "msgspec", "sqlite3", "typer", "yaml", "yarl"}
            assert set() == heavy & sys.modules.keys()
    """)
    result = pytester.runpytest_subprocess("-pbitpeak", timeout=60)
    result.assert_outcomes(passed=1)
