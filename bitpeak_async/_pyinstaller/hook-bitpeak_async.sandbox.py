"""Has PyInstaller collect the page of the sandbox."""  # noqa: N999 - the name is PyInstaller's

from pathlib import Path

_ASSETS = Path(__file__).parents[1] / "sandbox" / "assets"

datas = [(str(_ASSETS), "bitpeak_async/sandbox/assets")]
