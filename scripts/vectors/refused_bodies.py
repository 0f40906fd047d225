"""Vectors of bodies that must be refused: every message with one fault each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from vectors.common import fixed
from vectors.faults import Fault, Path, arrays, leaves, of_form, packed, place, replaced

_ID = fixed("refused bodies: key id", 16)
_STREAM, _UUID = fixed("refused bodies: stream", 16), fixed("refused bodies: uuid", 16)
_SHARE, _CODE = fixed("refused bodies: share", 4), fixed("refused bodies: code", 32)
_PUT = ["sam", [["celia", "serena"]], 5, 3, 60000, 4, _ID, 0, _SHARE, _CODE]
_SHARES = [["carol", "sam"], [["celia", "serena"]], 5, 3, 4, _ID, 0, _SHARE, _CODE]
_UINT32 = 1 << 32
_COLUMN_OF_17 = "17 bytes, no whole key IDs"
_WIDE = "\N{GREEK SMALL LETTER OMEGA}"  # two bytes


class Body(NamedTuple):
    """A message: who sends it, a body that is right, and values that are out of range at their places."""

    name: str
    type: int
    direction: str
    fields: list[Any]
    names: dict[Path, str]
    out_of_range: list[tuple[Path, str, Any]]


def _numbers(path: Path, *values: int) -> list[tuple[Path, str, Any]]:
    return [(path, str(value), value) for value in values]


def _names(path: Path, most: int) -> list[tuple[Path, str, Any]]:
    return [
        (path, "an empty name", ""),
        (path, f"{most + 1} bytes", "x" * (most + 1)),
        (path, f"{most + 2} bytes in {most // 2 + 1} characters", _WIDE * (most // 2 + 1)),
    ]


def _column(path: Path) -> list[tuple[Path, str, Any]]:
    return [
        (path, "no key ID", b""), (path, "15 bytes", bytes(15)), (path, _COLUMN_OF_17, bytes(17)),
        (path, "1025 key IDs", bytes(1025 * 16)),
    ]  # fmt: skip


def _bin16(path: Path) -> list[tuple[Path, str, Any]]:
    return [(path, "15 bytes", bytes(15)), (path, "17 bytes", bytes(17))]


def _parties(path: Path) -> list[tuple[Path, str, Any]]:
    party = ["celia", "serena"]
    return [
        (path, "none", []),
        (path, "33 of them", [["celia", f"serena{number}"] for number in range(33)]),
        ((*path, 0), "a party of one name", party[:1]),
        *_names((*path, 0, 0), 64), *_names((*path, 0, 1), 128),
    ]  # fmt: skip


def _dealing(at: Path, first: int) -> list[tuple[Path, str, Any]]:
    """n, k, and what follows in both kinds of groups; `first`: the index of n."""
    return [*_numbers((*at, first), 0, 256), *_numbers((*at, first + 1), 0, 256)]


def _control() -> list[Body]:
    done: Path = (3, 0)
    return [
        Body("REGISTER", 1, "C", [["sam"]], {(0,): "encryptors", (0, 0): "a name"}, _names((0, 0), 128)),
        Body("REGISTERED", 2, "H", [4, ["sam"], 60000],
             {(0,): "code", (1,): "refused", (1, 0): "a name", (2,): "share_timeout_ms"},
             [*_numbers((0,), 256), *_names((1, 0), 128), *_numbers((2,), _UINT32)]),
        Body("UNREGISTER", 3, "C", [], {}, []),
        Body("PING", 4, "C", [False, 4096, 1 << 40, [["carol", _ID]]],
             {(0,): "reply", (1,): "client_end", (2,): "hub_end", (3,): "done", done: "confirmed",
              (3, 0, 0): "initiator", (3, 0, 1): "key_ids"},
             [*_names((*done, 0), 64), *_column((*done, 1))]),
        Body("ERROR", 5, "H", [9, "no"], {(0,): "code", (1,): "reason"},
             [*_numbers((0,), 256), ((1,), "257 bytes", "x" * 257),
              ((1,), "258 bytes in 129 characters", _WIDE * 129)]),
        Body("NAMES", 7, "H", [[[7, "carol"]]],
             {(0,): "names", (0, 0): "an entry", (0, 0, 0): "an identifier", (0, 0, 1): "a name"},
             [((0,), "none", []), ((0,), "1025 entries", [[n, f"c{n}"] for n in range(1025)]),
              *_numbers((0, 0, 0), _UINT32), *_names((0, 0, 1), 64)]),
        Body("LOCATE", 0x18, "C", [["sam"]], {(0,): "encryptors", (0, 0): "a name"},
             [*_names((0, 0), 128), ((0,), "none", []), ((0,), "1025 names", ["x"] * 1025)]),
        Body("LOCATED", 0x19, "H", [["carol"]], {(0,): "clients", (0, 0): "a name"},
             [*_names((0, 0), 64), ((0,), "1025 answers", [None] * 1025)]),
    ]  # fmt: skip


def _simulated() -> list[Body]:
    names: dict[Path, str] = {(0,): "owner", (1,): "stream", (2,): "sequence"}
    ranges = [*_numbers((0,), 2), *_bin16((1,)), *_numbers((2,), _UINT32)]
    return [
        Body("PSRD_REQUEST", 8, "C", [0, _STREAM, 3, 4096], {**names, (3,): "size"},
             [*ranges, *_numbers((3,), _UINT32)]),
        Body("PSRD_BLOCK", 9, "H", [1, _STREAM, 3, _UUID, b"data"], {**names, (3,): "uuid", (4,): "data"},
             [*ranges, *_bin16((3,)), ((4,), "no bytes", b"")]),
    ]  # fmt: skip


def _of_shares() -> list[Body]:
    g: Path = (0, 0)
    put = dict(enumerate(("initiator", "responders", "n", "k", "ttl_ms", "key_bytes", "key_ids", "offset",
                          "shares", "codes")))  # fmt: skip
    given = dict(enumerate(("initiator", "responders", "n", "k", "key_bytes", "key_ids", "offset", "shares",
                            "codes")))  # fmt: skip
    return [
        Body("PUT_SHARES", 0x10, "C", [[_PUT]],
             {(0,): "groups", g: "a group", **{(*g, i): name for i, name in put.items()}},
             [((0,), "none", []), *_names((*g, 0), 128), *_parties((*g, 1)), *_dealing(g, 2),
              *_numbers((*g, 4), _UINT32), *_numbers((*g, 5), 0, 2097153), *_column((*g, 6)),
              *_numbers((*g, 7), _UINT32)]),
        Body("PUT_SHARES_ACK", 0x11, "H", [b"\0\3"], {(0,): "codes"}, [((0,), "1025 codes", bytes(1025))]),
        Body("GET_SHARES", 0x12, "C", [[["carol", _ID, 0]], 500, [["carol", _ID]]],
             {(0,): "groups", g: "a group", (*g, 0): "initiator", (*g, 1): "key_ids", (*g, 2): "offset",
              (1,): "wait_ms", (2,): "done", (2, 0): "confirmed"},
             [*_names((*g, 0), 64), *_column((*g, 1)), *_numbers((*g, 2), _UINT32), *_numbers((1,), _UINT32),
              *_column((2, 0, 1))]),
        Body("SHARES", 0x13, "H", [[_SHARES], [["carol", 6, _ID]]],
             {(0,): "groups", g: "a group", **{(*g, i): name for i, name in given.items()},
              (1,): "missing", (1, 0): "an entry of missing"},
             [*_names((*g, 0, 0), 64), *_names((*g, 0, 1), 128), *_parties((*g, 1)), *_dealing(g, 2),
              *_numbers((*g, 4), 0, 2097153), *_column((*g, 5)), *_numbers((*g, 6), _UINT32),
              *_numbers((1, 0, 1), 256), *_column((1, 0, 2))]),
    ]  # fmt: skip


def refused_body_vectors() -> dict[str, Any]:
    """The file refused_bodies.json."""
    bodies = [*_control(), *_simulated(), *_of_shares()]
    return {"messages": [_message(body) for body in bodies]}


def _message(body: Body) -> dict[str, Any]:
    return {
        "name": body.name, "type": body.type, "direction": body.direction,
        "right_body": packed(body.fields).hex(),
        "refused": [
            {"name": fault.name, "body": fault.body.hex(), "schema": fault.schema} for fault in _faults(body)
        ],
    }  # fmt: skip


def _faults(body: Body) -> Iterator[Fault]:
    known = {path for path, _ in [*leaves(body.fields), *arrays(body.fields)]}
    assert all(path in known for path in body.names), body.name
    for fault in of_form(body.fields, body.names):
        if not _is_right(body, fault):
            yield fault
    for path, words, value in body.out_of_range:
        named = body.names.get(path, place(path))
        beyond_schema = words == _COLUMN_OF_17  # a multiple of 16 is more than CDDL says
        yield Fault(
            f"{named}: {words}",
            packed(replaced(body.fields, path, value)),
            "takes" if beyond_schema else "refuses",
        )


def _is_right(body: Body, fault: Fault) -> bool:
    """Nil among the answers of LOCATED is no fault: the hub knows no client."""
    return (
        body.name == "LOCATED"
        and "nil" in fault.name
        and fault.name.startswith(("a name", "clients: nil as"))
    )
