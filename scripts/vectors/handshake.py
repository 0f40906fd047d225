"""Vectors of handshakes, message by message, and of the sealed frames of simulated PSRD."""

from __future__ import annotations

from typing import Any, NamedTuple

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac, one_time_tag
from dsked.errors import ErrorCode
from dsked.limits import (
    HANDSHAKE_PAD_BYTES,
    HASH_KEY_BYTES,
    MAX_FRAME_PAD_BYTES,
    NONCE_BYTES,
    ONE_TIME_KEY_BYTES,
    PROTOCOL_VERSION,
    TAG_BYTES,
)
from dsked.psrd.pair import LEFT_BEHIND, NO_BOOT, NO_STREAM, Side
from dsked.wire import handshake as hs
from dsked.wire import messages as ms
from dsked.wire.gate import Sealer
from vectors.common import fixed, unpacked

CLIENT, HUB = "carol", "hank"
WINDOW_BYTES = 16 * 1024
MEDIA_BYTES = 1 << 20
GATE_KEY = fixed("gate key", 32)
BOOT_ID, HUB_BOOT_ID = fixed("boot id", 16), fixed("hub boot id", 16)
CLIENT_STREAM, HUB_STREAM = fixed("client stream", 16), fixed("hub stream", 16)
BLOCK_BYTES = 200
GOING_ON_BYTES = 5000  # of each stream that goes on
_NO_MAC, _NO_TAG = bytes(GATE_MAC_BYTES), bytes(TAG_BYTES)

_BOTH = (True, True)

#: Local identifiers, which every client here offers and every hub takes; wrapping beside them.
_IDENTIFIERS = {3: b""}
_WRAPPING = {2: b"\x01", 3: b""}


class Told(NamedTuple):
    """What one side tells in M1 or M2, and where its own pool and its view of the other's stand."""

    flags: hs.Flag
    holdings: hs.Holdings
    own_next: int = 0
    last_ack: int = 0  # the last ack received inside a session
    proved_boot: bytes = NO_BOOT
    told_before: int | None = None  # the mark told last on the other's pool; else 48 less than now


class Case(NamedTuple):
    """A handshake: what both sides tell, where M3 and M4 stand, which ends the session runs on."""

    name: str
    client: Told
    hub: Told
    positions: tuple[int, int] = (0, 0)
    ends: tuple[int, int] = (0, 0)
    ack: int = 0
    hub_asked: str = HUB
    named: tuple[dict[int, bytes], dict[int, bytes]] = _IDENTIFIERS, _IDENTIFIERS  # additions, in M1 and M2
    refusal: tuple[ErrorCode, str] = (ErrorCode.OK, "")
    proved: tuple[bool, bool] = (False, False)  # the peer's process has verified an own proof before
    proofs: bool = True


