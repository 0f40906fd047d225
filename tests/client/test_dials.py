"""When hubs are dialled: once at a time, later after a failure, at once where something has changed."""

from __future__ import annotations

import pytest

from dsked.client.dials import Dials
from dsked.timers import Timers

from .fakes import FakeHub

NOW = 1000.0


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
def dials(timers: Timers) -> Dials:
    return Dials(timers)


def test_a_hub_is_dialled_once_until_that_has_ended(dials: Dials) -> None:
    hub = FakeHub(1)
    dials.at_once(hub)
    dials.at_once(hub)
    assert dials.take_due() == [hub]
    dials.at_once(hub)
    assert dials.take_due() == []
    dials.ended(hub)
    dials.at_once(hub)
    assert dials.take_due() == [hub]


def test_a_hub_that_waits_is_dialled_when_its_time_has_come(dials: Dials, timers: Timers) -> None:
    hub = FakeHub(1)
    dials.later(hub, NOW + 5)
    timers.run_due(NOW + 4.9)
    assert dials.take_due() == []
    timers.run_due(NOW + 5)
    assert dials.take_due() == [hub]


def test_at_once_ends_the_wait(dials: Dials, timers: Timers) -> None:
    hub, other = FakeHub(1), FakeHub(2)
    dials.later(hub, NOW + 5)
    dials.later(other, NOW + 5)
    dials.at_once(hub)
    assert dials.take_due() == [hub]
    dials.ended(hub)
    timers.run_due(NOW + 5)
    assert dials.take_due() == [other]
