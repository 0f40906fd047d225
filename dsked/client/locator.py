"""Which client serves an encryptor: what at least k hubs say alike, kept for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from dsked.client.hubs import Hubs
from dsked.client.requests import check_encryptor_name
from dsked.errors import DskedError, TooFewHubsError, UnknownEncryptorError
from dsked.limits import (
    ACK_LIMIT_S,
    DIRECTORY_RETRY_S,
    DIRECTORY_TTL_S,
    MAX_CACHED_ENCRYPTORS,
    MAX_KEYS_PER_FRAME,
    RETRY_MAX_S,
)
from dsked.timers import Timers
from dsked.wire.messages import Locate, Located, Message

Answer = Callable[[str | DskedError, float], None]


@dataclass(slots=True, eq=False)
class _Question:
    encryptor: str
    waiting: list[Answer] = field(default_factory=list)
    said: Counter[str | None] = field(default_factory=Counter)
    asked: set[int] = field(default_factory=set)  # x of the hubs that were asked
    answered: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Entry:
    """Where an encryptor is, as k hubs said. From `ask_again_at` on they are asked anew, if it is wanted."""

    client: str
    expires_at: float
    ask_again_at: float


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

        What is in use is asked anew before it expires, so that no request waits for the answer.
        """
        own = self._own.get(encryptor)
        if own is not None:
            return own
        entry = self._known.get(encryptor)
        if entry is None or now >= entry.expires_at:
            return None
        if now >= entry.ask_again_at:
            entry.ask_again_at = now + DIRECTORY_RETRY_S
            self._question(encryptor)
        return entry.client

    def _question(self, encryptor: str) -> _Question:
        """The question that is under way, or one that is asked when the turn ends."""
        question = self._questions.get(encryptor)
        if question is None:
            question = self._questions[encryptor] = _Question(encryptor)
            self._turn.append(question)
        return question

    def locate(self, encryptor: str, now: float, answer: Answer) -> None:
        """Call `answer` with the client's name, UnknownEncryptorError or TooFewHubsError."""
        client = self.known(encryptor, now)
        if client is not None:
            answer(client, now)
            return
        try:
            check_encryptor_name(encryptor)
        except UnknownEncryptorError as error:
            answer(error, now)
            return
        self._question(encryptor).waiting.append(answer)

    def turn_ends(self, now: float) -> None:
        """Ask all hubs at once what this turn wants to know."""
        while self._turn:
            questions, self._turn = self._turn[:MAX_KEYS_PER_FRAME], self._turn[MAX_KEYS_PER_FRAME:]
            usable = self._hubs.usable()
            if len(usable) < self._hubs.k:
                for question in questions:
                    self._answer(question, self._hubs.too_few(len(usable)), now)
            else:
                self._ask(questions, now, now + ACK_LIMIT_S)

    def _ask(self, questions: list[_Question], now: float, deadline: float) -> None:
        """Ask the hubs that have not answered; again after a while, since a session may be lost."""
        open_questions = [question for question in questions if self._is_open(question)]
        if not open_questions:
            return
        if now >= deadline:
            for question in open_questions:
                self._answer(question, self._no_agreement(question), now)
            return
        for hub in self._hubs.usable():
            asked = [question for question in open_questions if hub.x not in question.asked]
            message = Locate([question.encryptor for question in asked])
            if asked and hub.request(message, partial(self._take, hub.x, asked)) is not None:
                for question in asked:
                    question.asked.add(hub.x)
        next_try = min(now + RETRY_MAX_S, deadline)
        self._timers.at(next_try, lambda now: self._ask(open_questions, now, deadline))

    def _is_open(self, question: _Question) -> bool:
        return self._questions.get(question.encryptor) is question

    def _take(self, x: int, asked: list[_Question], message: Message | None, now: float) -> bool:
        if not isinstance(message, Located) or len(message.clients) != len(asked):
            for question in asked:
                question.asked.discard(x)
            return True
        for question, client in zip(asked, message.clients, strict=True):
            if not self._is_open(question):
                continue
            question.said[client] += 1
            question.answered.add(x)
            if client is not None and question.said[client] >= self._hubs.k:
                self._remember(question.encryptor, client, now)
                self._answer(question, client, now)
            elif self._is_hopeless(question):
                self._answer(question, self._no_agreement(question), now)
        return True

    def _is_hopeless(self, question: _Question) -> bool:
        """True when the hubs that have not answered, one that hangs for instance, can make no k any more."""
        named = max((number for client, number in question.said.items() if client is not None), default=0)
        outstanding = sum(hub.x not in question.answered for hub in self._hubs.usable())
        return not outstanding or (
            question.said.total() >= self._hubs.k and named + outstanding < self._hubs.k
        )

    def _no_agreement(self, question: _Question) -> DskedError:
        answers = question.said.total()
        if answers < self._hubs.k:
            return TooFewHubsError(
                f"{answers} of {self._hubs.n} hubs answered where {question.encryptor} is, "
                f"{self._hubs.k} are needed"
            )
        return UnknownEncryptorError(
            f"encryptor {question.encryptor} is unknown: no {self._hubs.k} hubs name the same client for it"
        )

    def _remember(self, encryptor: str, client: str, now: float) -> None:
        if encryptor not in self._known and len(self._known) >= MAX_CACHED_ENCRYPTORS:
            del self._known[next(iter(self._known))]
        self._known[encryptor] = _Entry(client, now + DIRECTORY_TTL_S, now + DIRECTORY_TTL_S / 2)

    def _answer(self, question: _Question, answer: str | DskedError, now: float) -> None:
        del self._questions[question.encryptor]
        for waiting in question.waiting:
            waiting(answer, now)
