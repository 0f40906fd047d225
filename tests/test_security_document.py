"""SECURITY.md names tests that exist, for every promise at least one, and numbers that are right."""

from __future__ import annotations

import re
from math import comb
from pathlib import Path

import pytest
import yaml
from attacking.attack import ATTACKS

from dsked.cli.security_figures import longest_terms
from dsked.sharing import bounds
from dsked.sharing.terms import Party

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:tests|scripts|docs|proto|dsked)/[^`]*)`", TEXT)))
LINKED = sorted(set(re.findall(r"\]\(([^)#]+)", TEXT)))
PROMISES = TEXT.partition("## Promised")[2].partition("## The bounds")[0]


@pytest.mark.parametrize("name", NAMED + LINKED)
def test_what_is_named_exists(name: str) -> None:
    path, _, attack = name.partition(" ")
    assert (ROOT / path).exists()
    assert not attack or (path == "scripts/attacks.py" and attack in ATTACKS)


def test_every_promise_is_attacked_by_something() -> None:
    rows = [line.split("|") for line in PROMISES.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 14
    for _, promise, how, attacked, _ in rows:
        assert how.strip() and re.search(r"`(tests|scripts)/", attacked), promise


def test_its_commands_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)`", TEXT):
        assert f"\n{target}:" in makefile, target


def test_its_numbers_are_right() -> None:
    """Those of the example topology, whose longest names count."""
    topology = yaml.safe_load((ROOT / "configs" / "dske-config.yaml").read_text())
    parties = [
        Party(client["name"], encryptor["name"])
        for client in topology["clients"]
        for encryptor in client.get("encryptors", ())
    ]
    terms = longest_terms(5, 3, 256, 1, parties, len(topology["clients"]))
    assert "that is 2^-123.8 per candidate and 2^-120.5 over all subsets" in TEXT
    assert bounds.failure_bound_log2(terms, candidates=1) == pytest.approx(-123.8, abs=0.05)
    assert bounds.failure_bound_log2(terms) == pytest.approx(-120.5, abs=0.05)
    assert bounds.max_candidates(5, 3) == comb(5, 3) and bounds.max_candidates(32, 16) == 2**14 + 16
