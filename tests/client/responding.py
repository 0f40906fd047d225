"""The responder of curtis, keys that were dealt for its encryptors, and what hubs say of them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from dsked.client.evidence import Evidence
from dsked.client.responder import Responder
from dsked.errors import (
    DskedError,
    ErrorCode,
)
from dsked.keys import Key, Outcome
from dsked.sharing.dealing import HubShare, deal
from dsked.sharing.terms import Party, Terms, responder_clients, sort_parties
from dsked.timers import Timers
from dsked.wire.messages import (
    GetShares,
    Missing,
    PartyBody,
    ShareGroup,
    Shares,
)
from tests.client.fakes import FakeHub, fake_hubs

NOW = 1000.0
SAM = Party("carol", "sam")
RANDOM = random.Random(1).randbytes
UNKNOWN = ErrorCode.UNKNOWN_KEY


class Dealing:
    """A key that sam of carol has dealt to five hubs, k = 3."""

    def __init__(self, *responders: tuple[str, str], key_bytes: int = 32) -> None:
        named = sort_parties({Party(*party) for party in responders or (("curtis", "sunny"),)})
        self.terms = Terms(1, 5, 3, SAM, named, key_bytes)
        self.key_id, self.key = RANDOM(16), RANDOM(key_bytes)
        self.shares: list[HubShare] = [
            shares[0] for shares in deal([(self.key_id, self.key)], self.terms, (1, 2, 3, 4, 5), RANDOM)
        ]

    def group(self, x: int, *, start: int = 0, end: int | None = None, flip: int = 0) -> ShareGroup:
        """What hub x says of it; `flip` alters the share."""
        hub_share = self.shares[x - 1]
        code = hub_share.codes[responder_clients(self.terms).index("curtis")] if start == 0 else b""
        share = bytes([hub_share.share[0] ^ flip]) + hub_share.share[1:]
        return ShareGroup(
            PartyBody(*self.terms.initiator), [PartyBody(*party) for party in self.terms.responders],
            5, 3, self.terms.key_bytes, self.key_id, start, share[start:end], code,
        )  # fmt: skip


class Setting:
    """The responder of curtis among five hubs."""

    def __init__(self) -> None:
        self.hubs, hubs = fake_hubs()
        self.timers = Timers()
        self.evidence = Evidence()
        self.notices: list[str] = []
        self.now = NOW
        self.responder = Responder(
            "curtis",
            hubs,
            self.evidence,
            self.timers,
            60.0,
            lambda level, text, /, **fields: self.notices.append(text),
        )

    def ask(self, *dealings: Dealing, caller: str = "sunny", initiator: Party = SAM) -> list[Outcome]:
        outcome: list[Outcome] = []
        ids = [dealing.key_id for dealing in dealings]
        self.responder.get_keys_by_id(caller, initiator, ids, outcome.append, self.now)
        self.responder.turn_ends(self.now)
        return outcome

    def say(self, xs: Iterable[int], *dealings: Dealing, flip: int = 0) -> None:
        """These hubs answer with their shares, each in a turn of its own."""
        for x in xs:
            self.hubs[x - 1].answer(
                Shares([dealing.group(x, flip=flip) for dealing in dealings], []), self.now
            )
            self.responder.turn_ends(self.now)

    def deny(self, xs: Iterable[int], dealing: Dealing, code: int = UNKNOWN) -> None:
        for x in xs:
            missing = [Missing("carol", int(code), dealing.key_id)]
            self.hubs[x - 1].answer(Shares([], missing), self.now)
            self.responder.turn_ends(self.now)

    def at(self, after_s: float) -> None:
        self.now = NOW + after_s
        self.timers.run_due(self.now)
        self.responder.turn_ends(self.now)

    @property
    def nr_asked(self) -> list[int]:
        return [len(hub.asked) for hub in self.hubs]


def gets(hub: FakeHub) -> list[GetShares]:
    return [message for _, message in hub.asked if isinstance(message, GetShares)]


def keys_of(*dealings: Dealing) -> list[Key]:
    return [Key(dealing.key_id, dealing.key) for dealing in dealings]


def error_of(outcome: list[Outcome]) -> DskedError:
    [error] = outcome
    assert isinstance(error, DskedError), error
    return error


def mismatches(setting: Setting) -> dict[str, object]:
    """By hub: what status would tell of it, where there is anything."""
    told = {hub.name: setting.evidence.report(hub.name, NOW)["mismatches"] for hub in setting.hubs}
    return {hub: number for hub, number in told.items() if number}
