"""No position is ever used twice: random lives of a pair, and the cases that such lives once found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from dsked.errors import PoolExhaustedError
from dsked.psrd.pair import Promises, Side
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.wire import handshake_client, handshake_hub
from dsked.wire.session import Session

from .lives import ALL, CLONES, CROSSED, RESTORES, Process, Reuse, Steps, TooEarly, World
from .sides import WIN

NR_RUNS = 20
NR_STEPS = 100


def a_world(seed: int, copied: Side) -> World:
    """In half of the worlds frames are wrapped."""
    return World(seed, copied, wrapped=seed % 2 == 1)


def lives(steps: Steps, copied: Side, seeds: Iterable[int] = range(NR_RUNS)) -> tuple[int, list[str]]:
    """(messages that arrived, what was taken twice) in as many lives as there are seeds."""
    nr_messages, reuses = 0, []
    for seed in seeds:
        world = a_world(seed, copied)
        try:
            world.live(steps, NR_STEPS)
        except Reuse as reuse:
            reuses.append(f"seed {seed}: {reuse}")
        nr_messages += world.nr_messages
    return nr_messages, reuses


def test_losses_and_crashes_never_use_a_position_twice_or_keep_a_pair_apart() -> None:
    nr_messages = 0
    for seed in range(NR_RUNS):
        world = a_world(seed, Side.CLIENT)
        world.live([*CROSSED, World.restart], NR_STEPS)
        nr_messages += world.nr_messages
        client, hub = world.pick(Side.CLIENT), world.pick(Side.HUB)
        assert world.connect(client, hub).in_session or world.exhausted
        assert not client.pair.rewound and not hub.pair.rewound
    assert nr_messages > 5 * NR_RUNS


@pytest.mark.parametrize("copied", Side)
@pytest.mark.parametrize("steps", [RESTORES, CLONES, ALL], ids=["restored", "cloned", "all"])
def test_a_copied_side_never_uses_a_position_twice(steps: Steps, copied: Side) -> None:
    nr_messages, reuses = lives(steps, copied)
    assert not reuses
    assert nr_messages > NR_RUNS


@pytest.mark.full
@pytest.mark.parametrize("copied", Side)
@pytest.mark.parametrize("steps", [RESTORES, CLONES, ALL], ids=["restored", "cloned", "all"])
def test_a_thousand_lives_more(steps: Steps, copied: Side) -> None:
    _, reuses = lives(steps, copied, range(NR_RUNS, NR_RUNS + 1000))
    assert not reuses


@pytest.mark.parametrize("copied", Side)
def test_sides_that_are_copied_one_after_the_other_never_use_a_position_twice(copied: Side) -> None:
    """A side's copies are taken after all copies but one of the other side have stopped for good."""
    for seed in range(NR_RUNS):
        world = a_world(seed, copied)
        for _ in range(3):
            world.live(ALL, NR_STEPS)
            world.settle()


@pytest.mark.parametrize("nr_arrive", [2, 3, 4, 5])
@pytest.mark.parametrize("copied", Side)
def test_an_original_goes_on_after_its_clones_handshake_was_lost_anywhere(
    copied: Side, nr_arrive: int
) -> None:
    """The clone's proof stands a window beyond the mark that it was told: the original passes there."""
    world = World(1, copied)
    original = {side: world.pick(side) for side in Side}
    link = world.connect(original[Side.CLIENT], original[Side.HUB])
    clone = Process(world, copied, original[copied].disk.copy())
    world.exchange(link)
    lost = world.connect(*(clone if side is copied else original[side] for side in Side), nr_arrive)
    lost.close()
    assert not link.in_session
    world.connect(original[Side.CLIENT], original[Side.HUB])  # the hub may tell that it stands further
    link = world.connect(original[Side.CLIENT], original[Side.HUB])
    assert link.in_session
    for _ in range(20):
        world.exchange(link)


