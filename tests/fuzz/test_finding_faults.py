"""Fuzzing that can fail: planted faults are found, by hypothesis and by atheris, and told with a way back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fuzzing.check import Fault, check
from fuzzing.runner import Run
from hypothesis import given, settings
from hypothesis.errors import Flaky

from .faulty import TARGETS
from .inputs import inputs

_TOLD = {
    "undeclared": "undeclared IndexError",
    "multi-line": "no line that can be printed",
    "logs": "logged: caught: IndexError",
    "slow": r"took 0\.\d s",
    "hungry": "MiB of memory",
    "not-canonical": "not canonical",
    "not-stable": "something else",
    "forgets": "it gives .*, whole",
    "loses-the-first": "it gives .*, whole",
}
_QUICK = [name for name in TARGETS if name not in ("slow", "hungry")]


@pytest.mark.parametrize("name", _QUICK)
def test_hypothesis_finds_it(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=500, deadline=None, derandomize=True, database=None, report_multiple_bugs=False)
    @given(inputs(target))
    def holds(data: bytes) -> None:
        check(target, data)

    with pytest.raises((Fault, Flaky), match=_TOLD[name]):
        holds()


@pytest.mark.parametrize(("name", "limit_s"), [("slow", 0.5), ("hungry", 60.0)])
def test_cost_is_bounded(name: str, limit_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzzing.check.MAX_SECONDS", limit_s)
    check(TARGETS[name], TARGETS[name].examples[0])
    # What earlier tests have taken once, and given back, would hide what this takes (proc_pid_clear_refs(5)).
    Path("/proc/self/clear_refs").write_text("5")
    with pytest.raises(Fault, match=_TOLD[name]):
        check(TARGETS[name], b"\x01")


def test_the_input_is_told_in_hex() -> None:
    with pytest.raises(Fault) as told:
        check(TARGETS["undeclared"], b"\x91\x01")
    assert re.search(r"--replay 9101$", str(told.value))


@pytest.mark.parametrize("name", _QUICK)
def test_atheris_finds_it(name: str, tmp_path: Path) -> None:
    """In a process of its own, as make fuzz runs it."""
    pytest.importorskip("atheris")
    (tmp_path / "corpus").mkdir()
    run = Run(TARGETS[name], 20_000, 1, tmp_path / "corpus", table="tests.fuzz.faulty")
    failure = run.wait(lambda runs: None).failure
    assert re.search(_TOLD[name], failure), failure
    replayed = re.search(r"--replay ([0-9a-f]+|'')$", failure)
    assert replayed is not None, failure
    with pytest.raises(Fault, match=_TOLD[name]):
        check(TARGETS[name], bytes.fromhex(replayed[1].strip("'")))
