"""A session of proto/vectors/sessions.json, played by dsked's two ends at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dsked.psrd.pair import NO_STREAM, Pair, Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import MemoryStream, in_memory
from dsked.wire.additions import Wrapping
from dsked.wire.connection import ClientConnection, Connection, HubConnection
from dsked.wire.handshake import M1, Holdings, decode_part
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.handshake_hub import HubHandshake
from dsked.wire.local_identifiers import LocalIdentifiers
from dsked.wire.messages import Message, MessageType, Names, PsrdBlock, Unknown, decode_body, encode_body
from tests.proto.files import GivenStream, remember_proofs


class Slow(GivenStream):
    """A disk that makes durable what the file says, and no more: `most`, once it is told."""

    most: int | None = None

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        if self.most is None or mark <= self.most:
            durable(mark)


class Replay:
    """Both ends in the states that the session tells, and a socket between them that is looked at."""

    def __init__(self, session: dict[str, Any]) -> None:
        self.session = session
        wrapping = Wrapping.ON if any("wrapped" in piece for piece in session["pieces"]) else Wrapping.OFF
        nonces = (bytes.fromhex(session[f"{side}_nonce"]) for side in ("client", "hub"))
        client_nonce, hub_nonce = nonces
        self.pairs = {side: self._pair(side) for side in Side}
        boots = {side: bytes.fromhex(self._state(side)["boot_id"]) for side in Side}
        client = ClientHandshake(self.pairs[Side.CLIENT], boots[Side.CLIENT], client_nonce, wrapping=wrapping)
        hub = HubHandshake(
            session["hub"], hub_nonce, {session["client"]: self.pairs[Side.HUB]}.get, bytes(32),
            self._stream_ids, boots[Side.HUB], wrapping=wrapping,
        )  # fmt: skip
        self.ends: dict[Side, Connection] = {
            Side.CLIENT: ClientConnection(client, lambda _: None, lambda _: None),
            Side.HUB: HubConnection(hub, lambda _: None, self._opened),
        }
        self._said, self._expected = dict.fromkeys(Side, b""), dict.fromkeys(Side, b"")
        defined = [
            piece["fields"][0] for piece in session["pieces"] if piece.get("type") == MessageType.NAMES
        ]
        self.numbers = {number: name for pairs in defined for number, name in pairs}
        self.identifiers = LocalIdentifiers()
        self.identifiers.define(Names(list(self.numbers.items())))

    def _state(self, side: Side) -> dict[str, Any]:
        state: dict[str, Any] = self.session[f"{side.name.lower()}_state"]
        return state

    def _stream_ids(self) -> tuple[bytes, bytes]:
        client, hub = (bytes.fromhex(self.session[f"{name}_pool"]["stream"]) for name in ("client", "hub"))
        return client, hub

    def _pair(self, side: Side) -> Pair:
        session, state = self.session, self._state(side)
        asked = self.session["pieces"][1]["fields"][2]  # a client may mean another hub
        hub = asked if side is Side.CLIENT else session["hub"]
        pair = Pair(session["client"], hub, side, bytes.fromhex(session["gate_key"]), session["simulated"])
        pair.had_session = not state["just_started"]
        pair.proved_boot = bytes.fromhex(state["proved_boot"])
        if not session["simulated"]:
            pair.streams = self._streams(side, state)
        elif self._told.client_stream != NO_STREAM and pair.had_session:
            pair.streams = self._simulated_streams(side, state)
        return pair

    @property
    def _told(self) -> Holdings:
        """What M1 tells of the streams that the client holds."""
        return decode_part(M1, bytes.fromhex(self.session["pieces"][1]["bytes"])).holdings

    def _streams(self, side: Side, state: dict[str, Any]) -> Streams:
        window = self.session["window_bytes"]
        local = OwnerPool(*self._pool(side), window, start=state["own_next"])
        local.acked = state["last_ack"]
        peer = ReceiverPool(*self._pool(side.other), window, start=state["mark"])
        peer.durable, peer.told = state["durable_mark"], state["told_before"]
        streams = Streams(local, peer)
        remember_proofs(streams, state, self._state(side.other))
        return streams

    def _simulated_streams(self, side: Side, state: dict[str, Any]) -> Streams:
        """Those of the connection before. Where they do not go on the file has nothing of their bytes."""
        stores = {owner: self._held_before(side, owner) for owner in Side}
        ids = {Side.CLIENT: self._told.client_stream, Side.HUB: self._told.hub_stream}
        local = OwnerPool(ids[side], stores[side], None, start=state["own_next"])
        peer = ReceiverPool(ids[side.other], stores[side.other], None, start=state["mark"])
        peer.durable, peer.told = state["durable_mark"], state["told_before"]
        for pool, mark in ((local, local.next), (peer, peer.mark)):
            pool.store.wipe(mark)
        streams = Streams(local, peer)
        remember_proofs(streams, state, self._state(side.other))
        return streams

    def _held_before(self, side: Side, owner: Side) -> MemoryStream:
        given, store = self.session[f"{owner.name.lower()}_pool"], MemoryStream()
        for block in given["held_before"]:
            if side is Side.CLIENT and "lost" in block:
                break
            data = bytes.fromhex(given["bytes"])[store.end : store.end + block["size"]]
            store.append(bytes.fromhex(block["uuid"]), data)
        if not given["held_before"]:
            ends = self._told.client_end, self._told.hub_end
            store.append(bytes(16), bytes(ends[list(Side).index(owner)]))
        return store

    def _pool(self, owner: Side) -> tuple[bytes, Slow]:
        given = self.session[f"{owner.name.lower()}_pool"]
        store = Slow(given["position"], bytes.fromhex(given["bytes"]), given["end"])
        return bytes.fromhex(given["stream"]), store

    # --- playing ---

    def play(self) -> None:
        """All pieces: each end says what the file says, and the other one takes it."""
        for piece in self.session["pieces"]:
            sender = Side(piece["direction"].encode())
            self._says(sender, piece)
            if piece["name"] == "M3":  # M4 is made of it at once
                [m4] = [one for one in self.session["pieces"] if one["name"] == "M4"]
                self._runs_ahead(Side.HUB, m4["fields"][1])
            received = list(self.ends[sender.other].receive_data(bytes.fromhex(piece["bytes"])))
            self._took(piece, sender.other, received)

    def _says(self, sender: Side, piece: dict[str, Any]) -> None:
        """The sender says what the file says. WRAP may leave with M4; NAMES leaves with what uses it."""
        expected = bytes.fromhex(piece["bytes"])
        if piece.get("type", 0) not in {0, *MessageType}:  # dsked never says such a thing
            streams = self.ends[sender].streams
            assert streams is not None
            streams.local.allocate(16 + piece["pads"])
            return
        self._expected[sender] += expected
        self._said[sender] += self._next_bytes(sender, piece)
        if piece.get("type") != MessageType.NAMES:
            assert self._said[sender].startswith(self._expected[sender]), piece["name"]

    def _next_bytes(self, sender: Side, piece: dict[str, Any]) -> bytes:
        end, kind = self.ends[sender], piece.get("type")
        if piece["name"] == "M3":
            assert isinstance(end, ClientConnection)
            end.prove()
        elif "ack" in piece:
            self._runs_ahead(sender, piece["ack"])
        if kind is None or kind in (MessageType.WRAP, MessageType.NAMES):
            return end.data_to_send()
        message = decode_body(kind, bytes.fromhex(piece["plain_body"]))
        if "sealed" in piece:
            end.send_sealed(piece["request_id"], message)
            self._append(sender, message)
        else:
            self.identifiers.resolve(message)
            end.send(piece["request_id"], message)
        return end.data_to_send()

    def _runs_ahead(self, side: Side, ack: int) -> None:
        """How far its durable mark runs ahead is each side's own choice: here it is the file's."""
        streams = self.ends[side].streams
        assert streams is not None
        streams.peer.durable = ack
        if isinstance(streams.peer.store, Slow):
            streams.peer.store.most = ack

    def _opened(self, hub: HubConnection) -> None:
        """The hub's engine gives its clients identifiers."""
        assert hub.session is not None
        given = {name: number for number, name in self.numbers.items()}
        hub.session.give_identifiers(given.get)

    def _took(self, piece: dict[str, Any], side: Side, received: list[tuple[int, Message]]) -> None:
        kind = piece.get("type")
        if kind is None or kind in (MessageType.WRAP, MessageType.NAMES):
            assert all(isinstance(message, Names) for _, message in received)
            return
        [(request_id, message)] = received
        assert request_id == piece["request_id"]
        if isinstance(message, Unknown):
            assert message.kind == kind
            return
        assert encode_body(self.identifiers.shorten(message)).hex() == piece["plain_body"]
        self._append(side, message)

    def _append(self, side: Side, message: Message) -> None:
        """A block of simulated PSRD: each end's engine puts it to the pool that it belongs to."""
        if not isinstance(message, PsrdBlock):
            return
        streams = self.ends[side].streams
        assert streams is not None
        pool = streams.by_owner(side, list(Side)[message.owner])
        store = in_memory(pool.store)
        if message.sequence == store.next_sequence:
            store.append(message.uuid, message.data)
        else:  # it was lost on an earlier connection: the hub gives the same again
            info, data = store.block(message.sequence) or (None, b"")
            assert side is Side.HUB and info is not None
            assert (info.uuid, data) == (message.uuid, message.data)
        streams.local.peer_holds(streams.local.store.end)
