"""The messages of protocol version 1: typed bodies of frames, and which of their bins are secret.

Every body is one msgpack array. A field marked "secret" travels XORed with pads of the sender's
pool, in the order in which the bins stand in the body's bytes, depth first. proto/ is the
specification; the vectors there hold this module to it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from dsked.errors import FrameError
from dsked.limits import (
    KEY_ID_BYTES,
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_ENCRYPTORS_PER_CLIENT,
    MAX_FRAME_PAD_BYTES,
    MAX_HUBS,
    MAX_KEY_SIZE_BITS,
    MAX_KEYS_PER_FRAME,
    MAX_NODE_NAME_BYTES,
    MAX_RESPONDERS,
    STREAM_ID_BYTES,
    UUID_BYTES,
)
from dsked.secrecy import no_pickle, no_secrets

#: Whole key IDs, one behind the other.
KeyIds = Annotated[bytes, Meta(min_length=KEY_ID_BYTES, max_length=KEY_ID_BYTES * MAX_KEYS_PER_FRAME)]
StreamId = Annotated[bytes, Meta(min_length=STREAM_ID_BYTES, max_length=STREAM_ID_BYTES)]
Uuid = Annotated[bytes, Meta(min_length=UUID_BYTES, max_length=UUID_BYTES)]
NodeName = Annotated[str, Meta(min_length=1, max_length=MAX_NODE_NAME_BYTES)]
EncryptorName = Annotated[str, Meta(min_length=1, max_length=MAX_ENCRYPTOR_NAME_BYTES)]
Uint8 = Annotated[int, Meta(ge=0, le=0xFF)]
Uint32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Uint64 = Annotated[int, Meta(ge=0)]  # msgpack itself ends at 2^64 - 1
HubCount = Annotated[int, Meta(ge=1, le=MAX_HUBS)]
KeyBytes = Annotated[int, Meta(ge=1, le=MAX_KEY_SIZE_BITS // 8)]
Secret = Annotated[bytes, Meta(max_length=MAX_FRAME_PAD_BYTES)]
#: A client: in a frame its name, or the identifier that the hub has given it in this session
#: (local_identifiers.py); everywhere else its name.
if TYPE_CHECKING:
    ClientRef = str
else:
    ClientRef = NodeName | Uint32

#: Registered names in one REGISTER, and names in one LOCATE.
_MAX_NAMES = MAX_ENCRYPTORS_PER_CLIENT
_MAX_REASON_BYTES = 256


class MessageType(IntEnum):
    """The `type` field of a frame."""

    REGISTER = 0x01
    REGISTERED = 0x02
    UNREGISTER = 0x03
    PING = 0x04
    ERROR = 0x05
    WRAP = 0x06
    NAMES = 0x07
    PSRD_REQUEST = 0x08
    PSRD_BLOCK = 0x09
    PUT_SHARES = 0x10
    PUT_SHARES_ACK = 0x11
    GET_SHARES = 0x12
    SHARES = 0x13
    LOCATE = 0x18
    LOCATED = 0x19


#: The two messages of simulated delivery: sealed under the gate key, without pads.
SEALED_TYPES = frozenset({MessageType.PSRD_REQUEST, MessageType.PSRD_BLOCK})


class Body(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Base of all bodies: an array of exactly the fields that stand here."""


class Keys(Body):
    """Base of bodies that speak of several keys: `key_ids` are their IDs, one behind the other."""

    if TYPE_CHECKING:

        @property
        def key_ids(self) -> bytes: ...

    def __post_init__(self) -> None:
        if len(self.key_ids) % KEY_ID_BYTES:
            raise ValueError(f"a key ID has {KEY_ID_BYTES} bytes")

    @property
    def number(self) -> int:
        """How many keys."""
        return len(self.key_ids) // KEY_ID_BYTES


