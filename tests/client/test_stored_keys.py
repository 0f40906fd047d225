"""Who holds the shares of stored keys: counted hub by hub, process by process."""

from __future__ import annotations

import random

import pytest

from dsked.client.evidence import Evidence
from dsked.client.holders import Holders
from dsked.client.initiator import Initiator
from dsked.client.pace import Room
from dsked.client.stored_place import Lot, Place, StoredPair
from dsked.errors import DskedError, ErrorCode
from dsked.keys import Key, Outcome
from dsked.limits import STORED_KEY_LIFE, STORED_KEY_RETRY_MAX_S
from dsked.sharing.terms import Party
from dsked.timers import Timers
from dsked.wire.messages import PutSharesAck
from tests.client.fakes import FakeHub, fake_hubs

NOW = 1000.0
TIMEOUT_S = 60.0
OTHER = b"another process!"
OK, DONE, LIMIT = int(ErrorCode.OK), int(ErrorCode.DONE), int(ErrorCode.LIMIT)


@pytest.fixture
def hubs() -> list[FakeHub]:
    return fake_hubs()[0]


def holders_of(*hubs: FakeHub) -> Holders:
    holders = Holders(NOW, TIMEOUT_S)
    for hub in hubs:
        holders.answered(hub, taken=True, last=True)
    return holders


def lot(number: int, *hubs: FakeHub, client: str = "curtis") -> Lot:
    keys = [Key(random.randbytes(16), random.randbytes(32)) for _ in range(number)]
    return Lot(keys, client, holders_of(*hubs))


def test_a_holder_counts_while_its_process_is_the_same_and_its_time_not_out(hubs: list[FakeHub]) -> None:
    holders = holders_of(*hubs[:4])
    assert holders.present(hubs, NOW) == 4
    assert holders.present(hubs[1:], NOW) == 3
    hubs[0].boot = OTHER
    hubs[1].registered = False  # no session
    assert holders.present(hubs, NOW) == 2
    assert holders.present(hubs, NOW + STORED_KEY_LIFE * TIMEOUT_S) == 0
    hubs[1].registered = True
    assert holders.present(hubs, NOW) == 3, "it was away, and is the same process"


def test_a_new_process_has_lost_the_shares_for_good(hubs: list[FakeHub]) -> None:
    holders, hub = holders_of(*hubs), hubs[0]
    before, hub.boot = hub.boot, OTHER
    assert holders.has_lost(hub)
    assert not holders.has_lost(hub), "it is told once"
    assert len(holders) == 4
    hub.boot = before
    assert holders.present(hubs, NOW) == 4, "whoever says so later"
    holders.answered(hub, taken=True, last=True)
    assert len(holders) == 4, "nor does what was under way make it one"


def test_a_hub_that_is_away_has_lost_nothing_yet(hubs: list[FakeHub]) -> None:
    holders = holders_of(*hubs)
    hubs[0].registered = False
    assert not holders.has_lost(hubs[0])
    assert len(holders) == 5


def test_shares_that_came_in_parts_must_all_be_with_one_process(hubs: list[FakeHub]) -> None:
    holders = holders_of()
    for hub in hubs[:2]:
        holders.answered(hub, taken=True, last=False)
    assert len(holders) == 0
    hubs[0].boot = OTHER
    for hub in hubs[:2]:
        holders.answered(hub, taken=True, last=True)
    assert len(holders) == 1
    assert holders.present(hubs, NOW) == 1


def test_who_has_refused_a_part_is_no_holder(hubs: list[FakeHub]) -> None:
    holders = holders_of()
    holders.answered(hubs[0], taken=False, last=False)
    holders.answered(hubs[0], taken=True, last=True)
    holders.answered(hubs[1], taken=False, last=True)
    assert len(holders) == 0


def test_an_answer_without_a_session_names_no_process(hubs: list[FakeHub]) -> None:
    hubs[0].registered = False
    assert len(holders_of(hubs[0])) == 0


def test_a_hub_holds_shares_no_longer_than_it_told(hubs: list[FakeHub]) -> None:
    hubs[0].share_timeout_ms, hubs[1].share_timeout_ms = 20_000, 3_600_000
    holders = holders_of(*hubs)
    assert holders.until(5) == NOW + STORED_KEY_LIFE * 20
    assert holders.until(4) == holders.until(1) == NOW + STORED_KEY_LIFE * TIMEOUT_S
    assert holders.present(hubs, NOW + STORED_KEY_LIFE * 20) == 4
    assert holders_of().until(3) == NOW


