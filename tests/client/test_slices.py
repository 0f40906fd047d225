from __future__ import annotations

from collections.abc import Generator

import pytest

from dsked.client.slices import Slices, Task
from dsked.limits import (
    MAX_SEARCH_BYTES,
    MAX_SEARCH_DEBT,
    MAX_SLICE_COST,
    MAX_TURNS_WITHOUT_SLICE,
    SEARCH_COST_PER_S,
)
from dsked.timers import Timers

NOW = 1000.0


class Setting:
    def __init__(self) -> None:
        self.timers = Timers()
        self.slices = Slices(self.timers)
        self.now = NOW
        self.done: list[str] = []  # what each piece was
        self.finished: list[str] = []
        self.left: set[str] = set()  # what nobody waits for

    def work(self, name: str, pieces: int, cost: int) -> Generator[int, None, str]:
        for _ in range(pieces):
            self.done.append(name)
            yield cost
        return name

    def add(
        self, initiator: str, pieces: int, cost: int = MAX_SLICE_COST, name: str = "", size: int = 1
    ) -> Task | None:
        name = name or initiator
        work = self.work(name, pieces, cost)
        return self.slices.add(
            initiator, size, work, lambda name, now: self.finished.append(name), lambda: name not in self.left
        )

    def turn(self) -> list[str]:
        """The next turn that the engine asks for; what was done in it."""
        before = len(self.done)
        deadline = self.timers.next_deadline()
        self.now = max(self.now, deadline or self.now)
        self.timers.run_due(self.now)
        self.slices.turn_ends(self.now)
        return self.done[before:]


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_turn_does_about_a_millisecond_and_asks_for_the_next(setting: Setting) -> None:
    setting.add("carol", 10, MAX_SLICE_COST // 4)
    assert [len(setting.turn()) for _ in range(3)] == [4, 4, 2]
    assert setting.finished == ["carol"]
    assert setting.timers.next_deadline() is None
    assert setting.now < NOW + 0.001, "each turn followed at once"
    assert len(setting.slices) == 0


def test_initiators_take_turns_and_so_do_their_keys(setting: Setting) -> None:
    """A hundred bad keys of one do not keep another waiting."""
    for number in range(100):
        setting.add("mallory", 50, name=f"rubbish{number}")
    setting.add("carol", 3)
    done = [name for _ in range(8) for name in setting.turn()]
    assert done.count("carol") == 3
    assert setting.finished == ["carol"]
    others = [name for name in done if name != "carol"]
    assert others == [f"rubbish{number}" for number in (0, 1, 0, 2, 0)]


def test_one_initiator_burns_two_seconds_and_then_a_quarter_of_a_core(setting: Setting) -> None:
    pieces = 2 * MAX_SEARCH_DEBT // MAX_SLICE_COST
    setting.add("mallory", pieces)
    while len(setting.done) * MAX_SLICE_COST <= MAX_SEARCH_DEBT:
        setting.turn()
    assert setting.now < NOW + 0.1
    before, since = len(setting.done), setting.now
    while setting.now < since + 1:
        setting.turn()
    assert (len(setting.done) - before) * MAX_SLICE_COST == pytest.approx(SEARCH_COST_PER_S, rel=0.02)
    setting.add("carol", 1)
    assert "carol" in setting.turn() + setting.turn(), "others go on meanwhile"


def test_a_debt_is_paid_off_in_time_and_then_forgotten(setting: Setting) -> None:
    setting.add("mallory", 2 * MAX_SEARCH_DEBT // MAX_SLICE_COST)
    while not setting.finished:
        setting.turn()
    setting.now += MAX_SEARCH_DEBT / SEARCH_COST_PER_S / 2
    setting.turn()
    assert "mallory" in setting.slices._accounts
    setting.add("mallory", 1)
    assert setting.turn() == ["mallory"]
    setting.now += MAX_SEARCH_DEBT / SEARCH_COST_PER_S
    setting.turn()
    assert setting.slices._accounts == {}


def test_bytes_are_shared_fairly(setting: Setting) -> None:
    half = MAX_SEARCH_BYTES // 2
    assert setting.add("mallory", 1, size=half)
    assert not setting.add("mallory", 1, size=1)
    assert setting.add("carol", 1, size=half // 2)
    assert not setting.add("carol", 1, size=half)
    while len(setting.finished) < 2:
        setting.turn()
    assert setting.add("mallory", 1, size=half)
    assert not setting.add("dave", 1, size=half + 1)


def test_a_busy_turn_does_none_but_not_for_ever(setting: Setting) -> None:
    setting.add("carol", 10)
    for _ in range(2):
        for _ in range(MAX_TURNS_WITHOUT_SLICE):
            setting.slices.turn_ends(setting.now, busy=True)
            assert setting.timers.next_deadline() is not None, "the next turn comes at once"
        before = len(setting.done)
        setting.slices.turn_ends(setting.now, busy=True)
        assert len(setting.done) == before + 1
    setting.slices.turn_ends(setting.now)
    assert len(setting.done) == 3


def test_work_that_is_done_in_no_piece_at_all_is_finished(setting: Setting) -> None:
    setting.add("carol", 0)
    setting.turn()
    assert setting.finished == ["carol"]


def test_the_longest_waiting_has_every_other_piece_until_it_is_over(setting: Setting) -> None:
    for number in range(10):
        setting.add("carol", 4, name=f"key{number}")
    done = [name for _ in range(20) for name in setting.turn()]
    assert done.count("key0") == 4
    assert setting.finished[0] == "key0"
    assert len(set(done)) == 10, "the others take turns"


def test_what_nobody_waits_for_goes_last_and_first_again_when_somebody_does(setting: Setting) -> None:
    """A hundred keys of rubbish that were asked for once do not delay one that is waited for now."""
    rubbish = [setting.add("mallory", 50, name=f"rubbish{number}") for number in range(100)]
    setting.turn()
    setting.left |= {f"rubbish{number}" for number in range(100)}
    before = len(setting.done)
    setting.add("mallory", 5, name="good")
    for _ in range(6):
        setting.turn()
    assert setting.done[before : before + 5] == ["good"] * 5
    assert setting.finished == ["good"]
    assert len(setting.slices) == 100
    before = len(setting.done)
    for _ in range(3):
        setting.turn()
    assert len(set(setting.done[before:])) == 3, "what is left takes turns"
    setting.left.discard("rubbish70")
    assert rubbish[70] is not None
    setting.slices.await_again(rubbish[70])
    setting.slices.await_again(rubbish[70])
    before = len(setting.done)
    for _ in range(4):
        setting.turn()
    assert setting.done[before:] == ["rubbish70"] * 4
    while len(setting.slices):
        setting.turn()
    assert len(setting.finished) == 101


@pytest.mark.parametrize("awaited", [True, False])
def test_a_turn_has_a_bound_however_many_tasks_there_are(setting: Setting, awaited: bool) -> None:
    """Counted, not timed: 5,000 keys of one initiator that all end at their first piece."""
    looks = pieces = 0

    def work() -> Generator[int, None, None]:
        nonlocal pieces
        pieces += 1
        yield from ()

    def is_awaited() -> bool:
        nonlocal looks
        looks += 1
        return awaited

    for _ in range(5000):
        setting.slices.add("carol", 1, work(), lambda result, now: None, is_awaited)
    most_looks = most_pieces = 0
    while len(setting.slices):
        looks = pieces = 0
        setting.slices.turn_ends(setting.now)
        most_looks, most_pieces = max(most_looks, looks), max(most_pieces, pieces)
    assert 0 < most_pieces <= MAX_SLICE_COST / 20 + 1
    assert most_looks <= 128 * most_pieces + most_pieces