class Message(Body):
    """Base of the bodies that are messages of their own."""

    type: ClassVar[MessageType]

    def secrets(self) -> Iterator[bytes]:
        """The secret bins in the order of the body's bytes."""
        return iter(())

    def replace_secrets(self, bins: Iterator[bytes]) -> None:
        """Put `bins` in place of the secret bins, in the same order."""

    def texts_fit(self) -> bool:
        """True when names and other texts keep their limits in bytes; their types count characters."""
        return True


class Register(Message):
    """C to H: the encryptors that this client serves."""

    type = MessageType.REGISTER
    encryptors: Annotated[list[EncryptorName], Meta(max_length=_MAX_NAMES)]

    def texts_fit(self) -> bool:
        return _encryptors_fit(self.encryptors)


class Registered(Message):
    """H to C: OK, or why not and for which names; and how long the hub keeps shares."""

    type = MessageType.REGISTERED
    code: Uint8
    refused: Annotated[list[EncryptorName], Meta(max_length=_MAX_NAMES)]
    share_timeout_ms: Uint32

    def texts_fit(self) -> bool:
        return _encryptors_fit(self.refused)


class Unregister(Message):
    """C to H: a clean stop; the client's encryptors are no longer reachable here. No answer."""

    type = MessageType.UNREGISTER


class Confirmed(Keys):
    """Keys that the responder has rebuilt: the hub may forget its shares for this responder."""

    initiator: ClientRef
    key_ids: KeyIds


Confirmations = Annotated[list[Confirmed], Meta(max_length=MAX_KEYS_PER_FRAME)]


class Ping(Message):
    """Either way: tells the ack of its frame, and the ends held of both pools (bytes).

    A request id other than 0 asks for a PING with the same id and `reply` set: only then are
    `done` confirmations known to have arrived.
    """

    type = MessageType.PING
    reply: bool
    client_end: Uint64
    hub_end: Uint64
    done: Confirmations

    def texts_fit(self) -> bool:
        return _initiators_fit(self.done)


class Error(Message):
    """Either way: the request of this id failed as a whole."""

    type = MessageType.ERROR
    code: Uint8
    reason: Annotated[str, Meta(max_length=_MAX_REASON_BYTES)]

    def texts_fit(self) -> bool:
        return name_fits(self.reason, _MAX_REASON_BYTES)


class Names(Message):
    """H to C: what the hub calls some of its clients from now on, (identifier, name) each."""

    type = MessageType.NAMES
    names: Annotated[list[tuple[Uint32, NodeName]], Meta(min_length=1, max_length=MAX_KEYS_PER_FRAME)]

    def texts_fit(self) -> bool:
        return all(_client_fits(name) for _, name in self.names)


class Wrap(Message):
    """Either way, first of all where frames are wrapped: its pads, which cover nothing, are the key."""

    type = MessageType.WRAP


class PsrdRequest(Message):
    """C to H, simulated PSRD only: block number `sequence` of a stream, of `size` bytes.

    `owner` is 0 for the client's pool, 1 for the hub's.
    """

    type = MessageType.PSRD_REQUEST
    owner: Annotated[int, Meta(ge=0, le=1)]
    stream: StreamId
    sequence: Uint32
    size: Uint32


class PsrdBlock(Message):
    """H to C, simulated PSRD only: one block. The hub may send one unasked, when it runs short."""

    type = MessageType.PSRD_BLOCK
    owner: Annotated[int, Meta(ge=0, le=1)]
    stream: StreamId
    sequence: Uint32
    uuid: Uuid
    data: Annotated[bytes, Meta(min_length=1, max_length=MAX_FRAME_PAD_BYTES)]

    __repr__ = no_secrets
    __reduce__ = no_pickle


class PartyBody(Body):
    """An encryptor and the client that serves it."""

    client: ClientRef
    encryptor: EncryptorName


Responders = Annotated[list[PartyBody], Meta(min_length=1, max_length=MAX_RESPONDERS)]


