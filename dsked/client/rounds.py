"""What encryptors ask for, and the rounds in which hubs are asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dsked.client.fetch import Batch, Fetch
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import Strangers
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
    fresh: dict[str, Batch] = field(default_factory=dict)  # by initiator: keys of which nobody knew before
    asked: list[tuple[HubPeer, int]] = field(default_factory=list)  # hub and request id
    strangers: dict[str, Strangers] = field(default_factory=dict)  # by initiator: to be spared at first

    def add(self, request: Request, *, known: bool) -> None:
        """An encryptor waits for these keys."""
        self.requests.append(request)
        if known:
            self.known.append(request)
        waiting = (request,)
        for fetch in request.fetches:
            fetch.waiting = (*fetch.waiting, request) if fetch.waiting else waiting

    def spare(self, initiator: str, strangers: Strangers) -> None:
        """These do not know an encryptor of it; hubs are spared that know none of those asked for."""
        self.strangers[initiator] = self.strangers.get(initiator, strangers) & strangers

    def wanted(self) -> dict[Batch, dict[Fetch, None]]:
        """The keys that are not there yet and that its requests wait for, by their batches.

        None of a request that was answered: another key of it was refused, and these may be forgotten.
        """
        by_batch: dict[Batch, dict[Fetch, None]] = {}
        for request in self.requests:
            for fetch in () if request.answered else request.fetches:
                if fetch.key is None:
                    if fetch.batch not in by_batch:
                        by_batch[fetch.batch] = {}
                    by_batch[fetch.batch][fetch] = None
        return by_batch

    def batches(self) -> dict[Batch, None]:
        """The batches of all its keys."""
        return {fetch.batch: None for request in self.requests for fetch in request.fetches}
