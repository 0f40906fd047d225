"""Registration with one hub: taken, refused and tried again, and over when the client stops."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from dsked.client.hub_peer import HubPeer
from dsked.client.notices import HubNotices
from dsked.client.registration import Registration
from dsked.errors import ErrorCode
from dsked.limits import REGISTER_RETRY_S
from dsked.timers import Timers
from dsked.wire.connection import ClientConnection
from dsked.wire.messages import Register, Registered

NOW = 100.0


class Hub:
    """What registration needs of a HubPeer."""

    def __init__(self) -> None:
        self.name = "hank"
        self.connection: object = object()
        self.registered = False
        self.problem = "not registered yet"
        self.share_timeout_ms = 0
        self.asked: list[tuple[Register, Any]] = []

    def request(self, message: Register, on_answer: Any) -> int:
        self.asked.append((message, on_answer))
        return len(self.asked)

    def answer(self, code: int, refused: list[str]) -> None:
        assert self.asked[-1][1](Registered(code, refused, 60_000), NOW)


class Setting:
    def __init__(self) -> None:
        self.timers = Timers()
        self.lines: list[tuple[int, str]] = []
        self.taken: list[tuple[object, float]] = []
        self.hub = Hub()
        self.registration = Registration(
            ("sam", "susan"), self.timers,
            HubNotices(lambda level, text, /, **fields: self.lines.append((level, text))),
            lambda hub, now: self.taken.append((hub, now)),
        )  # fmt: skip

    def register(self, connection: object = None) -> None:
        line = cast(ClientConnection, connection or self.hub.connection)
        self.registration.register(cast(HubPeer, self.hub), line)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_hub_that_takes_the_encryptors_is_usable_from_then_on(setting: Setting) -> None:
    setting.register()
    assert setting.hub.asked[0][0].encryptors == ["sam", "susan"]
    setting.hub.answer(ErrorCode.OK, [])
    assert (setting.hub.registered, setting.hub.problem, setting.hub.share_timeout_ms) == (True, "", 60_000)
    assert setting.taken == [(setting.hub, NOW)]
    assert setting.lines == [(logging.INFO, "registered with hub hank")]


def test_a_refusal_names_only_our_own_and_is_tried_again(setting: Setting) -> None:
    setting.register()
    setting.hub.answer(ErrorCode.NOT_OWNER, ["susan", "what a hub invents\n"])
    assert not setting.hub.registered and not setting.taken
    assert setting.hub.problem == "refused the registration of susan, which another client serves there"
    setting.timers.run_due(NOW + REGISTER_RETRY_S)
    assert len(setting.hub.asked) == 2
    setting.hub.answer(ErrorCode.NOT_OWNER, ["susan"])
    assert len(setting.lines) == 1, "the same refusal again is not told again"
    setting.timers.run_due(NOW + 2 * REGISTER_RETRY_S)
    setting.hub.answer(ErrorCode.OK, [])
    assert setting.hub.registered


@pytest.mark.parametrize("stopped", [True, False])
def test_not_on_a_connection_that_is_gone_nor_after_the_stop(setting: Setting, stopped: bool) -> None:
    setting.register()
    setting.hub.answer(ErrorCode.NOT_OWNER, ["sam"])
    if stopped:
        setting.registration.stop()
    else:
        setting.hub.connection = object()
    setting.timers.run_due(NOW + REGISTER_RETRY_S)
    assert len(setting.hub.asked) == 1


def test_an_answer_that_is_none_leaves_all_as_it_was(setting: Setting) -> None:
    setting.register()
    assert setting.hub.asked[0][1](None, NOW)
    assert not setting.hub.registered and setting.timers.next_deadline() is None
