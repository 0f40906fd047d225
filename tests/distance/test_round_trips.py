"""Both halves of a key over distances, on the pure engines in simulated time: exact, and no frame twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from dsked.keys import Key
from dsked.limits import ACK_GRACE_S, MAX_FRAME_BYTES, MAX_KEYS_PER_FRAME, RETRY_FIRST_S
from dsked.wire.frame import FrameBuffer, decode_header
from dsked.wire.messages import MessageType
from tests.engines.world import World

Distances = tuple[float, float, float, float, float]  # round trips to hub1, hub2, ..., in seconds

#: Round trips to the hubs, and to the ones that Get key and Get key with key IDs wait for.
STEADY: list[tuple[Distances, float, float]] = [
    ((0.01, 0.01, 0.01, 0.01, 0.01), 0.01, 0.01),
    ((0.07, 0.07, 0.07, 0.07, 0.07), 0.07, 0.07),
    ((0.2, 0.2, 0.2, 0.2, 0.2), 0.2, 0.2),
    ((0.2, 0.07, 0.01, 0.07, 0.01), 0.07, 0.07),
    ((0.01, 0.01, 0.01, 0.05, 0.2), 0.05, 0.01),  # the fourth is within the grace: it is waited for
    ((0.01, 0.01, 0.01, 0.2, 0.2), 0.01, 0.01),  # it is not: the third is enough
    ((0.01, 0.1, 0.1, 0.2, 0.2), 0.1, 0.1),
]


def distant(distances: Distances, number: int = 1) -> World:
    """A world whose clients know of each other and of late hubs, and have pads for so many keys at once."""
    world = World().start()
    for hub, seconds in zip(world.hub_names, distances, strict=True):
        world.delays[hub] = seconds / 2
    for _ in range(2):
        world.pair(number)
        world.run_for(max(distances) + ACK_GRACE_S)  # the last answers, and blocks for the pools
    return world


def taken(world: World, action: Callable[[], object]) -> float:
    """Seconds of the world's time that an action takes."""
    begin = world.now
    action()
    return world.now - begin


def frames(world: World, client: str) -> Iterator[Counter[int]]:
    """Types of the frames that a client has sent, to each hub."""
    for link in (link for link in world.links if link.client == client):
        pieces = FrameBuffer(MAX_FRAME_BYTES).feed(b"".join(link.frames_to_hub))
        yield Counter(decode_header(piece).type for piece in pieces)


def forget_frames(world: World) -> None:
    for link in world.links:
        link.frames_to_hub.clear()


def halves(world: World, number: int = 1) -> tuple[float, float]:
    """Seconds that the two halves of a request take."""
    keys: list[Key] = []
    get_key_s = taken(world, lambda: keys.extend(world.get_keys("carol", "sam", ["sunny"], number)))
    return get_key_s, taken(world, lambda: world.get_by_id("curtis", "sunny", "sam", keys))


@pytest.mark.parametrize(("distances", "get_key_s", "by_id_s"), STEADY)
def test_one_round_trip_for_each_half(distances: Distances, get_key_s: float, by_id_s: float) -> None:
    world = distant(distances)
    for _ in range(2):
        assert halves(world) == pytest.approx((get_key_s, by_id_s))


def test_a_batch_takes_no_longer() -> None:
    distances, get_key_s, by_id_s = STEADY[3]
    assert halves(distant(distances, 128), 128) == pytest.approx((get_key_s, by_id_s))


@pytest.mark.parametrize(("place", "number"), [*((place, 1) for place in range(len(STEADY))), (2, 128)])
def test_a_batch_is_one_frame_per_hub_and_nothing_is_asked_twice(place: int, number: int) -> None:
    """Not even of a hub whose answer takes ten times as long as a responder waits before it asks again."""
    distances, _, _ = STEADY[place]
    world = distant(distances, number)
    forget_frames(world)
    pools = [link.near.session.streams.local for link in world.links if link.client == "carol"]
    used = [pool.next for pool in pools]
    world.pair(number)
    world.run_for(2 * max(distances))
    for counted in frames(world, "carol"):
        assert (counted[MessageType.PUT_SHARES], counted[MessageType.GET_SHARES]) == (1, 0)
    for counted in frames(world, "curtis"):
        assert (counted[MessageType.PUT_SHARES], counted[MessageType.GET_SHARES]) == (0, 1)
    share_and_code_bytes = 2 * 32
    assert [pool.next - before for pool, before in zip(pools, used, strict=True)] == (
        [16 + number * share_and_code_bytes] * 5
    ), "one mask a frame"


def test_requests_of_one_turn_fill_a_frame() -> None:
    world = distant((0.01,) * 5)
    forget_frames(world)
    outcomes = [world.ask_keys("carol", "sam", ["sunny"], 128) for _ in range(MAX_KEYS_PER_FRAME // 128)]
    world.run_until(lambda: all(outcomes))
    for counted in frames(world, "carol"):
        assert counted[MessageType.PUT_SHARES] == 1


def test_a_hub_that_comes_late_costs_one_grace_and_is_not_waited_for_any_more() -> None:
    world = distant((0.01,) * 5)
    world.delays |= {"hub4": 0.1, "hub5": 0.1}
    assert halves(world) == pytest.approx((0.01 + ACK_GRACE_S, 0.01))
    assert halves(world) == pytest.approx((0.01, 0.01))


def test_what_no_hub_knows_yet_waits_there_and_is_not_asked_for_again() -> None:
    world = distant((0.01,) * 5)
    forget_frames(world)
    waiting = world.ask_by_id("curtis", "sunny", "sam", [bytes(16)])
    world.run_for(10 * RETRY_FIRST_S)
    assert not waiting
    for counted in frames(world, "curtis"):
        assert counted[MessageType.GET_SHARES] == 1
