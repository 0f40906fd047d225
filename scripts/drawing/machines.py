"""The state machines of proto/states.md. A test holds the tables there to these moves."""

from __future__ import annotations

from drawing.machine_view import Machine, Move, State

CLIENT_CONNECTION = Machine(
    "client-connection",
    "A client and one hub: the connection",
    (
        State("IDLE", 0, 0), State("WAITING", 0, 2), State("CONNECTING", 1, 0), State("GREETING", 2, 0),
        State("HELLO", 3, 0), State("FILLING", 3.8, 1), State("PROOF", 3, 2), State("OPEN", 1.6, 2),
    ),
    (
        Move("C1", "IDLE", "CONNECTING", "PSRD is there"),
        Move("C2", "WAITING", "CONNECTING", "delay over", 46, 0.5, (-6, -6)),
        Move("C3", "CONNECTING", "WAITING", "no TCP in 3 s", 46, 0.5, (12, 8)),
        Move("C4", "CONNECTING", "GREETING", "TCP"),
        Move("C5", "GREETING", "HELLO", "M0: send M1"),
        Move("C6", "HELLO", "FILLING", "M2 OK, empty pools", 0, 0.5, (26, 0)),
        Move("C6", "HELLO", "PROOF", "M2 OK:\nsend M3"),
        Move("C7", "HELLO", "WAITING", "refused", 0, 0.45),
        Move("C8", "FILLING", "FILLING", "block", -1, 0.5, (0, 4)),
        Move("C8", "FILLING", "PROOF", "96 bytes:\nsend M3", 0, 0.5, (-6, 0)),
        Move("C9", "PROOF", "OPEN", "M4"),
        Move("C10", "OPEN", "WAITING", "session ends"),
        Move("C11", "GREETING", "WAITING", "", 0, 0.3),
        Move("C11", "PROOF", "WAITING", "a check fails, or 5 s are over", -110),
        Move("C12", "WAITING", "IDLE", "PSRD\nused up"),
    ),
)  # fmt: skip

HUB_CONNECTION = Machine(
    "hub-connection",
    "A hub and one TCP connection",
    (
        State("NEW", 0, 0), State("HELLO", 1, 0), State("PROOF", 2, 0), State("OPEN", 3, 0),
        State("CLOSED", 1.7, 1.6, end=True),
    ),
    (
        Move("H1", "NEW", "HELLO", "TCP: send M0"),
        Move("H2", "HELLO", "PROOF", "M1: send M2"),
        Move("H3", "HELLO", "CLOSED", "M1: refuse in M2", 26, 0.5, (-4, 0)),
        Move("H4", "HELLO", "CLOSED", "anything else", -84, 0.5, (-14, 0)),
        Move("H5", "PROOF", "PROOF", "PSRD_REQUEST"),
        Move("H6", "PROOF", "OPEN", "M3: send M4"),
        Move("H7", "PROOF", "CLOSED", "anything else", -14, 0.4, (10, 0)),
        Move("H8", "OPEN", "OPEN", "a frame"),
        Move("H9", "OPEN", "CLOSED", "a rule broken, replaced", -40, 0.4, (44, 0)),
    ),
)  # fmt: skip

WRAPPING = Machine(
    "wrapping",
    "Wrapping, one direction, where it is in force",
    (State("CLEAR", 0, 0), State("WRAPPED", 1.2, 0), State("CLOSED", 2.4, 0, end=True)),
    (
        Move("W1", "CLEAR", "CLEAR", "sealed PSRD frame"),
        Move("W2", "CLEAR", "WRAPPED", "WRAP verifies"),
        Move("W3", "WRAPPED", "WRAPPED", "a piece opens"),
        Move("W4", "CLEAR", "CLOSED", "anything else", -96),
        Move("W4", "WRAPPED", "CLOSED", "anything else"),
    ),
)

