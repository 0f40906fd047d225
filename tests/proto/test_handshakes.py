"""dsked's machines say what the transcripts say, and take it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import pytest

from dsked.errors import ErrorCode, HandshakeRefusedError, PeerError, TagError
from dsked.psrd.pair import NO_STREAM, Pair, Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import in_memory
from dsked.wire import handshake as hs
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.handshake_hub import HubHandshake
from tests.proto.files import GivenStream, cases, load

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
        own = self.case["client_state" if side is Side.CLIENT else "hub_state"]
        local = OwnerPool(*of[side], window, start=own["own_next"])
        local.acked, local.durable = own["last_ack"], own["own_next"]
        peer = ReceiverPool(*of[side.other], window, start=holdings.exact_mark)
        peer.durable, peer.told = holdings.durable_mark, own["told_before"]
        return Streams(local, peer)

    def _store(self, state: str, end: int) -> GivenStream:
        given = self.case[state]
        return GivenStream(given["pool_position"], bytes.fromhex(given["pool_bytes"]), end)

    def hello(self) -> None:
        """M0 to M2."""
        assert self.hub.greeting() == self.raw["M0"]
        if self.m1.optional.keys() <= {hs.NEXT_FIELD} and self.m1.hub == self.case["hub"]:
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


def _proof(case: dict[str, Any]) -> Any:
    return pytest.param(case, id=case["name"])


def play_of(number: int) -> Play:
    return Play(load("handshakes")["handshakes"][number])


@pytest.mark.parametrize("case", **cases("handshakes", "handshakes"))
def test_hello(case: dict[str, Any]) -> None:
    play = Play(case)
    play.hello()
    refused = play.m2.code != 0
    assert (play.hub.refusal or 0) == play.m2.code
    if refused:
        play.client.hub_nonce, play.client._transcript = play.m0.nonce, play.raw["M0"] + play.raw["M1"]
        with pytest.raises(HandshakeRefusedError) as caught:
            play.client.answer(play.raw["M2"])
        assert (caught.value.refusal, str(caught.value)) == (play.m2.code, play.m2.reason)
        if play.m2.code == ErrorCode.REWIND:
            assert play.client_pair.streams is not None
            peer = play.client_pair.streams.peer
            assert peer.mark_to_tell + case["window_bytes"] >= case["hub_state"]["own_next"]


@pytest.mark.parametrize(
    "case", [_proof(case) for case in load("handshakes")["handshakes"] if case["hash_keys"] is not None]
)
def test_proofs(case: dict[str, Any]) -> None:
    play = Play(case)
    play.hello()
    play.client.answer(play.raw["M2"])
    if play.simulated:
        assert play.client.wants_blocks
        play.deliver_blocks()
        assert not play.client.wants_blocks
    assert play.client.prove() == play.raw["M3"]
    own_m4, hub_keys = play.hub.verify(play.raw["M3"])
    made, told = hs.decode_part(hs.M4, own_m4), play.part("M4", hs.M4)
    assert made.position == told.position
    assert made.ack >= play.part("M3", hs.M3).position + 48  # how far it runs ahead is the hub's own choice
    client_keys = play.client.finish(play.raw["M4"])
    of_client, of_hub = (bytes.fromhex(case["hash_keys"][name]) for name in ("client", "hub"))
    assert client_keys == hs.SessionKeys(play.m0.nonce, of_client, play.m1.nonce, of_hub)
    assert hub_keys == hs.SessionKeys(play.m1.nonce, of_hub, play.m0.nonce, of_client)
    assert play.client.streams is not None and play.hub.streams is not None
    assert play.client.streams.peer.mark == told.position + 48
    assert play.hub.streams.peer.mark == play.client.streams.local.next


@pytest.mark.parametrize("offset", [4, 20, 60, -33, -1])
def test_a_changed_m1_gets_silence(offset: int) -> None:
    play = play_of(1)
    raw = bytearray(play.raw["M1"])
    raw[offset] ^= 1
    play.hub.greeting()
    with pytest.raises(PeerError):
        play.hub.answer(bytes(raw))
    assert play.hub.pair is None


def test_m1_of_another_connection_gets_silence() -> None:
    play = play_of(1)
    play.hub.nonce = bytes(16)
    play.hub.greeting()
    with pytest.raises(TagError):
        play.hub.answer(play.raw["M1"])


def test_an_unknown_client_gets_silence() -> None:
    play = play_of(1)
    play.hub.find_pair = {}.get
    play.hub.greeting()
    with pytest.raises(TagError):
        play.hub.answer(play.raw["M1"])


@pytest.mark.parametrize("name", ["M3", "M4"])
def test_a_wrong_proof_moves_no_mark(name: str) -> None:
    play = play_of(1)
    play.hello()
    play.client.answer(play.raw["M2"])
    play.client.prove()
    wrong = play.raw[name][:-1] + bytes([play.raw[name][-1] ^ 1])
    machine = play.hub if name == "M3" else play.client
    assert machine.streams is not None
    before = machine.streams.peer.mark
    with pytest.raises(TagError):
        play.hub.verify(wrong) if name == "M3" else play.client.finish(wrong)
    assert machine.streams.peer.mark == before


def test_no_part_is_longer_than_its_limit() -> None:
    longest = hs.M1(1, "c" * 64, "h" * 64, bytes(16), bytes(16), bytes(16), 255, hs.Holdings(
        bytes(16), bytes(16), *[2**64 - 1] * 4), 2**32 - 1, {1: bytes(8)}, bytes(32))  # fmt: skip
    assert len(msgspec.msgpack.encode(longest)) < 512
