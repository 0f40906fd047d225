"""What docs/encryptors.md tells encryptors' operators to type, typed: its sessions, files and scripts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.laboratory import LIMIT_S, Laboratory
from tests.system.support import assert_no_fault, wait_for_hubs

from .document import Page

#: Printed after each command of a session, with its exit status.
MARK = "\u241e"
#: Whoever reads on takes longer than clients to have all hubs. Before, the hubs of two need not be the same.
READ_ON = f"""timeout {LIMIT_S:g} bash -c '
    until dskectl --config lab.yaml status --json |
        jq --exit-status "[.nodes[].status.peer_hubs[]?.registered] | any and all"
    do :; done' >reading.out 2>&1
"""


class Desk:
    """A directory with the document's files, and a shell in it."""

    def __init__(self, page: Page, lab: Laboratory) -> None:
        self.page, self.lab, self.path = page, lab, lab.path
        for name, text in page.files.items():
            (self.path / name).write_text(text)
            (self.path / name).chmod(0o755 if name.endswith(".sh") else 0o644)

    def run(self, script: str, *, programs: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a script in the directory; with `programs` in front of the system's."""
        places = [
            *([str(programs)] if programs else []),
            str(Path(sys.executable).parent),
            os.environ["PATH"],
        ]
        own = {name: str(self.path) for name in ("DSKED_STATE_DIR", "DSKED_RUNTIME_DIR")}
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.path,
            env={**os.environ, **own, "PATH": os.pathsep.join(places)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    page = Page()
    with Laboratory(page.topology).prepared() as lab:
        yield Desk(page, lab)
        lab.stop()
        for _, name in lab.nodes():
            assert_no_fault(lab.log(name), name)


@pytest.fixture(scope="module")
def session(desk: Desk) -> list[tuple[str, str]]:
    """Of each command, its exit status and what it printed, all in one shell, one after the other."""
    script = "".join(
        f"{step.command}\nprintf '{MARK}%s{MARK}' $?\n{READ_ON if step.command.endswith(' start') else ''}"
        for step in desk.page.steps()
    )
    pieces = desk.run(script).stdout.split(MARK)
    wait_for_hubs(desk.lab, "carol", "celia", "curtis")
    return list(zip(pieces[1::2], pieces[::2], strict=False))


def test_every_command_prints_what_the_document_says(desk: Desk, session: list[tuple[str, str]]) -> None:
    steps = desk.page.steps()
    assert len(steps) > 20
    for step, (status, printed) in zip(steps, session, strict=True):
        ended = printed if printed.endswith("\n") or not printed else printed + "\n"
        assert step.printed(ended), f"{step.command}\nprinted:\n{printed}\nexpected:\n{step.output}"
        assert status == "0", f"{step.command}: exit status {status}"


def stand_in(directory: Path, name: str, script: str) -> Path:
    """A directory with a program of this name."""
    directory.mkdir()
    program = directory / name
    program.write_text(f"#!/bin/bash\nset -eu\n{script}")
    program.chmod(0o755)
    return directory


@pytest.mark.usefixtures("session")
def test_wireguard_gets_one_preshared_key_at_both_ends(desk: Desk, tmp_path: Path) -> None:
    wg = stand_in(tmp_path / "bin", "wg", f'echo "$@" >>{tmp_path}/calls; cat >{tmp_path}/$2.psk\n')
    take = "./wireguard-psk.sh take wg-sunny SAM= sam sunny"
    ran = desk.run(f"./wireguard-psk.sh make wg-sam SUNNY= sam sunny {take}", programs=wg)
    assert ran.returncode == 0, ran.stdout
    assert (tmp_path / "calls").read_text().splitlines() == [
        "set wg-sunny peer SAM= preshared-key /dev/stdin",
        "set wg-sam peer SUNNY= preshared-key /dev/stdin",
    ]
    mine, other = ((tmp_path / f"wg-{name}.psk").read_text() for name in ("sam", "sunny"))
    assert mine == other
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=\n", mine)  # wg(8): 32 bytes in base64


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("other_end", ["false", "./wireguard-psk.sh take wg-sunny SAM= sam susan"])
def test_wireguard_keeps_its_key_where_the_other_end_gets_none(
    desk: Desk, tmp_path: Path, other_end: str
) -> None:
    wg = stand_in(tmp_path / "bin", "wg", f"touch {tmp_path}/called\n")
    ran = desk.run(f"./wireguard-psk.sh make wg-sam SUNNY= sam sunny {other_end}", programs=wg)
    assert ran.returncode != 0
    assert not (tmp_path / "called").exists()


@pytest.mark.usefixtures("session")
def test_strongswan_gets_one_ppk_at_both_ends(desk: Desk, tmp_path: Path) -> None:
    swanctl = stand_in(tmp_path / "bin", "swanctl", f'echo "$@" >>{tmp_path}/calls\n')
    mine, other = tmp_path / "sam.conf", tmp_path / "sunny.conf"
    take = f"./strongswan-ppk.sh take {other} tunnel sam sunny"
    ran = desk.run(f"./strongswan-ppk.sh make {mine} tunnel sam sunny {take}", programs=swanctl)
    assert ran.returncode == 0, ran.stdout
    assert (tmp_path / "calls").read_text().splitlines() == ["--load-all --noprompt"] * 2
    assert mine.read_text() == other.read_text()
    assert mine.stat().st_mode & 0o077 == 0
    found = re.fullmatch(
        r"connections { tunnel { ppk_id = ([0-9a-f-]{36})\n} }\n"
        r"secrets { ppk-tunnel { id = ([0-9a-f-]{36})\nsecret = 0s[A-Za-z0-9+/]{43}=\n} }\n",
        mine.read_text(),
    )
    assert found
    assert found[1] == found[2]
