"""The project's checks and tools: ``nox -l`` lists them, ``.ci/run`` runs all required ones."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import nox

# Otherwise each process of a session would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "typing", "tests"]
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
THIS_PYTHON = "{}.{}".format(*sys.version_info)
EXTRAS = "cli,dask,otel,redis"
ALL_EXTRAS = "cli,dask,otel,redis,speed"
# Most tests wait more than they compute, so four workers save time even on two cores.
PARALLEL = ("-n", "4", "--dist", "worksteal")
MARKERS = [line.partition(":")[0] for line in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]]
YAML_RULES = """
extends: default
rules:
  comments: {min-spaces-from-content: 1}  # tools that update pinned hashes write one space
  document-start: disable
  line-length: {max: 100}
  truthy: {check-keys: false}  # "on" is a key of workflows
"""


def install(session: nox.Session, *groups: str, extras: str = EXTRAS) -> None:
    """Install the package like a user, not as a link to the sources, and dependency groups."""
    session.install(f".[{extras}]", *nox.project.dependency_groups(PYPROJECT, *groups))


def run_pytest(session: nox.Session, *args: str, **env: str) -> None:
    """Run tests; in CI, rerun failed ones up to twice, one at a time.

    Time limits can fail on a loaded machine. A real failure fails again, and the log shows all.
    """
    if "CI" not in os.environ:
        session.run("pytest", *args, env=env)
        return
    # Clear the failures of an earlier session, else the reruns would take those tests too.
    session.run("pytest", "--cache-clear", *args, env=env, success_codes=[0, 1])
    again = [arg for arg in args if arg not in PARALLEL]
    failed = ("--last-failed", "--last-failed-no-failures=none")
    # Exit code 5: no test had failed.
    session.run("pytest", *again, *failed, env=env, success_codes=[0, 1, 5])
    session.run("pytest", *again, *failed, env=env, success_codes=[0, 5])


@nox.session
def tests(session: nox.Session) -> None:
    """Test the installed package, except the marked groups, which have their own sessions."""
    install(session, "tests")
    # Not ``python -m pytest``, which would import the sources instead of the installed package.
    run_pytest(session, *PARALLEL, *session.posargs)


@nox.session
def platform(session: nox.Session) -> None:
    """Test provisioning, bulk creates and the command line on a server like the platform's."""
    install(session, "tests")
    folders = [] if session.posargs else ["tests/provisioning", "tests/cli", "tests/_bulk"]
    run_pytest(session, *PARALLEL, *folders, *session.posargs, BITPEAK_DIALECT="platform")


@nox.session
def coverage(session: nox.Session) -> None:
    """Run every test, including the marked groups, and report the branch coverage."""
    install(session, "notebooks", "browser", "deployments")
    measure = ("--cov", "--cov-report=", "--cov-append", "--cov-fail-under=0")
    session.run("coverage", "erase")
    run_pytest(session, *measure, *PARALLEL)
    # One at a time, because these start their own processes and some measure time.
    run_pytest(session, *measure, "-m", " or ".join(MARKERS))
    session.run("coverage", "report", *session.posargs)


