"""What encryptors ask for, and the rounds in which hubs are asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dsked.client.fetch import Batch, Fetch
from dsked.client.hub_peer import HubPeer
from dsked.keys import Done
from dsked.limits import RETRY_FIRST_S
from dsked.sharing.terms import Party


@dataclass(slots=True, eq=False)
class Request:
    """What one encryptor asks for: all of the keys, or none."""

    caller: str
    initiator: Party
    fetches: list[Fetch]
    done: Done
    answered: bool = False


@dataclass(slots=True, eq=False)
class Round:
    """The requests of one turn: asked together, asked again together, ended together."""

    deadline: float
    keep_until: float  # for keys of which nobody knew before
    delay_s: float = RETRY_FIRST_S
    requests: list[Request] = field(default_factory=list)
    known: list[Request] = field(default_factory=list)  # those of them for keys of which somebody knew before
    fetches: dict[Fetch, None] = field(default_factory=dict)
    fresh: dict[str, Batch] = field(default_factory=dict)  # by initiator: keys of which nobody knew before
    asked: list[tuple[HubPeer, int]] = field(default_factory=list)  # hub and request id

    def fresh_of(self, initiator: str) -> Batch:
        """The batch for new keys of an initiator."""
        batch = self.fresh.get(initiator)
        if batch is None:
            batch = self.fresh[initiator] = Batch(initiator)
        return batch

    def add(self, request: Request) -> None:
        """An encryptor waits for these keys."""
        self.requests.append(request)
        fresh = self.fresh[request.initiator.client]
        if any(fetch.batch is not fresh for fetch in request.fetches):
            self.known.append(request)
        self.fetches.update(dict.fromkeys(request.fetches))
        waiting = (request,)
        for fetch in request.fetches:
            fetch.waiting = (*fetch.waiting, request) if fetch.waiting else waiting

    def wanted(self) -> dict[Batch, list[Fetch]]:
        """The keys that are not there yet and that somebody waits for, by their batches.

        Nobody may wait any more where another key of the request is refused; then it may be forgotten.
        """
        by_batch: dict[Batch, list[Fetch]] = {}
        for fetch in self.fetches:
            if fetch.key is None and fetch.waiting:
                by_batch.setdefault(fetch.batch, []).append(fetch)
        return by_batch
