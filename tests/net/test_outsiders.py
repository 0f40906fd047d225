from __future__ import annotations

import logging

import pytest

from dsked.limits import OUTSIDER_LOG_INTERVAL_S
from dsked.net.outsiders import OutsiderLog


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> OutsiderLog:
    return OutsiderLog(logging.getLogger("outsiders"), clock)


def test_a_flood_is_one_line_in_a_while_and_a_number(log, clock, caplog) -> None:
    for number in range(1000):
        log.warning("FrameError", f"garbage {number}")
    assert caplog.messages == ["garbage 0"]
    clock.now += OUTSIDER_LOG_INTERVAL_S - 0.001
    log.warning("FrameError", "garbage")
    clock.now += 0.001
    log.warning("FrameError", "again")
    log.warning("FrameError", "and again")
    assert caplog.messages == ["garbage 0", "again (1000 more like this)"]


def test_each_kind_has_its_own_line(log, caplog) -> None:
    for kind in ("FrameError", "TagError", "limit"):
        for _ in range(3):
            log.warning(kind, kind)
    assert caplog.messages == ["FrameError", "TagError", "limit"]


def test_seldom_lines_are_all_there(log, clock, caplog) -> None:
    for _ in range(3):
        log.warning("limit", "seldom")
        clock.now += OUTSIDER_LOG_INTERVAL_S
    assert caplog.messages == ["seldom"] * 3


def test_lines_keep_their_level(log, caplog) -> None:
    with caplog.at_level(logging.INFO):
        log.info("connected carol", "client carol connected")
        log.warning("slow", "one was slow")
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING]
