"""Vectors of whole sessions: every byte of both directions of one connection, from M0 to its end.

Put together step by step as proto/ says. What an implementation may choose (nonces, boot IDs, how far its
durable marks run ahead, what it asks and when) is fixed here and told beside the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from dsked.auth.pads import apply_pad
from dsked.auth.tags import gate_mac, one_time_tag
from dsked.limits import HANDSHAKE_PAD_BYTES, MASK_BYTES, MAX_FRAME_PAD_BYTES
from dsked.psrd.pair import NO_BOOT, Side
from dsked.wire import handshake as hs
from dsked.wire import messages as ms
from dsked.wire.frame import Header, encode_untagged
from dsked.wire.gate import Sealer
from vectors.common import fixed, plain, unpacked
from vectors.pairs import WINDOW_BYTES, End, Pair


class Recording:
    """One connection of a pair, piece by piece."""

    def __init__(self, name: str, pair: Pair, number: int = 1) -> None:
        self.pair, self.name = pair, name
        self.pieces: list[dict[str, Any]] = []
        self.before = {side: pair.ends[side].told_json() for side in Side}
        label = f"{pair.label} connection {number}"
        self.nonces = {side: fixed(f"{label} nonce {side.name}", 16) for side in Side}
        self._hash_keys: dict[Side, bytes] = {}
        self._raw = b""
        self._told = self._client_told = 0  # durable marks, in M2 and in M1
        self._sealed = dict.fromkeys(Side, 0)
        self._wrapping: dict[Side, list[Any]] = {}  # key and counter
        self._sealers = {
            side: Sealer(side, pair.gate_key, self.nonces[Side.HUB], self.nonces[Side.CLIENT])
            for side in Side
        }
        self._first: dict[Side, int] = {}
        self._held, self._lost = (
            self._blocks(),
            dict(pair.lost),
        )  # of simulated streams, before the connection

    def _take(self, owner: Side, length: int) -> tuple[int, bytes]:
        end = self.pair.ends[owner]
        position = end.own_next
        self._first.setdefault(owner, position)
        end.own_next = position + length
        self.pair.ends[owner.other].mark = end.own_next
        return position, self.pair.pool(owner)[position : end.own_next]

    # --- the handshake ---

    def _say(self, name: str, side: Side, message: bytes, **more: Any) -> None:
        piece = {"name": name, "direction": side.value.decode(), **more, "bytes": message.hex()}
        self.pieces.append(piece)

    def _part(self, name: str, side: Side, message: bytes) -> None:
        self._raw += message
        self._say(name, side, message, fields=unpacked(message[4:]))

    def _signed(self, name: str, side: Side, part: hs.M1 | hs.M2) -> None:
        raw = hs.encode_part(part)[:-32]
        self._part(name, side, raw + gate_mac(self.pair.gate_key, name.encode(), self._raw + raw))

    def _proved(self, name: str, side: Side, part: hs.M3 | hs.M4, pads: bytes) -> None:
        raw = hs.encode_part(part)[:-16]
        end, told = self.pair.ends[side], self._told if side is Side.CLIENT else self._client_told
        fresh = part.position == (0 if self.pair.simulated else told + WINDOW_BYTES)
        r = pads[:16] if fresh else end.hash_key
        assert r is not None
        tag = one_time_tag(r + pads[16:32], side.value + self._raw + raw)
        self._hash_keys[side] = end.hash_key = pads[32:]
        self._part(name, side, raw + tag)

    def hello(
        self,
        hub_asked: str | None = None,
        refusal: tuple[int, str] = (0, ""),
        additions: tuple[dict[int, bytes], dict[int, bytes]] = ({3: b""}, {3: b""}),
    ) -> None:
        """M0 to M2. `additions`: the optional fields of M1 and M2 beside number 1."""
        pair, client, hub = self.pair, self.pair.ends[Side.CLIENT], self.pair.ends[Side.HUB]
        wanted = pair.simulated and client.just_started
        anew = pair.simulated and not refusal[0] and (wanted or hub.just_started)
        m0 = hs.M0(hs.MAGIC, [1], self.nonces[Side.HUB])
        self._part("M0", Side.HUB, hs.encode_part(m0))
        told = hs.NO_HOLDINGS if wanted else self._holdings(client)
        flags = self._flags(client) | (hs.Flag.BEGIN_ANEW if wanted else 0)
        optional = {} if pair.simulated else {1: client.own_next.to_bytes(8, "big")}
        self._signed("M1", Side.CLIENT, hs.M1(
            1, pair.client, hub_asked or pair.hub, self.nonces[Side.CLIENT], client.boot_id,
            client.proved_boot, int(flags), told, MAX_FRAME_PAD_BYTES,
            optional | additions[0], bytes(32),
        ))  # fmt: skip
        if not refusal[0] and hub.proved_boot != client.boot_id:
            hub.proved_boot = NO_BOOT
        if anew:
            self._begin_anew()
        told = hs.NO_HOLDINGS if refusal[0] else self._holdings(hub)
        flags = self._flags(hub) | (hs.Flag.BEGIN_ANEW if anew else 0)
        self._signed("M2", Side.HUB, hs.M2(
            1, refusal[0], refusal[1], hub.boot_id, NO_BOOT if refusal[0] else hub.proved_boot, int(flags),
            told, MAX_FRAME_PAD_BYTES, {} if refusal[0] else additions[1], bytes(32),
        ))  # fmt: skip
        self._told = told.durable_mark

    def _flags(self, end: End) -> hs.Flag:
        started = hs.Flag.JUST_STARTED if end.just_started else hs.Flag(0)
        return started | (hs.Flag.SIMULATED if self.pair.simulated else hs.Flag(0))

    def _holdings(self, end: End) -> hs.Holdings:
        streams = [self.pair.stream(Side.CLIENT), self.pair.stream(Side.HUB)]
        durable = end.to_tell()
        if end is self.pair.ends[Side.CLIENT]:
            self._client_told = durable
        side = Side.CLIENT if end is self.pair.ends[Side.CLIENT] else Side.HUB
        ends = [self.pair.held_end(side, owner) for owner in Side]
        return hs.Holdings(streams[0], streams[1], ends[0], ends[1], end.mark, durable)

    def _begin_anew(self) -> None:
        self.pair.begin_anew()
        self._held, self._lost = self._blocks(), {}

    def _blocks(self) -> dict[Side, list[tuple[bytes, int]]]:
        return {side: list(of_side) for side, of_side in self.pair.blocks.items()}

    def proofs(self) -> None:
        """M3 and M4."""
        pair = self.pair
        client, hub = pair.ends[Side.CLIENT], pair.ends[Side.HUB]
        self._begin(client, self._told, hub.proved_boot == client.boot_id)
        if client.proved_boot != hub.boot_id:
            client.proved_boot = NO_BOOT
        position, pads = self._take(Side.CLIENT, HANDSHAKE_PAD_BYTES)
        m3 = hs.M3(
            position, pair.stream(Side.CLIENT), pair.stream(Side.HUB),
            pair.held_end(Side.CLIENT, Side.CLIENT), pair.held_end(Side.CLIENT, Side.HUB), bytes(16),
        )  # fmt: skip
        self._proved("M3", Side.CLIENT, m3, pads)
        hub.proved_boot, hub.last_ack = client.boot_id, min(hub.last_ack, self._client_told)
        known = bytes.fromhex(self.before[Side.CLIENT]["proved_boot"])
        self._begin(hub, self._client_told, known == hub.boot_id)
        position, pads = self._take(Side.HUB, HANDSHAKE_PAD_BYTES)
        m4 = hs.M4(position, hub.ack(pair.pool_ends[Side.CLIENT]), bytes(16))
        self._proved("M4", Side.HUB, m4, pads)
        client.proved_boot = hub.boot_id
        client.last_ack = max(min(client.last_ack, self._told), m4.ack)
        client.just_started = hub.just_started = False

    def _begin(self, end: End, durable: int, was_the_last: bool) -> None:
        """Where its proof stands: pools.md, section 4."""
        if self.pair.simulated or (was_the_last and end.own_next + 48 <= durable + WINDOW_BYTES):
            return
        end.own_next = durable + WINDOW_BYTES

    # --- frames ---

    def frame(self, side: Side, request_id: int, message: ms.Message) -> None:
        """A tagged frame, now."""
        body, bins = ms.encode_body(message), list(message.secrets())
        pads = sum(map(len, bins))
        position, pool = self._take(side, MASK_BYTES + pads)
        message.replace_secrets(_padded(bins, pool[MASK_BYTES:]))
        self._tagged(side, int(message.type), request_id, position, pads, pool, body, ms.encode_body(message))

    def raw_frame(self, side: Side, request_id: int, kind: int, body: bytes, pads: int = 0) -> bytes:
        """A frame of any type, with pads that cover nothing; gives the pads."""
        position, pool = self._take(side, MASK_BYTES + pads)
        self._tagged(side, kind, request_id, position, pads, pool, body, body)
        return pool[MASK_BYTES:]

    def wrap(self, side: Side) -> None:
        """WRAP: from now on this direction is wrapped."""
        self._wrapping[side] = [self.raw_frame(side, 0, 0x06, b"\x90", 32), 0]

    def _tagged(
        self, side: Side, kind: int, request_id: int, position: int, pads: int, pool: bytes, body: bytes,
        sent: bytes,
    ) -> None:  # fmt: skip
        ends = self.pair.ends
        ack = ends[side].ack(self.pair.held_end(side, side.other))
        header = Header(kind, request_id, position, pads, ack)
        ends[side.other].last_ack = max(ends[side.other].last_ack, header.ack)
        untagged = encode_untagged(header, sent)
        prefix = self.nonces[side.other] + side.value
        tag = one_time_tag(self._hash_keys[side] + pool[:MASK_BYTES], prefix + untagged)
        self._send(side, untagged + tag, **header._asdict(), fields=unpacked(body), plain_body=body.hex())

    def sealed(self, side: Side, request_id: int, message: ms.Message) -> None:
        """A sealed frame of simulated delivery."""
        counter, self._sealed[side] = self._sealed[side], self._sealed[side] + 1
        body = ms.encode_body(message)
        self._send(
            side, self._sealers[side].seal(request_id, message), type=int(message.type),
            request_id=request_id, sealed=counter, fields=unpacked(body), plain_body=body.hex(),
        )  # fmt: skip

    def _send(self, side: Side, frame: bytes, **more: Any) -> None:
        """The frame as it is, or wrapped (wrapping.md, section 3)."""
        name = (
            ms.MessageType(more["type"]).name if more["type"] in set(ms.MessageType) else "of a later version"
        )
        if side not in self._wrapping:
            self._say(name, side, frame, **more)
            return
        key, counter = self._wrapping[side]
        self._wrapping[side][1] = counter + 1
        length = len(frame) - 4 + 16
        head = (length + 6).to_bytes(4, "big") + b"\x91\xc6" + length.to_bytes(4, "big")
        sealed = ChaCha20Poly1305(key).encrypt(counter.to_bytes(12, "big"), frame[4:], head)
        self._say(name, side, head + sealed, wrapped=counter, **more, frame=frame.hex())

    def json(self, **more: Any) -> dict[str, Any]:
        """The session as it stands in the file."""
        pair = self.pair
        return {
            "name": self.name, "client": pair.client, "hub": pair.hub, "x": pair.x,
            "gate_key": pair.gate_key.hex(), "simulated": pair.simulated,
            "window_bytes": None if pair.simulated else WINDOW_BYTES,
            "client_nonce": self.nonces[Side.CLIENT].hex(), "hub_nonce": self.nonces[Side.HUB].hex(),
            "client_state": self.before[Side.CLIENT], "hub_state": self.before[Side.HUB],
            "client_pool": self._pool(Side.CLIENT), "hub_pool": self._pool(Side.HUB),
            "pieces": self.pieces, "client_after": self._after(Side.CLIENT),
            "hub_after": self._after(Side.HUB), **plain_values(more),
        }  # fmt: skip

    def _after(self, side: Side) -> dict[str, int]:
        end = self.pair.ends[side]
        return {"own_next": end.own_next, "mark": end.mark}

    def _pool(self, owner: Side) -> dict[str, Any]:
        """What of a pool the session uses. Simulated pools are whole: they come in PSRD_BLOCK."""
        end = self.pair.pool_ends[owner]
        first = 0 if self.pair.simulated else self._first.get(owner, 0)
        last = end if self.pair.simulated else self.pair.ends[owner].own_next if owner in self._first else 0
        pool = {
            "stream": self.pair.stream(owner).hex(), "end": end, "position": first,
            "bytes": self.pair.pool(owner)[first:last].hex(),
        }  # fmt: skip
        held: list[dict[str, Any]]
        held = [{"uuid": uuid.hex(), "size": size} for uuid, size in self._held.get(owner, [])]
        if self._lost.get(owner):
            held[-1]["lost"] = True
        return pool | ({"held_before": held} if self.pair.simulated else {})


def _padded(bins: list[bytes], pads: bytes) -> Iterator[bytes]:
    """Each of the secret bins XORed with its part of the pads."""
    at = 0
    for one in bins:
        yield apply_pad(one, pads[at : at + len(one)])
        at += len(one)


def plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """Further entries of a session as JSON."""
    return {name: plain(value) for name, value in values.items()}