def _cases() -> list[Case]:
    started, simulated = hs.Flag.JUST_STARTED, hs.Flag.SIMULATED
    nothing = hs.Holdings(NO_STREAM, NO_STREAM, 0, 0, 0, 0)

    def media(exact: int, durable: int, client_end: int = MEDIA_BYTES) -> hs.Holdings:
        return hs.Holdings(CLIENT_STREAM, HUB_STREAM, client_end, MEDIA_BYTES, exact, durable)

    def going_on(exact: int, durable: int) -> hs.Holdings:
        return hs.Holdings(CLIENT_STREAM, HUB_STREAM, GOING_ON_BYTES, GOING_ON_BYTES, exact, durable)

    first = 500 + WINDOW_BYTES
    both = (MEDIA_BYTES, MEDIA_BYTES)
    anew = hs.Holdings(CLIENT_STREAM, HUB_STREAM, 0, 0, 0, 48)
    return [
        Case(
            "media, both just started: sessions begin at the durable marks told + WIN",
            Told(started, media(0, 500)), Told(started, media(0, 500)),
            (first, first), both, first + 9000,
        ),
        Case(
            "media, continuing: sessions begin at the own next positions",
            Told(hs.Flag(0), media(3000, 20_000), 2000, 16_000, HUB_BOOT_ID),
            Told(hs.Flag(0), media(2000, 18_000), 3000, 16_000, BOOT_ID),
            (2000, 3000), both, 18_048, proved=_BOTH,
        ),
        Case(
            "media, both had sessions, and copies of both may have proved themselves since",
            Told(hs.Flag(0), media(3000, 20_000), 2000, 16_000),
            Told(hs.Flag(0), media(2000, 18_000), 3000, 16_000),
            (18_000 + WINDOW_BYTES, 20_000 + WINDOW_BYTES), both, 18_048 + WINDOW_BYTES,
        ),
        Case(
            "media, the client holds a bundle that the hub does not hold yet",
            Told(hs.Flag(0), media(3000, 20_000, MEDIA_BYTES + 4096), 2000, 16_000, HUB_BOOT_ID),
            Told(hs.Flag(0), media(2000, 18_000), 3000, 16_000, BOOT_ID),
            (2000, 3000), both, 18_048, proved=_BOTH,
        ),
        Case(
            "media, the hub was left behind by 10 windows: it follows the client's next position",
            Told(hs.Flag(0), media(3000, 20_000), 11 * WINDOW_BYTES, 16_000),
            Told(started, media(0, 10 * WINDOW_BYTES + 48), 3000, told_before=500),
            (11 * WINDOW_BYTES + 48, 20_000 + WINDOW_BYTES), both, 11 * WINDOW_BYTES + 96,
        ),
        Case(
            "simulated, begun anew: blocks come between M2 and M3",
            Told(started | simulated | hs.Flag.BEGIN_ANEW, nothing),
            Told(started | simulated | hs.Flag.BEGIN_ANEW, anew),
            (0, 0), (BLOCK_BYTES, BLOCK_BYTES), 131_072,
        ),
        Case(
            "M1 with optional fields of a later addition: ignored",
            Told(hs.Flag(0), media(3000, 20_000), 2000, 16_000),
            Told(hs.Flag(0), media(2000, 18_000), 3000, 16_000),
            named=({**_IDENTIFIERS, 9: b"\x01", 4_000_000_000: b"later"}, _IDENTIFIERS), proofs=False,
        ),
        Case(
            "media, with message wrapping",
            Told(hs.Flag(0), media(3000, 20_000), 2000, 16_000, HUB_BOOT_ID),
            Told(hs.Flag(0), media(2000, 18_000), 3000, 16_000, BOOT_ID),
            (2000, 3000), both, 18_048, named=(_WRAPPING, _WRAPPING), proved=_BOTH,
        ),
        Case(
            "the client offers wrapping with a cipher of a later version as well, and the hub has it off",
            Told(hs.Flag(0), media(3000, 20_000), 2000, 16_000),
            Told(hs.Flag(0), media(2000, 18_000), 3000, 16_000),
            named=({2: b"\x63\x01"}, {}), proofs=False,
        ),
        Case(
            "refused: the client has forgotten more than a window of the hub pool",
            Told(started, media(3000, 4000), 2000), Told(hs.Flag(0), nothing, 4001 + WINDOW_BYTES),
            refusal=(ErrorCode.REWIND, LEFT_BEHIND), proofs=False,
        ),
        Case(
            "refused: the client asks for another hub",
            Told(hs.Flag(0), media(3000, 20_000), 2000, 16_000), Told(hs.Flag(0), nothing, 3000, 16_000),
            hub_asked="helen", refusal=(ErrorCode.WRONG_HUB, "this hub is hank"), proofs=False,
        ),
        Case(
            "refused: only the hub simulates PSRD",
            Told(hs.Flag(0), media(3000, 20_000), 2000, 16_000),
            Told(simulated, nothing, 3000, 16_000),
            refusal=(ErrorCode.PSRD_MODE, "one side simulates PSRD and the other does not"), proofs=False,
        ),
        Case(
            "media, the last M4 was lost: only the client goes on where it stands",
            Told(hs.Flag(0), media(3000, 20_000), 2000, 16_000),
            Told(hs.Flag(0), media(2000, 18_000), 3000, 16_000, BOOT_ID),
            (2000, 20_000 + WINDOW_BYTES), both, 18_048, proved=(True, False),
        ),
        Case(
            "media, 47 bytes are left to the durable marks told + WIN: sessions begin there",
            Told(hs.Flag(0), media(3000, 20_000), 18_000 + WINDOW_BYTES - 47, 16_000, HUB_BOOT_ID),
            Told(hs.Flag(0), media(2000, 18_000), 20_000 + WINDOW_BYTES - 47, 16_000, BOOT_ID),
            (18_000 + WINDOW_BYTES, 20_000 + WINDOW_BYTES), both, 18_048 + WINDOW_BYTES, proved=_BOTH,
        ),
        Case(
            "simulated, going on: the proofs stand where the streams go on",
            Told(simulated, going_on(3000, 3096), 2000, 1500, HUB_BOOT_ID),
            Told(simulated, going_on(2000, 2096), 3000, 1500, BOOT_ID),
            (2000, 3000), (GOING_ON_BYTES, GOING_ON_BYTES), 4096, proved=_BOTH,
        ),
    ]  # fmt: skip


