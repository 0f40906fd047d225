from __future__ import annotations

import pytest

from dsked.client import delivered
from dsked.client.delivered import Delivered

NOW = 1000.0
SUNNY, SUSAN = ((("carol", bytes(16)), name) for name in ("sunny", "susan"))
OTHER = (("carol", b"o" * 16), "sunny")


def test_a_delivery_is_remembered_until_its_time_is_out() -> None:
    memory = Delivered()
    assert SUNNY not in memory
    memory.add(SUNNY, NOW, 60)
    assert SUNNY in memory
    memory.forget_expired(NOW + 59.999)
    assert SUNNY in memory
    memory.forget_expired(NOW + 60)
    assert SUNNY not in memory
    assert not any(map(len, vars(memory).values())), "nothing is left of it"


def test_deliveries_are_apart_per_encryptor_key_and_initiator() -> None:
    memory = Delivered()
    memory.add(SUNNY, NOW, 60)
    assert SUSAN not in memory
    assert OTHER not in memory
    assert (("celia", bytes(16)), "sunny") not in memory


def test_adding_forgets_what_is_out() -> None:
    memory = Delivered()
    memory.add(SUNNY, NOW, 60)
    memory.add(SUSAN, NOW + 60, 60)
    assert SUNNY not in memory
    memory.add(SUNNY, NOW + 61, 60)
    assert SUNNY in memory
    assert SUSAN in memory


def test_a_time_out_that_shrinks_forgets_later_never_earlier() -> None:
    """Hubs may be started anew with a shorter share time-out."""
    memory = Delivered()
    memory.add(SUNNY, NOW, 120)
    memory.add(SUSAN, NOW, 60)
    memory.forget_expired(NOW + 60)
    assert SUSAN in memory
    memory.forget_expired(NOW + 120)
    assert SUSAN not in memory


def test_it_says_when_it_could_remember_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivered, "MAX_REMEMBERED_DELIVERIES", 2)
    memory = Delivered()
    assert not memory.full(2)
    assert memory.full(3)
    memory.add(SUNNY, NOW, 60)
    assert not memory.full(1)
    assert memory.full(2)
