"""Does this decoder agree with the vectors? One function for each file of proto/vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

from decoding import bundles, fields, frames, sharing
from decoding.checking_hub import hubs
from decoding.checking_sessions import handshakes, refused_handshakes, sessions, wrapped
from decoding.ciphers import hkdf, poly1305
from decoding.packed import MalformedError, unpacked
from decoding.responding import responders
from decoding.shapes import MESSAGES
from decoding.values import Verdict, fields_of, raw, verdict
from decoding.writing import packed, plain_bundle


def frames_file(document: dict[str, Any]) -> Iterator[Verdict]:
    """frames.json: every message opened."""
    for case in document["frames"]:
        yield verdict(case["name"], _frame, case)


def _frame(case: dict[str, Any]) -> str:
    frame, end = raw(case["frame"]), case["position"] + 16 + case["pads"]
    opened = frames.open_frame(
        frame, _receiver({**case, "pool_position": case["position"]}, case["position"], end, end)
    )
    if opened.header != tuple(case[name] for name in frames.Header._fields):
        return "another header"
    known = case["type"] in MESSAGES
    if known and (
        opened.fields != fields_of(case["fields"]) or packed(opened.fields) != raw(case["plain_body"])
    ):
        return "other fields"
    return "" if frames.body_of(frame) == raw(case["sent_body"]) else "another body"


def _receiver(case: dict[str, Any], mark: int, end: int, window_end: int) -> frames.Receiver:
    most = min(case.get("window_bytes", 1 << 20) // 4, frames.MAX_PADS)
    return frames.Receiver(
        raw(case["hash_key"]), raw(case["receiver_nonce"]), case["direction"], case["pool_position"],
        raw(case["pool_bytes"]), mark, end, window_end, most,
    )  # fmt: skip


def refused_frames(document: dict[str, Any]) -> Iterator[Verdict]:
    """refused_frames.json: the result and where the mark stands then."""
    for case in document["frames"]:
        yield verdict(case["name"], _refused_frame, case)


def _refused_frame(case: dict[str, Any]) -> str:
    mark = case["mark"]
    try:
        opened = frames.open_frame(raw(case["frame"]), _receiver(case, mark, case["end"], case["window_end"]))
        result, mark = "OK", opened.end
    except frames.RefusedError as error:
        result = error.result
        if error.verified:
            told = frames.header(raw(case["frame"]))
            mark = told.position + 16 + told.pads
    found = (result, mark)
    return "" if found == (case["result"], case["mark_after"]) else f"found {found}"


def refused_bodies(document: dict[str, Any]) -> Iterator[Verdict]:
    """refused_bodies.json: right bodies are taken, the others are not."""
    for message in document["messages"]:
        shape = MESSAGES[message["type"]][2]
        yield verdict(message["name"], _taken, shape, raw(message["right_body"]))
        for case in message["refused"]:
            name = f"{message['name']}: {case['name']}"
            yield verdict(name, _not_taken, shape, raw(case["body"]))


def _taken(shape: Callable[[Any], Any], body: bytes) -> str:
    shape(unpacked(body))
    return ""


def _not_taken(shape: Callable[[Any], Any], body: bytes) -> str:
    try:
        shape(unpacked(body))
    except MalformedError:
        return ""
    return "taken"


def sealed(document: dict[str, Any]) -> Iterator[Verdict]:
    """sealed.json: the frames of simulated delivery."""
    nonces = raw(document["hub_nonce"]) + raw(document["client_nonce"])
    for case in document["frames"]:
        info = b"dsked 1 simulated PSRD " + case["direction"].encode()
        key = hkdf(raw(document["gate_key"]), nonces, info)
        yield verdict(case["name"], _sealed, case, key)


def _sealed(case: dict[str, Any], key: bytes) -> str:
    told, found = frames.open_sealed(raw(case["frame"]), key, case["counter"])
    right = (told.type, told.request_id) == (case["type"], case["request_id"])
    right = right and found == fields_of(case["fields"]) and packed(found) == raw(case["plain_body"])
    return "" if right else "another frame"


# --- the sharing ------------------------------------------------------------------------------------------


def shamir(document: dict[str, Any]) -> Iterator[Verdict]:
    """shamir.json."""
    for a, b, product in document["products"]:
        yield f"{a} * {b}", "" if fields.gf256_multiply(a, b) == product else "another product"
    for a, inverse in document["inverses"]:
        yield f"1 / {a}", "" if fields.gf256_invert(a) == inverse else "another inverse"
    for case in document["sharings"]:
        strings = zip(*map(raw, [case["secret"], *case["coefficients"]]), strict=True)
        found = [[fields.gf256_evaluate(one, x) for x in case["xs"]] for one in strings]
        right = [bytes(column).hex() for column in zip(*found, strict=True)] == case["shares"]
        right = right and _subsets(case, lambda points: fields.gf256_interpolate(points, 0))
        yield f"{case['k']} of {case['n']}", "" if right else "another share"


def _subsets(case: dict[str, Any], value_at_0: Callable[[Sequence[tuple[int, int]]], int]) -> bool:
    """All subsets of k stand there, with the values at 0 of the polynomials that are 1 at one of their xs."""
    xs, k = case["xs"], case["k"]
    if (len(xs), len(case["coefficients"])) != (case["n"], k - 1):
        return False
    told = [(tuple(subset["xs"]), list(map(_number, subset["lagrange_at_0"]))) for subset in case["subsets"]]
    return told == [
        (some, [value_at_0([(x, int(x == one)) for x in some]) for one in some])
        for some in combinations(xs, k)
    ]


def _number(told: int | str) -> int:
    """A Lagrange coefficient; a large one of GF(p) stands as its 16 bytes."""
    return told if isinstance(told, int) else fields.elements(raw(told))[0]


def gfp(document: dict[str, Any]) -> Iterator[Verdict]:
    """gfp.json."""
    for case in document["sharings"]:
        strings = [fields.elements(raw(one)) for one in [case["secret"], *case["coefficients"]]]
        polynomials = list(zip(*strings, strict=True))
        found = [
            fields.from_elements([fields.gfp_evaluate(one, x) for one in polynomials]).hex()
            for x in case["xs"]
        ]
        right = found == case["shares"] and _subsets(case, lambda points: fields.gfp_interpolate(points, 0))
        yield f"{case['k']} of {case['n']}", "" if right else "another share"
    for name, below in (("elements", True), ("refused", False)):
        for one in document[name]:
            right = (fields.elements(raw(one))[0] < fields.P) == below
            yield f"{name}: {one}", "" if right else "judged another way"


def secret_tags(document: dict[str, Any]) -> Iterator[Verdict]:
    """secret_tags.json: message, h and f."""
    for case in document["tags"]:
        yield verdict(f"{case['terms']['key_bytes']} bytes", _secret_tag, case)


def _secret_tag(case: dict[str, Any]) -> str:
    key, r = raw(case["key"]), raw(case["r"] or "")
    message = sharing.tag_message(case["terms"], raw(case["key_id"]), key, r)
    blocks = fields.message_blocks(message)
    [x], [f] = (fields.elements(raw(case[name])) for name in "xf")
    if case["h"] is not None and poly1305(r + bytes(16), key).hex() != case["h"]:
        return "another h"
    right = message.hex() == case["message"] and len(blocks) == case["blocks"]
    return "" if right and fields.amd_tag(x, blocks) == f else "another tag"


def dealings(document: dict[str, Any]) -> Iterator[Verdict]:
    """dealings.json: every k shares give the key; wrong ones are found out."""
    for dealing in document["dealings"]:
        for index, client in enumerate(dealing["responder_clients"]):
            right = all(_dealt(dealing, number, index) for number in range(len(dealing["keys"])))
            yield f"{dealing['terms']['key_bytes']} bytes for {client}", "" if right else "another key"
    for case in document["recoveries"]:
        shares = [sharing.Share(s["x"], raw(s["share"]), raw(s["code"])) for s in case["shares"]]
        key = sharing.recover(case["terms"], raw(case["key_id"]), shares)
        liars = None if key is None else sharing.wrong(case["terms"], shares, raw(case["key_id"]))
        right = (key.hex() if key else None, liars) == (case["key"], case["liars"])
        yield case["name"], "" if right else f"found {liars}"


def _dealt(dealing: dict[str, Any], number: int, index: int) -> bool:
    told = dealing["keys"][number]
    shares = [
        sharing.Share(x, raw(hub[number]["share"]), raw(hub[number]["codes"][index]))
        for x, hub in zip(dealing["xs"], dealing["hubs"], strict=True)
    ]
    chosen = combinations(shares, dealing["terms"]["k"])
    some = chosen if len(shares[0].share) < 100 else [next(chosen)]
    return all(
        sharing.rebuild(dealing["terms"], raw(told["key_id"]), one) == raw(told["key"]) for one in some
    )


# --- bundles ----------------------------------------------------------------------------------------------


def bundles_file(document: dict[str, Any]) -> Iterator[Verdict]:
    """bundles.json; a file whose bytes are not given is made anew from its manifest."""
    files = {case["name"]: _file(case) for case in document["bundles"]}
    for case in document["bundles"]:
        yield verdict(case["name"], _bundle, case, files[case["name"]], document["passphrase"])
    for case in document["refused"]:
        altered = files[case["of"]]
        for at, data in case["patches"]:
            altered = altered[:at] + raw(data) + altered[at + len(data) // 2 :]
        altered = altered[: case["length"]]
        yield verdict(case["name"], _refused_bundle, altered, document["passphrase"])


def _file(case: dict[str, Any]) -> bytes:
    if case["file"] is not None:
        return raw(case["file"])
    manifest = fields_of(case["manifest"])
    return plain_bundle([raw(case["bundle"]), case["hub"], case["client"], None], manifest, _blocks(manifest))


def _blocks(manifest: list[Any]) -> list[bytes]:
    return [hashlib.shake_256(uuid).digest(size) for _, _, uuid, _, size in manifest[6]]


def _bundle(case: dict[str, Any], file: bytes, passphrase: str) -> str:
    if (len(file), hashlib.sha256(file).hexdigest()) != (case["length"], case["sha256"]):
        return "another file"
    read = bundles.read(file, passphrase)
    told = [
        raw(case["bundle"]),
        case["hub"],
        case["client"],
        *map(fields_of, (case["seal"], case["manifest"])),
    ]
    return "" if list(read) == [*told, _blocks(told[4])] else "other contents"


def _refused_bundle(file: bytes, passphrase: str) -> str:
    try:
        bundles.read(file, passphrase)
    except bundles.RefusedError:
        return ""
    return "taken"


CHECKS: dict[str, Callable[[dict[str, Any]], Iterator[Verdict]]] = {
    "shamir": shamir, "gfp": gfp, "responders": responders, "hub": hubs,
    "secret_tags": secret_tags, "dealings": dealings, "frames": frames_file,
    "refused_frames": refused_frames, "refused_bodies": refused_bodies, "sealed": sealed,
    "handshakes": handshakes, "refused_handshakes": refused_handshakes, "sessions": sessions,
    "wrapped": wrapped, "bundles": bundles_file,
}  # fmt: skip