class Transcript:
    """A handshake under way: its messages one after the other."""

    def __init__(self, number: int, case: Case) -> None:
        self.case = case
        self.nonces = {side: fixed(f"handshake {number} {side.name}", NONCE_BYTES) for side in Side}
        self.raw = b""
        self.messages: list[dict[str, Any]] = []
        self.pads = {
            side: fixed(f"handshake {number} pool {side.name}", HANDSHAKE_PAD_BYTES) for side in Side
        }
        self.previous = {
            side: fixed(f"handshake {number} previous hash key {side.name}", HASH_KEY_BYTES)
            for side, proved in zip(Side, case.proved, strict=True)
            if proved
        }

    def _add(self, name: str, side: Side, message: bytes, **more: str) -> None:
        self.raw += message
        sender = {"name": name, "direction": side.value.decode()}
        self.messages.append({**sender, "fields": unpacked(message[4:]), **more, "message": message.hex()})

    def _signed(self, name: str, side: Side, part: hs.M1 | hs.M2) -> None:
        raw = hs.encode_part(part)[:-GATE_MAC_BYTES]
        covered = self.raw + raw
        mac = gate_mac(GATE_KEY, name.encode(), covered)
        self._add(name, side, raw + mac, mac_input=(name.encode() + covered).hex())

    def _proved(self, name: str, side: Side, part: hs.M3 | hs.M4) -> None:
        covered = side.value + self.raw + hs.encode_part(part)[:-TAG_BYTES]
        pads = self.pads[side]
        r = pads[:HASH_KEY_BYTES] if self._fresh(side, part.position) else self.previous[side]
        tag = one_time_tag(r + pads[HASH_KEY_BYTES:ONE_TIME_KEY_BYTES], covered)
        message = hs.encode_part(part)[:-TAG_BYTES] + tag
        self._add(name, side, message, tag_input=covered.hex())

    def _fresh(self, side: Side, position: int) -> bool:
        """Whether r of a proof stands there with it: at D + WIN, or where a simulated stream begins."""
        verifier = self.case.hub if side is Side.CLIENT else self.case.client
        simulated = self.case.client.flags & hs.Flag.SIMULATED
        return position == (0 if simulated else verifier.holdings.durable_mark + WINDOW_BYTES)

    def make(self) -> None:
        """All messages of the case."""
        case, nonces = self.case, self.nonces
        self._add("M0", Side.HUB, hs.encode_part(hs.M0(hs.MAGIC, [PROTOCOL_VERSION], nonces[Side.HUB])))
        self._signed("M1", Side.CLIENT, hs.M1(
            PROTOCOL_VERSION, CLIENT, case.hub_asked, nonces[Side.CLIENT], BOOT_ID, case.client.proved_boot,
            int(case.client.flags), case.client.holdings, MAX_FRAME_PAD_BYTES,
            _own_next(case.client) | case.named[0], _NO_MAC,
        ))  # fmt: skip
        code, reason = case.refusal
        self._signed("M2", Side.HUB, hs.M2(
            PROTOCOL_VERSION, int(code), reason, HUB_BOOT_ID, case.hub.proved_boot, int(case.hub.flags),
            case.hub.holdings, MAX_FRAME_PAD_BYTES,
            _answered(case), _NO_MAC,
        ))  # fmt: skip
        if case.proofs:
            (client_at, hub_at), ends = case.positions, case.ends
            m3 = hs.M3(client_at, CLIENT_STREAM, HUB_STREAM, *ends, _NO_TAG)
            self._proved("M3", Side.CLIENT, m3)
            self._proved("M4", Side.HUB, hs.M4(hub_at, case.ack, _NO_TAG))


