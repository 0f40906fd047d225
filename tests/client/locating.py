"""A locator among hubs that the test answers for."""

from __future__ import annotations

from dsked.client.locator import Locator
from dsked.errors import DskedError
from dsked.limits import DIRECTORY_TTL_S
from dsked.timers import Timers
from dsked.wire.messages import Locate, Located
from tests.client.fakes import FakeHub, fake_hubs

NOW = 1000.0
#: From then on what was learned now is asked anew.
HALF = NOW + DIRECTORY_TTL_S / 2


class Setting:
    """A locator of carol (sam) among five hubs, k = 3."""

    def __init__(self) -> None:
        self.hubs, hubs = fake_hubs()
        self.timers = Timers()
        self.locator = Locator("carol", ("sam",), hubs, self.timers)
        self.answers: list[str | DskedError] = []

    def locate(self, encryptor: str = "sunny", now: float = NOW, *, patient: bool = False) -> None:
        self.locator.locate(encryptor, now, lambda found, now: self.answers.append(found), patient=patient)

    def ask(self, encryptor: str = "sunny", now: float = NOW, *, patient: bool = False) -> None:
        self.locate(encryptor, now, patient=patient)
        self.locator.turn_ends(now)

    def say(self, *clients: str | None, now: float = NOW) -> None:
        """One hub after the other says where the one encryptor is."""
        for hub, client in zip(self.hubs, clients, strict=False):
            hub.answer(Located([client]), now)

    def strangers(self, encryptor: str = "sunny") -> set[str]:
        found = self.locator.strangers([encryptor])
        return {hub.name for hub in self.hubs if hub.index in found}

    @property
    def error(self) -> DskedError:
        [error] = self.answers
        assert isinstance(error, DskedError)
        return error


def questions(hub: FakeHub) -> list[list[str]]:
    return [message.encryptors for _, message in hub.asked if isinstance(message, Locate)]


def known_to_be_at_curtis(setting: Setting) -> None:
    setting.ask()
    setting.say("curtis", "curtis", "curtis", "curtis", "curtis")
    setting.answers.clear()
