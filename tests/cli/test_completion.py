"""Completion, asked for as the shells ask for it, and in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from dsked.cli.dskectl import dskectl
from dsked.cli.dsked import dsked

from .conftest import Dskectl
from .terminal import Terminal

CLIENTS, HUBS = ["carol", "curtis"], ["hank", "helen", "hugo"]


@pytest.fixture
def programs(tmp_path: Path, directory: Path) -> Path:
    """A directory with dskectl and dsked, as shells find them; the current one has a topology file."""
    own = tmp_path / "bin"
    own.mkdir()
    for program in ("dskectl", "dsked"):
        (own / program).write_text(
            f"#!/bin/sh\nexec {sys.executable} -P -c 'from dsked.cli.{program} import main; main()' \"$@\"\n"
        )
        (own / program).chmod(0o755)
    return own


def completed(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What may stand in place of the last word, as bash is told: `type,value`."""
    program = {"dskectl": dskectl, "dsked": dsked}[words[0]]
    with monkeypatch.context() as asking:
        asking.setenv("COMP_WORDS", " ".join(words))
        asking.setenv("COMP_CWORD", str(len(words) - 1))
        return BashComplete(program, {}, words[0], "").complete().splitlines()


def plain(*values: str) -> list[str]:
    return [f"plain,{value}" for value in values]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dskectl", "st"], plain("start", "stop", "status")),
        (["dskectl", "--client", "c"], plain(*CLIENTS)),
        (["dskectl", "--client", "carol", "--hub", "he"], plain("helen")),
        (["dskectl", "status", "--node", ""], plain(*HUBS, *CLIENTS)),
        (["dskectl", "get-key", "s"], plain("sam", "sunny")),
        (["dskectl", "get-key", "sunny", "--as", "sa"], plain("sam")),
        (["dskectl", "etsi-qkd", "sam", "su"], plain("sunny")),
        (["dskectl", "completion", ""], plain("bash", "zsh", "fish")),
        (["dskectl", "status", "--js"], plain("--json")),
        (["dskectl", "--config", "x"], ["file,x"]),
        (["dskectl", "--state-dir", "/v"], ["dir,/v"]),
        (["dsked", "--role", ""], plain("hub", "client")),
        (["dsked", "--config", "x"], ["file,x"]),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_may_stand_there(
    directory: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: list[str]
) -> None:
    assert completed(monkeypatch, *words) == expected


def test_a_file_that_cannot_be_read_leaves_the_line_alone(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "dske-config.yaml").write_text("hubs: 7\n")
    assert completed(monkeypatch, "dskectl", "--client", "c") == []
    assert completed(monkeypatch, "dskectl", "--config", "/none", "--client", "c") == []


def test_without_a_topology_nodes_that_run_here_are_named(
    stand_ins: Dskectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stand_ins("--client", "carol", "--hub", "hank", "start").status == 0
    (tmp_path / "elsewhere").mkdir()
    with monkeypatch.context() as there:
        there.chdir(tmp_path / "elsewhere")
        assert completed(monkeypatch, "dskectl", "status", "--node", "") == plain("hank", "carol")


def in_shell(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


def test_bash(programs: Path) -> None:
    line = (
        'source <(dskectl completion bash); COMP_WORDS=(dskectl --client cu); COMP_CWORD=2; '
        '_dskectl_completion dskectl; echo "${COMPREPLY[@]}"; complete -p dskectl dsked'
    )  # fmt: skip
    out = run(programs, "bash", "--norc", "-c", line)
    assert out.splitlines()[0] == "curtis"
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["dskectl", "dsked"]


def test_fish(programs: Path) -> None:
    in_shell("fish")
    line = 'dskectl completion fish | source; complete -C "dskectl --client cu"; complete -C "dsked --role h"'
    assert run(programs, "fish", "--no-config", "-c", line).split() == ["curtis", "hub"]


def test_zsh(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its completion works only where somebody types."""
    in_shell("zsh")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with Terminal(("zsh", "-f")) as terminal:
        terminal.press(
            "autoload -U compinit && compinit -D; eval \"$(dskectl completion zsh)\"; echo re'ady'\n"
        )
        terminal.wait_for("ready\r\n")
        terminal.press("dskectl --client cu\t")
        terminal.wait_for("dskectl --client curtis")
        terminal.press("\x15dskectl stat\t")
        terminal.wait_for("dskectl status")
        terminal.press("\x15exit\n")


def run(programs: Path, *command: str) -> str:
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout


def test_the_scripts_are_those_that_click_writes(call: Dskectl) -> None:
    both = call("completion", "zsh")
    assert both.status == 0
    assert both.out == call("completion", "zsh", "--program", "dskectl").out + (
        call("completion", "zsh", "--program", "dsked").out
    )
    assert both.out.startswith("#compdef dskectl\n")
    assert call("completion", "csh").status == 2
