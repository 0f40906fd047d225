"""Whole connections, before and after authentication, and single frames behind a true tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from dsked.errors import DskedError, PeerError, PoolExhaustedError, StorageError, TagError
from dsked.limits import MAX_HANDSHAKE_BYTES, NONCE_BYTES, WRAP_KEY_BYTES
from dsked.psrd.pair import Side
from dsked.wire import messages
from dsked.wire.connection import Connection
from dsked.wire.frame import ARRAY_OF_7, LENGTH_BYTES, FrameBuffer
from dsked.wire.handshake import SessionKeys
from dsked.wire.messages import Wrap, encode_body
from dsked.wire.session import Session
from dsked.wire.wrapping import ARRAY_OF_1

from . import ends, examples, script
from .playing import FRAME_HEAD_BYTES, Do, Play, frame_step, true_frame
from .target import Given, Target
from .targets_wire import sealed_messages

_HONEST_TURNS = 3


def _wire(end: Callable[[], Connection], honest: Callable[[], Connection], data: bytes) -> bytes:
    """The bytes that a script sends."""
    play = Play(end(), honest())
    with suppress(DskedError):
        for step in script.decode(data):
            play.step(step)
    return play.said


def _run(make: Callable[[], Connection], pieces: Sequence[bytes], given: Given) -> None:
    end = make()
    try:
        for piece in pieces:
            given.extend(end.receive_data(piece))
    finally:
        given.append(_state(end))
    given.append(end.data_to_send())


def _state(end: Connection) -> object:
    """All that bytes from outside may change."""
    pools: list[object] = []
    for streams in (end.streams, end.pair.streams if end.pair else None):
        if streams is None:
            continue
        local, peer = streams.local, streams.peer
        pools += [local.next, local.durable, local.acked, local.held_end, peer.mark, peer.durable, peer.told]
    session = end.session and (end.session.frames_received, end.session.max_pads, end.session.outbox_bytes)
    pair = end.pair and (end.pair.had_session, end.pair.proved_boot, end.pair.rewound, end.pair.alarm)
    return end.stage, pools, session, pair


def _bodies() -> list[bytes]:
    """Steps of one frame each."""
    steps = []
    for one in examples.document("frames")["frames"]:
        if len(one["sent_body"]) < 4000:
            steps.append(frame_step(one["type"], bytes.fromhex(one["sent_body"]), pads=one["pads"]))
    wrap = encode_body(Wrap())
    true_wrap = frame_step(Wrap.type, wrap, request_id=0, pads=WRAP_KEY_BYTES)
    return [*steps, true_wrap, frame_step(Wrap.type, wrap)]


def _scripts() -> list[bytes]:
    honest = [(Do.HONEST, b"")] * _HONEST_TURNS
    frames = _bodies()
    seals = [
        (Do.SEAL, bytes([int(one.type)]) + bytes(4) + messages.encode_body(one)) for one in sealed_messages()
    ]
    parts = [
        [(Do.PROVE, next(iter(examples.handshake(name)))[LENGTH_BYTES:]) for name in names]
        for names in (("M1", "M3"), ("M0", "M2", "M4"))
    ]
    return [
        *(script.encode([*honest, (Do.FRAME, frame), (Do.FRAME, frames[0])]) for frame in frames),
        *(script.encode([*honest[:number], seal, *honest]) for number in (1, 2) for seal in seals),
        *(script.encode(part) for part in parts),
        *(script.encode([*honest[:1], part[-1]]) for part in parts),
        script.encode([*honest, (Do.SAY, bytes(4))]),
        script.encode([(Do.HONEST, b"\x00\x09\x01"), *honest]),
    ]


def _own_parts(honest: Callable[[], Connection], end: Callable[[], Connection]) -> list[bytes]:
    """Scripts whose handshake is the honest end's own, told step by step so that it can be changed."""
    near, far = end(), honest()
    steps: list[tuple[int, bytes]] = []
    for _ in range(_HONEST_TURNS):
        with suppress(PeerError):
            list(far.receive_data(near.data_to_send()))
        data = far.data_to_send()
        for piece in FrameBuffer(MAX_HANDSHAKE_BYTES).feed(data):
            is_part = piece[LENGTH_BYTES] not in (ARRAY_OF_1, ARRAY_OF_7)
            steps.append((Do.PROVE, piece[LENGTH_BYTES:]) if is_part else (Do.SAY, piece))
        list(near.receive_data(data))
    whole = script.encode([*steps, (Do.FRAME, _bodies()[0])])
    honest_first = [(Do.HONEST, b"")]
    return [whole, *(script.encode(honest_first * at + steps[at : at + 1]) for at in range(len(steps)))]


