"""Whom a node did not believe, by few and fixed reasons: no name that an outsider chooses becomes a label."""

from __future__ import annotations

from collections.abc import Mapping

from dsked.metrics import families as f
from dsked.metrics.families import Scrape

#: By the kinds that the DSKE sides tell (net/hub_server.py, net/hub_dialer.py): names of errors, and these.
_REASONS = {
    "refused": "refused",  # a handshake, with an authenticated reason
    "HandshakeRefusedError": "refused",
    "slow": "timeout",
    "TagError": "bad_tag",
    "ReplayError": "replay",
    "WindowError": "outside_window",
    "FrameError": "malformed",
    "PeerError": "protocol",
}
REASONS = (*dict.fromkeys(_REASONS.values()), "other")
_TOO_MANY = "limit"


def add_failures(kinds: Mapping[str, int], scrape: Scrape) -> int:
    """The failures over DSKE, all reasons from the start; returns how many were one too many."""
    failures = dict.fromkeys(REASONS, 0)
    for kind, number in kinds.items():
        if kind != _TOO_MANY:
            failures[_REASONS.get(kind, "other")] += number
    for reason, number in failures.items():
        scrape.add(f.AUTHENTICATION_FAILURES, number, "dske", reason)
    return kinds.get(_TOO_MANY, 0)
