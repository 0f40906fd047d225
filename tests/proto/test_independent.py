"""A decoder written from the specification alone agrees with the vectors, and so with dsked."""

from __future__ import annotations

import hmac
from itertools import combinations
from typing import Any

import msgpack
import pytest

from tests.proto import independent
from tests.proto.files import cases, load, octets
from tests.sharing import naive


def test_poly1305_of_rfc_8439() -> None:
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = independent.poly1305(key, b"Cryptographic Forum Research Group")
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9"


@pytest.mark.parametrize("case", **cases("frames", "frames"))
def test_frames(case: dict[str, Any]) -> None:
    frame = bytes.fromhex(case["frame"])
    state = {**case, "pool_position": case["position"]}
    opened = independent.open_frame(
        frame, state, mark=case["position"], end=2**64, window_end=case["position"] + 16 + case["pads"]
    )
    assert (opened.type, opened.request_id, opened.ack) == (case["type"], case["request_id"], case["ack"])
    assert opened.end == case["position"] + len(case["pool_bytes"]) // 2
    assert opened.fields == octets(case["fields"])
    assert opened.plain_body.hex() == case["plain_body"]
    assert frame[39:-18].hex() == case["sent_body"]


@pytest.mark.parametrize("case", **cases("refused_frames", "frames"))
def test_refused_frames(case: dict[str, Any]) -> None:
    limits = {name: case[name] for name in ("mark", "end", "window_end")}
    frame = bytes.fromhex(case["frame"])
    try:
        independent.open_frame(frame, case, **limits)
    except independent.Refused as refused:
        result, verified = str(refused).split()[0], "after" in str(refused)
    else:
        result, verified = "OK", True
    assert result == case["result"]
    pads = int.from_bytes(frame[21:25], "big")
    assert case["mark_after"] == (case["pool_position"] + 16 + pads if verified else case["mark"])


@pytest.mark.parametrize("case", **cases("handshakes", "handshakes"))
def test_handshakes(case: dict[str, Any]) -> None:
    before = b""
    for message in case["messages"]:
        raw, name = bytes.fromhex(message["message"]), message["name"]
        assert int.from_bytes(raw[:4], "big") + 4 == len(raw) <= 516
        fields = msgpack.unpackb(raw[4:], strict_map_key=False)
        assert msgpack.packb(fields) == raw[4:] and fields == octets(message["fields"])
        if name in ("M1", "M2"):
            covered = name.encode() + before + raw[:-32]
            assert covered.hex() == message["mac_input"]
            mac = independent.gate_mac(bytes.fromhex(case["gate_key"]), covered)
            assert hmac.compare_digest(mac, raw[-32:])
        elif name in ("M3", "M4"):
            side = "client" if name == "M3" else "hub"
            covered = side[0].upper().encode() + before + raw[:-16]
            assert covered.hex() == message["tag_input"]
            pads = independent.pool_bytes(case[f"{side}_state"])
            assert fields[0] == case[f"{side}_state"]["pool_position"]
            assert independent.poly1305(pads[:32], covered) == raw[-16:]
            assert pads[32:48].hex() == case["hash_keys"][side]
        before += raw


@pytest.mark.parametrize("name", ["M3", "M4"])
@pytest.mark.parametrize("case", **cases("handshakes", "handshakes"))
def test_where_sessions_begin(case: dict[str, Any], name: str) -> None:
    """The rule of positions, worked out from what the two sides have told."""
    messages = {message["name"]: octets(message["fields"]) for message in case["messages"]}
    if name not in messages or case["window_bytes"] is None:
        return
    own, told = ("client", messages["M2"]) if name == "M3" else ("hub", messages["M1"])
    proved_boot, holdings = (told[4], told[6]) if name == "M3" else (told[5], told[7])
    own_boot = messages["M1"][4] if name == "M3" else messages["M2"][3]
    state, exact, durable = case[f"{own}_state"], holdings[4], holdings[5]
    goes_on = (
        proved_boot == own_boot
        and exact <= state["own_next"]
        and state["own_next"] + 48 <= durable + case["window_bytes"]
    )
    assert messages[name][0] == (state["own_next"] if goes_on else durable + case["window_bytes"])