def test_a_proof_counts_only_on_the_newest_marks_that_the_hub_told() -> None:
    """A clone's M1 comes between the original's M2 and M3: in a session it would pass the clone's M3."""
    world = World(1, Side.CLIENT)
    hub, original = world.pick(Side.HUB), world.pick(Side.CLIENT)
    link = world.connect(original, hub, 3)  # M3 is under way
    clone = Process(world, Side.CLIENT, original.disk.copy())
    lost = world.connect(clone, hub, 3)
    world.arrive(link, Side.HUB)
    assert link.far.session is None
    lost.close()
    link = world.connect(original, hub)
    for _ in range(20):
        world.exchange(link)


def test_a_refused_handshake_or_another_one_of_the_same_process_ends_no_session() -> None:
    world = World(1, Side.CLIENT)
    hub, client = world.pick(Side.HUB), world.pick(Side.CLIENT)
    link = world.connect(client, hub)
    clone = Process(world, Side.CLIENT, client.disk.copy())
    assert clone.pair.streams is not None
    clone.pair.streams.local.stream_id = b"?" * 16
    assert not world.connect(clone, hub).in_session
    assert link.in_session
    world.connect(client, hub, 2)
    assert link.ends_open[Side.HUB]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("nr_arrive", [3, 4, 5])