REGISTRATION = Machine(
    "registration",
    "Registration, in one session",
    (
        State("ASKED", 0, 0),
        State("READY", 1.5, 0),
        State("REFUSED", 0, 1.4),
        State("GONE", 1.5, 1.4, end=True),
    ),
    (
        Move("R1", "ASKED", "READY", "REGISTERED, OK"),
        Move("R2", "ASKED", "REFUSED", "another code", 40, 0.5, (30, 0)),
        Move("R3", "REFUSED", "ASKED", "5 s", 40),
        Move("R4", "READY", "GONE", "UNREGISTER", 50, 0.5, (20, 0)),
        Move("R5", "READY", "ASKED", "other encryptors", 46),
        Move("R6", "ASKED", "GONE", "session ends", 0, 0.6),
        Move("R6", "READY", "GONE", "", -30),
        Move("R6", "REFUSED", "GONE", ""),
    ),
)

DRAINING = Machine(
    "draining",
    "A hub's process, as it takes shares",
    (State("SERVING", 0, 0), State("DRAINING", 1.2, 0), State("ENDED", 2.4, 0, end=True)),
    (
        Move("D1", "SERVING", "DRAINING", "told to drain"),
        Move("D2", "DRAINING", "DRAINING", "session, PUT, GET"),
        Move("D3", "DRAINING", "ENDED", "nothing to give"),
    ),
)

REQUEST = Machine(
    "initiator-request",
    "A key request at the initiator",
    (
        State("LOCATING", 0, 0), State("DEALT", 1, 0), State("GRACE", 2, 0),
        State("ANSWERED", 1.5, 1.3, end=True), State("FAILED", 0.2, 1.3, end=True),
    ),
    (
        Move("P1", "LOCATING", "DEALT", "k say alike"),
        Move("P2", "LOCATING", "FAILED", "not k"),
        Move("P3", "DEALT", "ANSWERED", "enough acks", 0, 0.5, (10, 0)),
        Move("P4", "DEALT", "GRACE", "k acks"),
        Move("P5", "GRACE", "ANSWERED", "enough, or 50 ms", -10, 0.5, (26, 4)),
        Move("P6", "DEALT", "FAILED", "k cannot come, 0.8 s", 0, 0.5, (-10, 4)),
    ),
)  # fmt: skip

PUT = Machine(
    "initiator-share",
    "A share at the initiator, for one hub",
    (
        State("QUEUED", 0, 0), State("SENT", 1.2, 0), State("TAKEN", 2.3, 0, end=True),
        State("REFUSED", 2.3, 1.2, end=True), State("DROPPED", 0, 1.2, end=True),
    ),
    (
        Move("Q1", "QUEUED", "SENT", "room: PUT_SHARES", 30),
        Move("Q2", "SENT", "SENT", "PARTIAL"),
        Move("Q3", "SENT", "TAKEN", "OK, DONE"),
        Move("Q4", "SENT", "QUEUED", "session lost, drains", 30),
        Move("Q5", "SENT", "REFUSED", "any other answer"),
        Move("Q6", "QUEUED", "DROPPED", "too late"),
    ),
)  # fmt: skip

HUB_SHARE = Machine(
    "hub-share",
    "A share at a hub",
    (
        State("ABSENT", 0, 0), State("PARTIAL", 1.2, 1.1), State("HELD", 2.4, 0),
        State("GONE", 2.4, 2.2, end=True),
    ),
    (
        Move("S1", "ABSENT", "HELD", "PUT, whole", 0, 0.5),
        Move("S2", "ABSENT", "PARTIAL", "PUT, first piece"),
        Move("S3", "PARTIAL", "PARTIAL", "piece"),
        Move("S3", "PARTIAL", "HELD", "last piece"),
        Move("S4", "HELD", "HELD", "PUT again, GET"),
        Move("S5", "HELD", "GONE", "all confirm, time-out"),
        Move("S6", "PARTIAL", "GONE", "time-out"),
        Move("S7", "GONE", "ABSENT", "tombstone's time is out", 150),
    ),
)  # fmt: skip

