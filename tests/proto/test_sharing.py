"""dsked shares, tags and rebuilds as the vectors say."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from dsked.errors import FrameError, ReconstructionError
from dsked.sharing import amd, gf256, gfp, shamir
from dsked.sharing.dealing import KeyShare, Party, Terms, failure_bound_log2, rebuild
from dsked.sharing.shares import code_bytes, tag_message
from dsked.sharing.terms import responder_clients
from tests.proto.files import cases, load
from tests.sharing.recovering import recover


def terms_of(case: dict[str, Any]) -> Terms:
    told = case["terms"]
    responders = tuple(Party(*pair) for pair in told["responders"])
    return Terms(
        told["version"], told["n"], told["k"], Party(*told["initiator"]), responders, told["key_bytes"]
    )


def strings(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


def test_products() -> None:
    document = load("shamir")
    assert all(gf256.MUL[a][b] == product for a, b, product in document["products"])
    assert all(gf256.INVERSE[a] == inverse for a, inverse in document["inverses"])


@pytest.mark.parametrize("case", load("shamir")["sharings"], ids=lambda c: f"{c['k']} of {c['n']}")
def test_shamir(case: dict[str, Any]) -> None:
    shares = strings(case["shares"])
    by_x = dict(zip(case["xs"], shares, strict=True))
    assert len(case["subsets"]) == len(list(combinations(case["xs"], case["k"])))
    for subset in case["subsets"]:
        assert list(gf256.lagrange(tuple(subset["xs"]), 0)) == subset["lagrange_at_0"]
        assert shamir.join([(x, by_x[x]) for x in subset["xs"]]).hex() == case["secret"]
    drawn = b"".join(shares[: case["k"] - 1])  # the sharing is systematic: these fix the others
    assert shamir.split(bytes.fromhex(case["secret"]), case["xs"], case["k"], lambda _: drawn) == shares


@pytest.mark.parametrize("case", load("gfp")["sharings"], ids=lambda c: f"{c['k']} of {c['n']}")
def test_gfp(case: dict[str, Any]) -> None:
    shares = strings(case["shares"])
    by_x = dict(zip(case["xs"], shares, strict=True))
    drawn = b"".join(shares[: case["k"] - 1])  # these and the secret fix the others
    assert gfp.split(bytes.fromhex(case["secret"]), case["xs"], case["k"], lambda _: drawn) == shares
    for subset in case["subsets"]:
        coefficients = [c.to_bytes(16, "little").hex() for c in gfp.lagrange(tuple(subset["xs"]), 0)]
        told = [c if isinstance(c, str) else c.to_bytes(16, "little").hex() for c in subset["lagrange_at_0"]]
        assert coefficients == told
        assert gfp.join([(x, by_x[x]) for x in subset["xs"]]).hex() == case["secret"]


def test_elements() -> None:
    assert all(map(gfp.is_canonical, strings(load("gfp")["elements"])))
    for string in strings(load("gfp")["refused"]):
        assert not gfp.is_canonical(string)
        with pytest.raises(FrameError):
            gfp.join([(1, string), (2, bytes(16))])


@pytest.mark.parametrize("case", load("secret_tags")["tags"], ids=lambda c: str(c["terms"]["key_bytes"]))
def test_secret_tags(case: dict[str, Any]) -> None:
    key, r = bytes.fromhex(case["key"]), bytes.fromhex(case["r"] or "")
    message = tag_message(terms_of(case), bytes.fromhex(case["key_id"]), key, r)
    assert message.hex() == case["message"]
    assert amd.block_count(len(message)) == case["blocks"]
    assert (amd.key_hash(r, key).hex() if r else None) == case["h"]
    x = int.from_bytes(bytes.fromhex(case["x"]), "little")
    assert amd.tag(x, message).to_bytes(16, "little").hex() == case["f"]


def test_bounds() -> None:
    for case in load("secret_tags")["bounds"]:
        bound = failure_bound_log2(terms_of(case), case["keys"], case["candidates"])
        assert bound == pytest.approx(case["log2"], abs=0.001)


@pytest.mark.parametrize("case", load("dealings")["dealings"], ids=["short", "long"])
def test_dealings(case: dict[str, Any]) -> None:
    terms = terms_of(case)
    assert list(responder_clients(terms)) == case["responder_clients"]
    assert code_bytes(terms) == case["code_bytes"]
    for index, _ in enumerate(case["responder_clients"]):
        for chosen in combinations(range(terms.n), terms.k):
            batch = [
                (bytes.fromhex(key["key_id"]), [_share(case, hub, number, index) for hub in chosen])
                for number, key in enumerate(case["keys"])
            ]
            keys = rebuild(terms, batch)
            assert [key and key.hex() for key in keys] == [key["key"] for key in case["keys"]]


def _share(case: dict[str, Any], hub: int, key: int, client: int) -> KeyShare:
    share = case["hubs"][hub][key]
    return KeyShare(case["xs"][hub], bytes.fromhex(share["share"]), bytes.fromhex(share["codes"][client]))


@pytest.mark.parametrize("case", **cases("dealings", "recoveries"))
def test_recoveries(case: dict[str, Any]) -> None:
    shares = [KeyShare(s["x"], *strings([s["share"], s["code"]])) for s in case["shares"]]
    key_id = bytes.fromhex(case["key_id"])
    if case["key"] is None:
        with pytest.raises(ReconstructionError):
            recover(terms_of(case), key_id, shares)
        return
    recovered = recover(terms_of(case), key_id, shares)
    assert (recovered.key.hex(), list(recovered.wrong)) == (case["key"], case["liars"])
