"""One state directory: one owner, one node, one version."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsked.errors import ConfigurationError, StorageError
from dsked.storage.files import Files
from dsked.storage.state_dir import StateDirectory
from tests.storage.nodes import Node

HOLD = """
import sys
from pathlib import Path
from tests.storage.nodes import Node
from dsked.storage.files import Files
node = Node(Files(), Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def state_of(path: Path, role: str = "client", name: str = "carol") -> StateDirectory:
    return StateDirectory(Files(), path, role, name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "client-carol"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the directory."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=root, env={**os.environ, "PYTHONPATH": str(root / "scripts")},
    )  # fmt: skip
    with process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_has_it(path: Path, holder: subprocess.Popen[str]) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError) as raised:
            Node(Files(), path)
        assert str(raised.value) == (
            f"{path}: is in use by process {holder.pid}; two nodes on one state would use pads twice"
        )


@pytest.mark.parametrize("change", [Path.unlink, lambda lock: lock.rename(lock.with_name("old"))])
def test_a_lock_file_that_was_removed_lets_nobody_else_in(
    path: Path, holder: subprocess.Popen[str], change: Callable[[Path], object]
) -> None:
    """As people do where they take a lock for a stale one."""
    change(path / "lock")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="is in use by another process; two nodes"):
            Node(Files(), path)
    holder.kill()
    holder.wait()
    Node(Files(), path).store.close()


def test_after_a_kill_the_directory_is_free(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    Node(Files(), path).store.close()


def test_a_process_that_was_stopped_still_owns_it(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGSTOP)
    with pytest.raises(ConfigurationError, match="in use"):
        Node(Files(), path)


def test_a_child_does_not_inherit_the_lock(path: Path) -> None:
    node = Node(Files(), path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        node.store.close()
        Node(Files(), path).store.close()
        child.kill()


def test_what_it_makes_is_the_owners_alone(path: Path) -> None:
    old = os.umask(0)
    try:
        Node(Files(), path).store.close()
    finally:
        os.umask(old)
    for found in (path, *path.rglob("*")):
        expected = 0o700 if found.is_dir() else 0o600
        assert stat.S_IMODE(found.stat().st_mode) == expected, found


def test_opening_again_changes_nothing(path: Path) -> None:
    Node(Files(), path).store.close()
    before = {found: found.stat().st_mtime_ns for found in path.rglob("*") if found.is_file()}
    Node(Files(), path).store.close()
    after = {found: found.stat().st_mtime_ns for found in path.rglob("*") if found.is_file()}
    assert {found for found in before if before[found] != after[found]} <= {path / "lock"}
    assert before.keys() <= after.keys()


@pytest.mark.parametrize(("role", "name"), [("client", "celia"), ("hub", "carol")])
def test_another_nodes_state_is_refused(path: Path, role: str, name: str) -> None:
    Node(Files(), path).store.close()
    with pytest.raises(ConfigurationError, match=f"holds the state of client carol, not of {role} {name}"):
        Node(Files(), path, role=role, name=name)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("dsked state 0\nclient carol\n", "holds 'dsked state 0'; expected 'dsked state 1'"),
        ("dsked state 2\nclient carol\n", "holds 'dsked state 2'; expected 'dsked state 1'"),
        ("", "holds 'nothing'; expected 'dsked state 1'"),
        ("\0\xff" * 40, "expected 'dsked state 1'"),
        ("x" * 10_000, "expected 'dsked state 1'"),
    ],
)
def test_another_version_is_refused_and_the_message_says_what_to_do(
    path: Path, content: str, says: str
) -> None:
    Node(Files(), path).store.close()
    (path / "version").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError) as raised:
        Node(Files(), path)
    assert says in str(raised.value) and "\n" not in str(raised.value)
    assert "use the release of dsked that wrote it" in str(raised.value)
    (path / "version").write_text("dsked state 1\nclient carol\n")
    Node(Files(), path).store.close()  # nothing was touched


@pytest.mark.parametrize("missing", ["marks", "uuids", "pairs"])
def test_what_is_missing_is_not_quietly_made_anew(path: Path, missing: str) -> None:
    """Marks that are gone would mean bytes used twice."""
    Node(Files(), path).store.close()
    (path / missing).rename(path / "elsewhere")
    with pytest.raises(StorageError, match=f"{missing}: cannot be"):
        Node(Files(), path)
    (path / "elsewhere").rename(path / missing)
    Node(Files(), path).store.close()


def test_deliveries_have_a_lock_of_their_own(path: Path) -> None:
    node = Node(Files(), path)
    lock = node.state.lock_for_deliveries()
    assert lock is not None and state_of(path).lock_for_deliveries() is None
    node.files.close(lock)
    again = state_of(path).lock_for_deliveries()
    assert again is not None
    node.files.close(again)
    node.store.close()


def test_whether_a_state_exists(path: Path) -> None:
    assert not state_of(path).exists
    Node(Files(), path).store.close()
    assert state_of(path).exists