def test_an_attacker_on_the_path_costs_48_bytes_of_a_pool_per_attempt(nr_arrive: int, wrapped: bool) -> None:
    """M3, M4 or the client's first frame is lost, again and again, before any session and after one.

    The first frame takes 16 bytes of its own, and WRAP 48: the hub's leaves with M4.
    """
    cost = 48 + 48 * wrapped if nr_arrive < 5 else 48 + 16 + 48 * wrapped
    world = World(1, Side.CLIENT, wrapped=wrapped)
    client, hub = world.pick(Side.CLIENT), world.pick(Side.HUB)
    for _ in range(2):
        world.connect(client, hub, nr_arrive).close()
        before = [process.pair.streams.local.next for process in (client, hub) if process.pair.streams]
        for _ in range(WIN // 48):
            world.connect(client, hub, nr_arrive).close()
        after = [process.pair.streams.local.next for process in (client, hub) if process.pair.streams]
        assert all(b - a <= WIN // 48 * cost for a, b in zip(before, after, strict=True))
        link = world.connect(client, hub)
        assert link.in_session
        world.exchange(link)
    assert not client.pair.rewound and not hub.pair.rewound


@pytest.mark.parametrize("restored", Side)
def test_a_side_left_behind_by_more_than_a_window_is_told_how_far_and_keys_flow_again(restored: Side) -> None:
    world = World(1, restored)
    client, hub = world.pick(Side.CLIENT), world.pick(Side.HUB)
    old = world.pick(restored).disk.copy()
    link = world.connect(client, hub)
    for _ in range(20):
        world.exchange(link)
    behind = Process(world, restored, old)
    client, hub = (behind, hub) if restored is Side.CLIENT else (client, behind)
    ahead = hub if restored is Side.CLIENT else client
    assert ahead.pair.streams is not None
    reached = ahead.pair.streams.local.next
    link = world.connect(client, hub)
    if restored is Side.CLIENT:  # the hub refuses, which costs it nothing, and tells where it stands
        assert not link.in_session
        assert ahead.pair.streams.local.next == reached
        link = world.connect(client, hub)
    assert link.in_session
    assert behind.pair.rewound
    assert behind.pair.take_alarm()
    assert not ahead.pair.rewound
    for _ in range(20):
        world.exchange(link)


@pytest.mark.parametrize("copied", Side)
def test_whatever_was_copied_one_process_of_each_side_finds_its_way_into_a_session(copied: Side) -> None:
    """At the second attempt at the latest."""
    for seed in range(NR_RUNS):
        world = a_world(seed, copied)
        world.live(ALL, NR_STEPS)
        world.settle()
        sides = [world.pick(side) for side in Side]
        world.connect(*sides)
        assert world.connect(*sides).in_session or world.exhausted


def _go_on_at_the_larger_mark(
    pool: OwnerPool, *, boot_id: bytes, proved_boot: bytes, exact_mark: int, durable_mark: int
) -> int:
    return max(pool.next, exact_mark)


@pytest.mark.parametrize("copied", Side)
def test_the_lives_show_what_is_wrong_with_a_naive_rule(
    copied: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes the tests above worth something."""
    for machine in (handshake_client, handshake_hub):
        monkeypatch.setattr(machine, "begin_position", _go_on_at_the_larger_mark)
        monkeypatch.setattr(machine, "lies_where_no_frame_was", _anywhere)
        monkeypatch.setattr(machine, "peers_hash_key", _in_the_pool)
    assert len(lives(CLONES, copied)[1]) > NR_RUNS // 10


def _another_hub_after_a_lost_m4() -> None:
    """A copy of the hub begins 48 bytes above the proof of the first, whose M4 was lost."""
    world = World(1, Side.HUB, wrapped=True)
    client, hub = world.pick(Side.CLIENT), world.pick(Side.HUB)
    copy = Process(world, Side.HUB, hub.disk.copy())
    lost = world.connect(client, hub, 4)
    for _ in range(2):  # M4 leaves, and WRAP if it may, as soon as the disk holds their marks
        hub.write_all()
        lost.send()
    lost.close()
    assert world.connect(client, copy).in_session


def test_a_wrap_that_does_not_wait_for_the_window_meets_a_copys_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Why WRAP keeps to the window, and does not always leave with M4."""
    _another_hub_after_a_lost_m4()
    seal = Session.seal_wrap

    def at_once(session: Session) -> tuple[bytes, bytes] | None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(OwnerPool, "limit", _whatever_the_acks)
            return seal(session)

    monkeypatch.setattr(Session, "seal_wrap", at_once)
    with pytest.raises(Reuse):
        _another_hub_after_a_lost_m4()


def _anywhere(pool: OwnerPool, position: int, durable_mark: int) -> bool:
    return True


def _in_the_pool(pool: ReceiverPool, position: int, durable_mark: int) -> None:
    """A proof's hash key stands where the proof does."""


def _whatever_the_acks(pool: OwnerPool, *, urgent: bool = False) -> int:
    return pool.held_end


def _the_exact_mark(pool: ReceiverPool) -> int:
    return pool.mark


def _a_proof_that_is_taken_again(pool: OwnerPool, position: int, length: int) -> bytes:
    """M3 was lost: the next attempt stands where it stood."""
    pool._need(position + length, position + length)
    return pool.store.read(position, length)


@pytest.mark.parametrize(
    ("of", "name", "broken"),
    [
        (OwnerPool, "limit", _whatever_the_acks),
        (OwnerPool, "allocate_at", _a_proof_that_is_taken_again),
        (ReceiverPool, "mark_to_tell", property(_the_exact_mark)),
        (ReceiverPool, "mark_to_tell", property(lambda pool: max(pool.told, pool.mark))),
    ],
    ids=[
        "no limit by acks",
        "a lost proof's position again",
        "the exact mark told",
        "the same mark again",
    ],
)
def test_the_lives_show_each_rule_that_is_broken(
    of: type, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of, name, broken)
    with pytest.raises(AssertionError):
        for copied in Side:
            for steps in (CLONES, RESTORES, ALL):
                assert not lives(steps, copied)[1]


def _kept_at_once(promises: Promises) -> bool:
    return True


def _sent_before_it_is_reserved(pool: OwnerPool, length: int, *, urgent: bool = False) -> tuple[int, bytes]:
    end = pool.next + length
    if end > pool.limit(urgent=urgent):
        raise PoolExhaustedError("the window is full")
    pool._reserve(end, end)
    return pool._take(pool.next, length)


@pytest.mark.parametrize(
    ("of", "name", "broken"),
    [
        (Promises, "kept", property(_kept_at_once)),
        (OwnerPool, "allocate", _sent_before_it_is_reserved),
    ],
    ids=["handshakes that are not held back", "frames before their reservation"],
)
def test_the_lives_show_what_leaves_before_the_disk_has_it(
    of: type, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of, name, broken)
    with pytest.raises(TooEarly):
        World(1, Side.CLIENT).live(CROSSED, NR_STEPS)
