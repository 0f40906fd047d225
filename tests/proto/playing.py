"""One transcript of proto/vectors/handshakes.json, played by dsked's machines on both sides."""

from __future__ import annotations

from typing import Any, TypeVar

from dsked.psrd.pair import NO_STREAM, Pair, Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import in_memory
from dsked.wire import additions
from dsked.wire import handshake as hs
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.handshake_hub import HubHandshake
from tests.proto.files import GivenStream, remember_proofs

PartT = TypeVar("PartT", hs.M0, hs.M1, hs.M2, hs.M3, hs.M4)
DUMMY_KEY = bytes(32)


class Play:
    """One transcript: both machines in the states that it tells."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.raw = {m["name"]: bytes.fromhex(m["message"]) for m in case["messages"]}
        self.m0, self.m1, self.m2 = self.part("M0", hs.M0), self.part("M1", hs.M1), self.part("M2", hs.M2)
        self.client_pair = self._pair(Side.CLIENT, self.m1, self.m1.holdings)
        self.hub_pair = self._pair(Side.HUB, self.m2, self._hub_holdings())
        self.client = ClientHandshake(self.client_pair, self.m1.boot_id, self.m1.nonce)
        self.hub = HubHandshake(
            case["hub"], self.m0.nonce, {case["client"]: self.hub_pair}.get, DUMMY_KEY, self._stream_ids,
            self.m2.boot_id,
        )  # fmt: skip
        for machine, said in ((self.client, self.m1), (self.hub, self.m2)):
            has_it = additions.WRAPPING in said.optional
            machine.wrapping = additions.Wrapping.ON if has_it else additions.Wrapping.OFF

    def part(self, name: str, kind: type[PartT]) -> PartT:
        return hs.decode_part(kind, self.raw[name])

    @property
    def simulated(self) -> bool:
        return self.case["window_bytes"] is None

    def _hub_holdings(self) -> hs.Holdings:
        """A refusal tells nothing; the hub holds what the client holds then."""
        return self.m2.holdings if self.m2.code == 0 else self.m1.holdings

    def _stream_ids(self) -> tuple[bytes, bytes]:
        return self.m2.holdings.client_stream, self.m2.holdings.hub_stream

    def _pair(self, side: Side, told: hs.M1 | hs.M2, holdings: hs.Holdings) -> Pair:
        gate_key = bytes.fromhex(self.case["gate_key"])
        simulated = bool(told.flags & hs.Flag.SIMULATED)
        pair = Pair(self.case["client"], self.case["hub"], side, gate_key, simulated)
        pair.had_session = not told.flags & hs.Flag.JUST_STARTED
        pair.proved_boot = told.proved_boot
        if holdings.client_stream != NO_STREAM and not told.flags & hs.Flag.BEGIN_ANEW:
            pair.streams = self._streams(side, holdings)
        return pair

    def _streams(self, side: Side, holdings: hs.Holdings) -> Streams:
        window = self.case["window_bytes"]
        of = {
            Side.CLIENT: (holdings.client_stream, self._store("client_state", holdings.client_end)),
            Side.HUB: (holdings.hub_stream, self._store("hub_state", holdings.hub_end)),
        }
        states = self.case["client_state"], self.case["hub_state"]
        own, peers = states if side is Side.CLIENT else states[::-1]
        local = OwnerPool(*of[side], window, start=own["own_next"])
        local.acked, local.durable = own["last_ack"], own["own_next"]
        peer = ReceiverPool(*of[side.other], window, start=holdings.exact_mark)
        peer.durable, peer.told = holdings.durable_mark, own["told_before"]
        streams = Streams(local, peer)
        remember_proofs(streams, own, peers)
        return streams

    def _store(self, state: str, end: int) -> GivenStream:
        given = self.case[state]
        return GivenStream(given["pool_position"], bytes.fromhex(given["pool_bytes"]), end)

    def hello(self) -> None:
        """M0 to M2."""
        assert self.hub.greeting() == self.raw["M0"]
        named = {number: field for number, field in self.m1.optional.items() if number != hs.NEXT_FIELD}
        if named == additions.offer(self.client.wrapping) and self.m1.hub == self.case["hub"]:
            assert self.client.greet(self.raw["M0"]) == self.raw["M1"]
        assert self.hub.answer(self.raw["M1"]) == self.raw["M2"]

    def deliver_blocks(self) -> None:
        """Simulated PSRD: the first block of each stream, to both sides."""
        m3 = self.part("M3", hs.M3)
        for side, handshake in ((Side.CLIENT, self.client), (Side.HUB, self.hub)):
            streams = handshake.streams
            assert streams is not None
            for owner, end in ((Side.CLIENT, m3.client_end), (Side.HUB, m3.hub_end)):
                pads = bytes.fromhex(self.case[f"{owner.name.lower()}_state"]["pool_bytes"])
                store = in_memory(streams.by_owner(side, owner).store)
                store.append(bytes(16), pads.ljust(end, b"\0"))
            streams.local.peer_holds(streams.local.store.end)