_ERRORS = (PeerError, StorageError, PoolExhaustedError)


def _refused_and_on() -> bytes:
    """A refusal, and then what would be refused once more if it were still looked at."""
    m1 = next(iter(examples.handshake("M1")))[LENGTH_BYTES:]
    return script.encode([(Do.PROVE, m1), (Do.SAY, b"\0\0\0\x01x" + b"GET / HTTP/1.1")])


def _connection_target(
    name: str, what: str, end: Callable[[], Connection], honest: Callable[[], Connection]
) -> Target:
    return Target(
        name=name,
        what=what,
        declared=_ERRORS,
        seeds=lambda: [*_own_parts(honest, end), *_scripts()],
        stream=partial(_run, end),
        wire=partial(_wire, end, honest),
        script=True,
        max_bytes=2048,
        regressions=(_refused_and_on(),),
    )


def _outsider_target(name: str, what: str, end: Callable[[], Connection], said: tuple[str, ...]) -> Target:
    return Target(
        name=name,
        what=what,
        declared=(PeerError,),
        seeds=lambda: [
            b"".join(next(iter(examples.handshake(part))) for part in said),
            b"GET / HTTP/1.1\r\n\r\n",
        ],
        stream=partial(_run, end),
        msgpack_at=LENGTH_BYTES,
        max_bytes=2 * MAX_HANDSHAKE_BYTES,
    )


_KEYS = SessionKeys(bytes(NONCE_BYTES), bytes(16), bytes(NONCE_BYTES), bytes(16))


def _open_frame(data: bytes) -> object:
    """A frame behind a true tag, at a session that has just opened: what it says, and what has moved."""
    session = Session(Side.HUB, ends.media_streams(Side.HUB), _KEYS, 4096)
    pool = session.streams.peer
    frame = true_frame(data, pool, session._receive_hash_key, session._receive_prefix)
    try:
        return session.open(frame), pool.mark
    except TagError:
        assert pool.mark == 0, "a tag that does not verify has moved the mark"
        raise


_WRAPPED_HUB = partial(ends.hub_end, simulated=True, wrapped=True)
_WRAPPED_CLIENT = partial(ends.client_end, simulated=True, wrapped=True)
_HUBS = {False: partial(ends.hub_end, simulated=False), True: partial(ends.hub_end, simulated=True)}
_CLIENTS = {False: partial(ends.client_end, simulated=False), True: partial(ends.client_end, simulated=True)}

TARGETS = (
    Target(
        name="session-frame",
        what="a frame behind a true tag",
        declared=(PeerError,),
        seeds=_bodies,
        decode=_open_frame,
        msgpack_at=FRAME_HEAD_BYTES,
    ),
    _outsider_target("hub-outsider", "an outsider's bytes at a hub", _HUBS[False], ("M1", "M3")),
    _outsider_target("client-outsider", "an outsider's bytes at a client", _CLIENTS[False], ("M0", "M2")),
    _connection_target("hub-media", "a client's bytes at a hub", _HUBS[False], _CLIENTS[False]),
    _connection_target(
        "hub-simulated", "a client's bytes at a hub that makes PSRD", _HUBS[True], _CLIENTS[True]
    ),
    _connection_target("client-media", "a hub's bytes at a client", _CLIENTS[False], _HUBS[False]),
    _connection_target(
        "client-simulated", "a hub's bytes at a client that gets PSRD", _CLIENTS[True], _HUBS[True]
    ),
    _connection_target("hub-wrapped", "a client's wrapped bytes at a hub", _WRAPPED_HUB, _WRAPPED_CLIENT),
    _connection_target("client-wrapped", "a hub's wrapped bytes at a client", _WRAPPED_CLIENT, _WRAPPED_HUB),
)
