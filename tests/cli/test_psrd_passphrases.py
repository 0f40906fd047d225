"""`dskectl psrd` asks for passphrases on a terminal, or takes them from files and descriptors."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Dskectl
from .psrd_lab import FOR_CAROL, PASSPHRASE, generate, refused


def test_a_passphrase_for_each_client(lab: Dskectl, directory: Path) -> None:
    (directory / "two").write_text(f"{PASSPHRASE}another long passphrase\n")
    generate(lab, "--passphrase-per-client", "--passphrase-file", "two", client="carol curtis")
    [path] = Path("usb").iterdir()
    carol, curtis = lab("split", str(path), "--out", "usb").lines
    refused(lab("import", curtis, "--passphrase-file", "pw"), "wrong passphrase")
    assert lab("import", carol, "--passphrase-file", "pw").status == 0
    told = f"wrong passphrase, .*may have its own passphrase: cut it first with: dskectl psrd split {path}"
    refused(lab("verify", str(path), "--passphrase-file", "two"), told)


def test_one_passphrase_from_a_descriptor_for_all(lab: Dskectl) -> None:
    path = generate(lab, "--passphrase-file", "pw", client="carol curtis")
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode())
    os.close(writing)
    assert lab("verify", str(path), "--passphrase-fd", str(reading)).status == 0
    os.close(reading)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"short\n", "at least 12 characters"),
        (b"", "1 line with a passphrase expected"),
        (b"\n\n", "1 line with a passphrase expected"),
        (b"\xff\xfe\n", "text in UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_passphrases_that_are_none(lab: Dskectl, directory: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (directory / "bad").write_bytes(content)
    ran = lab(*FOR_CAROL, "--out", "usb", "--passphrase-file", "bad")
    refused(ran, told, status=2)
    assert not list(Path("usb").iterdir())


def test_without_a_terminal_nothing_is_asked(lab: Dskectl, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(generate(lab, "--passphrase-file", "pw"))
    refused(lab("import", path), "There is no terminal to ask for a passphrase", status=2)
    refused(lab("erase", path), "There is no terminal to ask; say --yes", status=2)
    refused(lab("erase", "--hub", "hank", "--peer", "carol"), "There is no terminal to ask", status=2)


def on_a_terminal(arguments: list[str], keys: bytes) -> tuple[int, str]:
    """What a real dskectl shows on a terminal of 80 columns when somebody types."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    program = [sys.executable, "-P", "-m", "dsked.cli.dskectl", *arguments]
    process = subprocess.Popen(
        program, stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True
    )
    os.close(follower)
    shown = b""
    while select.select([leader], [], [], 30)[0]:
        try:
            shown += os.read(leader, 65536)
        except OSError:  # the last one that had it open is gone
            break
        if keys and shown.endswith(b": "):  # the space comes once it takes no notice of what was typed before
            line, _, keys = keys.partition(b"\n")
            os.write(leader, line + b"\n")
    os.close(leader)
    return process.wait(30), shown.decode()


def test_on_a_terminal(lab: Dskectl) -> None:
    """A bar with rate and time left; passphrases asked for and not shown."""
    command = ["psrd", "generate", "--hub", "hank", "--client", "carol", "--out", "usb", "--size", "4M"]
    secret = PASSPHRASE.encode()
    status, shown = on_a_terminal([*command, "--seal"], 2 * secret)
    assert status == 0, shown
    assert "Passphrase for the bundle:" in shown and "Repeat for confirmation:" in shown
    assert "Generating" in shown and "8.0/8.0 MiB" in shown and "B/s" in shown
    assert PASSPHRASE.strip() not in shown
    [path] = Path("usb").iterdir()
    status, shown = on_a_terminal(["psrd", "import", str(path), "--erase"], secret)
    assert status == 0, shown
    assert f"Passphrase of {path}:" in shown and "Importing" in shown and "Erasing" in shown
    assert PASSPHRASE.strip() not in shown


def test_a_short_passphrase_is_not_asked_for_twice(lab: Dskectl) -> None:
    command = ["psrd", *FOR_CAROL, "--out", "usb", "--seal"]
    status, shown = on_a_terminal(command, b"short\nshort\n")
    assert status == 2
    assert "at least 12 characters" in shown and "Repeat" not in shown
    assert "nothing new was made" not in shown, "nobody interrupted it"
