"""A small topology file, and a place of its own for what belongs to it."""

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
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that all of a topology's files go to."""
    monkeypatch.setenv("DSKED_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DSKED_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small(directory: Path) -> Path:
    """The file of three hubs and two clients."""
    path = directory / "small.yaml"
    path.write_text(SMALL)
    return path