class Setting:
    """carol's initiator establishes two keys ahead."""

    def __init__(self, max_pads: int = 4096) -> None:
        self.hubs, hubs = fake_hubs()
        for hub in self.hubs:
            assert hub.connection is not None
            hub.connection.session.max_pads = max_pads
        self.timers = Timers()
        self.initiator = Initiator(
            "carol", hubs, Evidence(), self.timers, TIMEOUT_S, random.Random(1).randbytes
        )
        self.holders = Holders(NOW, TIMEOUT_S)
        self.outcomes: list[Outcome] = []
        self.initiator.get_keys_ahead(
            "sam", Party("curtis", "sunny"), 2, 32, self.holders, self.outcomes.append
        )
        self.initiator.turn_ends(NOW)

    def answer(self, x: int, *codes: int) -> None:
        self.hubs[x - 1].answer(PutSharesAck(bytes(codes)), NOW)


def test_holders_go_on_being_told_after_the_answer() -> None:
    setting = Setting()
    for x in (1, 2, 3, 4):
        setting.answer(x, OK, OK)
    assert isinstance(setting.outcomes[0], list)
    assert len(setting.holders) == 4
    setting.answer(5, OK, OK)
    assert len(setting.holders) == 5


def test_what_travels_in_two_frames_is_held_when_both_are_acknowledged() -> None:
    setting = Setting(max_pads=64)
    for hub in setting.hubs:
        assert len(hub.asked) == 2
    for code in (OK, OK):
        assert len(setting.holders) == 0
        for x in range(1, 6):
            setting.answer(x, code)
    assert len(setting.holders) == 5


@pytest.mark.parametrize("codes", [(DONE, DONE), (OK, DONE), (OK, LIMIT), (LIMIT, LIMIT), (OK,)])
def test_only_who_has_taken_every_key_is_a_holder(codes: tuple[int, ...]) -> None:
    """DONE is as good as taken for a key that its responder may have; for one that nobody knows it is not."""
    setting = Setting()
    for x in (1, 2, 3):
        setting.answer(x, *codes)
    assert len(setting.holders) == 0
    assert isinstance(setting.outcomes[0], DskedError), "two hubs are left"


def test_requests_are_dealt_apart_from_what_is_stored() -> None:
    hubs, of_client = fake_hubs()
    initiator = Initiator("carol", of_client, Evidence(), Timers(), TIMEOUT_S, random.Random(1).randbytes)
    outcomes: list[Outcome] = []
    holders = Holders(NOW, TIMEOUT_S)
    initiator.get_keys_ahead("sam", Party("curtis", "sunny"), 1, 32, holders, lambda outcome: None)
    initiator.get_keys("sam", (Party("curtis", "sunny"),), 1, 32, outcomes.append)
    initiator.turn_ends(NOW)
    for hub in hubs:
        [(_, put)] = hub.asked  # one frame for both
        assert [len(group.key_ids) for group in put.groups] == [16, 16]  # type: ignore[attr-defined]
    for hub in hubs[:4]:
        hub.answer(PutSharesAck(bytes([OK, LIMIT])), NOW)  # the request stands first
    assert isinstance(outcomes[0], list)
    assert len(holders) == 0


def test_the_last_quarter_of_a_window_is_for_requests() -> None:
    room = Room(free=1000, behind=1e9, window=1600)
    assert room.spares(600)
    assert not room.spares(601)
    room.take(300)
    assert room.spares(300) and not room.spares(301)
    assert room.fits(10_000)


# --- one pair's place ---

PAIR = StoredPair("sam", "sunny", 4, 32)
LIFE_S = STORED_KEY_LIFE * TIMEOUT_S


def test_what_ends_soon_is_replaced_and_goes(hubs: list[FakeHub]) -> None:
    place = Place(PAIR, 3, TIMEOUT_S)
    assert place.lacks(NOW) == 4
    first, second = lot(4, *hubs), lot(3, *hubs)
    place.add(first)
    assert place.lacks(NOW) == 0
    due = place.look_at(NOW, 0.25)
    assert NOW + LIFE_S / 2 < due < NOW + LIFE_S
    assert (place.lacks(due - 0.001), place.lacks(due)) == (0, 4)
    oldest = first.keys[-1]
    place.add(second)
    assert place.size == 4
    assert place.take(place.lots, 1) == [oldest], "the oldest go first, and were surplus but for one"
    place.drop_expired(NOW + LIFE_S)
    assert place.size == 0


