"""The directory against liars, delays, hubs that come and go, and clients that register when they like.

Fewer than k hubs lie: they say nil, another name, the right one, nonsense or nothing, each time as they like.
An attacker on the path has answers arrive late and out of order. The honest say what they know.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.client.locator import Locator
from dsked.errors import DskedError
from dsked.limits import (
    ACK_LIMIT_S,
    DIRECTORY_GRACE_S,
    DIRECTORY_STRANGER_RETRY_S,
    DIRECTORY_TTL_S,
    RETRY_MAX_S,
)
from dsked.timers import Timers
from dsked.wire.messages import Error, Locate, Located, Message
from tests.client.fakes import FakeHub, fake_hubs

NOW = 1000.0
#: Two encryptors and who serves them.
SERVED = {"sunny": "curtis", "serena": "celia"}
LIES = (None, "mallory", "mallory", "curtis", "celia")
PAUSES_S = (0.01, DIRECTORY_GRACE_S, RETRY_MAX_S, 1.0, 2.5, 8.0, DIRECTORY_TTL_S + 1)
#: In use, every hub has been asked anew after so long.
HEALED_S = 20
NONSENSE: tuple[Message, ...] = (Located([]), Located(["curtis"] * 3), Error(48, ""))


@dataclass
class Request:
    """Somebody who waits: until when at most, once k hubs have agreed."""

    name: str
    patient: bool
    asked_at: float
    nr_asked: list[int]  # questions that each hub had got before
    answer: str | DskedError | None = None
    agreed: set[int] = field(default_factory=set)  # hubs that have said the right name since
    agreed_at: float | None = None

    @property
    def deadline(self) -> float:
        """A question that is under way already ends sooner."""
        patience_s = DIRECTORY_GRACE_S if self.patient else 0.0
        latest = self.asked_at + ACK_LIMIT_S + patience_s
        return latest if self.agreed_at is None else min(latest, self.agreed_at + patience_s)


class Directory:
    """A locator, its hubs, and what these know. `liars` are fewer than k."""

    def __init__(self, n: int, k: int, liars: set[int]) -> None:
        self.k, self.liars = k, liars
        self.hubs, hubs = fake_hubs(n, k)
        self.now, self.timers = NOW, Timers()
        self.locator = Locator("carol", ("sam",), hubs, self.timers)
        self.knows = {name: {hub.index for hub in self.hubs} for name in SERVED}
        self.denied: dict[str, set[int]] = {name: set() for name in SERVED}  # hubs that ever said otherwise
        self.requests: list[Request] = []
        self.apart: set[tuple[int, int]] = set()  # what hubs were asked by themselves: no part of a question

    def ask(self, name: str, *, patient: bool = True) -> Request:
        request = Request(name, patient, self.now, [len(hub.asked) for hub in self.hubs])
        self.requests.append(request)

        def answered(answer: str | DskedError, now: float) -> None:
            assert request.answer is None, "once"
            assert isinstance(answer, DskedError) or answer == SERVED[name]
            request.answer = answer

        self.locator.locate(name, self.now, answered, patient=patient)
        return request

    def wait(self, seconds: float) -> None:
        """Timers are run when they are due."""
        until = self.now + seconds
        while (deadline := self.timers.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.timers.run_due(self.now)
            self.nobody_waits_too_long()
        self.now = until

    def pending(self, hub: FakeHub) -> list[tuple[int, list[str]]]:
        """Questions that this hub has not answered."""
        return [
            (number, message.encryptors)
            for number, message in hub.asked
            if number in hub._calls and isinstance(message, Locate)
        ]

    def say(self, hub: FakeHub, number: int, names: list[str], clients: list[str | None]) -> None:
        """A hub answers one question."""
        for name, client in zip(names, clients, strict=True):
            if client != SERVED[name]:
                self.denied[name].add(hub.index)
                continue
            for request in self.requests:
                is_new = number > request.nr_asked[hub.index] and (hub.index, number) not in self.apart
                if request.name == name and is_new:
                    request.agreed.add(hub.index)
                    if len(request.agreed) >= self.k and request.agreed_at is None:
                        request.agreed_at = self.now
        hub.answer(Located(clients), self.now, number)
        self.locator.turn_ends(self.now)

    def is_ready(self, hub: FakeHub) -> None:
        """Its session is registered."""
        hub.registered, nr_before = True, len(hub.asked)
        self.locator.hub_ready(hub, self.now)
        self.apart |= {(hub.index, number) for number, _ in hub.asked[nr_before:]}

    def truth(self, hub: FakeHub, names: list[str]) -> list[str | None]:
        return [SERVED[name] if hub.index in self.knows[name] else None for name in names]

    def honest_answers(self) -> None:
        """All that the honest have been asked is answered."""
        for hub in self.hubs:
            for number, names in self.pending(hub):
                if hub.index not in self.liars and hub.registered:
                    self.say(hub, number, names, self.truth(hub, names))

    def nobody_waits_too_long(self) -> None:
        for request in self.requests:
            assert request.answer is not None or self.now < request.deadline, request
        self.requests = [request for request in self.requests if request.answer is None]

    @property
    def honest(self) -> set[int]:
        return {hub.index for hub in self.hubs} - self.liars

    def use(self, name: str, seconds: int, liars: Callable[[], None]) -> None:
        """A request each second. Those that are honest answer at once, after the liars."""
        for _ in range(seconds):
            request = self.ask(name)
            self.locator.turn_ends(self.now)
            liars()
            self.honest_answers()
            self.wait(DIRECTORY_GRACE_S)
            assert request.answer == SERVED[name]
            self.wait(1 - DIRECTORY_GRACE_S)


class Attacked:
    """A life of a directory in which everything happens in any order, and what must hold after each step."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        n, k = self.random.choice([(3, 2), (4, 2), (4, 3), (5, 3), (6, 4)])
        self.directory = Directory(n, k, set(self.random.sample(range(n), self.random.randint(0, k - 1))))
        for name in SERVED:
            self.directory.knows[name] = set(self.random.sample(range(n), self.random.randint(k, n)))

    def live(self, nr_steps: int) -> None:
        for _ in range(nr_steps):
            self.random.choice(STEPS)(self)
            self._check()

    def _check(self) -> None:
        directory, locator = self.directory, self.directory.locator
        directory.nobody_waits_too_long()
        for name, entry in locator._known.items():
            assert entry.client == SERVED[name], "fewer than k have a name accepted"
            assert entry.strangers <= directory.denied[name], "a stranger by what others have said"
        assert locator._known.keys() | locator._questions.keys() <= SERVED.keys()
        assert not locator._turn

    # --- what happens ---

    def _hub(self) -> FakeHub:
        return self.random.choice(self.directory.hubs)

    def _ask(self) -> None:
        patient = self.random.random() < 0.7
        for name in self.random.sample(sorted(SERVED), self.random.randint(1, len(SERVED))):
            self.directory.ask(name, patient=patient)
        self.directory.locator.turn_ends(self.directory.now)

    def _wait(self) -> None:
        self.directory.wait(self.random.choice(PAUSES_S))

    def _answer(self) -> None:
        """The path delays one connection more than another; a hub that lies answers when it likes."""
        directory, hub = self.directory, self._hub()
        pending = directory.pending(hub)
        if pending:
            request_id, names = self.random.choice(pending)
            honest = directory.truth(hub, names)
            is_liar = hub.index in directory.liars
            directory.say(
                hub, request_id, names, self.random.choices(LIES, k=len(names)) if is_liar else honest
            )

    def _the_honest_answer(self) -> None:
        self.directory.honest_answers()

    def _the_liars_agree(self) -> None:
        directory, lie = self.directory, self.random.choice(LIES)
        for index in directory.liars:
            hub = directory.hubs[index]
            for request_id, names in directory.pending(hub):
                directory.say(hub, request_id, names, [lie] * len(names))

    def _nonsense(self) -> None:
        hub = self._hub()
        if hub.index in self.directory.liars and self.directory.pending(hub):
            hub.answer(self.random.choice(NONSENSE), self.directory.now)

    def _a_session_ends_or_begins(self) -> None:
        hub = self._hub()
        if hub.registered:
            hub.lose_session(self.directory.now)
        else:
            self.directory.is_ready(hub)

    def _a_hub_is_slow(self) -> None:
        hub = self._hub()
        hub.late, hub.full = self.random.random() < 0.3, self.random.random() < 0.3

    def _the_other_client_registers_or_goes(self) -> None:
        self.directory.knows[self.random.choice(sorted(SERVED))] ^= {self._hub().index}

    # --- afterwards ---

    def recovers(self) -> None:
        """The path is free and all hubs are up; some lie as before."""
        directory = self.directory
        directory.wait(ACK_LIMIT_S + DIRECTORY_GRACE_S)
        for hub in directory.hubs:
            hub.late = hub.full = False
            if not hub.registered:
                directory.is_ready(hub)
        for name in SERVED:
            if len(directory.honest) >= directory.k:
                self._comes_and_goes(name)
        directory.wait(DIRECTORY_TTL_S)
        assert directory.timers.next_deadline() is None
        assert not directory.locator._questions

    def _comes_and_goes(self, name: str) -> None:
        """The other client registers everywhere, leaves all honest hubs but k, and comes back."""
        directory, honest = self.directory, self.directory.honest
        for known in (honest, set(self.random.sample(sorted(honest), directory.k)), honest):
            directory.knows[name] = known
            directory.use(name, HEALED_S, self.random.choice((_nothing, self._the_liars_agree)))
            assert honest & directory.locator.strangers_to(name) == honest - known


