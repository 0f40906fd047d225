"""Abuse of what a client may say: others' names and keys, floods, guesses, broken rules."""

from __future__ import annotations

from typing import Any, ClassVar

from dsked.errors import ErrorCode
from dsked.keys import Outcome
from dsked.limits import KEY_ID_BYTES, MAX_KEYS_PER_FRAME
from dsked.sharing.shares import code_bytes
from dsked.sharing.terms import Party, Terms
from dsked.wire.messages import (
    Confirmed,
    Error,
    GetGroup,
    GetShares,
    Locate,
    Located,
    Message,
    Names,
    Ping,
    PsrdRequest,
    PutShares,
    PutSharesAck,
    Register,
    Registered,
    Shares,
    Unregister,
)
from simulating.enemies.cabal import Leak
from simulating.enemies.deeds.client import Deed
from simulating.enemies.nonsense import OfNoVersion
from simulating.enemies.rows import Row, put_under

_LONG_MS = 2**32 - 1


class ClaimsEncryptors(Deed):
    """Registers the encryptors of others beside its own, or in their place."""

    def misbehave(self, now: float) -> None:
        others = {
            party.encryptor for leak in self.me.some_leaks(20) for party in (leak.initiator, *leak.responders)
        }
        names = sorted(others - set(self.me.encryptors)) or ["sam", "sunny"]
        own = list(self.me.encryptors) if self.dice.random() < 0.5 else []
        for hub in self.me.sessions():
            if self.dice.random() < 0.2:
                self.me.say(hub, Unregister(), 0)
            self.me.say(hub, Register([*own, *names]))


class SquatsKeyIds(Deed):
    """Puts shares under IDs of others' keys, as its own, and in their initiators' names."""

    def misbehave(self, now: float) -> None:
        for leak in self.me.some_leaks(4):
            for hub in self.me.sessions():
                self.me.say(
                    hub, self._put(leak, self.dice.choice([self.me.encryptors[0], leak.initiator.encryptor]))
                )

    def _put(self, leak: Leak, initiator: str) -> PutShares:
        nr_clients = len({party.client for party in leak.responders})
        row = Row(leak.key_id, 0, self.dice.randbytes(32), bytes(32) * nr_clients)
        party, responders = Party(self.me.name, initiator), leak.responders
        terms = Terms(1, len(self.cabal.xs), self.cabal.k, party, responders, 32)
        return PutShares(put_under(terms, [row]))


