"""The demonstration: what it prints can be repeated, and it can be interrupted."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.laboratory import wait_until

DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"


def demo(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(DEMO)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def processes_of(place: str) -> list[bytes]:
    """Command lines of processes that were told of a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.append(path.read_bytes())
    return [line for line in found if place.encode() in line]


def test_the_demonstration_shows_commands_that_a_reader_can_repeat() -> None:
    with demo() as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert [line for line in out.splitlines() if line.startswith("$")] == [
        f"$ dskectl --config configs/dske-config.yaml {command}"
        for command in ("start", "etsi-qkd sam sunny get-key-pair", "stop")
    ]
    assert "Key values match" in out


def test_an_interrupted_demonstration_stops_what_it_started() -> None:
    with TemporaryDirectory(prefix="dsked-") as place, demo(TMPDIR=place) as process:
        wait_until(lambda: list(Path(place).glob("*/hub-hank.out")), "the first hub was started")
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        out, err = process.communicate()
        assert processes_of(place) == []
    assert process.returncode == 130
    assert err.splitlines()[-1] == "demo: interrupted"
    assert "Traceback" not in err
    if "get-key-pair" not in out:  # it did not come that far: `start` itself has stopped them
        assert re.findall(r"Stopping (?:hub|client)", out) == []
