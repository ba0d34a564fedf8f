"""The project's chores; ``nox -l`` lists them, plain ``nox`` runs what CI runs."""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "typing", "tests"]
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = "cli,otel"


def install(session: nox.Session, *groups: str, extras: str = EXTRAS) -> None:
    """Install the package as users get it, not as a link to the sources, and some groups."""
    session.install(f".[{extras}]", *nox.project.dependency_groups(PYPROJECT, *groups))


@nox.session
def tests(session: nox.Session) -> None:
    """Test the installed package and report its branch coverage."""
    install(session, "tests")
    # The script, not ``python -m``, which would put the sources before the installed package.
    session.run("pytest", "--cov", "--cov-report=term", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Run the chaos suite at full size; it takes some minutes."""
    install(session, "tests")
    session.run("pytest", "tests/chaos", "-s", *session.posargs, env={"BITPEAK_CHAOS": "full"})


@nox.session
def notebooks(session: nox.Session) -> None:
    """Test the synchronous client in a real Jupyter kernel."""
    install(session, "notebooks")
    session.run("pytest", "-m", "notebook", "tests/test_notebook.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format; ``nox -s lint -- --fix`` mends what can be mended."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the package and the typing tests with mypy --strict and pyright."""
    install(session, "typing")
    session.run("mypy")
    session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-b", "html", "docs", "docs/_build")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure; never fails on time by itself."""
    install(session, "bench", extras="cli,speed")
    session.run("python", "tests/benchmarks/run.py", *session.posargs)
