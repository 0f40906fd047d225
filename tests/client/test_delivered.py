from __future__ import annotations

import pytest

from dsked.client import delivered
from dsked.client.delivered import Delivered

NOW = 1000.0
KEY, OTHER = bytes(16), b"o" * 16
SUNNY, SUSAN = ("carol", "sunny"), ("carol", "susan")


def test_a_delivery_is_remembered_until_its_time_is_out() -> None:
    memory = Delivered()
    assert not memory.among(SUNNY, [KEY, OTHER])
    memory.add(SUNNY, [KEY], NOW, 60)
    assert memory.among(SUNNY, [OTHER, KEY]) == {KEY}
    memory.forget_expired(NOW + 59.999)
    assert memory.among(SUNNY, [KEY])
    memory.forget_expired(NOW + 60)
    assert not memory.among(SUNNY, [KEY])
    assert not any(map(len, (memory._key_ids._known, memory._key_ids._batches))), "nothing is left of it"


def test_deliveries_are_apart_per_encryptor_key_and_initiator() -> None:
    memory = Delivered()
    memory.add(SUNNY, [KEY], NOW, 60)
    assert not memory.among(SUSAN, [KEY])
    assert not memory.among(SUNNY, [OTHER])
    assert not memory.among(("celia", "sunny"), [KEY])


def test_what_is_out_may_be_added_again() -> None:
    memory = Delivered()
    memory.add(SUNNY, [KEY, OTHER], NOW, 60)
    memory.add(SUSAN, [KEY], NOW + 60, 60)
    memory.forget_expired(NOW + 60)
    assert not memory.among(SUNNY, [KEY, OTHER])
    memory.add(SUNNY, [KEY], NOW + 61, 60)
    assert memory.among(SUNNY, [KEY])
    assert memory.among(SUSAN, [KEY])


def test_a_time_out_that_shrinks_forgets_later_never_earlier() -> None:
    """Hubs may be started anew with a shorter share time-out."""
    memory = Delivered()
    memory.add(SUNNY, [KEY], NOW, 120)
    memory.add(SUSAN, [KEY], NOW, 60)
    memory.forget_expired(NOW + 60)
    assert memory.among(SUSAN, [KEY])
    memory.forget_expired(NOW + 120)
    assert not memory.among(SUSAN, [KEY])


def test_it_says_when_it_could_remember_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivered, "MAX_REMEMBERED_DELIVERIES", 2)
    memory = Delivered()
    assert not memory.full(2, NOW)
    assert memory.full(3, NOW)
    memory.add(SUNNY, [KEY], NOW, 60)
    assert not memory.full(1, NOW)
    assert memory.full(2, NOW + 59)
    assert not memory.full(2, NOW + 60), "what is out makes room"