@nox.session(python=[version for version in PYTHONS if version != THIS_PYTHON])
def pythons(session: nox.Session) -> None:
    """Test on each other supported and installed Python; ``pythons-3.13`` runs one."""
    install(session, "tests")
    run_pytest(session, *PARALLEL, *session.posargs)
    run_pytest(session, "-m", "chaos or dask or gunicorn", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """Test with the lowest versions that pyproject.toml allows."""
    session.install("uv")
    # session.create_tmp() would set TMPDIR, and tests would find the pyproject.toml above it.
    pins = Path(session.virtualenv.location, "pins.txt")
    extras = [f"--extra={extra}" for extra in EXTRAS.split(",")]
    lowest = ("--resolution=lowest-direct", "--quiet", f"--output-file={pins}")
    session.run("uv", "pip", "compile", "pyproject.toml", *extras, *lowest)
    groups = nox.project.dependency_groups(PYPROJECT, "tests")
    session.run("uv", "pip", "install", f"--constraint={pins}", f".[{EXTRAS}]", *groups)
    # Old releases use features that their dependencies have since deprecated.
    old = "-Wignore::DeprecationWarning"
    run_pytest(session, old, *PARALLEL, *session.posargs)
    run_pytest(session, old, "-m", "dask", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Run the chaos suite at full size; it takes some minutes."""
    install(session, "tests")
    run_pytest(session, "-m", "chaos", "-s", *session.posargs, BITPEAK_CHAOS="full")


@nox.session
def dask(session: nox.Session) -> None:
    """Test fleets on real Dask schedulers and workers."""
    install(session, "tests")
    session.run("pytest", "-m", "dask", *session.posargs)


@nox.session
def gunicorn(session: nox.Session) -> None:
    """Test the synchronous client in preloaded gunicorn workers."""
    install(session, "tests")
    session.run("pytest", "-m", "gunicorn", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Simulate failing runs from 100,000 seeds, then broken code; ``-- 1..1000``: other seeds."""
    install(session, "tests")
    env = {"PYTHONPATH": "tests"}
    seeds = session.posargs or ["1..100000"]
    session.run("python", "-P", "-m", "simulation", *seeds, env=env)
    session.run("python", "-P", "-m", "simulation.mutations", env=env)


@nox.session
def deployments(session: nox.Session) -> None:
    """Test with real servers, proxies and tools; .ci/run lists those to install from Debian."""
    install(session, "deployments")
    session.run("pytest", "-m", "deployments", *session.posargs)


@nox.session
def notebooks(session: nox.Session) -> None:
    """Test the synchronous client in a real Jupyter kernel."""
    install(session, "notebooks")
    session.run("pytest", "-m", "notebook", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Test the sandbox's dashboard in Chromium; needs Debian's chromium and chromium-driver."""
    install(session, "browser")
    session.run("pytest", "-m", "browser", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, imports, prose, workflows and YAML; ``-- --fix`` applies ruff's fixes."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")
    session.run("lint-imports", "--no-cache")
    session.run("python", "docs/prose.py")
    session.run("actionlint")
    session.run("actionlint", "docs/examples/github-actions.yml")
    yaml = (
        ".github",
        ".pre-commit-config.yaml",
        "docs/.readthedocs.yaml",
        "docs/examples/gitlab-ci.yml",
        "docs/openapi.yaml",
    )
    session.run("yamllint", "--strict", "-d", YAML_RULES, *yaml)


@nox.session
def typing(session: nox.Session) -> None:
    """Check with mypy --strict and pyright, and that every public symbol has a type."""
    install(session, "typing")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "bitpeak_async", "--ignoreexternal")


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel into dist/ and check both."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "release"))
    dist = Path("dist")
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    session.run("check-wheel-contents", str(dist))


def install_alone(session: nox.Session) -> Path:
    """Install the package with all extras in a separate environment; return its path."""
    target = Path(session.create_tmp(), "target")
    session.run("uv", "venv", "--clear", "--quiet", "--python", "python", str(target))
    session.run("uv", "pip", "install", "--quiet", "--python", str(target), f".[{ALL_EXTRAS}]")
    return target


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in the package's dependencies, extras included.

    The first database that knows all packages decides. If no database does, the session fails.
    """
    session.install(*nox.project.dependency_groups(PYPROJECT, "audit"))
    target = install_alone(session)
    # Audit a list of dependencies, because the package itself may not be published yet.
    freeze = ("uv", "pip", "freeze", "--quiet", f"--python={target}", "--exclude=bitpeak-async")
    pins = target / "pins.txt"
    pins.write_text(str(session.run(*freeze, silent=True)), encoding="utf-8")
    shortcomings = []
    for service in ("pypi", "osv"):
        found = target / f"{service}.json"
        command = ("pip-audit", "--no-deps", "--disable-pip", "-r", str(pins), "-s", service)
        # Exit code 1 means a vulnerability or an unreachable service.
        said = session.run(
            *command, "-f", "json", "-o", str(found), success_codes=[0, 1], silent=True
        )
        if not found.exists():
            shortcomings.append(f"{service} was not reachable ({str(said).splitlines()[-1]})")
            continue
        vulnerable, unheard = read_audit(found.read_text(encoding="utf-8"))
        if vulnerable:
            session.error("known vulnerabilities: " + "; ".join(vulnerable))
        if not unheard:
            session.log(f"{service} knows of no vulnerability")
            return
        shortcomings.append(f"{service} has no data of {', '.join(unheard)}")
    session.error(
        "no service has data of all packages, so vulnerabilities may exist: "
        + "; ".join(shortcomings)
    )


def read_audit(report: str) -> tuple[list[str], list[str]]:
    """Return the packages that are vulnerable, and those that the service does not know."""
    packages = json.loads(report)["dependencies"]
    vulnerable = [
        f"{package['name']} {package['version']} by {each['id']}, "
        f"fixed in {', '.join(each['fix_versions']) or 'no version'}"
        for package in packages
        for each in package.get("vulns", ())
    ]
    return vulnerable, [package["name"] for package in packages if "skip_reason" in package]


@nox.session
def sbom(session: nox.Session) -> None:
    """Write build/sbom.json, a CycloneDX list of the package's dependencies, extras included."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "audit"))
    target = install_alone(session)
    bom = Path("build", "sbom.json")
    bom.parent.mkdir(exist_ok=True)
    about = ("--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible")
    session.run("cyclonedx-py", "environment", *about, "--output-file", str(bom), str(target))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz the reply path for a minute; ``nox -s fuzz -- -max_total_time=600`` for ten."""
    install(session, "fuzz")
    found = Path("build", "fuzz")
    found.mkdir(parents=True, exist_ok=True)
    limits = ("-max_total_time=60", "-max_len=4096", "-timeout=5", f"-artifact_prefix={found}/")
    # New inputs go to the first folder, so the repository's corpus stays small.
    folders = (str(found), "tests/fuzz/corpus")
    session.run("python", "tests/fuzz/replies.py", *limits, *session.posargs, *folders)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; warnings, broken cross-references included, are errors."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-b", "html", "docs", "docs/_build")


@nox.session
def changelog(session: nox.Session) -> None:
    """Move the fragments of docs/changelog.d/ into the changelog; ``-- --draft`` only shows it."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "docs"))
    session.run("towncrier", "build", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks; slow results do not fail. ``-- fleet_sizing.py`` runs another script."""
    install(session, "bench", extras="cli,redis,speed")
    script, arguments = "run.py", session.posargs
    if arguments and arguments[0].endswith(".py"):
        script, *arguments = arguments
    session.run("python", f"tests/benchmarks/{script}", *arguments)
