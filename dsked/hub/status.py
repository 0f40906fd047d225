"""What a hub tells of itself: the user guide's status, one page of clients at a time."""

from __future__ import annotations

from typing import Any

from dsked.hub.encryptors import EncryptorDirectory
from dsked.hub.figures import HubFigures
from dsked.psrd.pair import Pair
from dsked.psrd.report import pools_report


def client_status(
    pair: Pair,
    directory: EncryptorDirectory,
    pending: tuple[int, int],
    most_blocks: int,
    *,
    connected: bool,
    wrapped: bool,
    low: bool,
) -> dict[str, Any]:
    """Status of one client, without any secret. `pending`: shares that it has dealt, and their bytes."""
    return {
        "client_name": pair.client,
        "encryptor_names": sorted(directory.registered(pair.client)),
        "registered": directory.is_registered(pair.client),
        "connected": connected,
        "wrapped": wrapped,
        "psrd_low": low,
        "restored_state_seen": pair.rewound,
        "nr_pending_shares": pending[0],
        "nr_pending_share_bytes": pending[1],
        **pools_report(pair.streams, most_blocks),
    }


def shares_status(figures: HubFigures) -> dict[str, int]:
    """Shares of all clients together. What is not pending has been counted since the start."""
    return {
        "nr_pending": figures.nr_shares_held,
        "nr_pending_bytes": figures.nr_share_bytes_held,
        "nr_stored": figures.nr_shares_stored,
        "nr_refused": figures.nr_shares_refused,
        "nr_expired": figures.nr_shares_expired,
    }
