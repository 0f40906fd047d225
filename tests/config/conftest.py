"""A small topology file, and a place of its own for what belongs to it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SMALL = """\
psrd: simulated
etsi: plain-http-on-loopback
min_nr_shares: 2
hubs:
  - name: hank
  - name: helen
  - name: hugo
clients:
  - name: carol
    encryptors:
      - name: sam
  - name: curtis
    encryptors:
      - name: sunny
        users: [alice, 1001]
        groups: [macsec]
      - name: susan
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that all of a topology's files go to; its path is short, for sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="dsked-") as name, pytest.MonkeyPatch.context() as patch:
        path = Path(name)
        patch.setenv("DSKED_STATE_DIR", str(path / "state"))
        patch.setenv("DSKED_RUNTIME_DIR", str(path / "run"))
        patch.chdir(path)
        yield path


@pytest.fixture
def small(directory: Path) -> Path:
    """The file of three hubs and two clients."""
    path = directory / "small.yaml"
    path.write_text(SMALL)
    return path
