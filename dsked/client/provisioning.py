"""PSRD on media, the client's side: pairs get their streams, these grow, run low, and fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from dsked.client.dials import Dials
from dsked.client.hub_peer import HubPeer
from dsked.notice import Notice
from dsked.psrd.pair import Streams

NEW_PSRD = "new PSRD was delivered: the session begins anew"


class Provisioning:
    """What one client does when media bring PSRD. `wake` is called when a store has done something."""

    def __init__(self, dials: Dials, notice: Notice, wake: Callable[[], None]) -> None:
        self._dials = dials
        self._notice = notice
        self._wake = wake

    def hold(self, hub: HubPeer, gate_key: bytes, streams: Streams) -> None:
        """The pair with `hub` has these streams from now on."""
        hub.deliver(gate_key, streams)
        for pool in (streams.local, streams.peer):
            pool.store.changed = partial(self._store_changed, hub)

    def deliver(self, hub: HubPeer, gate_key: bytes, streams: Streams) -> None:
        """First streams, or new ones: a session on older ones ends."""
        self.hold(hub, gate_key, streams)
        if hub.connection is not None:
            hub.close(NEW_PSRD)
        else:
            self.dial(hub)

    def grown(self, hub: HubPeer) -> None:
        """More bytes have been appended to the streams."""
        assert hub.pair.streams is not None
        hub.pair.streams.local.grown()
        if hub.connection is not None:
            hub.connection.tell_ends()
            hub.changed = True
        else:
            self.dial(hub)
        self.look_at_supply(hub)

    def dial(self, hub: HubPeer) -> None:
        """Dial `hub` when the turn ends, if that is of any use."""
        if hub.obstacle:
            hub.problem = hub.obstacle
        else:
            self._dials.at_once(hub)

    def look_at_supply(self, hub: HubPeer) -> None:
        """Tell the operator, once each: it runs low, it is used up, it has enough again."""
        if hub.supply is None:
            return
        if hub.supply.runs_out():
            self._notice(logging.WARNING, f"hub {hub.name}: {hub.supply.problem}", peer=hub.name)
        if not hub.supply.update():
            return
        if hub.supply.low:
            self._notice(logging.WARNING, f"hub {hub.name}: {hub.supply.warning}", peer=hub.name)
        else:
            self._notice(logging.INFO, f"hub {hub.name}: enough PSRD again", peer=hub.name)

    def _store_changed(self, hub: HubPeer) -> None:
        hub.changed = True
        self._wake()