class PutGroup(Keys):
    """Keys that share their metadata, and this hub's shares of them.

    `ttl_ms`: time to live, capped by the hub. `shares`: key_bytes for each key, in the order of the key IDs;
    or, of one key alone, a piece of its share from `offset` bytes on. `codes`, with offset 0 only: for each
    key one code per responder client in ascending order of their names, each x, f and, for long keys, r (16
    bytes each).
    """

    initiator: EncryptorName
    responders: Responders
    n: HubCount
    k: HubCount
    ttl_ms: Uint32
    key_bytes: KeyBytes
    key_ids: KeyIds
    offset: Uint32
    shares: Secret
    codes: Secret

    __repr__ = no_secrets
    __reduce__ = no_pickle


class PutShares(Message):
    """C to H: shares of many keys under one tag."""

    type = MessageType.PUT_SHARES
    groups: Annotated[list[PutGroup], Meta(min_length=1, max_length=MAX_KEYS_PER_FRAME)]

    def secrets(self) -> Iterator[bytes]:
        for group in self.groups:
            yield group.shares
            yield group.codes

    def replace_secrets(self, bins: Iterator[bytes]) -> None:
        for group in self.groups:
            group.shares = next(bins)
            group.codes = next(bins)

    def texts_fit(self) -> bool:
        fit = [_parties_fit(group.responders) for group in self.groups]
        return all(fit) and _encryptors_fit([group.initiator for group in self.groups])


class PutSharesAck(Message):
    """H to C: one result code (a byte) per key, in the order of the request's keys."""

    type = MessageType.PUT_SHARES_ACK
    codes: Annotated[bytes, Meta(max_length=MAX_KEYS_PER_FRAME)]


class GetGroup(Keys):
    """Keys wanted of one initiator client; of one key alone also from byte `offset` of its share on."""

    initiator: ClientRef
    key_ids: KeyIds
    offset: Uint32


class GetShares(Message):
    """C to H: shares wanted. The hub may park unknown keys for `wait_ms`, at most 1 s."""

    type = MessageType.GET_SHARES
    groups: Annotated[list[GetGroup], Meta(max_length=MAX_KEYS_PER_FRAME)]
    wait_ms: Uint32
    done: Confirmations

    def texts_fit(self) -> bool:
        return _initiators_fit(self.groups) and _initiators_fit(self.done)


class ShareGroup(Keys):
    """Shares whose metadata are alike, as their initiator gave them.

    `shares` and `codes` as in PutGroup, with one code for each key: the receiving client's.
    """

    initiator: PartyBody
    responders: Responders
    n: HubCount
    k: HubCount
    key_bytes: KeyBytes
    key_ids: KeyIds
    offset: Uint32
    shares: Secret
    codes: Secret

    __repr__ = no_secrets
    __reduce__ = no_pickle


class Missing(Keys):
    """Keys for which the hub has no share to give, and why."""

    initiator: ClientRef
    code: Uint8
    key_ids: KeyIds


class Shares(Message):
    """H to C: what is known now; further SHARES with the same request id may follow."""

    type = MessageType.SHARES
    groups: Annotated[list[ShareGroup], Meta(max_length=MAX_KEYS_PER_FRAME)]
    missing: Annotated[list[Missing], Meta(max_length=MAX_KEYS_PER_FRAME)]

    def secrets(self) -> Iterator[bytes]:
        for group in self.groups:
            yield group.shares
            yield group.codes

    def replace_secrets(self, bins: Iterator[bytes]) -> None:
        for group in self.groups:
            group.shares = next(bins)
            group.codes = next(bins)

    def texts_fit(self) -> bool:
        fit = [_parties_fit((group.initiator, *group.responders)) for group in self.groups]
        return all(fit) and _initiators_fit(self.missing)


