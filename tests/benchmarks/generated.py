"""Clients generated from docs/openapi.yaml when first needed, kept in the temporary directory."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attrs import frozen

OPENAPI = Path(__file__).parents[2] / "docs" / "openapi.yaml"
TIMEOUT = 180.0


class NotUsableError(Exception):
    """A generator, or what it made, cannot be used here; the text tells why."""


@frozen
class Generator:
    """What makes a client.

    Attributes:
        distribution: the name under which it is installed.
        package: the name of the package that it is to make.
        command: with ``{scripts}``, ``{description}``, ``{package}`` and ``{folder}``.
    """

    distribution: str
    package: str
    command: tuple[str, ...]

    def client(self, description: Path = OPENAPI, cache: Path | None = None) -> None:
        """Make the generated package importable, and make it first if it is not there yet.

        Raises:
            NotUsableError: the generator, or java for it, is missing or failed, or the package
                needs what is not installed.
        """
        folder = self.made(description, cache or private_cache())
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        try:
            import_module(self.package)
        except ImportError as error:
            raise NotUsableError(f"the client of {self.distribution}: {error}") from error

    def made(self, description: Path, cache: Path) -> Path:
        """Return the folder that holds the package.

        It is named after the description and the generator's version: another of either is made
        anew. It gets its name when it is complete, so that an interrupted run leaves nothing half
        made.
        """
        try:
            which = f"{self.distribution}-{version(self.distribution)}"
        except PackageNotFoundError as error:
            raise NotUsableError(f"{self.distribution} is not installed") from error
        digest = sha256(description.read_bytes() + repr(self.command).encode()).hexdigest()[:16]
        folder = cache / f"{which}-{digest}"
        if folder.exists():
            return folder
        with tempfile.TemporaryDirectory(dir=cache) as work:
            target = Path(work, "client")
            target.mkdir()
            self._run(description, target)
            try:
                target.rename(folder)
            except OSError:
                if not folder.exists():  # else another run was faster
                    raise
        return folder

    def _run(self, description: Path, target: Path) -> None:
        values = {
            "scripts": sysconfig.get_path("scripts"),
            "description": description,
            "package": self.package,
            "folder": target,
        }
        try:
            done = subprocess.run(
                [each.format(**values) for each in self.command],
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT,
            )
        except OSError as error:
            raise NotUsableError(f"{self.distribution} cannot be run: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise NotUsableError(f"{self.distribution} took over {TIMEOUT:g} s") from error
        if done.returncode or not (target / self.package / "__init__.py").exists():
            last = (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
            raise NotUsableError(f"{self.distribution} failed ({done.returncode}): {last}")


def private_cache() -> Path:
    """Return a folder that none but this user can write: what is in it will be run."""
    cache = Path(tempfile.gettempdir(), f"bitpeak-benchmarks-{os.getuid()}")
    cache.mkdir(mode=0o700, exist_ok=True)
    found = cache.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or cache.is_symlink():
        raise NotUsableError(f"{cache} may be written by others; remove it")
    return cache


OPENAPI_PYTHON_CLIENT = Generator(
    "openapi-python-client",
    "by_openapi_python_client",
    (
        "{scripts}/openapi-python-client",
        "generate",
        "--path={description}",
        "--meta=none",
        "--overwrite",
        "--output-path={folder}/{package}",
    ),
)
OPENAPI_GENERATOR = Generator(
    "openapi-generator-cli",
    "by_openapi_generator",
    (
        "{scripts}/openapi-generator-cli",
        "generate",
        "--generator-name=python",
        "--library=asyncio",
        "--input-spec={description}",
        "--package-name={package}",
        "--output={folder}",
    ),
)
