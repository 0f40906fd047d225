"""What people mistype, and scripts whose variables are empty hand over: one line, status 2, nothing done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Dskectl

NOT_MADE = "out.psrd"
GENERATE = f"psrd generate --hub hank --client carol --x-coordinate 1 --out {NOT_MADE}"
UUID = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        # empty, as "$UNSET" is
        (["status", "--socket", ""], "Invalid value for '--socket': it is empty."),
        (["status", "--node", ""], "Invalid value for '--node': it is empty."),
        (["get-key", "sunny", "--node", ""], "Invalid value for '--node': it is empty."),
        (["drain", "--socket", ""], "Invalid value for '--socket': it is empty."),
        (["doctor", "--node", ""], "Invalid value for '--node': it is empty."),
        (
            ["--state-dir", "", "psrd", "list", "--hub", "hank"],
            "Invalid value for '--state-dir': it is empty.",
        ),
        (["--runtime-dir", "", "status"], "Invalid value for '--runtime-dir': it is empty."),
        # no number, though it passes comparisons
        (["doctor", "--warn-days", "nan"], "'nan' is not a valid number."),
        (["doctor", "--order-days", "nan"], "'nan' is not a valid number."),
        (["doctor", "--order-days", "inf"], "inf is not in the range 0<=x<=36500."),
        (["doctor", "--warn-days", "soon"], "'soon' is not a valid number."),
        (["top", "--interval", "nan"], "'nan' is not a valid number."),
        # what excludes each other, or cannot be
        (["get-key", "sunny", "--node", "carol", "--socket", "x"], "--socket and --node exclude each other."),
        (
            ["get-key-with-key-ids", "sam", "xyz"],
            "Invalid value for KEY_ID: 'xyz' is no key ID; a UUID such as",
        ),
        (["doctor", "--self-test", "sam", "sunny", "--fetch", "xyz"], "'xyz' is no key ID; a UUID such as"),
        (
            [*GENERATE.split(), "--size", "0"],
            "Invalid value for '--size': '0' is no byte; expected one or more.",
        ),
        ([*GENERATE.split(), "--block-size", "0K"], "'0K' is no byte; expected one or more."),
        (
            [*GENERATE.replace("carol", "hank").split()],
            "--hub and --client are both hank: a hub and a client ",
        ),
        (["audit", "show", "dske-config.yaml"], "dske-config.yaml: no line of an audit log in it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_mistyped(call: Dskectl, directory: Path, line: list[str], said: str) -> None:
    ran = call(*line)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err and ran.err.startswith("dskectl: ") and ran.err.count("\n") == 1
    assert not (directory / NOT_MADE).exists()


@pytest.mark.parametrize(
    "command", ["get-key sunny", f"get-key-with-key-ids sam {UUID}", "status --node carol"]
)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("hubs: [".encode("utf-16"), "wrong.yaml:1: not UTF-8 text; save the file as UTF-8"),
        (b"hubs: [\n", "wrong.yaml:2: not YAML"),
        (b"", "wrong.yaml:1: the file is empty"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_told_where_no_node_of_it_runs(
    call: Dskectl, directory: Path, command: str, content: bytes, said: str
) -> None:
    (directory / "wrong.yaml").write_bytes(content)
    ran = call("--config", "wrong.yaml", *command.split())
    assert (ran.status, ran.out) == (2, "") and said in ran.err


def test_where_nothing_is_nothing_is_verified(call: Dskectl) -> None:
    """A script that mistypes a name is not to go on as if pools were good."""
    ran = call("psrd", "verify", "--hub", "hank")
    assert (ran.status, ran.out) == (4, "")
    assert "dskectl: hub hank has no PSRD: nothing was verified (looked into " in ran.err


def test_a_log_without_a_line_is_no_fault(call: Dskectl, directory: Path) -> None:
    """logrotate leaves such files."""
    (directory / "empty.log").touch()
    assert call("audit", "show", "empty.log") == (0, "", "")


def test_a_file_of_gate_keys_that_is_a_pipe_holds_nobody_up(call: Dskectl, directory: Path) -> None:
    os.mkfifo(directory / "keys", 0o600)
    config = directory / "dske-config.yaml"
    config.write_text(config.read_text() + "gate_keys: keys\n")
    ran = call("start")
    assert ran.status == 2
    assert "keys: is a pipe, a device or a socket; expected a regular file" in ran.err
