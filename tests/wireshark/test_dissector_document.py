"""docs/wireshark.md: its filters are right, it names what the dissector has, and its picture is there."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest

from scripts.capture import SAMPLE

from .tshark import DISSECTOR, run

PROJECT = DISSECTOR.parents[2]
PAGE = (PROJECT / "docs/wireshark.md").read_text()
_ROWS = re.findall(r"^\| `(dske[^`]*)` \|", PAGE, re.MULTILINE)
FILTERS = [row.replace("\\|", "|") for row in _ROWS]
FILES = {"dske.lua", "dske.colorfilters", "dske.pcapng"}
#: What the sample has, of the filters that could be silent for a wrong reason.
MET = ("dske", 'dske.direction == "C"', "dske.drains", "dske.not_final", "dske.flags.begin_anew == 1")


def test_it_names_what_there_is() -> None:
    """Every field that the page names is defined, and all expert information is explained."""
    source = DISSECTOR.read_text()
    experts = {f"dske.{name}" for name in re.findall(r'^expert_field\("(\w+)"', source, re.MULTILINE)}
    fields = {f"dske.{name}" for name in re.findall(r'^define\("\w+", "([\w.]+)"', source, re.MULTILINE)}
    fields |= {f"dske.{name}" for name in re.findall(r'^F\["(\w+)"\] =', source, re.MULTILINE)}
    named = set(re.findall(r"\bdske\.[a-z_]+(?:\.[a-z_]+)*", PAGE)) - FILES
    assert len(experts) > 10
    assert experts <= named, experts - named
    assert named <= fields | experts, named - fields - experts
    assert (PROJECT / "docs/figures/wireshark.png").read_bytes().startswith(b"\x89PNG")


def test_filters() -> None:
    """tshark takes all of them; one run, as each is right if all of them together are."""
    assert len(FILTERS) > 20
    run(SAMPLE, "-2", "-Y", " || ".join(f"({one})" for one in FILTERS), "-c", "1")


@pytest.mark.full
@pytest.mark.parametrize("one", MET)
def test_what_filters_find(one: str) -> None:
    assert one in FILTERS
    assert run(SAMPLE, "-2", "-Y", one, "-T", "fields", "-e", "frame.number")


@pytest.mark.full
def test_commands() -> None:
    """Those that read the sample print something."""
    joined = PAGE.replace("\\\n", "")
    commands = re.findall(r"^    (tshark .*sample\.pcap.*)$", joined, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(shlex.split(command), cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) > 5