class Locate(Message):
    """C to H: which clients serve these encryptors?"""

    type = MessageType.LOCATE
    encryptors: Annotated[list[EncryptorName], Meta(min_length=1, max_length=MAX_KEYS_PER_FRAME)]

    def texts_fit(self) -> bool:
        return _encryptors_fit(self.encryptors)


class Located(Message):
    """H to C: the client of each encryptor, in the same order; nil where none is known."""

    type = MessageType.LOCATED
    clients: Annotated[list[ClientRef | None], Meta(max_length=MAX_KEYS_PER_FRAME)]

    def texts_fit(self) -> bool:
        return all(name is None or _client_fits(name) for name in self.clients)


class Unknown(Message):
    """Either way, never sent: a verified message of a type that this version does not know."""

    kind: int


#: All that a frame may hold but WRAP, which is not decoded: `Session.open_wrap`.
MESSAGES: tuple[type[Message], ...] = (
    Register, Registered, Unregister, Ping, Error, Names, PsrdRequest, PsrdBlock,
    PutShares, PutSharesAck, GetShares, Shares, Locate, Located,
)  # fmt: skip

#: First bytes of a string of 32 bytes or more; in bins they mean nothing.
_STR8, _STR16 = b"\xd9", b"\xda"
_ENCODER = msgspec.msgpack.Encoder()
_DECODERS: dict[int, msgspec.msgpack.Decoder[Any]] = {
    int(message.type): msgspec.msgpack.Decoder(message) for message in MESSAGES
}


def encode_body(message: Message) -> bytes:
    """The canonical msgpack bytes of a body, its secret bins as they stand."""
    return _ENCODER.encode(message)


def decode_body(kind: int, body: bytes) -> Message:
    """The typed body of a frame; `Unknown` for a type of a later version.

    Raises FrameError where a known type's body is malformed or not canonical.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None and kind == MessageType.WRAP:
        raise FrameError("WRAP where no frame but the first may be one")
    if decoder is None:
        return Unknown(kind)
    try:
        message: Message = decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise FrameError(f"a body of type {kind} is malformed: {type(error).__name__}") from None
    if _ENCODER.encode(message) != body:
        raise FrameError(f"a body of type {kind} is not in canonical form")
    if (_STR8 in body or _STR16 in body) and not message.texts_fit():  # shorter texts always fit
        raise FrameError(f"a text in a body of type {kind} is too long")
    return message


def name_fits(name: str, max_bytes: int) -> bool:
    """True when a name's UTF-8 form is within its limit (the types above count characters)."""
    return len(name) * 4 <= max_bytes or len(name.encode()) <= max_bytes


def _client_fits(client: ClientRef) -> bool:
    return not isinstance(client, str) or name_fits(client, MAX_NODE_NAME_BYTES)


def _encryptors_fit(names: Iterable[str]) -> bool:
    return all(name_fits(name, MAX_ENCRYPTOR_NAME_BYTES) for name in names)


def _initiators_fit(groups: Iterable[Confirmed | GetGroup | Missing]) -> bool:
    return all(_client_fits(group.initiator) for group in groups)


def _parties_fit(parties: Iterable[PartyBody]) -> bool:
    return all(_client_fits(party.client) and name_fits(party.encryptor, MAX_ENCRYPTOR_NAME_BYTES)
        for party in parties
    )  # fmt: skip


def one_line(text: str) -> str:
    """What a peer says, for a log or a terminal: nothing in it moves the cursor or begins a line."""
    return "".join(char if char.isprintable() else "?" for char in text)


def cut_key_ids(key_ids: bytes) -> list[bytes]:
    """The key IDs of a column, each 16 bytes."""
    return cut_column(key_ids, KEY_ID_BYTES)


def cut_column(column: bytes | bytearray, size: int) -> list[bytes]:
    """A column's parts, `size` bytes each: ten times faster than slices."""
    if len(column) == size:
        return [bytes(column)]
    return list(struct.unpack(f"{size}s" * (len(column) // size), column))
