"""The wheel: what it holds, and that it runs where nothing else of the checkout is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dsked import __version__

from .building import ROOT, build


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    build("wheel.sh", directory)
    (built,) = directory.iterdir()
    return built


def test_its_version_is_that_of_the_package(wheel: Path) -> None:
    assert wheel.name == f"dsked-{__version__}-py3-none-any.whl"


def test_it_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "dsked"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert listed
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("dsked-")}
    assert held == {name for name in listed if (ROOT / name).exists()}


def test_the_same_source_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    build("wheel.sh", tmp_path)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has put it."""
    directory = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-compile", "--target", directory, wheel], check=True
    )
    return directory


@pytest.mark.parametrize("program", ["dsked", "dskectl"])
def test_its_programs_run(installed: Path, program: str) -> None:
    """As pip installs them, without the checkout on the path."""
    run = f"import sys; sys.path.insert(0, {str(installed)!r}); from dsked.cli.{program} import main; main()"
    said = subprocess.run(
        [sys.executable, "-I", "-c", run, "--version"], capture_output=True, text=True, check=True, cwd="/"
    )
    assert said.stdout == f"{program}, version {__version__}\n"
