from __future__ import annotations

import pytest

from dsked.client.evidence import Evidence
from dsked.limits import (
    EVIDENCE_WINDOW_S,
    MAX_EVIDENCE_INITIATORS,
    SET_ASIDE_FIRST_S,
    SET_ASIDE_MAX_S,
)

NOW = 1000.0


@pytest.fixture
def evidence() -> Evidence:
    return Evidence()


def test_nobody_is_suspected_at_first(evidence: Evidence) -> None:
    assert not evidence.is_set_aside("carol", "hank", NOW)
    assert evidence.report("hank", NOW) == {
        "mismatches": {},
        "set_aside_for": [],
        "set_aside_s_left": {},
        "set_aside": False,
        "set_aside_for_all_s_left": 0.0,
    }


def test_a_mismatch_sets_a_hub_aside_for_that_initiator_only(evidence: Evidence) -> None:
    evidence.mismatch("carol", "hank", NOW)
    assert evidence.is_set_aside("carol", "hank", NOW + SET_ASIDE_FIRST_S - 0.001)
    assert not evidence.is_set_aside("carol", "hank", NOW + SET_ASIDE_FIRST_S)
    assert not evidence.is_set_aside("celia", "hank", NOW)
    assert not evidence.is_set_aside(None, "hank", NOW)
    assert not evidence.is_set_aside("carol", "helen", NOW)


def test_mismatches_while_set_aside_do_not_lengthen_it(evidence: Evidence) -> None:
    for _ in range(100):
        evidence.mismatch("carol", "hank", NOW)
    assert not evidence.is_set_aside("carol", "hank", NOW + SET_ASIDE_FIRST_S)


def test_each_mismatch_after_its_time_doubles_it_up_to_a_limit(evidence: Evidence) -> None:
    now, times = NOW, []
    for _ in range(8):
        evidence.mismatch("carol", "hank", now)
        steps = [step for step in range(1, 1000) if not evidence.is_set_aside("carol", "hank", now + step)]
        times.append(steps[0])
        now += steps[0]
    assert times == [10, 20, 40, 80, 160, 320, 600, 600]
    assert SET_ASIDE_MAX_S == 600


def test_two_initiators_set_a_hub_aside_for_all(evidence: Evidence) -> None:
    evidence.mismatch("carol", "hank", NOW)
    evidence.mismatch("celia", "hank", NOW + 1)
    for initiator in ("carol", "celia", "anyone", None):
        assert evidence.is_set_aside(initiator, "hank", NOW + 2)
    assert not evidence.is_set_aside(None, "helen", NOW + 2)
    assert evidence.is_set_aside("anyone", "hank", NOW + 10.5), "as long as one of them has it set aside"
    assert not evidence.is_set_aside("anyone", "hank", NOW + 11)


def test_one_initiator_alone_never_sets_a_hub_aside_for_all(evidence: Evidence) -> None:
    """A dishonest initiator may deal an honest hub bad shares, as often as it likes."""
    for number in range(50):
        evidence.mismatch("mallory", "hank", NOW + 20 * number)
        assert not evidence.is_set_aside("carol", "hank", NOW + 20 * number)


@pytest.mark.parametrize(("apart_s", "together"), [(EVIDENCE_WINDOW_S - 1, True), (EVIDENCE_WINDOW_S, False)])
def test_the_two_must_fall_within_an_hour(evidence: Evidence, apart_s: float, together: bool) -> None:
    evidence.mismatch("carol", "hank", NOW)
    evidence.mismatch("celia", "hank", NOW + apart_s)
    assert evidence.is_set_aside("anyone", "hank", NOW + apart_s) is together


def test_an_initiators_last_mismatch_counts(evidence: Evidence) -> None:
    evidence.mismatch("carol", "hank", NOW)
    evidence.mismatch("carol", "hank", NOW + 3000)
    evidence.mismatch("celia", "hank", NOW + 6000)
    assert evidence.is_set_aside(None, "hank", NOW + 6000)


def test_the_report_tells_numbers_and_times(evidence: Evidence) -> None:
    for initiator in ("carol", "celia", "carol"):
        evidence.mismatch(initiator, "hank", NOW)
    evidence.mismatch("carol", "helen", NOW)
    assert evidence.report("hank", NOW + 1) == {
        "mismatches": {"carol": 2, "celia": 1},
        "set_aside_for": ["carol", "celia"],
        "set_aside_s_left": {"carol": 9.0, "celia": 9.0},
        "set_aside": True,
        "set_aside_for_all_s_left": 9.0,
    }
    assert evidence.report("hank", NOW + 11) == {
        "mismatches": {"carol": 2, "celia": 1},
        "set_aside_for": [],
        "set_aside_s_left": {},
        "set_aside": False,
        "set_aside_for_all_s_left": 0.0,
    }


def test_so_many_initiators_are_remembered_and_the_oldest_go(evidence: Evidence) -> None:
    for number in range(MAX_EVIDENCE_INITIATORS + 2):
        evidence.mismatch(f"client{number}", "hank", NOW + number)
    mismatches = evidence.report("hank", NOW)["mismatches"]
    assert isinstance(mismatches, dict)
    assert len(mismatches) == MAX_EVIDENCE_INITIATORS
    assert not {"client0", "client1"} & mismatches.keys()


def test_it_says_when_a_hub_is_set_aside_anew(evidence: Evidence) -> None:
    assert evidence.mismatch("carol", "hank", NOW)
    assert not evidence.mismatch("carol", "hank", NOW + 1)
    assert evidence.mismatch("celia", "hank", NOW + 1)
    assert evidence.mismatch("carol", "hank", NOW + SET_ASIDE_FIRST_S)
    assert evidence.number("carol", "hank") == 3
    assert evidence.number("carol", "helen") == 0


def test_the_number_of_mismatches_never_falls(evidence: Evidence) -> None:
    """Initiators are forgotten where there are too many; a counter that fell would look like a new start."""
    for number in range(MAX_EVIDENCE_INITIATORS + 10):
        evidence.mismatch(f"client{number}", "hank", NOW + number)
    assert evidence.number_in_all("hank") == MAX_EVIDENCE_INITIATORS + 10
    assert evidence.number_in_all("helen") == 0


def test_how_many_initiators_a_hub_is_set_aside_for(evidence: Evidence) -> None:
    evidence.mismatch("carol", "hank", NOW)
    evidence.mismatch("celia", "hank", NOW + SET_ASIDE_FIRST_S / 2)
    assert evidence.nr_set_aside_for("hank", NOW + SET_ASIDE_FIRST_S / 2) == 2
    assert evidence.nr_set_aside_for("hank", NOW + SET_ASIDE_FIRST_S) == 1
    assert evidence.nr_set_aside_for("helen", NOW) == 0