HUB_GET = Machine(
    "hub-get",
    "A GET_SHARES at a hub",
    (State("RECEIVED", 0, 0), State("PARKED", 1.5, 0), State("ANSWERED", 1.5, 1.2, end=True)),
    (
        Move("G1", "RECEIVED", "ANSWERED", "nothing may wait"),
        Move("G2", "RECEIVED", "PARKED", "some unknown"),
        Move("G3", "PARKED", "PARKED", "some came"),
        Move("G4", "PARKED", "ANSWERED", "last came, 1 s", 0),
    ),
)

FETCH = Machine(
    "responder-key",
    "A key at the responder",
    (
        State("ASKING", 0, 0), State("REBUILT", 1.2, 0), State("SEARCHING", 0.7, 1.1),
        State("HANDED OUT", 2.3, 0, end=True), State("FAILED", 1.4, 2.3, end=True),
    ),
    (
        Move("F1", "ASKING", "ASKING", "20 to 250 ms"),
        Move("F2", "ASKING", "REBUILT", "k pass"),
        Move("F3", "ASKING", "SEARCHING", "k do not pass", 16, 0.5, (10, 0)),
        Move("F4", "SEARCHING", "REBUILT", "others pass", 10, 0.55, (34, 0)),
        Move("F5", "SEARCHING", "FAILED", "nothing left", 0, 0.5),
        Move("F6", "ASKING", "FAILED", "k cannot come, 1 s", -210, 0.5),
        Move("F7", "REBUILT", "HANDED OUT", "named, first time"),
        Move("F8", "REBUILT", "FAILED", "not named, had it", 60, 0.5, (10, 0)),
    ),
)  # fmt: skip

OWNER = Machine(
    "pool-owner",
    "The owner of a pool",
    (
        State("NO SESSION", 0, 0),
        State("PROVING", 1.3, 0),
        State("SENDING", 2.5, 0),
        State("HELD BACK", 2.5, 1.5),
    ),
    (
        Move("O1", "NO SESSION", "PROVING", "take [S, +48)", 30),
        Move("O2", "NO SESSION", "NO SESSION", "no S: REWIND"),
        Move("O3", "PROVING", "SENDING", "proof answered"),
        Move("O4", "PROVING", "NO SESSION", "lost", 30),
        Move("O5", "SENDING", "SENDING", "take for a frame"),
        Move("O6", "SENDING", "HELD BACK", "limit", 40, 0.5, (20, 0)),
        Move("O7", "HELD BACK", "SENDING", "ack, bytes,\ndurable", 40, 0.5, (-26, 0)),
        Move("O8", "SENDING", "NO SESSION", "session ends", 110),
        Move("O8", "HELD BACK", "NO SESSION", "", 50),
    ),
)

RECEIVER = Machine(
    "pool-receiver",
    "The receiver of a pool",
    (State("NO SESSION", 0, 0), State("TOLD", 1.2, 0), State("FOLLOWING", 2.4, 0)),
    (
        Move("V1", "NO SESSION", "TOLD", "D durable, told", 26),
        Move("V2", "NO SESSION", "NO SESSION", "left behind"),
        Move("V3", "TOLD", "FOLLOWING", "proof verifies"),
        Move("V4", "FOLLOWING", "FOLLOWING", "frame verifies"),
        Move("V5", "TOLD", "NO SESSION", "lost, refused", 26),
        Move("V5", "FOLLOWING", "NO SESSION", "session ends", 90),
    ),
)

MACHINES = (
    CLIENT_CONNECTION, HUB_CONNECTION, WRAPPING, REGISTRATION, DRAINING, REQUEST, PUT, HUB_SHARE, HUB_GET,
    FETCH, OWNER, RECEIVER,
)  # fmt: skip
