"""What encryptors ask for, and the rounds in which hubs are asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dsked.client.fetch import Fetch, FetchId
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
    delay_s: float = RETRY_FIRST_S
    requests: list[Request] = field(default_factory=list)
    fetches: dict[FetchId, Fetch] = field(default_factory=dict)
    asked: list[tuple[HubPeer, int]] = field(default_factory=list)  # hub and request id
