"""One hub as a client sees it: the pair, the connection, the requests under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from dsked.client.back_off import BackOff
from dsked.client.rebuilt import Rebuilt
from dsked.client.refill import Refill, RefillSettings
from dsked.errors import LimitError
from dsked.limits import (
    ANSWER_LIMIT_S,
    HANDSHAKE_PAD_BYTES,
    MAX_SIMULATED_BLOCKS,
    MAX_SIMULATED_POOL_BYTES,
)
from dsked.psrd.pair import NO_BOOT, Pair, Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import in_memory
from dsked.psrd.supply import Supply, used_up
from dsked.wire.connection import ClientConnection, Stage
from dsked.wire.messages import Confirmed, Message, Ping, PsrdBlock, PsrdRequest

#: What a request ends in: an answer, or None when the session is lost before it came. More than one
#: answer may come; the handler says True when the last one is there.
OnAnswer = Callable[[Message | None, float], bool]
_MAX_REQUEST_ID = 0xFFFF_FFFF
NO_PSRD = "no PSRD of this hub yet: import a bundle (dskectl psrd import)"


class HubPeer:
    """State of one hub at one client. `x`: the hub's fixed x-coordinate; `index`: its place.

    `start_bytes`: what each pool on media must hold for a session to begin.
    """

    def __init__(
        self, pair: Pair, x: int, index: int, refill: RefillSettings, start_bytes: int = HANDSHAKE_PAD_BYTES
    ) -> None:
        self.pair = pair
        self.name = pair.hub
        self.x = x
        self.index = index
        self.connection: ClientConnection | None = None
        self.registered = False
        self.late = False
        self.drains = False  # it has said in this session that it takes no new shares
        self.changed = False  # something came in or was queued in this turn
        self.watched = False  # it will be looked at again, should it not answer
        self.problem = "not connected yet"
        self.closing = ""  # why this side closes the connection
        self.supply: Supply | None = None  # of a pair on media
        self.alarmed = False  # this connection has shown that state was restored or cloned
        self.closed_pools = ""  # why the pools that are there could not be opened
        self.back_off = BackOff()
        self.share_timeout_ms = 0
        self.nr_sessions = 0  # that were opened
        self._refill_settings = refill
        self._start_bytes = start_bytes
        self._own_refill, self._peer_refill = Refill(refill), Refill(refill)
        self._next_request_id = 0
        self._calls: dict[int, tuple[OnAnswer, int]] = {}  # and its message's number in the session
        self._sent: deque[tuple[float, int]] = deque()  # (time, last request id) of turns, not all answered
        self._heard_at = 0  # the last request ID when the hub answered last
        self._taken_back = 0  # the first request since then that was taken back, or 0
        self._rebuilt = Rebuilt()

    @property
    def trouble(self) -> str:
        """Why no new key can be dealt to this hub now, or empty."""
        if not self.registered:
            return self.problem
        return self.supply.problem if self.supply is not None else ""

    @property
    def takes_shares(self) -> bool:
        """Whether new shares can go to this hub now."""
        return not self.drains and not self.trouble

    @property
    def boot_id(self) -> bytes:
        """Of the hub's process at the other end of the session; NO_BOOT while there is none."""
        has_session = self.connection is not None and self.connection.session is not None
        return self.pair.proved_boot if has_session else NO_BOOT

    @property
    def wrapped(self) -> bool:
        """Whether the frames of the session are wrapped; False while there is none."""
        return self.connection is not None and self.connection.wrapped

    @property
    def obstacle(self) -> str:
        """Why it is no use to dial this hub, or empty."""
        streams = self.pair.streams
        if self.pair.simulated:
            return ""
        if streams is None:
            return self.closed_pools or NO_PSRD
        left = min(streams.local.store.end - streams.local.next, streams.peer.unused)
        return used_up(left) if left < self._start_bytes else ""

    def deliver(self, gate_key: bytes, streams: Streams) -> None:
        """The pair has got streams, its first ones or new ones."""
        self.pair.deliver(gate_key, streams)
        self.supply = Supply(streams, self._refill_settings.start, self._refill_settings.stop)
        self.back_off.begin_anew()

    # --- requests ---

    def request(self, message: Message, on_answer: OnAnswer) -> int | None:
        """Send a message that asks for an answer; gives its request id.

        None where too much waits already for a hub that does not read: nothing was sent.
        """
        assert self.connection is not None
        self._next_request_id = self._next_request_id % _MAX_REQUEST_ID + 1
        self.changed = True
        try:
            number = self.connection.send(self._next_request_id, message)
        except LimitError:
            return None
        self._calls[self._next_request_id] = on_answer, number
        return self._next_request_id

    def exchange(self, request_id: int, message: Message | None) -> bool:
        """Have another message leave in the place of a request, or none: then no answer comes.

        False where it has left, or its session is lost. A hub that has answered nothing meanwhile may hang.
        """
        session = self.connection.session if self.connection is not None else None
        if request_id not in self._calls or session is None:
            return False
        exchanged = session.exchange(self._calls[request_id][1], message)
        if exchanged and message is None:
            del self._calls[request_id]
            if request_id > self._heard_at:
                self._taken_back = min(self._taken_back or request_id, request_id)
        return exchanged

    def tell(self, message: Message) -> None:
        """Send a message that has no answer; it is left unsaid to a hub that does not read."""
        assert self.connection is not None
        self.changed = True
        with suppress(LimitError):
            self.connection.send(0, message)

    def answer(self, request_id: int, message: Message, now: float) -> None:
        """An answer of the hub; one that nobody waits for (any longer) is dropped."""
        self._heard_at, self._taken_back = self._next_request_id, 0
        call = self._calls.get(request_id)
        if call is not None and call[0](message, now):
            self._calls.pop(request_id, None)

    def forget(self, request_id: int, now: float) -> None:
        """Nobody waits for this answer any longer; who asked is told as if the session were lost.

        A request that has not left does not leave any more.
        """
        call = self._calls.get(request_id)
        if call is not None:
            self.exchange(request_id, None)
            self._calls.pop(request_id, None)
            call[0](None, now)

    def hangs(self, now: float) -> bool:
        """True when a request has waited too long for its answer; to be asked at the ends of turns."""
        sent, oldest = self._sent, next(iter(self._calls), None)
        if self._taken_back:
            oldest = min(oldest or self._taken_back, self._taken_back)
        while sent and (oldest is None or sent[0][1] < oldest):
            sent.popleft()
        if oldest is not None and (not sent or sent[-1][1] != self._next_request_id):
            sent.append((now, self._next_request_id))
        return bool(sent) and now - sent[0][0] > ANSWER_LIMIT_S

    @property
    def oldest_request(self) -> float | None:
        """When the oldest request that has no answer yet was sent, or None; as `hangs` has last seen it."""
        return self._sent[0][0] if self._sent else None

    @property
    def nr_requests(self) -> int:
        """Requests under way."""
        return len(self._calls)

    # --- the connection's life ---

    def connected(self, connection: ClientConnection) -> None:
        """TCP is there; the handshake begins."""
        self.connection, self.changed, self.closing, self.alarmed = connection, True, "", False
        self._own_refill, self._peer_refill = Refill(self._refill_settings), Refill(self._refill_settings)

    def close(self, problem: str) -> None:
        """End the connection when the turn ends."""
        assert self.connection is not None
        self.connection.stage = Stage.CLOSING
        self.closing, self.changed = problem, True

    def disconnected(self, now: float) -> None:
        """The connection is gone: every request under way is told."""
        self.connection, self.registered, self.drains = None, False, False
        calls, self._calls = self._calls, {}
        self._taken_back = 0
        self._sent.clear()
        for on_answer, _ in calls.values():
            on_answer(None, now)

    # --- simulated PSRD ---

    def ask_for_blocks(self, now: float) -> None:
        """Send the PSRD_REQUESTs that both pools need now."""
        connection = self.connection
        if connection is None or not connection.delivers_blocks:
            return
        streams, session = connection.streams, connection.session
        if streams is None:
            return
        local, peer = streams.local, streams.peer
        wanted = session.pads_wanted if session is not None else 0
        self._ask(
            connection, Side.CLIENT, local, unused=local.unused, used=local.next, wanted=wanted, now=now
        )
        self._ask(connection, Side.HUB, peer, unused=peer.unused, used=peer.mark, wanted=0, now=now)

    def _ask(
        self, connection: ClientConnection, owner: Side, pool: OwnerPool | ReceiverPool, *,
        unused: int, used: int, wanted: int, now: float,
    ) -> None:  # fmt: skip
        refill = self._refill_of(owner)
        nr_asked = refill.nr_asked
        sizes = refill.sizes_to_ask(unused=unused, used=used, wanted=wanted, now=now)
        if sizes:
            first = in_memory(pool.store).next_sequence + nr_asked
            for sequence, size in enumerate(sizes, start=first):
                request = PsrdRequest(int(owner is Side.HUB), pool.stream_id, sequence, size)
                connection.send_sealed(0, request)

    def _refill_of(self, owner: Side) -> Refill:
        return self._own_refill if owner is Side.CLIENT else self._peer_refill

    def take_block(self, block: PsrdBlock) -> bool:
        """Append a block. False where there is no place for it: the hub breaks the protocol."""
        assert self.connection is not None
        streams = self.connection.streams
        owner = Side.HUB if block.owner else Side.CLIENT
        pool = streams.by_owner(Side.CLIENT, owner) if streams is not None else None
        if streams is None or pool is None or block.stream != pool.stream_id:
            return False
        store = in_memory(pool.store)
        if block.sequence != store.next_sequence:
            return block.sequence < store.next_sequence  # asked twice: the same bytes again
        if not self._may_grow(owner, pool):
            return False
        store.append(block.uuid, block.data)
        if owner is Side.CLIENT:
            streams.local.peer_holds(store.end)
        self._refill_of(owner).arrived()
        return True

    def _may_grow(self, owner: Side, pool: OwnerPool | ReceiverPool) -> bool:
        """False for a block of our own pool that was not asked for, and for more of the hub's than it needs.

        The hub may push blocks of its own pool, beside those that were asked for.
        """
        if owner is Side.CLIENT:
            return self._refill_of(owner).nr_asked > 0
        few = pool.store.nr_blocks < MAX_SIMULATED_BLOCKS
        return few and pool.unused <= 2 * MAX_SIMULATED_POOL_BYTES

    # --- confirmations ---

    def confirm(self, confirmed: Confirmed) -> None:
        """Keys are rebuilt: tell the hub with the next GET_SHARES, or alone after a while."""
        self._rebuilt.add(confirmed)

    @property
    def has_confirmations(self) -> bool:
        """True while the hub has not been told of all rebuilt keys."""
        return bool(self._rebuilt)

    def take_confirmations(self) -> list[Confirmed]:
        """What fits into one frame; `confirm` takes it back."""
        return self._rebuilt.take()

    def send_confirmations(self) -> None:
        """A PING that carries them; repeated until acknowledged."""
        assert self.connection is not None and self.connection.session is not None
        ping = self.connection.session.ping()
        ping.done = done = self.take_confirmations()

        def answered(message: Message | None, now: float) -> bool:
            if not isinstance(message, Ping):  # nothing has come, or it has failed
                self._confirm_again(done)
            return True

        if self.request(ping, answered) is None:
            self._confirm_again(done)

    def _confirm_again(self, done: list[Confirmed]) -> None:
        for confirmed in done:
            self.confirm(confirmed)
