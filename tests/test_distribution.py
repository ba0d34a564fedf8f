"""What is published: sdist and wheel are built, and the wheel works where it is installed."""

import os
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from installed import run

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an sdist, and of a wheel that was built from that."""
    folder = tmp_path_factory.mktemp("dist")
    # Without isolation: hatchling is here, and nothing is fetched.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


def test_the_wheel_holds_the_typed_package_and_nothing_else(dist: Path):
    [wheel] = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "bitpeak_async/py.typed" in names
    assert {"bitpeak_async"} == {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert set() == {name for name in names if "test" in name and "pytest_plugin" not in name}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "bitpeak_async").rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}


def test_the_sdist_holds_what_its_tests_need(dist: Path):
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "noxfile.py", "PKG-INFO"} <= names
    assert {"tests/conftest.py", "tests/test_distribution.py", "docs/index.md"} <= names
    assert set() == {name for name in names if name.endswith((".pyc", ".env", ".sqlite3"))}


def test_the_wheel_works_in_a_fresh_environment(dist: Path, tmp_path: Path):
    [wheel] = dist.glob("*.whl")
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=False)
    python = fresh / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *install, wheel, cwd=tmp_path)
    [site] = map(Path, run(python, "-c", SITE, cwd=tmp_path).split())
    # Its dependencies are borrowed: to fetch them is another session's business.
    (site / "borrowed.pth").write_text("\n".join(filter(os.path.isdir, sys.path[1:])))
    code = "import bitpeak_async as b; print(b.__file__); print(b.__version__); b.BitPeak('key')"
    file, version = run(python, "-c", code, cwd=tmp_path).split()
    assert site / "bitpeak_async" / "__init__.py" == Path(file)
    assert version in wheel.name
    assert (site / "bitpeak_async" / "py.typed").is_file()
    helped = run(python.with_name("bitpeak" + python.suffix), "--help", cwd=tmp_path)
    assert "BitPeak notification handlers" in helped


SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"
