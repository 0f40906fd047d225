"""The builds that need no Python, tried as `make binary` tries them."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from dsked import __version__

from .building import build

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where both forms lie, and what was said of them."""
    pytest.importorskip("PyInstaller", reason="scripts/setup.sh --binary installs it")
    directory = tmp_path_factory.mktemp("binary")
    return directory, build("binary.sh", directory)


def test_it_says_which_c_library_and_how_long_it_takes_to_start(built: tuple[Path, str]) -> None:
    said = built[1]
    assert re.search(r"one file: \d+ bytes; directory: \d+ bytes; both need glibc 2\.\d+, ", said)
    assert len(re.findall(r"dskectl --version in \d+ ms", said)) == 2
    assert "a network of its own: a key, status, top, doctor, metrics, logs" in said


def test_both_forms_are_there(built: tuple[Path, str]) -> None:
    directory = built[0]
    assert (directory / "dskectl").readlink() == Path("dsked")
    (archive,) = directory.glob(f"dsked-{__version__}-linux-*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"dsked", "dskectl", "dsked-nursery", "licences/LICENSE", "licences/cryptography/LICENSE"} <= names
    assert {"share/man/man8/dsked.8", "share/man/man1/dskectl.1", "share/man/man5/dsked.yaml.5"} <= names
    assert {"share/zsh/vendor-completions/_dskectl", "_internal/dsked/config/examples/hub.yaml"} <= names


def test_nothing_is_in_it_that_only_building_and_testing_need(built: tuple[Path, str]) -> None:
    (archive,) = built[0].glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        parts = {part for name in tar.getnames() for part in name.split("/")}
    assert parts.isdisjoint({"numpy", "PIL", "pydantic_core", "ast_serialize", "mypy", "_pytest"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the root directory")
def test_it_needs_nothing_but_the_c_library_a_shell_and_tar(built: tuple[Path, str], tmp_path: Path) -> None:
    """In a root directory that has these and nothing else."""
    file = built[0] / "dsked"
    for tool in (
        "/bin/sh",
        *map("/usr/bin/{}".format, ("tail", "tar", "gzip", "id", "stat", "mktemp", "mkdir", "mv", "rm")),
    ):
        _bring(Path(tool), tmp_path)
    for library in ("libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"):
        _bring(_find(library), tmp_path)
    for place in ("proc", "dev"):
        (tmp_path / place).mkdir()
    (tmp_path / "dskectl").write_bytes(file.read_bytes())
    (tmp_path / "dskectl").chmod(0o755)
    enter = 'exec env -i PATH=/usr/bin HOME=/ /usr/sbin/chroot "$1" /dskectl --version'
    mount = f'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && {enter}'
    ran = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c", mount, "sh", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == (f"dskectl, version {__version__}\n", "")


def _find(library: str) -> Path:
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    return Path(next(line.split()[-1] for line in listed.splitlines() if line.split()[:1] == [library]))


def _bring(file: Path, root: Path) -> None:
    """A file, and the libraries that it asks for, into another root directory."""
    asked = subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout
    for path in {file, *map(Path, re.findall(r"/\S+", asked))}:
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        target.chmod(0o755)
