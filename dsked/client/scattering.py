"""Shares on their way to the hubs: at the pace of each, again on its next session, and taken back.

What a hub has not acknowledged when its session is lost is sent again on the next one: the same share values
under new pad bytes. What a hub could not acknowledge in time goes to it later, when its window has room that
nothing newer needs. What nobody waits for any more does not leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from dsked.client.deal import Deal
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import Hubs
from dsked.client.pace import Pace, Room, free_pads, windows_waiting
from dsked.client.put_frames import InFlight, PutItem, put_frames
from dsked.client.unsent import Unsent
from dsked.errors import ErrorCode
from dsked.timers import Timers
from dsked.wire.messages import Message, PutSharesAck
from dsked.wire.session import Session

_TAKEN = (ErrorCode.OK, ErrorCode.DONE)
#: Of keys whose IDs nobody has been told yet: who is done with them does not hold them.
_HELD = (ErrorCode.OK,)
#: `hub` has taken so many of an item's keys, and refused the others.
Answered = Callable[[PutItem, HubPeer, int, float], None]


class _Sent:
    """A PUT_SHARES that has no answer yet."""

    __slots__ = ("hub", "in_flight", "request_id", "sent_at", "session", "windows")

    def __init__(self, hub: HubPeer, session: Session, in_flight: InFlight, now: float) -> None:
        self.hub = hub
        self.session = session
        self.in_flight = in_flight
        self.request_id = 0
        self.sent_at = now
        self.windows = 0.0  # that it was queued behind

    @property
    def last(self) -> list[PutItem]:
        """What has come as a whole with this frame."""
        return [item for item, last in self.in_flight if last]


class Scattering:
    """Brings shares to the hubs; `answered` is told what became of them."""

    def __init__(self, hubs: Hubs, timers: Timers, answered: Answered) -> None:
        self._hubs = hubs
        self._answered_for = answered
        self.unsent = Unsent(timers)
        self._paces = [Pace() for _ in hubs]
        self._undecided: dict[Deal, list[_Sent]] = {}  # dealings with a request that has no answer yet

    def rooms(self, usable: Sequence[HubPeer]) -> dict[int, Room]:
        """What may be queued now, by hub index, for those of the hubs that have a window."""
        return {
            hub.index: self._paces[hub.index].room(_session(hub)) for hub in usable if not hub.pair.simulated
        }

    def max_pads(self, usable: Sequence[HubPeer]) -> int:
        """Bytes of secrets that k of the hubs take in one frame."""
        return sorted([_session(hub).max_pads for hub in usable], reverse=True)[self._hubs.k - 1]

    # --- sending ---

    def send(self, hub: HubPeer, items: Sequence[PutItem], now: float) -> None:
        """Send these to one hub now, or once it has a session."""
        items = [item for item in items if item.wanted(now)]
        session = hub.connection.session if hub.connection is not None else None
        if not hub.registered or hub.drains or session is None:
            self.unsent.add(hub.index, items)
            return
        if not hub.pair.simulated:
            items = self._affordable(hub, items, session.pads_left, now)
        for message, in_flight in put_frames(items, session.max_pads, now):
            sent = _Sent(hub, session, in_flight, now)
            request_id = hub.request(message, partial(self._answered, sent))
            if request_id is None:  # it does not read
                self.unsent.add(hub.index, sent.last)
                continue
            sent.request_id, sent.windows = request_id, windows_waiting(session)
            for item, _ in in_flight:
                if item.deal.requests:
                    self._undecided.setdefault(item.deal, []).append(sent)

    def put_off(self, hub: HubPeer, items: Sequence[PutItem]) -> None:
        """Too much waits for this hub's window: these go when there is nothing newer."""
        self.unsent.add(hub.index, items)

    def _affordable(self, hub: HubPeer, items: Iterable[PutItem], left: int, now: float) -> list[PutItem]:
        """A media pool that does not hold enough fails its part of a request at once, and clearly."""
        affordable = []
        for item in items:
            if item.pad_bytes <= left:
                left -= item.pad_bytes
                affordable.append(item)
                continue
            item.deal.refuse(hub.index, ErrorCode.POOL_EXHAUSTED, item.start, item.number)
            self._answered_for(item, hub, 0, now)
        return affordable

    def catch_up(self, hub: HubPeer, now: float) -> None:
        """Send what waits for this hub, as far as it can leave now: what is newer must not wait for it."""
        if not hub.registered or hub.drains or not self.unsent:
            return
        session = _session(hub)
        free = float("inf") if hub.pair.simulated else free_pads(session)
        items = self.unsent.take(hub.index, free, now, one=not session.pads_wanted)
        if items:
            self.send(hub, items, now)

    def turn_ends(self, now: float) -> None:
        """Hubs may have taken something: more can go to those for which something waits."""
        if self.unsent:
            for hub in self._hubs:
                self.catch_up(hub, now)

    # --- answers ---

    def _answered(self, sent: _Sent, message: Message | None, now: float) -> bool:
        hub, in_flight = sent.hub, sent.in_flight
        if message is None:
            self.send(hub, sent.last, now)  # waits for the next session
            return True
        self._paces[hub.index].acknowledged(now - sent.sent_at, sent.windows)
        codes = message.codes if isinstance(message, PutSharesAck) else b""
        number = sum(item.number for item, _ in in_flight)
        if len(codes) != number:
            codes = bytes([ErrorCode.BAD_REQUEST]) * number
        start = 0
        for item, last in in_flight:
            self._take_codes(hub, item, codes[start : start + item.number], now, last=last)
            start += item.number
        return True

    def _take_codes(self, hub: HubPeer, item: PutItem, codes: bytes, now: float, *, last: bool) -> None:
        if codes.count(ErrorCode.SHUTTING_DOWN) == len(codes):  # as if the session were lost
            hub.drains = True
            if last:
                self.unsent.add(hub.index, [item])
            return
        fine = _TAKEN if item.deal.holders is None else _HELD
        taken = sum(map(codes.count, fine))
        if taken != len(codes):
            for place, code in enumerate(codes, start=item.start):
                if code not in fine and (last or code != ErrorCode.PARTIAL):
                    item.deal.refuse(hub.index, code, place, 1)
        if last:
            self._answered_for(item, hub, taken, now)

    # --- taking back ---

    def decided(self, one: Deal, now: float) -> None:
        """All its requests are answered. If all have failed, what has not left of it stays here."""
        frames = self._undecided.pop(one, ())
        if one.abandoned:
            for sent in frames:
                self._take_back(sent, now)

    @staticmethod
    def _take_back(sent: _Sent, now: float) -> None:
        """What is abandoned of a frame, unless it has left; the rest goes in its place."""
        wanted = [item for item, _ in sent.in_flight if not item.deal.abandoned]
        if not wanted:
            sent.hub.exchange(sent.request_id, None)
        elif len(wanted) < len(sent.in_flight):
            [(message, in_flight)] = put_frames(wanted, sent.session.max_pads, now)
            if sent.hub.exchange(sent.request_id, message):
                sent.in_flight = in_flight


def _session(hub: HubPeer) -> Session:
    assert hub.connection is not None and hub.connection.session is not None
    return hub.connection.session
