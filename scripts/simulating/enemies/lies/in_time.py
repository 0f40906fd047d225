"""Lies in time: answers at the edges of the limits, and hubs that begin to lie, or lie to one client only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from dsked.limits import ACK_GRACE_S, ACK_LIMIT_S, FETCH_DEADLINE_S, RETRY_FIRST_S, RETRY_MAX_S
from dsked.wire.connection import HubConnection
from dsked.wire.messages import Message, Names, PsrdRequest, PutSharesAck, Register, Registered, Shares
from simulating.enemies.lies.hub import Lie, LyingHub, Said

_NEAR_S = 0.002


class Delays(Lie):
    """Answers what is true, later."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        delay_s = 0.0 if isinstance(message, Registered) else self.delay_s(message)
        yield Said(message, request_id, delay_s)

    def delay_s(self, message: Message) -> float:
        """How late, in seconds."""
        raise NotImplementedError


class AnswersAtTheEdge(Delays):
    """Just before a limit of the client ends, or just after."""

    def delay_s(self, message: Message) -> float:
        if isinstance(message, PutSharesAck):
            limits = [ACK_GRACE_S, ACK_LIMIT_S]
        elif isinstance(message, Shares):
            limits = [RETRY_FIRST_S, RETRY_MAX_S, FETCH_DEADLINE_S]
        else:
            limits = [ACK_LIMIT_S]
        return max(self.random.choice(limits) + self.random.uniform(-_NEAR_S, _NEAR_S), 0.0)


class JustInTheGrace(Delays):
    """So slow that everybody waits for it each time, and so quick that it is never late."""

    def delay_s(self, message: Message) -> float:
        return ACK_GRACE_S - _NEAR_S


class NowAndThenLate(Delays):
    """Quick for a while, and then not at all: as dear as a hub can be."""

    def delay_s(self, message: Message) -> float:
        return self.random.choice([0.0, 0.0, 0.0, 2.0])


class StallsNowAndThen(Lie):
    """Leaves some requests without any answer."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        always = isinstance(message, Register | PsrdRequest)
        return message if always or self.random.random() < 0.6 else None


# --- lies that are told at times ---


class Mixed(Lie):
    """Tells the lies of `kinds`, as `chosen` says: Lie itself is the truth."""

    kinds: ClassVar[tuple[type[Lie], ...]] = ()

    def __init__(self, hub: LyingHub) -> None:
        super().__init__(hub)
        self.truth = Lie(hub)
        self.parts = [kind(hub) for kind in self.kinds]

    def chosen(self, to: HubConnection) -> Lie:
        """The lie for this moment and this client."""
        raise NotImplementedError

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        return self.chosen(to).hears(to, request_id, message)

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterable[Said]:
        return self.chosen(to).says(to, request_id, message)

    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        return self.chosen(to).tells(to, names)


class Moody(Mixed):
    """Another lie for every message, now and then the truth."""

    def chosen(self, to: HubConnection) -> Lie:
        return self.random.choice([self.truth, *self.parts])


class Turncoat(Mixed):
    """Honest at first, then a liar of one kind; both at times of its choice."""

    def __init__(self, hub: LyingHub) -> None:
        super().__init__(hub)
        self.part = self.random.choice(self.parts)
        self.honest_messages = self.random.randrange(5, 60)

    def chosen(self, to: HubConnection) -> Lie:
        self.honest_messages -= 1
        return self.truth if self.honest_messages > 0 else self.part


class LiesToOne(Mixed):
    """Of one kind to one client, all others are told the truth."""

    def __init__(self, hub: LyingHub) -> None:
        super().__init__(hub)
        self.part = self.random.choice(self.parts)
        self.victim = ""

    def chosen(self, to: HubConnection) -> Lie:
        self.victim = self.victim or self.random.choice(sorted(self.hub.pairs))
        return self.part if to.client == self.victim else self.truth


IN_TIME: tuple[type[Lie], ...] = (AnswersAtTheEdge, JustInTheGrace, NowAndThenLate, StallsNowAndThen)