@pytest.mark.parametrize("case", load("sealed")["frames"])
def test_sealed_frames(case: dict[str, Any]) -> None:
    document = load("sealed")
    gate_key, hub_nonce, client_nonce = (
        bytes.fromhex(document[name]) for name in ("gate_key", "hub_nonce", "client_nonce")
    )
    info = b"dsked 1 simulated PSRD " + case["direction"].encode()
    key = independent.hkdf(gate_key, hub_nonce + client_nonce, info)
    frame = bytes.fromhex(case["frame"])
    assert independent.parse_header(frame) == (case["type"], case["request_id"], 0, 0, 0)
    assert frame[-16:] == bytes(16)
    body = independent.open_aead(key, case["counter"].to_bytes(12, "big"), frame[39:-18], frame[:39])
    assert body.hex() == case["plain_body"]
    assert msgpack.unpackb(body) == octets(case["fields"])


def test_bytes_are_shared() -> None:
    document = load("shamir")
    for a, b, product in document["products"]:
        assert naive.gf256_multiply(a, b) == product
    for a, inverse in document["inverses"]:
        assert naive.gf256_multiply(a, inverse) == 1
    for case in document["sharings"]:
        polynomials = zip(*map(bytes.fromhex, [case["secret"], *case["coefficients"]]), strict=True)
        expected = [[naive.gf256_evaluate(p, x) for x in case["xs"]] for p in polynomials]
        assert [bytes(column).hex() for column in zip(*expected, strict=True)] == case["shares"]


def test_elements_are_shared() -> None:
    document = load("gfp")
    for case in document["sharings"]:
        strings = [naive.elements(bytes.fromhex(s)) for s in [case["secret"], *case["coefficients"]]]
        polynomials = list(zip(*strings, strict=True))
        for x, share in zip(case["xs"], case["shares"], strict=True):
            values = [naive.gfp_evaluate(p, x) for p in polynomials]
            assert naive.from_elements(values).hex() == share
    assert all(naive.elements(bytes.fromhex(e))[0] < naive.P for e in document["elements"])
    assert all(naive.elements(bytes.fromhex(e))[0] >= naive.P for e in document["refused"])


@pytest.mark.parametrize("case", load("secret_tags")["tags"], ids=lambda c: str(c["terms"]["key_bytes"]))
def test_secret_tags(case: dict[str, Any]) -> None:
    key, r = bytes.fromhex(case["key"]), bytes.fromhex(case["r"] or "")
    message = independent.tag_message(case["terms"], bytes.fromhex(case["key_id"]), key, r)
    assert message.hex() == case["message"]
    blocks = naive.message_blocks(message)
    assert len(blocks) == case["blocks"]
    [x], [f] = (naive.elements(bytes.fromhex(case[name])) for name in "xf")
    assert naive.amd_tag(x, blocks) == f


def test_dealings() -> None:
    for dealing in load("dealings")["dealings"]:
        terms, xs = dealing["terms"], dealing["xs"]
        for index, _ in enumerate(dealing["responder_clients"]):
            key_id, key = (bytes.fromhex(dealing["keys"][0][name]) for name in ("key_id", "key"))
            shares = [
                (x, bytes.fromhex(hub[0]["share"]), bytes.fromhex(hub[0]["codes"][index]))
                for x, hub in zip(xs, dealing["hubs"], strict=True)
            ]
            for chosen in combinations(shares, terms["k"]):
                assert independent.rebuild(terms, key_id, list(chosen)) == key


@pytest.mark.parametrize("case", **cases("dealings", "recoveries"))
def test_recoveries(case: dict[str, Any]) -> None:
    """Any k right shares give the key; any subset with a liar in it is refused."""
    shares = [(s["x"], bytes.fromhex(s["share"]), bytes.fromhex(s["code"])) for s in case["shares"]]
    for chosen in combinations(shares, case["terms"]["k"]):
        key = independent.rebuild(case["terms"], bytes.fromhex(case["key_id"]), list(chosen))
        honest = case["liars"] is not None and not {x for x, _, _ in chosen} & set(case["liars"])
        assert (key.hex() if key is not None else None) == (case["key"] if honest else None)