def _nothing() -> None:
    """They are silent."""


STEPS: list[Callable[[Attacked], None]] = [
    *[Attacked._ask] * 3, *[Attacked._wait] * 2, *[Attacked._answer] * 6, *[Attacked._the_honest_answer] * 2,
    *[Attacked._the_liars_agree] * 2, Attacked._nonsense, *[Attacked._a_session_ends_or_begins] * 2,
    Attacked._a_hub_is_slow, Attacked._the_other_client_registers_or_goes,
]  # fmt: skip


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_the_directory_holds_and_recovers(seed: int) -> None:
    attacked = Attacked(seed)
    attacked.live(80)
    attacked.recovers()


@pytest.mark.full
@settings(max_examples=800)
@given(seed=st.integers(0, 2**32))
def test_800_directories_more(seed: int) -> None:
    attacked = Attacked(seed)
    attacked.live(120)
    attacked.recovers()


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.floats(0.05, 1.5))
def test_whatever_liars_say_hubs_are_asked_once_a_second_at_most_and_nobody_waits(
    choose: random.Random, pause_s: float
) -> None:
    """For a while the same, then something else, so that they are new strangers each time."""
    directory = Directory(5, 3, {0, 1})
    first = directory.ask("sunny")
    directory.locator.turn_ends(directory.now)
    directory.honest_answers()
    directory.wait(DIRECTORY_GRACE_S)
    assert first.answer == "curtis"
    while directory.now < NOW + 60:
        directory.wait(pause_s)
        assert directory.ask("sunny").answer == "curtis"
        directory.locator.turn_ends(directory.now)
        for index in directory.liars:
            for request_id, names in directory.pending(directory.hubs[index]):
                if choose.random() < 0.9:
                    directory.say(directory.hubs[index], request_id, names, [choose.choice(LIES)])
        directory.honest_answers()
    nr_questions = max(len(hub.asked) for hub in directory.hubs)
    assert nr_questions <= 2 + 60 / DIRECTORY_STRANGER_RETRY_S
    assert nr_questions > 60 / (DIRECTORY_TTL_S / 2)
