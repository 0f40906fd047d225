"""Vectors of handshake messages that must be refused: each takes the place of one message of a transcript."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from dsked.auth.tags import gate_mac, one_time_tag
from vectors.common import fixed
from vectors.faults import Path, of_form, packed, replaced
from vectors.handshake import handshake_vectors

CONTINUING = "media, continuing: sessions begin at the own next positions"
LEFT_BEHIND = "media, the hub was left behind by 10 windows: it follows the client's next position"
FIRST = "media, both just started: sessions begin at the durable marks told + WIN"
GOING_ON = "simulated, going on: the proofs stand where the streams go on"
ANEW = "simulated, begun anew: blocks come between M2 and M3"
_LENGTH, _MAC, _TAG = 4, 32, 16
_PROOF_LENGTHS = {"M1": _MAC, "M2": _MAC, "M3": _TAG, "M4": _TAG}
_FIELDS = {
    "M0": ("magic", "versions", "nonce"),
    "M1": ("version", "client", "hub", "nonce", "boot_id", "proved_boot", "flags", "holdings", "max_pads",
           "optional", "mac"),
    "M2": ("version", "code", "reason", "boot_id", "proved_boot", "flags", "holdings", "max_pads", "optional",
           "mac"),
    "M3": ("position", "client_stream", "hub_stream", "client_end", "hub_end", "tag"),
    "M4": ("position", "ack", "tag"),
}  # fmt: skip


class Base:
    """A transcript of handshakes.json, to be played up to a message, which is then another one."""

    def __init__(self, name: str) -> None:
        [self.case] = [case for case in handshake_vectors()["handshakes"] if case["name"] == name]
        self.raw = {one["name"]: bytes.fromhex(one["message"]) for one in self.case["messages"]}

    def fields(self, stage: str) -> list[Any]:
        """The fields of a message, its MAC or tag as zeros."""
        found: list[Any] = msgspec.msgpack.decode(self.raw[stage][_LENGTH:])
        if stage in _PROOF_LENGTHS:
            found[-1] = bytes(_PROOF_LENGTHS[stage])
        return found

    def before(self, stage: str) -> bytes:
        """All that was said before it."""
        return b"".join(raw for name, raw in self.raw.items() if name < stage)

    def proved(self, stage: str, body: bytes, before: bytes | None = None, **other: bytes) -> bytes:
        """The message whose body this is, with its length, and the right MAC or tag in the place of its last
        zeros. `before` and `other` (key, label) are for those that are wrong."""
        message = len(body).to_bytes(_LENGTH, "big") + body
        length = _PROOF_LENGTHS.get(stage, 0)
        if not length or message[-length:] != bytes(length):
            return message
        covered = (self.before(stage) if before is None else before) + message[:-length]
        if length == _MAC:
            key = other.get("key", bytes.fromhex(self.case["gate_key"]))
            return message[:-length] + gate_mac(key, other.get("label", stage.encode()), covered)
        key = other.get("key", self.hash_key(stage) + self.pads(stage)[16:32])
        label = b"C" if stage == "M3" else b"H"
        return message[:-length] + one_time_tag(key, other.get("label", label) + covered)

    def state(self, stage: str) -> dict[str, Any]:
        """Of the side that says M3 or M4."""
        found: dict[str, Any] = self.case["client_state" if stage == "M3" else "hub_state"]
        return found

    def pads(self, stage: str) -> bytes:
        """The 48 pool bytes of M3 or M4."""
        return bytes.fromhex(self.state(stage)["pool_bytes"])

    def hash_key(self, stage: str) -> bytes:
        """r of M3 or M4: at the beginning of a window it stands with it."""
        known = self.state(stage)["previous_hash_key"]
        return self.pads(stage)[:16] if known is None else bytes.fromhex(known)

    def furthest(self, stage: str) -> int:
        """D + WIN for M3 or M4, with media pools."""
        number = 2 if stage == "M3" else 1
        found: int = self.case["messages"][number]["fields"][7 if number == 1 else 6][5]
        window: int = self.case["window_bytes"]
        return found + window


class Refused(NamedTuple):
    """One case. `result`: OK, REFUSE or CLOSE; `error` says why."""

    name: str
    stage: str
    message: bytes
    result: str = "CLOSE"
    error: str | None = "FORM"
    code: int | None = None
    schema: str | None = "takes"
    of: str = CONTINUING
    pool: tuple[int, bytes] | None = None  # pool bytes of a proof that stands elsewhere


def refused_handshake_vectors() -> dict[str, Any]:
    """The file refused_handshakes.json."""
    base = Base(CONTINUING)
    makers: tuple[Callable[[Base], Iterator[Refused]], ...] = (_of_any, _m0, _m1, _m2, _m3, _m4)
    cases = [case for make in makers for case in make(base)]
    anew, left_behind, first, going_on = map(Base, (ANEW, LEFT_BEHIND, FIRST, GOING_ON))
    cases += [*_anew(anew), *_left_behind(left_behind)]
    for stage in ("M3", "M4"):
        cases += [*_known_pads(base, stage), *_nothing_known(first, stage), *_of_a_stream(going_on, stage)]
    transcripts = {one.case["name"]: one.case for one in (base, anew, left_behind, first, going_on)}
    return {"transcripts": transcripts, "cases": [_json(case) for case in cases]}


def _json(case: Refused) -> dict[str, Any]:
    pool = None if case.pool is None else {"position": case.pool[0], "bytes": case.pool[1].hex()}
    return {
        "name": f"{case.stage}: {case.name}", "of": case.of, "stage": case.stage,
        "to": "hub" if case.stage in ("M1", "M3") else "client", "message": case.message.hex(),
        "result": case.result, "error": case.error, "code": case.code, "schema": case.schema,
        "pool": pool,
    }  # fmt: skip


def _of_any(base: Base) -> Iterator[Refused]:
    """Faults of form that every message can have; and one that is none."""
    for stage, names in _FIELDS.items():
        fields = base.fields(stage)
        yield Refused("as it was, for comparison", stage, base.raw[stage], "OK", None)
        for fault in of_form(fields, {(i,): name for i, name in enumerate(names)}):
            yield Refused(fault.name, stage, base.proved(stage, fault.body), schema=fault.schema)
        yield Refused("a length of 0", stage, bytes(4), schema=None)
        yield Refused("a length of 513", stage, (513).to_bytes(4, "big") + b"\x9b" + bytes(512), schema=None)
        wrong = (len(base.raw[stage]) - 4 + 1).to_bytes(4, "big") + base.raw[stage][4:] + b"\0"
        yield Refused("a byte behind it, counted by the length", stage, wrong, schema=None)


def _changed(base: Base, stage: str, path: Path | str, value: Any) -> bytes:
    """The message with one value changed, and the right MAC or tag."""
    where = (_FIELDS[stage].index(path),) if isinstance(path, str) else path
    return base.proved(stage, packed(replaced(base.fields(stage), where, value)))


def _m0(base: Base) -> Iterator[Refused]:
    for name, field, value, schema in (
        ("another magic", "magic", "DSKF", "refuses"), ("a short magic", "magic", "DSK", "refuses"),
        ("no versions", "versions", [], "refuses"), ("17 versions", "versions", [1] * 17, "refuses"),
        ("version 256", "versions", [1, 256], "refuses"),
        ("a nonce of 15 bytes", "nonce", bytes(15), "refuses"),
        ("a nonce of 17 bytes", "nonce", bytes(17), "refuses"),
    ):  # fmt: skip
        yield Refused(name, "M0", _changed(base, "M0", field, value), schema=schema)
    yield Refused("versions 2 and 3 only", "M0", _changed(base, "M0", "versions", [2, 3]), error="VERSION")


def _hello(base: Base, stage: str) -> Iterator[Refused]:
    """M1 and M2: values out of range, and MACs that are right for something else."""
    wide = "\N{GREEK SMALL LETTER OMEGA}" * 33
    ranges: list[tuple[str, str, Any]] = [
        (f"{field} of {length} bytes", field, bytes(length))
        for field in ("boot_id", "proved_boot") for length in (15, 17)
    ]  # fmt: skip
    ranges += [
        ("version 256", "version", 256),
        ("flags of 256", "flags", 256),
        ("max_pads of 2^32", "max_pads", 1 << 32),
    ]
    for field in ("client", "hub") if stage == "M1" else ():
        ranges += [(f"no name as {field}", field, ""), (f"a {field} of 65 bytes", field, "x" * 65),
                   (f"a {field} of 66 bytes in 33 characters", field, wide)]  # fmt: skip
    ranges += [("additions: a string as value", "optional", {1: "8 bytes!"}),
               ("additions: nine", "optional", {n: bytes(n == 1 and 8) for n in range(1, 10)}),
               ("additions: a string as number", "optional", {"1": bytes(8)})]  # fmt: skip
    for name, field, value in ranges:
        yield Refused(name, stage, _changed(base, stage, field, value), schema="refuses")
    yield Refused("4095 pads at most", stage, _changed(base, stage, "max_pads", 4095), error="RULE")
    for name, optional in (
        ("additions: in descending order", b"\x82\x0b\xc4\0" + b"\x0a\xc4\0"),
        ("additions: the same number twice", b"\x82\x0b\xc4\0" + b"\x0b\xc4\0"),
    ):
        whole = packed(replaced(base.fields(stage), (len(_FIELDS[stage]) - 2,), {}))
        body = whole[: -_MAC - 3] + optional + whole[-_MAC - 2 :]
        yield Refused(name, stage, base.proved(stage, body), schema=None)
    yield from _macs(base, stage)


def _macs(base: Base, stage: str) -> Iterator[Refused]:
    good, body = base.raw[stage], packed(base.fields(stage))
    other = "M2" if stage == "M1" else "M1"
    of_other = base.before(stage).replace(base.raw["M0"][-16:], fixed("another connection's Nh", 16))
    for name, message in (
        ("a bit of the MAC", good[:-1] + bytes([good[-1] ^ 1])),
        ("a bit of what the MAC covers", good[:10] + bytes([good[10] ^ 1]) + good[11:]),
        ("the MAC under another gate key", base.proved(stage, body, key=fixed("another gate key", 32))),
        (f"the MAC with the label of {other}", base.proved(stage, body, label=other.encode())),
        ("a replay: the MAC of another connection, whose M0 had another nonce",
         base.proved(stage, body, before=of_other)),
        ("the MAC without M0 under it",
         base.proved(stage, body, before=base.before(stage)[len(base.raw["M0"]):])),
    ):  # fmt: skip
        yield Refused(name, stage, message, error="MAC")


def _m1(base: Base) -> Iterator[Refused]:
    yield from _hello(base, "M1")
    yield Refused(
        "a client that the hub does not know", "M1", _changed(base, "M1", "client", "mallory"), error="MAC"
    )
    for number, length in ((1, 7), (1, 9), (2, 0), (2, 17), (3, 1)):
        message = _changed(base, "M1", "optional", {number: bytes(length)})
        yield Refused(f"addition {number} of {length} bytes", "M1", message, error="RULE")
    at = _FIELDS["M1"].index("holdings")
    refused: tuple[tuple[str, Path, Any, int], ...] = (
        ("version 2", (0,), 2, 16), ("version 0", (0,), 0, 16), ("another hub's name", (2,), "helen", 17),
        ("a client stream that the hub does not hold", (at, 0), fixed("another stream", 16), 18),
        ("a hub stream that the hub does not hold", (at, 1), fixed("another stream", 16), 18),
        ("no streams", (at,), [bytes(16), bytes(16), 0, 0, 0, 0], 18),
        ("it simulates PSRD, the hub does not", (6,), 2, 20),
        ("a hub pool that ends before M4 could", (at, 3), 3047, 21),
    )  # fmt: skip
    for name, path, value, code in refused:
        message = _changed(base, "M1", path, value)
        yield Refused(name, "M1", message, "REFUSE", "RULE", code)
    ignored: tuple[tuple[str, Path, Any], ...] = (
        ("unknown flags are ignored", (6,), 0xF8),
        ("a larger max_pads means 262144", (8,), (1 << 32) - 1),
        ("unknown additions are ignored", (9,), {1: bytes(8), 1000: b"", (1 << 32) - 1: b"later"}),
        ("unknown ciphers are ignored", (9,), {1: bytes(8), 2: b"\x7f\xff"}),
        ("no additions at all", (9,), {}),
    )
    for name, path, value in ignored:
        yield Refused(name, "M1", _changed(base, "M1", path, value), "OK", None)


def _m2(base: Base) -> Iterator[Refused]:
    yield from _hello(base, "M2")
    at = _FIELDS["M2"].index("holdings")
    yield Refused("code 256", "M2", _changed(base, "M2", "code", 256), schema="refuses")
    for reason in ("x" * 129, "\N{GREEK SMALL LETTER OMEGA}" * 65):
        name = f"a reason of {len(reason.encode())} bytes in {len(reason)} characters"
        yield Refused(name, "M2", _changed(base, "M2", "reason", reason), schema="refuses")
    for name, path, value in (
        ("version 2", (0,), 2), ("the hub simulates PSRD, the client does not", (5,), 2),
        ("media streams begun anew", (5,), 4),
        ("another client stream", (at, 0), fixed("another stream", 16)),
        ("another hub stream", (at, 1), fixed("another stream", 16)),
    ):  # fmt: skip
        yield Refused(name, "M2", _changed(base, "M2", path, value), error="RULE")
    for name, optional in (
        ("addition 2, which M1 does not name", {2: b"\x01", 3: b""}),
        ("addition 3 of 1 byte", {3: b"\x00"}),
    ):
        yield Refused(name, "M2", _changed(base, "M2", "optional", optional), error="RULE")
    for code in (16, 17, 18, 20, 21, 22, 99, 255):
        message = _changed(base, "M2", (1,), code)
        yield Refused(f"a refusal with code {code}", "M2", message, error="REFUSED", code=code)
    yield Refused("unknown flags are ignored", "M2", _changed(base, "M2", (5,), 0xF8), "OK", None)


def _proof(base: Base, stage: str) -> Iterator[Refused]:
    """M3 and M4: tags that are right for something else, and positions."""
    good, body = base.raw[stage], packed(base.fields(stage))
    label = b"H" if stage == "M3" else b"C"
    before, m1 = base.before(stage), base.raw["M1"]
    pads = base.pads(stage)
    nonce = base.case["messages"][1]["fields"][3]["hex"]
    replay = before.replace(bytes.fromhex(nonce), fixed("another connection's Nc", 16))
    for name, message in (
        ("a bit of the tag", good[:-1] + bytes([good[-1] ^ 1])),
        ("the tag with the direction of the other side", base.proved(stage, body, label=label)),
        ("a replay: the tag of another connection, whose M1 had another nonce",
         base.proved(stage, body, before=replay)),
        ("a wrong transcript: without M0", base.proved(stage, body, before=before[len(base.raw["M0"]):])),
        ("a wrong transcript: M1 without its MAC",
         base.proved(stage, body, before=before.replace(m1, m1[:-_MAC]))),
        ("the tag under the 32 bytes that begin 16 further", base.proved(stage, body, key=pads[16:48])),
    ):  # fmt: skip
        yield Refused(name, stage, message, error="TAG")
    position = base.fields(stage)[0]
    for name, value, error in (
        ("a replay: its position is below the mark", position - 1, "REPLAY"),
        ("position 0", 0, "REPLAY"),
        ("one byte beyond T + WIN", base.furthest(stage) + 1, "WINDOW"),
        ("beyond the bytes held", 1 << 20, "WINDOW"),
        ("the largest position", (1 << 64) - 1, "WINDOW"),
    ):
        yield Refused(name, stage, _changed(base, stage, (0,), value), error=error)


def _m3(base: Base) -> Iterator[Refused]:
    yield from _proof(base, "M3")
    for name, field, value, error in (
        ("another client stream", "client_stream", fixed("another stream", 16), "RULE"),
        ("another hub stream", "hub_stream", fixed("another stream", 16), "RULE"),
        ("a client pool longer than the hub holds", "client_end", (1 << 20) + 1, "WINDOW"),
        ("a hub pool longer than the hub holds", "hub_end", (1 << 20) + 1, "WINDOW"),
    ):
        yield Refused(name, "M3", _changed(base, "M3", field, value), error=error)
    for field in ("client_stream", "hub_stream"):
        yield Refused(f"{field} of 15 bytes", "M3", _changed(base, "M3", field, bytes(15)), schema="refuses")
    yield Refused("M4 in its place", "M3", base.raw["M4"], schema=None)


def _m4(base: Base) -> Iterator[Refused]:
    yield from _proof(base, "M4")
    yield Refused("M3 sent back", "M4", base.raw["M3"], schema=None)


def _anew(base: Base) -> Iterator[Refused]:
    """Simulated PSRD: the identities of new streams."""
    for name, value in (("BEGIN_ANEW without SIMULATED", 5), ("not SIMULATED", 1)):
        yield Refused(name, "M2", _changed(base, "M2", "flags", value), error="RULE", of=ANEW)


def _left_behind(base: Base) -> Iterator[Refused]:
    """A client whose next position lies beyond what the hub can take; the field 1 is not asked for."""
    durable = int.from_bytes(bytes.fromhex(base.case["messages"][1]["fields"][9]["map"][0][1]["hex"]), "big")
    durable -= base.case["window_bytes"] + 1
    name = "the client's next position lies a byte beyond the durable mark + WIN"
    message = _changed(base, "M2", (_FIELDS["M2"].index("holdings"), 5), durable)
    yield Refused(name, "M2", message, error="RULE", of=LEFT_BEHIND)


def _elsewhere(base: Base, stage: str, position: int, hash_key: bytes | None) -> tuple[bytes, bytes]:
    """A proof at another position, and the 48 pool bytes there. `hash_key`: None where it stands there."""
    pads = fixed(f"{base.case['name']} {stage} pool at {position}", 48)
    body = packed(replaced(base.fields(stage), (0,), position))
    return base.proved(stage, body, key=(hash_key or pads[:16]) + pads[16:32]), pads


def _known_pads(base: Base, stage: str) -> Iterator[Refused]:
    """Whose hash key is known of the proof before: what a proof under pads that somebody knows looks like."""
    body, pads, r = packed(base.fields(stage)), base.pads(stage), base.hash_key(stage)
    other = base.hash_key("M4" if stage == "M3" else "M3")
    for name, hash_key in (
        ("under known pads: r is the pool's at its position, which is not D + WIN", pads[:16]),
        ("r is the hash key that it brings for its own session", pads[32:]),
        ("r is the hash key of the other side's proof before", other),
        ("r is zeros", bytes(16)),
    ):
        yield Refused(name, stage, base.proved(stage, body, key=hash_key + pads[16:32]), error="TAG")
    own_next, beyond = base.fields(stage)[0], base.furthest(stage)
    for name, position, key, good in (
        ("further on, under the hash key of the proof before: bytes between are burned",
         own_next + 1000, r, True),
        ("under known pads: further on, r is the pool's", own_next + 1000, None, False),
        ("16 bytes before D + WIN, r is the pool's", beyond - 16, None, False),
        ("one byte before D + WIN, r is the pool's", beyond - 1, None, False),
        ("one byte before D + WIN, under the hash key of the proof before", beyond - 1, r, True),
        ("at D + WIN, r is the pool's", beyond, None, True),
        ("at D + WIN, under the hash key of the proof before", beyond, r, False),
    ):  # fmt: skip
        yield _at(base, stage, name, position, key, good=good)


def _nothing_known(base: Base, stage: str) -> Iterator[Refused]:
    """No hash key of a proof before is known: a proof stands at D + WIN, or is none."""
    beyond = base.furthest(stage)
    for name, position, key in (
        ("no hash key is known: one byte before D + WIN, r is the pool's", beyond - 1, None),
        ("no hash key is known: anywhere, r is the pool's", 1000, None),
        ("no hash key is known: r is zeros", 1000, bytes(16)),
        ("no hash key is known: at 0 of media pools, r is the pool's", 0, None),
    ):
        yield _at(base, stage, name, position, key, good=False)


def _of_a_stream(base: Base, stage: str) -> Iterator[Refused]:
    """Simulated: only the stream's first proof has r in the pool."""
    body, pads = packed(base.fields(stage)), base.pads(stage)
    yield Refused("simulated: as it was, for comparison", stage, base.raw[stage], "OK", None, of=GOING_ON)
    wrong = base.proved(stage, body, key=pads[:32])
    yield Refused(
        "simulated: r is the pool's at a position that is not 0", stage, wrong, error="TAG", of=GOING_ON
    )


def _at(base: Base, stage: str, name: str, position: int, hash_key: bytes | None, *, good: bool) -> Refused:
    message, pads = _elsewhere(base, stage, position, hash_key)
    result, error = ("OK", None) if good else ("CLOSE", "TAG")
    return Refused(name, stage, message, result, error, of=base.case["name"], pool=(position, pads))
