"""The list of mutants does not rot: each still breaks the code that stands there, and names real tests."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mutants import MUTANTS
from mutating.mutant import Mutant

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_other_code_that_can_be_run(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    broken = mutant.applied(text)
    assert broken != text
    compile(broken, mutant.file, "exec")
    assert mutant.tests and all((ROOT / test).exists() for test in mutant.tests)


def test_names_are_unique() -> None:
    assert [name for name, number in Counter(mutant.name for mutant in MUTANTS).items() if number > 1] == []
    assert len(MUTANTS) >= 150


def test_a_text_that_stands_there_twice_or_not_at_all_is_told() -> None:
    mutant = Mutant("a rule", "some.py", "if a:", "if b:", ())
    assert mutant.applied("if a:\n") == "if b:\n"
    for text in ("", "if a:\nif a:\n"):
        with pytest.raises(ValueError, match=r"a rule: some.py holds 'if a:' . times, not once"):
            mutant.applied(text)


@pytest.mark.full
@pytest.mark.parametrize("name", ["the secret tag is ignored", "a frame's tag is not verified"])
def test_mutants_are_caught(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "mutants.py"), "--only", name],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 1 faults were noticed" in done.stdout
