"""What a service manager hears: of a start that takes long, of life, of reloads and of the end."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

import pytest

from dsked.daemon.service_manager import ServiceManager

WATCHED = {"WATCHDOG_USEC": "60000000"}
MORE_TIME = "EXTEND_TIMEOUT_USEC=30000000"


class World:
    """A service manager that is told everything, a node, and the time."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.full = False  # its socket
        self.reason: str | None = "0 of 3 hubs are connected"
        self.planned: list[tuple[float, Callable[[], None], asyncio.TimerHandle]] = []

    def manager(self, environment: dict[str, str] | None = None) -> ServiceManager:
        return ServiceManager("client carol", lambda: self.reason, self.tell, environment or {})

    def tell(self, state: str) -> bool:
        if not self.full:
            self.said.append(state)
        return not self.full

    def heard(self) -> list[str]:
        said, self.said[:] = list(self.said), []
        return said

    def call_later(self, after_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        self.planned.append((after_s, call, asyncio.TimerHandle(0.0, call, (), loop)))
        return self.planned[-1][2]

    def beat(self) -> list[str]:
        """What is said at the next beat; nothing where none is planned."""
        planned, self.planned[:] = list(self.planned), []
        for _, call, handle in planned:
            if not handle.cancelled():
                call()
        return self.heard()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", world.call_later)
    return world


async def test_readiness_is_told_once_and_reasons_when_they_change(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    manager = world.manager()
    for reason in ("0 of 3 hubs are connected", "2 of 3 hubs are connected", None, "1 of 3 is", None):
        world.reason = reason
        manager.look()
        manager.look()
    assert world.heard() == [
        "STATUS=0 of 3 hubs are connected",
        "STATUS=2 of 3 hubs are connected",
        "READY=1\nSTATUS=ready",
        "STATUS=1 of 3 is",
        "STATUS=ready",
    ]
    assert caplog.messages == ["client carol is ready"]


async def test_what_the_manager_did_not_take_is_told_again_and_nothing_twice(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.reason, world.full = None, True
    manager = world.manager(WATCHED)
    manager.look()
    assert world.beat() == []
    world.full = False
    assert world.beat() == ["READY=1\nSTATUS=ready", "WATCHDOG=1"]
    assert world.beat() == ["WATCHDOG=1"]
    with manager.reloading():
        world.full = True
    assert world.heard()[0].startswith("RELOADING=1\n")
    world.full, world.reason = False, "1 of 3 is"
    assert world.beat() == ["READY=1\nSTATUS=1 of 3 is", "WATCHDOG=1"]
    assert caplog.messages == ["client carol is ready", "client carol is not ready: 1 of 3 is"]


async def test_a_start_that_waits_for_hubs_asks_for_more_time(world: World) -> None:
    world.manager()
    assert world.beat() == ["STATUS=0 of 3 hubs are connected", MORE_TIME]
    assert world.beat() == [MORE_TIME]
    world.reason = None
    assert world.beat() == ["READY=1\nSTATUS=ready"]
    assert world.beat() == [], "nobody watches: nothing more to tell"


async def test_the_log_tells_that_a_node_does_not_serve_or_no_more(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.manager()
    for reason in ("0 of 3 are", "1 of 3 is", None, None, "1 of 3 is", "0 of 3 are", None, None):
        world.reason = reason
        world.beat()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "client carol is not ready: 0 of 3 are"),
        ("INFO", "client carol is ready"),
        ("WARNING", "client carol is not ready: 1 of 3 is"),
        ("INFO", "client carol is ready again"),
    ]


async def test_a_watchdog_hears_of_life_and_of_what_is_missing(world: World) -> None:
    world.reason = None
    world.manager({**WATCHED, "WATCHDOG_PID": str(os.getpid())})
    assert world.beat() == ["READY=1\nSTATUS=ready", "WATCHDOG=1"]
    assert world.beat() == ["WATCHDOG=1"]
    world.reason = "1 of 3 hubs is connected"
    # A restart would not bring the hubs back.
    assert world.beat() == ["STATUS=1 of 3 hubs is connected", "WATCHDOG=1"]
    assert world.beat() == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("environment", "beat_s"),
    [
        ({}, 10.0),
        ({"WATCHDOG_USEC": "4000000"}, 2.0),
        ({"WATCHDOG_USEC": "120000000"}, 10.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, 10.0),  # another process's
        ({"WATCHDOG_USEC": "0"}, 10.0),
        ({"WATCHDOG_USEC": "-1"}, 10.0),
        ({"WATCHDOG_USEC": ""}, 10.0),
    ],
)
async def test_signs_of_life_come_twice_in_the_time_that_the_watchdog_waits(
    world: World, environment: dict[str, str], beat_s: float
) -> None:
    world.manager(environment)
    assert [after_s for after_s, _, _ in world.planned] == [beat_s]


async def test_a_reload_is_told_with_its_time_and_its_end_even_where_it_fails(world: World) -> None:
    world.reason = None
    manager = world.manager(WATCHED)
    manager.look()
    world.heard()
    during: list[str] = []
    before_us = time.monotonic_ns() // 1000
    with manager.reloading():
        during.extend(world.heard())
    state, usec = during[0].split("\nMONOTONIC_USEC=")
    assert state == "RELOADING=1" and before_us <= int(usec) <= time.monotonic_ns() // 1000
    assert world.heard() == ["READY=1\nSTATUS=ready"]
    with pytest.raises(ZeroDivisionError), manager.reloading():
        raise ZeroDivisionError
    assert world.heard()[-1] == "READY=1\nSTATUS=ready"


async def test_a_reload_of_a_node_that_is_not_ready_does_not_make_it_so(world: World) -> None:
    manager = world.manager()
    manager.look()
    with manager.reloading():
        pass
    assert world.heard() == ["STATUS=0 of 3 hubs are connected"]


async def test_what_others_have_named_makes_no_line_of_its_own(world: World) -> None:
    world.reason = "hank: refused\nREADY=1\x1b[2J"
    world.manager().look()
    assert world.heard() == ["STATUS=hank: refused?READY=1?[2J"]


async def test_a_stop_that_takes_long_asks_for_more_time_and_tells_nothing_else(world: World) -> None:
    world.reason = None
    manager = world.manager(WATCHED)
    manager.look()
    world.heard()
    manager.stopping()
    assert world.heard() == ["STOPPING=1"]
    world.reason = "the client is stopping"
    assert [world.beat(), world.beat()] == [[MORE_TIME], [MORE_TIME]]
    with manager.reloading():
        pass
    assert world.heard() == []
    manager.close()
    assert world.beat() == []


async def test_a_stop_during_a_reload_is_not_taken_back(world: World) -> None:
    world.reason = None
    manager = world.manager(WATCHED)
    manager.look()
    with manager.reloading():
        manager.stopping()
    assert world.heard()[-1] == "STOPPING=1"
