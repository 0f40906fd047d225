"""A pair: where a session begins, and what a side keeps."""

from __future__ import annotations

import pytest

from dsked.psrd.pair import Pair, Side, begin_position, simulated_streams
from dsked.psrd.pool import OwnerPool
from dsked.psrd.store import MemoryStream

WIN = 16 * 1024
NEXT = 100_000
TOLD = 95_000  # the peer's durable mark, just told


@pytest.mark.parametrize(
    ("had_session", "peer_just_started", "peer_exact", "acked", "begins"),
    [
        # This process knows what it used, the peer knows too, and the window allows: it goes on.
        (True, False, 90_000, 90_000, NEXT),
        (True, False, NEXT, 90_000, NEXT),
        (True, False, 0, NEXT + 48 - WIN, NEXT),
        # Any one thing amiss, and it begins beyond all that any copy may have used.
        (False, False, 90_000, 90_000, TOLD + WIN),
        (True, True, 90_000, 90_000, TOLD + WIN),
        (True, False, NEXT + 1, 90_000, TOLD + WIN),
        (True, False, 90_000, NEXT + 47 - WIN, TOLD + WIN),
        (False, True, NEXT + 1, 0, TOLD + WIN),
    ],
)  # fmt: skip
def test_where_a_session_begins(
    had_session: bool, peer_just_started: bool, peer_exact: int, acked: int, begins: int
) -> None:
    pool = OwnerPool(bytes(16), MemoryStream(), WIN, NEXT)
    pool.acked = acked
    assert begins == begin_position(
        pool, had_session=had_session, peer_just_started=peer_just_started, peer_exact=peer_exact,
        peer_durable=TOLD,
    )  # fmt: skip


def test_a_peer_with_an_old_mark_never_takes_a_side_back() -> None:
    pool = OwnerPool(bytes(16), MemoryStream(), WIN, NEXT)
    assert (
        begin_position(
            pool, had_session=True, peer_just_started=True, peer_exact=0, peer_durable=NEXT - WIN - 1
        )
        == NEXT
    )


@pytest.mark.parametrize("had_session", [True, False])
@pytest.mark.parametrize("peer_exact", [0, NEXT + 1])
def test_a_simulated_pool_goes_on_where_it_is(had_session: bool, peer_exact: int) -> None:
    pool = OwnerPool(bytes(16), MemoryStream(), None, NEXT)
    assert (
        begin_position(
            pool, had_session=had_session, peer_just_started=True, peer_exact=peer_exact, peer_durable=10**9
        )
        == NEXT
    )


@pytest.mark.parametrize(("local", "peer", "short"), [(96, 96, False), (95, 500, True), (500, 95, True)])
def test_short_means_that_a_handshake_and_a_frame_might_not_fit(local: int, peer: int, short: bool) -> None:
    streams = simulated_streams(b"l" * 16, b"p" * 16)
    streams.local.store.append(bytes(16), bytes(500))
    streams.local.held_end = local
    streams.peer.store.append(bytes(16), bytes(peer))
    assert streams.short is short


def test_each_side_owns_one_pool() -> None:
    streams = simulated_streams(b"l" * 16, b"p" * 16)
    for side in Side:
        assert streams.by_owner(side, side) is streams.local
        assert streams.by_owner(side, side.other) is streams.peer
    assert Pair("carol", "hank", Side.CLIENT, bytes(32), True).peer_name == "hank"
    assert Pair("carol", "hank", Side.HUB, bytes(32), True).peer_name == "carol"


def test_the_gate_key_is_not_shown() -> None:
    assert "G" * 32 not in repr(Pair("carol", "hank", Side.CLIENT, b"G" * 32, True))
