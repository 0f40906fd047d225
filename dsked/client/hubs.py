"""All hubs of one client: who can be asked now, which are common, and how many there must be."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dsked.client.evidence import Evidence
from dsked.client.hub_peer import HubPeer
from dsked.errors import TooFewHubsError
from dsked.limits import LAST_QUESTION_BYTES, WRAP_PAD_BYTES

#: Hubs, by index, that do not know an encryptor which others know: proto/keys.md, section 1.
Strangers = frozenset[int]
NO_STRANGERS: Strangers = frozenset()
DRAINS = "takes no new shares: it is drained, or stops"


class Hubs:
    """The n hubs in the order of the configuration, and k = min_nr_shares."""

    def __init__(self, peers: list[HubPeer], k: int) -> None:
        self.peers = peers
        self.k = k
        self.n = len(peers)
        self._by_name = {peer.name: peer for peer in peers}

    def __iter__(self) -> Iterator[HubPeer]:
        return iter(self.peers)

    def __getitem__(self, name: str) -> HubPeer:
        return self._by_name[name]

    def usable(self) -> list[HubPeer]:
        """Hubs with an authenticated session that have taken the registration, and PSRD for a question."""
        return [peer for peer in self.peers if not peer.trouble or _has_last_bytes(peer)]

    def taking(self) -> list[HubPeer]:
        """Those of them that take new shares: they do not drain, and their PSRD is not used up."""
        return [peer for peer in self.peers if peer.takes_shares]

    def counted(self, evidence: Evidence, now: float) -> list[HubPeer]:
        """Hubs that take shares and answer in time: not late, and not set aside for all initiators."""
        return [
            hub for hub in self.taking() if not hub.late and not evidence.is_set_aside(None, hub.name, now)
        ]

    def common(self, strangers: Strangers) -> list[HubPeer]:
        """Those that are no strangers to an encryptor."""
        return [peer for peer in self.peers if peer.index not in strangers] if strangers else self.peers

    def names(self, indices: Collection[int]) -> str:
        """So many hubs, for an error: which, where they are not all that there are."""
        if len(indices) == self.n:
            return f"{self.n} hubs"
        listed = ", ".join(peer.name for peer in self.peers if peer.index in indices)
        return f"{len(indices)} hubs in common ({listed or 'none'})"

    def too_few(self, number: int, strangers: Strangers = NO_STRANGERS) -> TooFewHubsError:
        """The error of a request for which too few hubs are usable, or take shares: so many of them."""
        common = self.common(strangers)
        problems = "; ".join(
            f"{peer.name}: {peer.trouble or DRAINS}" for peer in common if not peer.takes_shares
        )
        connected = sum(peer.index not in strangers for peer in self.usable())
        what = "take new shares" if connected >= self.k else "are connected"
        of = self.names([peer.index for peer in common])
        return TooFewHubsError(f"{number} of {of} {what}, {self.k} are needed ({problems})")

    def too_few_common(
        self, common: Collection[int], whom: str, silent: Collection[int] = ()
    ) -> TooFewHubsError:
        """The error of a request for which fewer than k hubs are common; `silent` have not answered."""
        return TooFewHubsError(f"{self.names(common)} with {whom}, {self.k} are needed{self.unheard(silent)}")

    def unheard(self, silent: Collection[int]) -> str:
        """The end of an error that tells which hubs have not answered, if there are any."""
        listed = ", ".join(peer.name for peer in self.peers if peer.index in silent)
        return f"; no answer from {listed}" if listed else ""


def _has_last_bytes(hub: HubPeer) -> bool:
    """Whether a hub whose PSRD is used up can still be asked for the shares that it holds."""
    session = hub.connection.session if hub.connection is not None else None
    if not hub.registered or hub.supply is None or session is None:
        return False
    needed = LAST_QUESTION_BYTES + (WRAP_PAD_BYTES if session.additions.wrapped else 0)
    return min(session.pads_left, hub.supply.left) >= needed
