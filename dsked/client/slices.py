"""Long work in slices: about a millisecond in a turn, initiator by initiator, so that nothing waits for it.

Searches for good shares and proofs of who lied take from a tenth of a millisecond to seconds. Whoever
deals keys decides how much work they make: an initiator that deals rubbish makes the most of it. So
initiators take turns; what one initiator's keys have cost is a debt that falls with time, and at a limit
they wait; and only so many bytes of shares are worked on at once, shared fairly.

Among the keys of one initiator those that somebody waits for go first. Of these the one that has waited
longest has every other piece, since what it finds helps the others, and all of them take turns for the rest,
since it may be one that cannot be found.

No clock: work tells its cost itself (`sharing/cost.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from dsked.fair_limit import FairLimit
from dsked.limits import (
    MAX_SEARCH_BYTES,
    MAX_SEARCH_DEBT,
    MAX_SLICE_COST,
    MAX_TURNS_WITHOUT_SLICE,
    SEARCH_COST_PER_S,
)
from dsked.timers import Timer, Timers

Finished = Callable[[Any, float], None]
Awaited = Callable[[], bool]
#: The next turn is to come at once: this soon.
_AT_ONCE_S = 1e-6
#: What the end of a task takes of a slice, in units of cost: its place, its bytes, the call to `finished`.
_END_COST = 20
#: Tasks that are asked in one go whether somebody waits for them: some 40 us.
_MAX_LOOKS = 128


@dataclass(slots=True, eq=False)
class Task:
    """Work that was added."""

    initiator: str
    size_bytes: int
    work: Generator[int, None, Any] = field(repr=False)
    finished: Finished = field(repr=False)
    awaited: Awaited = field(repr=False)


class _Account:
    """One initiator: its tasks, and what they have cost."""

    def __init__(self) -> None:
        self._awaited: OrderedDict[Task, None] = OrderedDict()  # in the order of their turns
        self._others: OrderedDict[Task, None] = OrderedDict()  # nobody waited for them in their turn
        self._longest: Task | None = None  # the one that has waited longest
        self._its_piece = False  # the next
        self._debt = 0.0
        self._at = 0.0

    def __len__(self) -> int:
        return len(self._awaited) + len(self._others)

    def add(self, task: Task) -> None:
        self._awaited[task] = None

    def await_again(self, task: Task) -> None:
        """Somebody waits for it again."""
        if task in self._others:
            del self._others[task]
            self._awaited[task] = None

    def next(self) -> Task:
        """The task whose turn it is; there must be one."""
        self._its_piece = not self._its_piece
        if self._its_piece and self._longest is not None and self._longest.awaited():
            return self._longest
        for _ in range(min(len(self._awaited), _MAX_LOOKS)):
            task = next(iter(self._awaited))
            if task.awaited():
                self._awaited.move_to_end(task)
                if self._longest is None or not self._longest.awaited():
                    self._longest = task
                return task
            del self._awaited[task]
            self._others[task] = None
        task = next(iter(self._others))
        self._others.move_to_end(task)
        return task

    def remove(self, task: Task) -> None:
        """It is over."""
        del (self._awaited if task in self._awaited else self._others)[task]
        if task is self._longest:
            self._longest = None

    def debt(self, now: float) -> float:
        """What is not paid off yet, in units of cost."""
        self._debt = max(self._debt - (now - self._at) * SEARCH_COST_PER_S, 0.0) if self._at else 0.0
        self._at = now
        return self._debt

    def charge(self, cost: int) -> None:
        self._debt += cost

    def ready_at(self, now: float) -> float:
        """When it may go on."""
        return now + max(self.debt(now) - MAX_SEARCH_DEBT, 0.0) / SEARCH_COST_PER_S


class Slices:
    """All such work of one client."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._accounts: dict[str, _Account] = {}  # in the order of their turns
        self._bytes = FairLimit()
        self._wake: Timer | None = None
        self._turns_without = 0

    def __len__(self) -> int:
        """Tasks under way."""
        return sum(len(account) for account in self._accounts.values())

    def add(
        self, initiator: str, size_bytes: int, work: Generator[int, None, Any], finished: Finished,
        awaited: Awaited = lambda: True,
    ) -> Task | None:  # fmt: skip
        """Do `work`, then call `finished(what it returned, now)`. None where too much waits already.

        `awaited` tells whether somebody waits for it; once it was false, `await_again` must follow.
        """
        if not self._bytes.fits(initiator, size_bytes, MAX_SEARCH_BYTES):
            return None
        self._bytes.take(initiator, size_bytes)
        task = Task(initiator, size_bytes, work, finished, awaited)
        self._accounts.setdefault(initiator, _Account()).add(task)
        return task

    def await_again(self, task: Task) -> None:
        """Somebody waits for this task again."""
        self._accounts[task.initiator].await_again(task)

    def turn_ends(self, now: float, *, busy: bool = False) -> None:
        """Do one slice, and see to it that the next turn comes when there is more to do.

        `busy`: this turn has other things to say, which should not wait for a slice.
        """
        if not self._accounts:
            return
        if busy and self._turns_without < MAX_TURNS_WITHOUT_SLICE:
            self._turns_without += 1
        else:
            self._turns_without = 0
            self._do_slice(now)
        self._forget_idle(now)
        self._wake_later(now)

    def _do_slice(self, now: float) -> None:
        left = MAX_SLICE_COST
        while left > 0 and (initiator := self._next(now)) is not None:
            left -= self._step(initiator, now)

    def _next(self, now: float) -> str | None:
        """The initiator whose turn it is."""
        ready = (name for name, account in self._accounts.items() if len(account))
        return next((name for name in ready if self._accounts[name].ready_at(now) <= now), None)

    def _step(self, initiator: str, now: float) -> int:
        account = self._accounts[initiator] = self._accounts.pop(initiator)  # the last in turn from now on
        task = account.next()
        try:
            cost = next(task.work)
        except StopIteration as end:
            account.remove(task)
            self._bytes.give_back(initiator, task.size_bytes)
            task.finished(end.value, now)
            return _END_COST
        account.charge(cost)
        return cost

    def _forget_idle(self, now: float) -> None:
        idle = [name for name, account in self._accounts.items() if not len(account)]
        for name in idle:
            if not self._accounts[name].debt(now):
                del self._accounts[name]

    def _wake_later(self, now: float) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        times = [account.ready_at(now) for account in self._accounts.values() if len(account)]
        if times:
            self._wake = self._timers.at(max(min(times), now + _AT_ONCE_S), self._woken)

    def _woken(self, now: float) -> None:
        """The turn that follows does the next slice."""
        self._wake = None
