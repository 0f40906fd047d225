"""A pair: where a session begins, and what a side keeps."""

from __future__ import annotations

import pytest

from dsked.errors import ErrorCode, HandshakeRefusedError
from dsked.psrd.pair import NO_BOOT, Pair, Side, begin_position, simulated_streams
from dsked.psrd.pool import OwnerPool
from dsked.psrd.store import MemoryStream

WIN = 16 * 1024
NEXT = 100_000
TOLD = 95_000  # the peer's durable mark, just told
OWN, OTHER = b"o" * 16, b"?" * 16
#: Where this process's last proof stood.
PROVED = 40_000


def begin(
    proved_boot: bytes, window: int | None = WIN, *, exact_mark: int = 90_000, durable_mark: int = TOLD
) -> int:
    pool = OwnerPool(bytes(16), MemoryStream(), window, NEXT)
    pool.proofs.add(PROVED, bytes(48))
    return begin_position(
        pool, boot_id=OWN, proved_boot=proved_boot, exact_mark=exact_mark, durable_mark=durable_mark
    )


@pytest.mark.parametrize(
    ("proved_boot", "exact_mark", "begins"),
    [
        # The peer verified a proof of this very process last: it goes on.
        (OWN, 90_000, NEXT),
        (OWN, NEXT, NEXT),
        (OWN, PROVED + 48, NEXT),
        # Any one thing amiss, and it begins beyond all that any copy may have used.
        (NO_BOOT, 90_000, TOLD + WIN),
        (OTHER, 90_000, TOLD + WIN),
        (OWN, NEXT + 1, TOLD + WIN),
        (OWN, PROVED + 47, TOLD + WIN),
        (OTHER, NEXT + 1, TOLD + WIN),
    ],
)
def test_where_a_session_begins(proved_boot: bytes, exact_mark: int, begins: int) -> None:
    assert begin(proved_boot, exact_mark=exact_mark) == begins


@pytest.mark.parametrize(
    ("durable_mark", "begins"),
    [(NEXT + 48 - WIN, NEXT), (NEXT + 47 - WIN, NEXT + 47), (NEXT - WIN, NEXT)],
)
def test_a_proof_never_ends_beyond_the_mark_told_and_a_window_and_a_proof(
    durable_mark: int, begins: int
) -> None:
    assert begin(OWN, durable_mark=durable_mark) == begins


@pytest.mark.parametrize("proved_boot", [NO_BOOT, OWN])
def test_a_peer_left_behind_by_more_than_a_window_gets_no_proof(proved_boot: bytes) -> None:
    with pytest.raises(HandshakeRefusedError) as refused:
        begin(proved_boot, exact_mark=0, durable_mark=NEXT - WIN - 1)
    assert refused.value.refusal == ErrorCode.REWIND


@pytest.mark.parametrize("proved_boot", [NO_BOOT, OWN])
@pytest.mark.parametrize("exact_mark", [0, NEXT + 1])
def test_a_simulated_pool_goes_on_where_it_is(proved_boot: bytes, exact_mark: int) -> None:
    for durable_mark in (0, 10**9):
        assert begin(proved_boot, None, exact_mark=exact_mark, durable_mark=durable_mark) == NEXT


def test_another_process_that_may_prove_itself_takes_the_place_of_the_last() -> None:
    pair = Pair("carol", "hank", Side.HUB, bytes(32), False, proved_boot=OWN)
    pair.may_prove(OWN)
    assert pair.proved_boot == OWN
    pair.may_prove(OTHER)
    assert pair.proved_boot == NO_BOOT


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


def test_the_gate_key_is_not_shown() -> None:
    assert "G" * 32 not in repr(Pair("carol", "hank", Side.CLIENT, b"G" * 32, True))
