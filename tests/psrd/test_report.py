"""What status tells of pools."""

from __future__ import annotations

import json

from dsked.psrd.pair import simulated_streams
from dsked.psrd.report import pools_report


def test_blocks_with_what_is_used_of_them_and_no_byte() -> None:
    streams = simulated_streams(b"l" * 16, b"p" * 16)
    for number, size in enumerate((100, 50)):
        streams.local.store.append(number.to_bytes(16, "big"), b"\xaa" * size)
        streams.peer.store.append((9 + number).to_bytes(16, "big"), b"\xbb" * size)
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
        },
        "peer_pool": {
            "blocks": [{"uuid": zeros + "a", "size": 50, "nr_used_bytes": 20, "nr_unused_bytes": 30}],
            "owner": "peer",
        },
    }


def test_without_streams_pools_are_empty() -> None:
    report = pools_report(None)
    assert json.loads(json.dumps(report)) == {
        "local_pool": {"blocks": [], "owner": "local"},
        "peer_pool": {"blocks": [], "owner": "peer"},
    }
