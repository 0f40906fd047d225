"""Lies in answers other than shares: what is stored, who serves whom, how long, and answers of no sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from dsked.errors import ErrorCode
from dsked.limits import KEY_ID_BYTES, MAX_KEYS_PER_FRAME
from dsked.wire.connection import HubConnection
from dsked.wire.messages import (
    Locate,
    Located,
    Message,
    Missing,
    Ping,
    PsrdRequest,
    PutShares,
    PutSharesAck,
    Register,
    Registered,
    ShareGroup,
    Shares,
    cut_key_ids,
)
from simulating.enemies.lies.hub import Lie, LyingHub, Said, copied
from simulating.enemies.nonsense import nonsense
from simulating.enemies.rows import replaced

# --- shares that are denied ---


class Denies(Lie):
    """Says of every key that it has, with some code, that it does not give it."""

    code: ClassVar[int]

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Shares):
            denied = [one for group in message.groups for one in self.denied(group)]
            message = Shares([], [*message.missing, *denied])
        yield Said(message, request_id)

    def denied(self, group: ShareGroup) -> list[Missing]:
        """What is said of the keys of a group."""
        return [Missing(group.initiator.client, int(self.code), group.key_ids)]


class SaysUnknown(Denies):
    code = ErrorCode.UNKNOWN_KEY


class SaysDone(Denies):
    code = ErrorCode.DONE


class SaysNotNamed(Denies):
    code = ErrorCode.NOT_NAMED


class SaysDelivered(Denies):
    code = ErrorCode.DELIVERED


class SaysAnything(Denies):
    """Codes that mean nothing here, or nothing at all."""

    def denied(self, group: ShareGroup) -> list[Missing]:
        initiator = group.initiator.client
        return [
            Missing(initiator, self.random.randrange(256), key_id) for key_id in cut_key_ids(group.key_ids)
        ]


class HugeMissing(Lie):
    """Denies a thousand keys that nobody asked for, and those that somebody did, before it gives them."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Shares):
            asked = [
                Missing(group.initiator.client, int(ErrorCode.NOT_NAMED), group.key_ids)
                for group in message.groups
            ]
            ids = cut_key_ids(self.random.randbytes(MAX_KEYS_PER_FRAME // 2 * KEY_ID_BYTES))
            others = [Missing(self.random.choice(sorted(self.hub.pairs)), 7, key_id) for key_id in ids]
            yield Said(Shares([], others + asked), request_id)
        yield Said(message, request_id)


# --- shares that are acknowledged, or not ---


def alike(code: ErrorCode, number: int) -> bytes:
    """The same code for so many keys."""
    return bytes([code]) * number


class Acks(Lie):
    """Answers every PUT_SHARES itself; nothing is stored."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if not isinstance(message, PutShares):
            return message
        nr_keys = sum(group.number for group in message.groups)
        for codes in self.codes(nr_keys):
            self.hub.say(to, Said(PutSharesAck(codes), request_id))
        return None

    def codes(self, nr_keys: int) -> Iterable[bytes]:
        """The codes of each answer."""
        raise NotImplementedError


class AcknowledgesWithoutStoring(Acks):
    def codes(self, nr_keys: int) -> Iterable[bytes]:
        return [alike(ErrorCode.OK, nr_keys)]


class RefusesEverything(Acks):
    def codes(self, nr_keys: int) -> Iterable[bytes]:
        code = self.random.choice([ErrorCode.CONFLICT, ErrorCode.LIMIT, ErrorCode.NOT_OWNER])
        return [alike(code, nr_keys)]


class PartialForEver(Acks):
    def codes(self, nr_keys: int) -> Iterable[bytes]:
        return [alike(ErrorCode.PARTIAL, nr_keys)]


class WrongNumberOfCodes(Acks):
    def codes(self, nr_keys: int) -> Iterable[bytes]:
        number = self.random.choice([0, nr_keys - 1, nr_keys + 1, MAX_KEYS_PER_FRAME])
        return [alike(ErrorCode.OK, number)]


class AcknowledgesTwice(Acks):
    """Contradicts itself at once."""

    def codes(self, nr_keys: int) -> Iterable[bytes]:
        return [alike(ErrorCode.OK, nr_keys), alike(ErrorCode.CONFLICT, nr_keys)]


class StoresAndRefuses(Lie):
    """What it stores will be there when the initiator thinks that it is not."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, PutSharesAck):
            message = PutSharesAck(alike(ErrorCode.CONFLICT, len(message.codes)))
        yield Said(message, request_id)


class RandomCodes(Lie):
    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, PutSharesAck):
            message = PutSharesAck(self.random.randbytes(len(message.codes)))
        yield Said(message, request_id)


# --- the directory ---


class FalseDirectory(Lie):
    """All such hubs name the same wrong client: a hostile one if there is any."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Located):
            message = Located([self._instead_of(client) for client in message.clients])
        yield Said(message, request_id)

    def _instead_of(self, client: str | None) -> str | None:
        others = sorted(self.cabal.clients) + sorted(self.hub.pairs)
        return next((name for name in others if name != client), None)


class EmptyDirectory(Lie):
    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Located):
            message = Located([None] * len(message.clients))
        yield Said(message, request_id)


class TornDirectory(Lie):
    """More answers or fewer than questions."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Located):
            message = Located(self.random.choice([[], message.clients * 2]))
        yield Said(message, request_id)


class FlickeringDirectory(EmptyDirectory):
    """Knows encryptors and knows them not, as it likes."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        return (
            super().says(to, request_id, message)
            if self.random.random() < 0.5
            else iter([Said(message, request_id)])
        )


class KnowsOthersEncryptors(Lie):
    """Names the client that serves an encryptor, though that is no client of this hub."""

    def __init__(self, hub: LyingHub) -> None:
        super().__init__(hub)
        self._asked: dict[tuple[HubConnection, int], list[str]] = {}

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if isinstance(message, Locate):
            self._asked[to, request_id] = message.encryptors
        return message

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Located):
            asked = self._asked.pop((to, request_id), [])
            known = [self.cabal.client_of.get(name) for name in asked]
            message = Located(known if len(known) == len(message.clients) else message.clients)
        yield Said(message, request_id)


# --- registration and ends ---


class FalseTimeouts(Lie):
    """Keeps shares for no time, or for 49 days, as it says."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Registered):
            message = replaced(message, share_timeout_ms=self.random.choice([0, 1, 2**32 - 1]))
        yield Said(message, request_id)


class RefusesRegistration(Lie):
    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if not isinstance(message, Register):
            return message
        names = [*message.encryptors, "\nERROR hub2 lies"] * 100
        self.hub.say(to, Said(Registered(int(ErrorCode.NOT_OWNER), names, 0), request_id))
        return None


class FalseEnds(Lie):
    """Tells of bytes that it holds and does not, and of none."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        client_end, hub_end = (self.random.choice([0, 1, 2**63, 2**64 - 1]) for _ in range(2))
        self.hub.say(to, Said(Ping(self.random.random() < 0.5, client_end, hub_end, []), 0))
        self.hub.lied()
        return message


# --- answers of no sense ---


class AnswersNonsense(Lie):
    """Registers clients, and answers nothing else as it should."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        truth = isinstance(message, Registered)
        yield Said(message if truth else self.random.choice(nonsense()), request_id)


class SaysTwice(Lie):
    """Everything, the second time at once or late."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        again = copied(message)
        yield Said(message, request_id)
        yield Said(again, request_id, self.random.choice([0.0, 0.05, 1.5]))


class AnswersUnasked(Lie):
    """Says its answers under request ids of nobody as well, and other things under those of others."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        for other in (0, request_id + 1, 2**32 - 1, self.random.randrange(2**32)):
            yield Said(copied(message), other)
        yield Said(self.random.choice(nonsense()), request_id + 2)
        yield Said(message, request_id)


class BreaksOff(Lie):
    """Now and then it says what no client may accept: the session ends."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if not isinstance(message, Registered) and self.random.random() < 0.3:
            message = Located([""])  # a name has one character at least
        yield Said(message, request_id)


class AnswersNothing(Lie):
    """Takes everything, and answers nothing but the registration."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        return message if isinstance(message, Register | PsrdRequest | Locate) else None


IN_ANSWERS: tuple[type[Lie], ...] = (
    SaysUnknown, SaysDone, SaysNotNamed, SaysDelivered, SaysAnything, HugeMissing,
    AcknowledgesWithoutStoring, RefusesEverything, PartialForEver, WrongNumberOfCodes, AcknowledgesTwice,
    StoresAndRefuses, RandomCodes, FalseDirectory, EmptyDirectory, TornDirectory, FlickeringDirectory,
    KnowsOthersEncryptors, FalseTimeouts,
    RefusesRegistration, FalseEnds, AnswersNonsense, SaysTwice, AnswersUnasked, BreaksOff, AnswersNothing,
)  # fmt: skip
