"""A whole connection, piece by piece: what each says, and, where keys are given, whether it is true."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any, NamedTuple

from decoding import frames
from decoding.ciphers import NotAuthenticError, gate_mac, hkdf, poly1305
from decoding.frames import Receiver, RefusedError
from decoding.packed import MalformedError, unpacked
from decoding.shapes import CODES, HANDSHAKE, MESSAGES, SEALED

_PARTS = {"C": ["M1", "M3"], "H": ["M0", "M2", "M4"]}
_WRAP, _NAMES = 0x06, 0x07
_NO_LIMIT = 1 << 64


class Pool(NamedTuple):
    """Bytes of one pool, from a position on; `end`: of what the receiver holds."""

    start: int
    data: bytes
    end: int = _NO_LIMIT


class Secrets(NamedTuple):
    """What both ends know. Without it only the form of what is said can be looked at."""

    gate_key: bytes
    pools: dict[str, Pool]  # by owner, "C" or "H"
    window: int | None
    proved: dict[str, bytes]  # by side: the hash key of its proof verified last, where both know it


class Piece(NamedTuple):
    """One piece. `authentic`: None where there was no key to tell. `problem`: what is wrong, or nothing."""

    direction: str
    at: int
    length: int
    name: str
    told: dict[str, Any]
    authentic: bool | None
    problem: str
    connection: int = 0  # of a capture, from 1


class Conversation:
    """Both directions of one connection. `take` the pieces in the order in which they were sent."""

    def __init__(self, secrets: Secrets | None = None) -> None:
        self.secrets = secrets
        self.names: dict[int, str] = {}
        self.plain: Any = None  # fields of the last frame, its secret bins without their pads
        self._transcript = b""
        self._said: dict[str, dict[str, Any]] = {}
        self._left = {side: list(names) for side, names in _PARTS.items()}
        self._marks = {"C": 0, "H": 0}
        self._told = {"C": 0, "H": 0}  # to the owner of the pool
        self._sealed = {"C": 0, "H": 0}
        self._wrapping: dict[str, list[Any]] = {}  # key and counter of a direction that is wrapped
        self._wrapped: set[str] = set()
        self._hash_keys: dict[str, bytes] = {}

    @classmethod
    def of_one_direction(cls, stream: bytes, direction: str) -> Iterator[Piece]:
        """The pieces of a byte stream, from anywhere in a connection: a message's form says which it is."""
        conversation, length = cls(), 0
        for at, piece in frames.pieces(stream):
            length = at + len(piece)
            if not frames.is_frame(piece):
                conversation._left[direction] = _likely(direction, piece)
            yield conversation.take(direction, piece, at)
        if length < len(stream):
            yield Piece(direction, length, len(stream) - length, "?", {}, None, "a piece that is cut short")

    def take(self, direction: str, piece: bytes, at: int = 0) -> Piece:
        """The next piece of a direction."""
        self._told_now: dict[str, Any] = {}
        self._name, self._authentic = "?", None
        problem = ""
        try:
            self._look(direction, piece)
        except (MalformedError, RefusedError) as error:
            problem = str(error)
        except NotAuthenticError as error:
            problem, self._authentic = str(error), False
        return Piece(direction, at, len(piece), self._name, self._told_now, self._authentic, problem)

    def _look(self, side: str, piece: bytes) -> None:
        if side in self._wrapped:
            self._name, inner = "wrapped", self._unwrap(side, piece)
            if inner is None:
                self._told_now = {"ciphertext_bytes": len(piece) - 26}
                return
            piece = inner
        if frames.is_frame(piece):
            self._frame(side, piece)
        else:
            self._handshake(side, piece)

    def _unwrap(self, side: str, piece: bytes) -> bytes | None:
        key, counter = self._wrapping.get(side, (None, 0))
        if key is None:
            return None
        self._wrapping[side][1] = counter + 1
        return frames.unwrapped(piece, key, counter)

    # --- the handshake ---

    def _handshake(self, side: str, raw: bytes) -> None:
        if not self._left[side]:
            raise MalformedError("no handshake message has this form, or none is due")
        self._name = self._left[side].pop(0)
        if len(raw) > frames.MAX_HANDSHAKE_BYTES + 4:
            raise MalformedError(f"{len(raw) - 4} bytes; a handshake message has at most 512")
        self._told_now = self._said[self._name] = HANDSHAKE[self._name](unpacked(raw[4:]))
        before, self._transcript = self._transcript, self._transcript + raw
        if self.secrets is not None:
            self._prove(raw, before, self.secrets)
        self._follow()

    def _prove(self, raw: bytes, before: bytes, secrets: Secrets) -> None:
        name = self._name
        if name in ("M1", "M2"):
            right = hmac.compare_digest(
                gate_mac(secrets.gate_key, name.encode() + before + raw[:-32]), raw[-32:]
            )
        elif name in ("M3", "M4"):
            side = "C" if name == "M3" else "H"
            position = self._told_now["position"]
            pool = secrets.pools[side]
            pads = pool.data[position - pool.start :][:48] if position >= pool.start else b""
            r = self._proof_hash_key(side, position, pads, secrets)
            covered = side.encode() + before + raw[:-16]
            right = len(pads) == 48 and r is not None and poly1305(r + pads[16:32], covered) == raw[-16:]
            self._hash_keys[side], self._marks[side] = pads[32:], position + 48
        else:
            return
        if not right:
            raise NotAuthenticError(f"the {'MAC' if name < 'M3' else 'tag'} of {name} does not verify")
        self._authentic = True

    def _proof_hash_key(self, side: str, position: int, pads: bytes, secrets: Secrets) -> bytes | None:
        """r of M3 or M4 (handshake.md, section 2)."""
        verifier = self._said.get("M2" if side == "C" else "M1")
        if verifier is None:
            return None
        durable: int = verifier["holdings"]["durable_mark"]
        return proof_hash_key(position, pads, durable, secrets.window, secrets.proved.get(side))

    def _follow(self) -> None:
        """What a handshake message means for what comes later."""
        told = self._told_now
        if self._name == "M0" and told["magic"] != "DSKE":
            raise MalformedError("the magic is not DSKE")
        if self._name in ("M1", "M2"):
            owner = "H" if self._name == "M1" else "C"
            self._told[owner] = told["holdings"]["durable_mark"]
        if self._name == "M4":
            self._told["C"] = max(self._told["C"], told["ack"])

    @property
    def wraps(self) -> bool:
        """True where both sides have named wrapping."""
        named = [self._said.get(name, {}).get("optional", {}) for name in ("M1", "M2")]
        return all(2 in optional for optional in named)

    # --- frames ---

    def _frame(self, side: str, frame: bytes) -> None:
        told = frames.header(frame)
        name, senders, shape = MESSAGES.get(told.type, (f"type 0x{told.type:02x}", "CH", None))
        self._name, self._told_now = name, dict(told._asdict())
        if told.type in SEALED:
            self._sealed_frame(side, frame)
        elif self.secrets is not None:
            fields = self.plain = self._tagged_frame(side, frame, self.secrets)
            if shape is not None and fields is not None:
                self._told_now |= shape(fields)
        elif shape is not None:
            self._told_now |= shape(unpacked(frames.body_of(frame)))
        if told.type == _WRAP:
            self._wrapped.add(side)
        self._identifiers(told.type)
        if side not in senders:
            raise MalformedError(f"{name} from the wrong side")

    def _sealed_frame(self, side: str, frame: bytes) -> None:
        counter, self._sealed[side] = self._sealed[side], self._sealed[side] + 1
        if self.secrets is None:
            self._told_now["sealed_bytes"] = len(frames.body_of(frame)) - 16
            return
        nonces = self._nonce("M0") + self._nonce("M1")
        key = hkdf(self.secrets.gate_key, nonces, b"dsked 1 simulated PSRD " + side.encode())
        told, self.plain = frames.open_sealed(frame, key, counter)
        self._told_now |= MESSAGES[told.type][2](self.plain)
        self._authentic = True

    def _nonce(self, name: str) -> bytes:
        """Nh or Nc."""
        if name not in self._said:
            raise MalformedError(f"a frame without {name} before it")
        nonce: bytes = self._said[name]["nonce"]
        return nonce

    def _tagged_frame(self, side: str, frame: bytes, secrets: Secrets) -> Any:
        if side not in self._hash_keys:
            raise MalformedError("a frame before the proofs")
        pool, window = secrets.pools[side], secrets.window
        nonce = self._nonce("M1" if side == "H" else "M0")
        window_end = _NO_LIMIT if window is None else self._told[side] + window
        most = frames.MAX_PADS if window is None else min(frames.MAX_PADS, window // 4)
        state = Receiver(
            self._hash_keys[side], nonce, side, pool.start, pool.data, self._marks[side], pool.end,
            window_end, most,
        )  # fmt: skip
        begins = self.wraps and side not in self._wrapped
        opened = frames.open_frame(frame, state, plain_type=not begins)
        self._authentic = True
        self._marks[side] = opened.end
        owner = "H" if side == "C" else "C"
        self._told[owner] = max(self._told[owner], opened.header.ack)
        if begins:
            self._begin_wrapping(side, frame, opened)
        return opened.fields

    def _begin_wrapping(self, side: str, frame: bytes, opened: frames.Opened) -> None:
        told = (opened.header.type, opened.header.request_id, opened.header.pads, frames.body_of(frame))
        if told != (_WRAP, 0, 32, b"\x90"):
            raise MalformedError("the first frame is no WRAP, though wrapping is in force")
        self._wrapping[side] = [opened.pads, 0]

    def _identifiers(self, kind: int) -> None:
        """NAMES defines identifiers; all others may only use them."""
        if kind == _NAMES:
            for one in self._told_now["names"]:
                known = self.names.setdefault(one["identifier"], one["name"])
                if known != one["name"] or list(self.names.values()).count(known) > 1:
                    raise MalformedError(f"identifier {one['identifier']} is defined another way")
            return
        unknown = [number for number in _client_numbers(self._told_now) if number not in self.names]
        if unknown:
            raise MalformedError(f"identifier {unknown[0]} has not been defined")


def proof_hash_key(
    position: int, pads: bytes, durable_mark: int, window: int | None, proved: bytes | None
) -> bytes | None:
    """Of a proof: where no frame can have been it stands with it; else it is known of the proof before."""
    fresh = 0 if window is None else durable_mark + window
    return pads[:16] if position == fresh else proved


def sender(stream: bytes) -> str:
    """Who has sent a byte stream, if it begins with a handshake message; "C" where nothing tells."""
    return "H" if len(stream) > 4 and _likely("H", stream) else "C"


def _likely(direction: str, piece: bytes) -> list[str]:
    """Which handshake message an array of so many fields is, if it is one."""
    name = {"C": {0x9B: "M1", 0x96: "M3"}, "H": {0x9A: "M2"}}[direction].get(piece[4], "")
    if piece[4] == 0x93 and direction == "H":  # M0 begins with its magic, M4 with a number
        name = "M0" if piece[5:6] == b"\xa4" else "M4"
    return [name] if name else []


def _client_numbers(value: Any, name: str = "") -> list[int]:
    """Identifiers in the place of clients' names."""
    if isinstance(value, dict):
        return [number for key, item in value.items() for number in _client_numbers(item, str(key))]
    if isinstance(value, list):
        return [number for item in value for number in _client_numbers(item, name)]
    named = name in ("client", "clients", "initiator")
    return [value] if named and isinstance(value, int) and not isinstance(value, bool) else []


def code_name(code: int) -> str:
    """A code with its name."""
    return f"{code} {CODES.get(code, 'of a later version')}"