def _own_next(told: Told) -> dict[int, bytes]:
    """The optional field 1 of a side whose PSRD came on media."""
    return {} if told.flags & hs.Flag.SIMULATED else {1: told.own_next.to_bytes(8, "big")}


def _answered(case: Case) -> dict[int, bytes]:
    """The optional fields of M2."""
    code = case.refusal[0]
    if code == ErrorCode.OK:
        return case.named[1]
    return _own_next(case.hub) if code == ErrorCode.REWIND else {}


def _side(told: Told, position: int, pads: bytes, previous: bytes | None) -> dict[str, Any]:
    before = max(told.holdings.durable_mark - 48, 0) if told.told_before is None else told.told_before
    return {
        "own_next": told.own_next, "last_ack": told.last_ack, "told_before": before,
        "previous_hash_key": None if previous is None else previous.hex(),
        "pool_position": position, "pool_bytes": pads.hex(),
    }  # fmt: skip


def handshake_vectors() -> dict[str, Any]:
    """Transcripts of handshakes, with the hash keys that a session would use."""
    transcripts = []
    for number, case in enumerate(_cases()):
        transcript = Transcript(number, case)
        transcript.make()
        hash_keys = {s.name.lower(): transcript.pads[s][ONE_TIME_KEY_BYTES:].hex() for s in Side}
        transcripts.append(
            {
                "name": case.name, "client": CLIENT, "hub": HUB, "gate_key": GATE_KEY.hex(),
                "window_bytes": None if case.client.flags & hs.Flag.SIMULATED else WINDOW_BYTES,
                "client_state": _side(
                    case.client, case.positions[0], transcript.pads[Side.CLIENT],
                    transcript.previous.get(Side.CLIENT),
                ),
                "hub_state": _side(
                    case.hub, case.positions[1], transcript.pads[Side.HUB],
                    transcript.previous.get(Side.HUB),
                ),
                "messages": transcript.messages, "hash_keys": hash_keys if case.proofs else None,
            }
        )  # fmt: skip
    return {"handshakes": transcripts}


def sealed_vectors() -> dict[str, Any]:
    """Sealed frames of one connection, in order: both directions count their nonces from 0."""
    nonces = {side: fixed(f"sealed {side.name}", NONCE_BYTES) for side in Side}
    sealers = {side: Sealer(side, GATE_KEY, nonces[Side.HUB], nonces[Side.CLIENT]) for side in Side}
    streams = (CLIENT_STREAM, HUB_STREAM)
    frames: list[dict[str, Any]] = []

    def seal(name: str, side: Side, request_id: int, message: ms.Message) -> None:
        body = ms.encode_body(message)
        counter = sum(frame["direction"] == side.value.decode() for frame in frames)
        frames.append(
            {
                "name": name, "direction": side.value.decode(), "counter": counter,
                "type": int(message.type), "request_id": request_id, "fields": unpacked(body),
                "plain_body": body.hex(), "frame": sealers[side].seal(request_id, message).hex(),
            }
        )  # fmt: skip

    for owner, stream in enumerate(streams):
        seal("PSRD_REQUEST", Side.CLIENT, 0, ms.PsrdRequest(owner, stream, 0, BLOCK_BYTES))
    for owner, stream in enumerate(streams):
        data, uuid = fixed(f"block {owner}", BLOCK_BYTES), fixed(f"block uuid {owner}", 16)
        seal("PSRD_BLOCK", Side.HUB, 0, ms.PsrdBlock(owner, stream, 0, uuid, data))
    return {
        "gate_key": GATE_KEY.hex(), "hub_nonce": nonces[Side.HUB].hex(),
        "client_nonce": nonces[Side.CLIENT].hex(), "frames": frames,
    }  # fmt: skip