def test_fewer_than_k_hubs_cannot_end_a_key(hubs: list[FakeHub]) -> None:
    hubs[0].share_timeout_ms = hubs[1].share_timeout_ms = 0
    place = Place(PAIR, 3, TIMEOUT_S)
    place.add(lot(4, *hubs))
    place.drop_expired(NOW + LIFE_S - 1)
    assert place.size == 4


def test_a_restart_costs_what_then_has_too_few_holders(hubs: list[FakeHub]) -> None:
    place = Place(PAIR, 3, TIMEOUT_S)
    place.add(lot(2, *hubs))
    place.add(lot(1, *hubs[:4]))
    place.add(lot(1, *hubs[:3]))  # two hubs were away
    hubs[4].boot = OTHER
    place.hub_ready(hubs[4], 4, NOW)
    assert place.size == 4, "one has four left, and the others did not have it"
    hubs[0].boot = OTHER
    place.hub_ready(hubs[0], 4, NOW)
    assert place.size == 0
    assert place.report(4096)["nr_lost"] == 4


def test_of_another_client_no_key_stays(hubs: list[FakeHub]) -> None:
    place = Place(PAIR, 3, TIMEOUT_S)
    place.add(lot(2, *hubs))
    place.add(lot(1, *hubs, client="celia"))
    assert place.size == 1


def test_failures_put_off_the_next_try_longer_and_longer() -> None:
    place, now, delays = Place(PAIR, 3, TIMEOUT_S), NOW, []
    for _ in range(9):
        place.failed("no", now)
        delays.append(place.look_at(now, 0.25) - now)
        now += delays[-1]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (1.0, STORED_KEY_RETRY_MAX_S)


def test_what_cannot_be_handed_out_is_lacking_and_is_kept_so_long(hubs: list[FakeHub]) -> None:
    place = Place(PAIR, 3, TIMEOUT_S)
    first, second = lot(3, *hubs), lot(1, *hubs)
    place.add(first)
    place.add(second)
    assert place.found_usable([]), "they could be until now"
    assert not place.found_usable([])
    assert (place.lacks(NOW), place.size) == (4, 4)
    place.add(lot(4, *hubs))
    assert (place.lacks(NOW), place.size) == (0, 8)
    third = place.lots[-1]
    assert place.found_usable([])
    place.add(lot(2, *hubs))
    assert place.size == 8, "twice as many at most"
    assert (len(first.keys), len(second.keys), len(third.keys)) == (1, 1, 4), "the oldest go"
    assert place.lacks(NOW) == 2
    assert not place.found_usable(place.lots)
    assert place.lacks(NOW) == 0, "the hubs are back"


def test_losses_put_off_the_next_try_longer_and_longer(hubs: list[FakeHub]) -> None:
    place, now, delays = Place(PAIR, 3, TIMEOUT_S), NOW, []
    hub = hubs[0]
    for number in range(9):
        place.add(lot(4, *hubs))
        hub.boot = bytes([number + 1]) * 16
        place.hub_ready(hub, 5, now)
        assert "restarted" in place.problem
        assert place.size == 0
        delays.append(place.next_try - now)
        place.add(lot(4, *hubs))  # was under way
        hub.boot = bytes([number + 1]) * 15 + b"!"
        place.hub_ready(hub, 5, now + delays[-1] / 2)
        assert place.next_try - now == delays[-1], "what is lost meanwhile puts off nothing"
        now = place.next_try
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    now += STORED_KEY_RETRY_MAX_S
    place.put_off("lost", now)
    assert place.next_try - now == 1.0, "after a quiet time"


def test_pads_of_a_key_are_what_its_shares_take() -> None:
    assert StoredPair("a", "b", 1, 1024).pads_of_a_key == 1024 + 32
    assert StoredPair("a", "b", 1, 1025).pads_of_a_key == 1025 + 48
    assert [PAIR.fit(pads) for pads in (-100, 63, 64, 640)] == [1, 1, 1, 10]
