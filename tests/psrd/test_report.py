"""What status tells of pools."""

from __future__ import annotations

import json

import pytest

from dsked.limits import MAX_CONTROL_FRAME_BYTES, MAX_HUBS, STATUS_PEERS
from dsked.psrd.pair import Side, simulated_streams
from dsked.psrd.report import blocks_each, pools_report
from dsked.psrd.store import in_memory

from ..wire.sides import SIZE, WIN, media_streams


def test_blocks_with_what_is_used_of_them_and_no_byte() -> None:
    streams = simulated_streams(b"l" * 16, b"p" * 16)
    for number, size in enumerate((100, 50)):
        in_memory(streams.local.store).append(number.to_bytes(16, "big"), b"\xaa" * size)
        in_memory(streams.peer.store).append((9 + number).to_bytes(16, "big"), b"\xbb" * size)
    streams.local.held_end = 150
    streams.local.allocate(30)
    streams.peer.advance(120)
    zeros = "00000000-0000-0000-0000-00000000000"
    assert pools_report(streams, 10) == {
        "local_pool": {
            "blocks": [
                {"uuid": zeros + "0", "size": 100, "nr_used_bytes": 30, "nr_unused_bytes": 70},
                {"uuid": zeros + "1", "size": 50, "nr_used_bytes": 0, "nr_unused_bytes": 50},
            ],
            "nr_blocks": 2,
            "owner": "local",
            "position": 30,
            "nr_unused_bytes": 120,
            "window": None,
        },
        "peer_pool": {
            "blocks": [{"uuid": zeros + "a", "size": 50, "nr_used_bytes": 20, "nr_unused_bytes": 30}],
            "nr_blocks": 1,
            "owner": "peer",
            "position": 120,
            "nr_unused_bytes": 30,
            "window": None,
        },
    }


def test_media_pools_tell_their_window() -> None:
    report = pools_report(media_streams(Side.HUB), 10)
    assert [report[pool]["window"] for pool in ("local_pool", "peer_pool")] == [WIN, WIN]
    assert report["local_pool"]["nr_unused_bytes"] == SIZE


def test_a_long_pool_shows_the_blocks_that_are_used_next() -> None:
    streams = simulated_streams(b"l" * 16, b"p" * 16)
    for number in range(5):
        in_memory(streams.local.store).append(number.to_bytes(16, "big"), b"\xaa" * 100)
    streams.local.held_end = 500
    streams.local.allocate(230)
    pool = pools_report(streams, 2)["local_pool"]
    assert [block["nr_used_bytes"] for block in pool["blocks"]] == [30, 0]
    assert (pool["nr_blocks"], pool["position"], pool["nr_unused_bytes"]) == (3, 230, 270)


@pytest.mark.parametrize("peers", [0, 1, 5, STATUS_PEERS, MAX_HUBS])
def test_blocks_of_all_pools_fit_into_one_reply(peers: int) -> None:
    assert blocks_each(peers) >= 4
    assert 2 * peers * blocks_each(peers) * 200 < MAX_CONTROL_FRAME_BYTES


def test_without_streams_pools_are_empty() -> None:
    report = pools_report(None, 10)
    empty = {"blocks": [], "nr_blocks": 0, "position": 0, "nr_unused_bytes": 0, "window": None}
    assert json.loads(json.dumps(report)) == {
        "local_pool": {**empty, "owner": "local"},
        "peer_pool": {**empty, "owner": "peer"},
    }
