"""What a hub tells of itself for metrics: no secret, and nothing that costs more the more clients it has."""

from __future__ import annotations

from typing import NamedTuple

from dsked.psrd.figures import PeerFigures


class ClientFigures(NamedTuple):
    """One client, as its hub sees it."""

    common: PeerFigures
    connected: bool
    wrapped: bool  # its session
    nr_shares: int  # that it has dealt and that have not been fetched yet
    nr_share_bytes: int


class HubFigures(NamedTuple):
    """All of them together. Beside clients, what is not `held` or `open` has been counted since the start."""

    nr_clients: int
    nr_sessions_open: int
    nr_sessions: int
    nr_shares_held: int
    nr_share_bytes_held: int
    nr_shares_stored: int
    nr_shares_refused: int
    nr_shares_expired: int
    nr_tombstones: int
    draining: bool
