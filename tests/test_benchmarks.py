"""What the benchmarks do where something cannot be measured, and how clients are generated."""

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    return import_module("generated")


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    return import_module("report")


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


@pytest.mark.parametrize("bar", [None, 4])
def test_a_row_that_was_not_measured_never_holds(report, bar):
    """So --check fails on it, even where there is no bar."""
    row = report.Result("get / other", "unit", None, bar, reason="no java")

    assert not row.holds


def test_a_row_that_was_not_measured_is_published_with_the_reason(report):
    row = report.Result("get / other", "unit", None, 4, reason="no java")

    page = report.markdown([row], "a machine")
    [as_json] = json.loads(import_module("results").as_json([row]))

    assert "| get / other | **not measured: no java** | | ≥ 4 | unit |" in page
    assert (None, None, "no java") == (
        as_json["median"],
        as_json["quartiles"],
        as_json["not_measured"],
    )
    assert "get / other" not in report.svg([row])


def test_a_measured_row_is_published_with_figure_and_quartiles(report):
    ratio = import_module("measure").Ratio(2.5, 3.0, 3.25)
    row = report.Result("get / other", "unit", ratio, 4)

    assert "| get / other | 3.00 | 2.50 to 3.25 | ≥ 4 (missed) | unit |" in report.markdown(
        [row], "a machine"
    )


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
