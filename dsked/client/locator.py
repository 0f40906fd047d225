"""Which client serves an encryptor, as at least k hubs say alike, and which hubs know it; kept for a while.

Two clients need not have the same hubs (proto/keys.md, section 1). A hub that says something else than the k
is a stranger to the encryptor: shares of a key for it would be fetched by nobody there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import NO_STRANGERS, Hubs, Strangers
from dsked.client.requests import check_encryptor_name
from dsked.errors import DskedError, TooFewHubsError, UnknownEncryptorError
from dsked.limits import (
    ACK_LIMIT_S,
    DIRECTORY_GRACE_S,
    DIRECTORY_RETRY_S,
    DIRECTORY_STRANGER_RETRY_S,
    DIRECTORY_TTL_S,
    MAX_CACHED_ENCRYPTORS,
    MAX_KEYS_PER_FRAME,
    RETRY_MAX_S,
)
from dsked.timers import Timer, Timers
from dsked.wire.messages import Locate, Located, Message

Answer = Callable[[str | DskedError, float], None]


@dataclass(slots=True, eq=False)
class _Question:
    encryptor: str
    waiting: list[Answer] = field(default_factory=list)  # for the client
    patient: list[Answer] = field(default_factory=list)  # for the other hubs' answers as well
    said: dict[int, str | None] = field(default_factory=dict)  # by hub index
    asked: set[int] = field(default_factory=set)  # hubs, by index
    grace: Timer | None = None

    @property
    def complete(self) -> bool:
        """No answer is outstanding."""
        return self.asked <= self.said.keys()

    def named(self) -> Counter[str]:
        """The clients that hubs have named, and how many of them did."""
        return Counter(client for client in self.said.values() if client is not None)

    def answer(self, answer: str | DskedError, now: float, waiting: list[Answer]) -> None:
        """Tell some of those who wait, once."""
        told = waiting[:]
        waiting.clear()
        for tell in told:
            tell(answer, now)


@dataclass(slots=True)
class _Entry:
    """Where an encryptor is, as k hubs said. From `ask_again_at` on they are asked anew, if it is wanted.

    From `stale_at` on no request relies on what strangers have said.
    """

    client: str
    question: _Question | None  # the last one, while hubs may still answer it
    expires_at: float
    ask_again_at: float
    stale_at: float = math.inf
    stranger_retry_s: float = DIRECTORY_STRANGER_RETRY_S
    strangers: Strangers = NO_STRANGERS
    unheard: frozenset[int] = frozenset()  # hubs that have never said where it is

    def said(self, hub: int, client: str | None, now: float) -> None:
        """A hub has answered. It may not know the encryptor yet: then it is asked anew before long."""
        self.unheard -= {hub}
        if client == self.client:
            self.strangers -= {hub}
            return
        if not self.strangers:
            self.stale_at = math.inf
        if hub not in self.strangers:
            self.stranger_retry_s = DIRECTORY_STRANGER_RETRY_S
            self.strangers |= {hub}
        self.rely_on_strangers(now)

    def rely_on_strangers(self, now: float) -> None:
        """What they say now is asked anew before long, and holds for twice that time."""
        self.ask_again_at = min(self.ask_again_at, now + self.stranger_retry_s)
        self.stale_at = min(self.stale_at, now + 2 * self.stranger_retry_s)

    def asked_again(self, now: float) -> None:
        """All hubs are asked anew: not at once again where they do not answer."""
        self.ask_again_at = now + DIRECTORY_RETRY_S
        self.stale_at = self.ask_again_at + self.stranger_retry_s

    def is_stale(self, now: float) -> bool:
        """What a stranger has said is so old that it would have been asked anew twice, had it been in use."""
        return bool(self.strangers) and now >= self.stale_at


class Locator:
    """The directory of one client. Its own encryptors need no hub."""

    def __init__(self, client: str, encryptors: tuple[str, ...], hubs: Hubs, timers: Timers) -> None:
        self._own = dict.fromkeys(encryptors, client)
        self._hubs = hubs
        self._timers = timers
        self._known: dict[str, _Entry] = {}
        self._questions: dict[str, _Question] = {}
        self._turn: list[_Question] = []

    def known(self, encryptor: str, now: float) -> str | None:
        """The client, if no hub has to be asked first.

        What is in use is asked anew before it expires, and before strangers to it may have become common, so
        that no request waits for the answer.
        """
        own = self._own.get(encryptor)
        if own is not None:
            return own
        entry = self._known.get(encryptor)
        if entry is None or now >= entry.expires_at or entry.is_stale(now):
            return None
        if now >= entry.ask_again_at:
            entry.asked_again(now)
            self._question(encryptor)
        return entry.client

    def strangers_to(self, encryptor: str) -> Strangers:
        """The hubs that do not know it, as far as they have said: all others are common."""
        entry = self._known.get(encryptor)
        return entry.strangers if entry is not None else NO_STRANGERS

    def unsure(self, encryptor: str) -> frozenset[int]:
        """Strangers to it, and hubs that have never said where it is."""
        entry = self._known.get(encryptor)
        return entry.strangers | entry.unheard if entry is not None else NO_STRANGERS

    def strangers(self, encryptors: Iterable[str]) -> Strangers:
        """The hubs that do not know one of these."""
        found = NO_STRANGERS
        for encryptor in encryptors:
            found |= self.strangers_to(encryptor)
        return found

    def _question(self, encryptor: str) -> _Question:
        """The question that is under way, or one that is asked when the turn ends."""
        question = self._questions.get(encryptor)
        if question is None:
            question = self._questions[encryptor] = _Question(encryptor)
            self._turn.append(question)
        return question

    def locate(self, encryptor: str, now: float, answer: Answer, *, patient: bool = False) -> None:
        """Call `answer` with the client's name, UnknownEncryptorError or TooFewHubsError.

        `patient`: not before it is known of the other hubs whether they are strangers, or they take too long.
        """
        client = self.known(encryptor, now)
        if client is not None:
            answer(client, now)
            return
        try:
            check_encryptor_name(encryptor)
        except UnknownEncryptorError as error:
            answer(error, now)
            return
        question = self._question(encryptor)
        (question.patient if patient else question.waiting).append(answer)

    def turn_ends(self, now: float) -> None:
        """Ask all hubs at once what this turn wants to know."""
        while self._turn:
            questions, self._turn = self._turn[:MAX_KEYS_PER_FRAME], self._turn[MAX_KEYS_PER_FRAME:]
            usable = self._hubs.usable()
            if len(usable) < self._hubs.k:
                for question in questions:
                    self._fail(question, self._hubs.too_few(len(usable)), now)
            else:
                self._ask(questions, now, now + ACK_LIMIT_S)

    def _ask(self, questions: list[_Question], now: float, deadline: float) -> None:
        """Ask the hubs that have not answered; again after a while, since a session may be lost."""
        open_questions = [question for question in questions if self._is_open(question)]
        if not open_questions:
            return
        if now >= deadline:
            for question in open_questions:
                self._fail(question, self._no_agreement(question), now)
            return
        for hub in self._hubs.usable():
            asked = [question for question in open_questions if hub.index not in question.asked]
            message = Locate([question.encryptor for question in asked])
            if asked and hub.request(message, partial(self._take, hub.index, asked)) is not None:
                for question in asked:
                    question.asked.add(hub.index)
        next_try = min(now + RETRY_MAX_S, deadline)
        self._timers.at(next_try, lambda now: self._ask(open_questions, now, deadline))

    def _is_open(self, question: _Question) -> bool:
        return self._questions.get(question.encryptor) is question

    def hub_ready(self, hub: HubPeer, now: float) -> None:
        """A session is registered: the hub is asked at once of encryptors of which it has never answered."""
        unheard = [
            name
            for name, entry in self._known.items()
            if hub.index in entry.unheard and now < entry.expires_at
        ]
        for start in range(0, len(unheard), MAX_KEYS_PER_FRAME):
            names = unheard[start : start + MAX_KEYS_PER_FRAME]
            hub.request(Locate(names), partial(self._heard, hub.index, names))

    def _heard(self, hub: int, names: list[str], message: Message | None, now: float) -> bool:
        if isinstance(message, Located) and len(message.clients) == len(names):
            for name, client in zip(names, message.clients, strict=True):
                entry = self._known.get(name)
                if entry is not None and hub in entry.unheard:
                    entry.said(hub, client, now)
        return True

    # --- what hubs say ---

    def _take(self, hub: int, asked: list[_Question], message: Message | None, now: float) -> bool:
        answered = isinstance(message, Located) and len(message.clients) == len(asked)
        clients = message.clients if answered and isinstance(message, Located) else [None] * len(asked)
        for question, client in zip(asked, clients, strict=True):
            if answered:
                question.said[hub] = client
            else:
                question.asked.discard(hub)
            if not self._is_open(question):
                self._take_late(question, hub, now)
            elif not answered:
                continue
            elif client is not None and question.named()[client] >= self._hubs.k:
                self._agreed(question, client, now)
            elif self._is_hopeless(question):
                self._give_up(question, now)
        return True

    def _give_up(self, question: _Question, now: float) -> None:
        """No k can say alike any more. Other hubs get a moment, so that the error tells which are common."""
        if not self._is_awaited(question):
            self._disagreed(question, now)
        elif question.grace is None:
            question.grace = self._timers.at(now + DIRECTORY_GRACE_S, partial(self._disagreed, question))

    def _disagreed(self, question: _Question, now: float) -> None:
        if self._is_open(question):
            self._fail(question, self._no_agreement(question), now)

    def _agreed(self, question: _Question, client: str, now: float) -> None:
        """k hubs say alike: it is so. Who wants to know of the other hubs waits for them a little longer."""
        del self._questions[question.encryptor]
        self._remember(question, client, now)
        question.answer(client, now, question.waiting)
        if not question.patient:
            return
        if self._is_awaited(question):
            grace = partial(self._be_patient_no_more, question, client)
            question.grace = self._timers.at(now + DIRECTORY_GRACE_S, grace)
        else:
            question.answer(client, now, question.patient)

    def _is_awaited(self, question: _Question) -> bool:
        """A hub that is not late has not answered."""
        open_to = question.asked - question.said.keys()
        return any(hub.index in open_to and not hub.late for hub in self._hubs)

    def _be_patient_no_more(self, question: _Question, client: str, now: float) -> None:
        question.grace = None
        question.answer(client, now, question.patient)

    def _take_late(self, question: _Question, hub: int, now: float) -> None:
        """An answer after k agreed, or none: what the hub has said stands with theirs."""
        entry = self._known.get(question.encryptor)
        if entry is None or entry.question is not question:
            return
        if hub in question.said:
            entry.said(hub, question.said[hub], now)
        if question.grace is not None and not self._is_awaited(question):
            question.grace.cancel()
            self._be_patient_no_more(question, entry.client, now)
        if question.complete:
            entry.question = None

    def _is_hopeless(self, question: _Question) -> bool:
        """True when the hubs that have not answered, one that hangs for instance, can make no k any more."""
        most = max(question.named().values(), default=0)
        may_answer = question.asked | {hub.index for hub in self._hubs.usable()}
        outstanding = len(may_answer - question.said.keys())
        return not outstanding or (len(question.said) >= self._hubs.k and most + outstanding < self._hubs.k)

    def _no_agreement(self, question: _Question) -> DskedError:
        answers, k, name = len(question.said), self._hubs.k, question.encryptor
        if answers < k:
            return TooFewHubsError(
                f"{answers} of {self._hubs.n} hubs answered where {name} is, {k} are needed"
            )
        named = question.named()
        silent = {hub.index for hub in self._hubs} - question.said.keys()
        if len(named) == 1:
            common = [hub for hub, client in question.said.items() if client is not None]
            return self._hubs.too_few_common(common, f"the client of {name}", silent)
        unheard = self._hubs.unheard(silent)
        return UnknownEncryptorError(
            f"encryptor {name} is unknown: no {k} hubs name the same client for it{unheard}"
        )

    # --- what is known ---

    def _remember(self, question: _Question, client: str, now: float) -> None:
        before = self._known.get(question.encryptor)
        if before is None and len(self._known) >= MAX_CACHED_ENCRYPTORS:
            del self._known[next(iter(self._known))]
        half = DIRECTORY_TTL_S / 2
        entry = _Entry(client, question, now + DIRECTORY_TTL_S, now + half)
        entry.unheard = frozenset(hub.index for hub in self._hubs)
        if before is not None and before.client == client:
            doubtful = before.strangers & question.asked if before.is_stale(now) else NO_STRANGERS
            entry.strangers, entry.unheard = before.strangers - doubtful, before.unheard | doubtful
            entry.stranger_retry_s = min(2 * before.stranger_retry_s, half)
        for hub, said in question.said.items():
            entry.said(hub, said, now)
        if entry.strangers:
            entry.rely_on_strangers(now)
        if question.complete:
            entry.question = None
        self._known[question.encryptor] = entry

    def _fail(self, question: _Question, error: DskedError, now: float) -> None:
        del self._questions[question.encryptor]
        question.answer(error, now, question.waiting)
        question.answer(error, now, question.patient)