class FloodsShares(Deed):
    """A frame full of shares that nobody fetches: whole ones, or first pieces of the largest."""

    keys_each: ClassVar[int] = 256

    def misbehave(self, now: float) -> None:
        hub = self.me.some_hub()
        if hub is not None:
            initiator = Party(self.me.name, self.me.encryptors[0])
            key_bytes = self.dice.choice([1, 32, 2**21])
            terms = Terms(1, 5, 3, initiator, (Party("nobody", "nothing"),), key_bytes)
            code = bytes(code_bytes(terms))
            number = min(self.keys_each, self.me.room(hub) // (1 + len(code)))
            rows = [Row(self.dice.randbytes(16), 0, b"x", code) for _ in range(number)]
            self.me.say(hub, PutShares(put_under(terms, rows, _LONG_MS)))


class AsksForOthersKeys(Deed):
    """By the true initiator's name, of every hub; and as its own encryptors would."""

    def misbehave(self, now: float) -> None:
        leaks = self.me.some_leaks(8)
        for hub in self.me.sessions():
            self.me.ask_for(hub, leaks, wait_ms=self.dice.choice([0, 1000, _LONG_MS]))
        for leak in leaks[:2]:
            self.me.ask_in_due_form(leak, now)


class ConfirmsOthersKeys(Deed):
    """Says that it has keys that it was not named for, so that hubs may forget them; and odd ones."""

    def misbehave(self, now: float) -> None:
        leaks = self.me.some_leaks(16)
        done = [Confirmed(leak.initiator.client, leak.key_id * 2) for leak in leaks]
        done.append(Confirmed(self.me.someone(), self.dice.randbytes(100 * KEY_ID_BYTES)))
        for hub in self.me.sessions():
            if self.dice.random() < 0.5:
                self.me.say(hub, Ping(False, 0, 0, done))
            else:
                self.me.say(hub, GetShares([], 0, done))


class AsksWithoutEnd(Deed):
    """For keys that nobody knows, in great number, to be waited for as long as can be."""

    def misbehave(self, now: float) -> None:
        hub = self.me.some_hub()
        if hub is not None:
            initiator = self.dice.choice(["carol", self.me.name])
            ids = [self.dice.randbytes(KEY_ID_BYTES) for _ in range(MAX_KEYS_PER_FRAME)]
            alone = [GetGroup(initiator, key_id, 2**32 - 1) for key_id in ids[: len(ids) // 3]]
            together = GetGroup(initiator, b"".join(ids[len(alone) :]), 0)
            self.me.say(hub, GetShares([*alone, together], self.dice.choice([0, 1000, _LONG_MS]), []))


class KeysOfEverySize(Deed):
    """Deals keys as it may, of sizes from one end to the other, and never fetches them."""

    def misbehave(self, now: float) -> None:
        def done(outcome: Outcome) -> None:
            """Nobody wanted these keys."""

        self.me.did()
        size_bits = self.dice.choice([32, 8 * 1024, 8 * 1025, 8 * self.dice.randrange(4, 20_000), 3_000_000])
        number = self.dice.choice([1, 1, 3, 128]) if size_bits < 10_000 else 1
        known = [leak.initiator.encryptor for leak in self.me.some_leaks(1)]
        self.me.get_keys(self.me.encryptors[0], known or ["sam"], number, size_bits, done, now)


class OneRequestId(Deed):
    """Says everything under the same request id, again and again."""

    def misbehave(self, now: float) -> None:
        hub = self.me.some_hub()
        if hub is not None:
            request_id = self.dice.choice([0, 1, 2**32 - 1])
            for _ in range(5):
                group = GetGroup(self.me.someone(), bytes(KEY_ID_BYTES), 0)
                asked = GetShares([group], self.dice.choice([0, 500]), [])
                self.me.say(hub, asked, request_id)
                self.me.say(hub, Locate(["sam"]), request_id)
                self.me.say(hub, Register(list(self.me.encryptors)), request_id)


class SaysWhatHubsSay(Deed):
    """Messages that only hubs send, errors, types of no version."""

    def misbehave(self, now: float) -> None:
        said: list[Message] = [
            OfNoVersion([1]), Error(int(ErrorCode.INTERNAL), "\n" * 256), Located([self.me.someone()]),
            Shares([], []), PutSharesAck(b"\0"), Registered(0, [], 0), Ping(True, 2**64 - 1, 2**64 - 1, []),
            Names([(0, "carol")]),
        ]  # fmt: skip
        for hub in self.me.sessions():
            self.me.say(hub, self.dice.choice(said), self.dice.randrange(2**32))


class BreaksRules(Deed):
    """What a hub answers by closing the session: too many keys, bodies that no type has, other streams."""

    def misbehave(self, now: float) -> None:
        hub = self.me.some_hub()
        if hub is None or hub.connection is None:
            return
        if hub.connection.delivers_blocks and self.dice.random() < 0.3:
            self.me.did()
            hub.changed = True
            hub.connection.send_sealed(0, PsrdRequest(1, self.dice.randbytes(16), 2**32 - 1, 2**32 - 1))
            return
        many = GetGroup(self.me.someone(), bytes(KEY_ID_BYTES * MAX_KEYS_PER_FRAME), 0)
        broken: list[Message] = [
            GetShares([many, many], 0, []), Register([""]), Locate([]), GetShares([], -1, []),
            PutShares([]),
        ]  # fmt: skip
        self.me.say(hub, self.dice.choice(broken), 7)


class GuessesIdentifiers(Deed):
    """Numbers in place of names, whether the hub has defined them in this session, in another, or never."""

    def misbehave(self, now: float) -> None:
        for hub in self.me.sessions():
            number: Any = self.dice.choice([0, 1, 2, 3, self.dice.randrange(2**32)])
            leaks = self.me.some_leaks(3)
            wanted = [GetGroup(number, leak.key_id, 0) for leak in leaks]
            done = [Confirmed(number, leak.key_id) for leak in leaks]
            said = [GetShares(wanted, 0, []), Ping(False, 0, 0, done), self._put(number)]
            self.me.say(hub, self.dice.choice(said))

    def _put(self, number: Any) -> PutShares:
        terms = Terms(
            1, len(self.cabal.xs), self.cabal.k, Party(self.me.name, self.me.encryptors[0]),
            (Party(number, "sunny"),), 32,
        )  # fmt: skip
        return PutShares(put_under(terms, [Row(self.dice.randbytes(16), 0, bytes(32), bytes(32))]))


class NeverProves(Deed):
    """Stops in the middle of most handshakes, and lets go of a session now and then."""

    def proves(self) -> bool:
        return not self.me.misdeeds or self.dice.random() < 0.2

    def misbehave(self, now: float) -> None:
        hub = self.me.some_hub()
        if hub is not None:
            self.me.did()
            hub.close("it lets go")


ABUSE: tuple[type[Deed], ...] = (
    ClaimsEncryptors, SquatsKeyIds, FloodsShares, AsksForOthersKeys, ConfirmsOthersKeys, AsksWithoutEnd,
    KeysOfEverySize, OneRequestId, SaysWhatHubsSay, BreaksRules, GuessesIdentifiers, NeverProves,
)  # fmt: skip
