"""What the log says of clients is bounded, whatever they do."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from dsked.hub.notices import ClientNotices
from dsked.limits import OUTSIDER_LOG_INTERVAL_S
from dsked.wire.connection import HubConnection


class Connection:
    def __init__(self, client: str) -> None:
        self.client = client


def connection(client: str = "carol") -> HubConnection:
    return cast(HubConnection, Connection(client))


@pytest.fixture
def lines() -> list[tuple[int, str]]:
    return []


@pytest.fixture
def notices(lines: list[Any]) -> ClientNotices:
    return ClientNotices(lambda level, text, /, **fields: lines.append((level, text)))


def test_once_a_connection(notices: ClientNotices, lines: list[tuple[int, str]]) -> None:
    one = connection()
    for now in range(0, 1000, 10):
        notices.once(one, logging.INFO, "registered", "registered 2 encryptors", float(now))
    assert lines == [(logging.INFO, "client carol registered 2 encryptors")]


def test_who_comes_again_and_again_is_told_of_seldom(
    notices: ClientNotices, lines: list[tuple[int, str]]
) -> None:
    for step in range(1000):
        notices.once(connection(), logging.INFO, "registered", "registered", 100.0 + step / 20)
    assert len(lines) == 50 / OUTSIDER_LOG_INTERVAL_S


def test_kinds_and_clients_are_apart(notices: ClientNotices, lines: list[tuple[int, str]]) -> None:
    for client in ("carol", "celia"):
        for kind in ("alarm", "does not read"):
            for _ in range(3):
                notices.seldom(client, logging.ERROR, kind, kind, 5.0)
    assert len(lines) == 4


def test_what_is_gone_is_forgotten(notices: ClientNotices) -> None:
    one = connection()
    notices.once(one, logging.INFO, "registered", "registered", 1.0)
    assert notices.nr_connections == 1
    notices.forget(one)
    assert notices.nr_connections == 0
