"""`dskectl security`: its figures against sums done anew, and against what key pairs really cost."""

from __future__ import annotations

import json
import sys
from math import log2
from typing import Any

import click
import pytest

from dsked.cli import security_figures
from dsked.sharing.terms import Party, Terms

from ..engines.world import World
from .conftest import Dskectl

P = 2**127 - 1
FIVE = ("--hubs", "5", "--min-nr-shares", "3")


def figures(call: Dskectl, *arguments: str) -> Any:
    ran = call("security", *arguments, "--json")
    assert (ran.status, ran.err) == (0, "")
    return json.loads(ran.out)


def bound(document: Any, event: str) -> float:
    [found] = [row["log2"] for row in document["bounds"] if row["event"] == event]
    return float(found)


def at_most(document: Any, event: str, probability: float) -> bool:
    """Rounded up, and by no more than a tenth."""
    return 0 <= bound(document, event) - log2(probability) < 0.1


def test_the_figures_of_three_of_five(call: Dskectl) -> None:
    found = figures(call, *FIVE, "--size", "256", "--keys", "2^40", "--attempts", "1000000")
    # Two names of 64 and two of 128 bytes: 4 + 3 + 16 + 2 * (2 + 192) + 2 + 8 + 32 = 453 = 31 blocks of 15.
    one = 33 / P
    assert at_most(found, "wrong key accepted, per candidate", one)
    assert at_most(found, "wrong key accepted, per key", 10 * one)
    assert at_most(found, "any wrong key accepted", 2**40 * 10 * one)
    forged = 8 * 24577 / 2**106
    assert 393221 == 16 + 1 + 4 + 393216 - 16 <= 16 * 24577
    assert at_most(found, "forged frame accepted, per attempt", forged)
    assert at_most(found, "any forged frame accepted", 1e6 * forged)
    assert at_most(found, "any key guessed at one try each", 2.0 ** (40 - 256))
    assert at_most(found, "any key ID twice (the request fails)", 2.0 ** (79 - 122))
    [secrecy] = [row for row in found["bounds"] if "learn" in row["event"]]
    assert secrecy["log2"] is None
    assert all(row["formula"] and row["source"] for row in found["bounds"])
    assert found["tolerance"] == [
        {"down": 0, "answering": 5, "liars_decoded": 1, "liars_searched": 2},
        {"down": 1, "answering": 4, "liars_decoded": 0, "liars_searched": 1},
        {"down": 2, "answering": 3, "liars_decoded": 0, "liars_searched": 0},
    ]


def test_long_keys_and_several_responders(call: Dskectl) -> None:
    found = figures(call, *FIVE, "--size", str(8 * 2**20), "--responders", "3")
    one = 8 * 65536 / 2**106
    assert at_most(found, "wrong key accepted, per candidate", one)
    assert at_most(found, "wrong key accepted, per key", 30 * one)


def test_attempts_follow_from_the_back_off(call: Dskectl) -> None:
    found = figures(call, *FIVE, "--years", "2")
    assert found["clients"] == 2
    assert found["attempts"] == 2 * 5 * 2 * 2 * 31_557_600 / 0.075
    assert at_most(found, "any forged frame accepted", found["attempts"] * 8 * 24577 / 2**106)


def test_a_topology_has_its_own_numbers_and_names(call: Dskectl) -> None:
    found = figures(call, "--size", "256")
    assert (found["n"], found["k"], found["clients"]) == (3, 2, 2)
    # carol sam, curtis sunny: 4 + 3 + 16 + (2 + 11) + (2 + 8) + 2 + 8 + 32 = 88 = 6 blocks.
    assert at_most(found, "wrong key accepted, per candidate", 8 / P)
    assert figures(call, "--min-nr-shares", "3")["k"] == 3


def test_without_a_terminal_it_is_plain_text(call: Dskectl) -> None:
    ran = call("security", *FIVE)
    assert (ran.status, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    assert any("2^-121.9" in line and "(31 + 2) / (2^127 - 1)" in line for line in call(
        "security", *FIVE, "--size", "256").lines)  # fmt: skip
    assert "of them together know" not in ran.out
    assert (
        "any 2 of them together know the keys" in call("security", "--hubs", "5", "--min-nr-shares", "2").out
    )


def test_on_a_terminal_there_is_colour(call: Dskectl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = call("security", *FIVE).out
    assert "\x1b[32m" in out
    assert "wrong key accepted" in out
    assert all(len(click.unstyle(line)) <= 100 for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--hubs", "5"), "--hubs stands with --min-nr-shares"),
        (("--hubs", "5", "--min-nr-shares", "6"), "6 shares cannot come from 5 hubs"),
        (("--hubs", "5", "--min-nr-shares", "1"), "1 is too few"),
        (("--hubs", "256", "--min-nr-shares", "3"), "256; expected 2 to 255 hubs"),
        ((*FIVE, "--size", "100"), "100 bits; expected a multiple of 8 from 32 to 16777216"),
        ((*FIVE, "--size", "16777224"), "16777224 bits; expected a multiple of 8"),
        ((*FIVE, "--keys", "many"), "'many': expected a whole number from 1 to 2^128"),
        ((*FIVE, "--keys", "0"), "'0': expected a whole number"),
        ((*FIVE, "--keys", "2^999"), "'2^999': expected a whole number"),
        ((*FIVE, "--attempts", "-1"), "'-1': expected a whole number"),
        ((*FIVE, "--years", "0"), "0; expected a number above 0"),
        ((*FIVE, "--years", "nan"), "nan; expected a number above 0"),
        ((*FIVE, "--responders", "33"), "33 is not in the range 1<=x<=32"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(call: Dskectl, arguments: tuple[str, ...], says: str) -> None:
    ran = call("security", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_a_topology_with_too_few_encryptors(call: Dskectl) -> None:
    ran = call("security", "--responders", "2")
    assert ran.status == 2
    assert "it has 2 encryptors; a key with 2 responders names 3" in ran.err


@pytest.mark.parametrize(("number", "key_bytes"), [(1, 32), (1, 1025), (128, 32)])
def test_what_keys_cost_is_what_is_told(number: int, key_bytes: int) -> None:
    world = World().start()
    world.pair(number, 8 * key_bytes)  # now each knows where the other's encryptor is
    world.run_for(10)  # confirmations have gone
    before = used(world, "carol"), used(world, "curtis")
    world.pair(number, 8 * key_bytes)
    terms = Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), key_bytes)
    initiator, responder = security_figures.cost(terms, number)
    assert used(world, "carol") - before[0] == 5 * initiator
    assert used(world, "curtis") - before[1] == 5 * responder


def used(world: World, client: str) -> int:
    """Bytes of both pools with all hubs that a client has used."""
    streams = [hub.pair.streams for hub in world.clients[client].hubs]
    return sum(one.local.next + one.peer.mark for one in streams if one is not None)
