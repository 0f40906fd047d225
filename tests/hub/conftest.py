from __future__ import annotations

import pytest

from dsked.hub import tombstones
from dsked.hub.share_store import ShareStore

from .storing import TIMEOUT_S, LimitTombstones


@pytest.fixture
def store() -> ShareStore:
    return ShareStore(TIMEOUT_S)


@pytest.fixture
def limit_tombstones(monkeypatch: pytest.MonkeyPatch) -> LimitTombstones:
    """Sets how many a client has room for, of either kind."""

    def limit(number: int) -> None:
        monkeypatch.setattr(tombstones, "MAX_TOMBSTONES_PER_CLIENT", number)
        monkeypatch.setattr(tombstones, "MAX_CONFIRMED_PER_CLIENT", number)

    return limit
