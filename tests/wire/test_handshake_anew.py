"""Simulated streams are begun anew when in doubt."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsked.errors import (
    ErrorCode,
    HandshakeRefusedError,
)
from dsked.psrd.pair import Pair, Side
from dsked.wire.messages import Error

from .handshakes import (
    both,
)
from .sides import GATE, Ends


def _client_restarts(ends: Ends) -> None:
    ends.client = Pair("carol", "hank", Side.CLIENT, GATE, True)


def _hub_restarts(ends: Ends) -> None:
    ends.hub = Pair("carol", "hank", Side.HUB, GATE, True)


def _client_says_just_started(ends: Ends) -> None:
    ends.client.had_session = False


def _client_runs_short(ends: Ends) -> None:
    near, _ = both(ends)
    near.local.allocate(near.local.unused - 95)


def _hub_runs_short(ends: Ends) -> None:
    _, far = both(ends)
    far.local.allocate(far.local.unused - 95)


def _client_is_ahead_of_the_hub(ends: Ends) -> None:
    near, far = both(ends)
    near.peer.advance(far.local.next + 1)


def _hub_used_bytes_of_a_lost_block(ends: Ends) -> None:
    _, far = both(ends)
    far.local.store.append(bytes(16), bytes(1000))
    far.local.held_end = far.local.store.end
    far.local.allocate(far.local.unused - 500)


def _other_streams(ends: Ends) -> None:
    near, _ = both(ends)
    near.local.stream_id = b"?" * 16


@pytest.mark.parametrize(
    "happens",
    [
        _client_restarts, _hub_restarts, _client_says_just_started, _client_runs_short, _hub_runs_short,
        _client_is_ahead_of_the_hub, _hub_used_bytes_of_a_lost_block, _other_streams,
    ],
)  # fmt: skip
def test_simulated_streams_are_begun_anew_when_in_doubt(happens: Callable[[Ends], None]) -> None:
    ends = Ends(simulated=True)
    ends.sessions()
    old = both(ends)
    happens(ends)
    client, hub = ends.sessions()
    near, far = both(ends)
    assert near is not old[0] and far is not old[1]
    assert {near.local.stream_id, near.peer.stream_id}.isdisjoint(
        {old[1].local.stream_id, old[1].peer.stream_id}
    )
    client.send(1, Error(0, "it works"))
    assert [hub.open(frame) for frame in client.seal_ready()] == [(1, Error(0, "it works"))]


def test_a_hub_that_is_ahead_of_a_simulated_client_is_begun_anew_at_the_next_try() -> None:
    ends = Ends(simulated=True)
    ends.sessions()
    near, far = both(ends)
    far.peer.advance(near.local.next + 1)
    with pytest.raises(HandshakeRefusedError) as refused:
        ends.hello()
    assert refused.value.refusal == ErrorCode.REWIND
    ends.sessions()
    assert both(ends)[0] is not near
    assert ends.client.rewound


def test_new_streams_stand_only_once_m3_has_verified() -> None:
    ends = Ends(simulated=True)
    ends.sessions()
    old = both(ends)
    _client_says_just_started(ends)
    parts = ends.proof()
    assert both(ends) == old
    parts.far.verify(parts.m3)
    assert ends.hub.streams is parts.far.streams is not old[1]
    assert ends.client.streams is old[0]
