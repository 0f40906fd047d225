"""What status tells of pools."""

from __future__ import annotations

import json

from dsked.psrd.pair import Side, simulated_streams
from dsked.psrd.report import pools_report
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
    assert pools_report(streams) == {
        "local_pool": {
            "blocks": [
                {"uuid": zeros + "0", "size": 100, "nr_used_bytes": 30, "nr_unused_bytes": 70},
                {"uuid": zeros + "1", "size": 50, "nr_used_bytes": 0, "nr_unused_bytes": 50},
            ],
            "owner": "local",
            "nr_unused_bytes": 120,
            "window": None,
        },
        "peer_pool": {
            "blocks": [{"uuid": zeros + "a", "size": 50, "nr_used_bytes": 20, "nr_unused_bytes": 30}],
            "owner": "peer",
            "nr_unused_bytes": 30,
            "window": None,
        },
    }


def test_media_pools_tell_their_window() -> None:
    report = pools_report(media_streams(Side.HUB))
    assert [report[pool]["window"] for pool in ("local_pool", "peer_pool")] == [WIN, WIN]
    assert report["local_pool"]["nr_unused_bytes"] == SIZE


def test_without_streams_pools_are_empty() -> None:
    report = pools_report(None)
    assert json.loads(json.dumps(report)) == {
        "local_pool": {"blocks": [], "owner": "local", "nr_unused_bytes": 0, "window": None},
        "peer_pool": {"blocks": [], "owner": "peer", "nr_unused_bytes": 0, "window": None},
    }
