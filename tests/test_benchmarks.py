"""What the benchmarks do where something cannot be measured, and how clients are generated."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

KEYS = (b"one", b"other")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of the benchmarks; no other client need be installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    return import_module


@pytest.fixture
def generated(load) -> ModuleType:
    return load("generated")


@pytest.fixture
def description(tmp_path: Path) -> Path:
    path = tmp_path / "openapi.yaml"
    path.write_text("openapi: 3.1.0", encoding="utf-8")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    path.mkdir()
    return path


# Makes a package that knows the description it was made from.
MAKE = """
import pathlib, sys
description, folder, package = sys.argv[1:]
made = pathlib.Path(folder, package)
made.mkdir()
text = pathlib.Path(description).read_text(encoding="utf-8")
made.joinpath("__init__.py").write_text(f"DESCRIPTION = {text!r}", encoding="utf-8")
""".replace("{", "{{").replace("}", "}}")


def command(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, "{description}", "{folder}", "{package}")


@pytest.fixture
def measured(load) -> Callable[..., Any]:
    """Make a result of a GET over TLS."""

    def measured(client: str, *figures: float, bar: float | None = None, reason: str = "") -> Any:
        results, rows = load("results"), load("request_rows")

        def measure() -> Any:
            if reason:
                raise load("generated").NotUsableError(reason)
            return load("measure").Ratio(*figures)

        cell = results.Cell(rows.TLS, client, rows.GET_16)
        return results.Row(f"GET / {client}", "unit", measure, bar, cell=cell).result()

    return measured


@pytest.mark.parametrize("bar", [None, 4])
def test_a_row_that_was_not_measured_never_holds(measured, bar):
    """So --check fails on it, even where there is no bar."""
    assert not measured("other", bar=bar, reason="no java").holds


def test_a_row_that_was_not_measured_is_published_with_the_reason(load, measured):
    row = measured("other", bar=4, reason="no java")

    [as_json] = json.loads(load("results").as_json([row], "a machine"))["rows"]

    assert "| other | **not measured: no java** |" in load("report").markdown([row], "a machine")
    assert (None, None, "no java") == (
        as_json["median"],
        as_json["quartiles"],
        as_json["not_measured"],
    )
    assert "other" not in dict(load("chart").speeds([row]))


def test_the_page_and_the_picture_are_those_of_the_published_figures(load):
    """If not: ``nox -s bench -- --render``."""
    published = load("run").JSON
    results, machine = load("results").from_json(published.read_text(encoding="utf-8"))

    page, picture = load("report").markdown(results, machine), load("chart").svg(results)

    assert page == published.with_suffix(".md").read_text(encoding="utf-8")
    assert picture == published.with_suffix(".svg").read_text(encoding="utf-8")


def test_a_client_that_is_not_installed_is_not_measured(load):
    with pytest.raises(load("generated").NotUsableError, match="no_such_client"):
        load("peers").installed("no_such_client.aio")


def test_the_page_says_which_clients_are_ahead_and_by_what(load, measured):
    rows = [measured("quick", 0.4, 0.5, 0.6), measured("slow", 3.0, 4.0, 5.0, bar=5)]

    page = load("report").markdown(rows, "a machine")

    assert "- **quick**: 0.50 for GET, 16 in flight, over TLS\n" in page
    assert "| slow | 4.00 (missed: ≥ 5) |" in page


def test_the_page_does_not_invent_a_client_that_is_ahead(load, measured):
    page = load("report").markdown([measured("slow", 3.0, 4.0, 5.0)], "a machine")

    assert "No client in the table is ahead of `bitpeak_async`." in page


def test_the_picture_shows_the_clients_from_the_fastest_to_the_slowest(load, measured):
    chart = load("chart")
    rows = [measured("slow & old", 3.0, 4.0, 5.0), measured("quick", 0.4, 0.5, 0.6)]

    picture = ET.fromstring(chart.svg(rows))

    assert [("quick", 2.0), ("bitpeak_async", 1.0), ("slow & old", 0.25)] == chart.speeds(rows)
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert ["quick", "2.00", "bitpeak_async", "1.00", "slow & old", "0.25"] == texts[2:]


def test_a_bar_that_is_missed_is_measured_once_more(load, capsys):
    ratios = iter([load("measure").Ratio(1.0, 1.0, 1.0), load("measure").Ratio(2.0, 2.0, 2.0)])
    row = load("results").Row("GET / other", "unit", lambda: next(ratios), bar=1.5)

    assert load("run").measured(row, once_more=True).holds
    assert "NOT REACHED" in capsys.readouterr().out


def test_what_the_server_keeps_is_each_keys_own(load):
    server, form = load("server").Server(0, 0.0, keeps=True), load("peers").multipart()[1]
    server.answer(b"POST", b"/", b"one", form)

    one, other = (server.answer(b"GET", b"/?page=1&results_per_page=25", key, b"") for key in KEYS)

    assert b'"name":"Ops alerts","settings":{"slack":"https' in one
    assert b'"data":[]' in other


def test_a_client_is_generated_once_and_can_be_imported(generated, description, cache, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    generator = generated.Generator("pytest", "client_generated_once", command(MAKE))

    generator.client(description, cache)
    [first] = cache.iterdir()
    made = first.stat().st_mtime_ns
    generator.client(description, cache)

    assert "openapi: 3.1.0" == import_module("client_generated_once").DESCRIPTION
    assert [first] == list(cache.iterdir())
    assert made == first.stat().st_mtime_ns


def test_a_client_is_generated_anew_from_another_description(generated, description, cache):
    generator = generated.Generator("pytest", "client_generated_anew", command(MAKE))

    first = generator.made(description, cache)
    description.write_text("openapi: 3.2.0", encoding="utf-8")
    second = generator.made(description, cache)

    assert first != second
    code = Path(second, "client_generated_anew", "__init__.py").read_text(encoding="utf-8")
    assert "DESCRIPTION = 'openapi: 3.2.0'" == code


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit('no java')", r"pytest failed \(1\): no java"),
        ("pass", r"pytest failed \(0\): it said nothing"),
    ],
)
def test_a_generator_that_fails_tells_why_and_leaves_nothing(
    generated, description, cache, code, reason
):
    generator = generated.Generator("pytest", "client_not_generated", command(code))

    with pytest.raises(generated.NotUsableError, match=reason):
        generator.made(description, cache)

    assert [] == list(cache.iterdir())


def test_a_generator_that_is_not_there_is_told(generated, description, cache):
    absent = generated.Generator("no-such-generator", "client", ())
    without_script = generated.Generator("pytest", "client", ("{scripts}/no-such-script",))

    with pytest.raises(generated.NotUsableError, match="no-such-generator is not installed"):
        absent.made(description, cache)
    with pytest.raises(generated.NotUsableError, match="pytest cannot be run"):
        without_script.made(description, cache)


def test_a_client_that_needs_what_is_not_installed_is_told(
    generated, description, cache, monkeypatch
):
    monkeypatch.setattr(sys, "path", [*sys.path])
    broken = MAKE.replace("DESCRIPTION = {{text!r}}", "import no_such_module")
    generator = generated.Generator("pytest", "client_that_needs_more", command(broken))

    with pytest.raises(generated.NotUsableError, match="no_such_module"):
        generator.client(description, cache)


def test_a_cache_that_others_can_write_is_refused(generated, tmp_path, monkeypatch):
    """What lies in it will be run."""
    monkeypatch.setattr(generated.tempfile, "gettempdir", lambda: str(tmp_path))
    cache = generated.private_cache()
    assert 0o700 == cache.stat().st_mode & 0o777

    cache.chmod(0o777)

    with pytest.raises(generated.NotUsableError, match="may be written by others"):
        generated.private_cache()
