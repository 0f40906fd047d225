"""Vectors of the sharing: both fields, the secret tag, whole dealings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from dsked.sharing import amd, gf256, gfp
from dsked.sharing.dealing import HubShare, deal, failure_bound_log2
from dsked.sharing.shares import code_bytes, tag_message
from dsked.sharing.terms import Party, Terms, hashes_key, responder_clients
from vectors.common import fixed, source

XS = (1, 2, 3, 4, 5)
CAROL_SAM, CELIA_SERENA = Party("carol", "sam"), Party("celia", "serena")
CONNIE_SOFIA, CONNIE_SUSAN = Party("connie", "sofia"), Party("connie", "süsan 9")


def _subsets(
    xs: Sequence[int], k: int, lagrange: Callable[[tuple[int, ...], int], tuple[int, ...]]
) -> list[Any]:
    return [
        {"xs": list(some), "lagrange_at_0": [_number(c) for c in lagrange(some, 0)]}
        for some in combinations(xs, k)
    ]


def _number(value: int) -> int | str:
    """Elements of GF(p) do not fit into the numbers of JSON: 16 bytes in little-endian hex."""
    return value if value < 256 else value.to_bytes(gfp.ELEMENT_BYTES, "little").hex()


def shamir_vectors() -> dict[str, Any]:
    """GF(2^8): products, and sharings from given coefficients."""
    products = [(0x57, 0x83), (0x57, 0x13), (0x02, 0x80), (0xFF, 0xFF), (0x00, 0xA7), (0x01, 0xA7)]
    sharings = []
    for xs, k in (((1, 2), 2), ((9, 200, 255), 2), (XS, 3), ((1, 2, 3, 5, 8, 13, 21), 4), (XS, 5)):
        label = f"shamir {k} of {len(xs)}"
        secret = fixed(label, 20)
        coefficients = [fixed(f"{label} c{i}", len(secret)) for i in range(1, k)]
        shares = [_evaluate([secret, *coefficients], x) for x in xs]
        sharings.append(
            {
                "n": len(xs), "k": k, "xs": list(xs), "secret": secret.hex(),
                "coefficients": [c.hex() for c in coefficients], "shares": [s.hex() for s in shares],
                "subsets": _subsets(xs, k, gf256.lagrange),
            }
        )  # fmt: skip
    return {
        "products": [[a, b, gf256.MUL[a][b]] for a, b in products],
        "inverses": [[a, gf256.INVERSE[a]] for a in (1, 2, 3, 0x53, 0xFF)],
        "sharings": sharings,
    }


def _evaluate(coefficients: list[bytes], x: int) -> bytes:
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = gf256.xor(value.translate(gf256.MUL[x]), coefficient)
    return value


def _evaluate_elements(coefficients: list[bytes], x: int) -> bytes:
    values = zip(*map(gfp.elements, coefficients), strict=True)
    powers = [x**degree for degree in range(len(coefficients))]
    sums = [
        sum(int.from_bytes(c, "little") * power for c, power in zip(cs, powers, strict=True)) for cs in values
    ]
    return b"".join([(total % gfp.P).to_bytes(gfp.ELEMENT_BYTES, "little") for total in sums])


def gfp_vectors() -> dict[str, Any]:
    """GF(2^127 - 1): sharings from given coefficients, and what is no element."""
    sharings = []
    for xs, k in (((1, 2), 2), ((9, 200, 255), 2), (XS, 3)):
        label = f"gfp {k} of {len(xs)}"
        drawn = gfp.uniform(2 * k, source(label))
        size = 2 * gfp.ELEMENT_BYTES
        secret, *coefficients = (drawn[i * size : (i + 1) * size] for i in range(k))
        shares = [_evaluate_elements([secret, *coefficients], x) for x in xs]
        sharings.append(
            {
                "n": len(xs), "k": k, "xs": list(xs), "secret": secret.hex(),
                "coefficients": [c.hex() for c in coefficients], "shares": [s.hex() for s in shares],
                "subsets": _subsets(xs, k, gfp.lagrange),
            }
        )  # fmt: skip
    refused = (gfp.P, gfp.P + 1, 1 << 127, (1 << 128) - 1)
    return {
        "sharings": sharings,
        "elements": [value.to_bytes(16, "little").hex() for value in (0, 1, 1 << 64, gfp.P - 1)],
        "refused": [value.to_bytes(16, "little").hex() for value in refused],
    }


def _party(party: Party) -> list[str]:
    return [party.client, party.encryptor]


def _terms(terms: Terms) -> dict[str, Any]:
    return {
        "version": terms.version, "n": terms.n, "k": terms.k, "initiator": _party(terms.initiator),
        "responders": [_party(party) for party in terms.responders], "key_bytes": terms.key_bytes,
    }  # fmt: skip


def _terms_of(n: int, k: int, key_bytes: int, *responders: Party) -> Terms:
    return Terms(1, n, k, CAROL_SAM, responders, key_bytes)


def amd_vectors() -> dict[str, Any]:
    """The secret tag: messages, h of long keys, f; and bounds."""
    two = (CELIA_SERENA, CONNIE_SOFIA, CONNIE_SUSAN)
    tags = []
    for key_bytes, responders, x in (
        (1, two[:1], 0), (4, two[:1], 1), (16, two[:1], gfp.P - 1), (16, two, None), (32, two[1:], None),
        (1023, two[:1], None), (1024, two[:1], None), (1025, two[:1], None), (4099, two, None),
    ):  # fmt: skip
        label = f"amd {key_bytes} {len(responders)}"
        terms = _terms_of(5, 3, key_bytes, *responders)
        key_id, key = fixed(f"{label} id", 16), fixed(f"{label} key", key_bytes)
        r = fixed(f"{label} r", 16) if hashes_key(terms) else b""
        value = int.from_bytes(gfp.uniform(1, source(label)), "little") if x is None else x
        message = tag_message(terms, key_id, key, r)
        tags.append(
            {
                "terms": _terms(terms), "key_id": key_id.hex(), "key": key.hex(), "r": r.hex() or None,
                "h": amd.key_hash(r, key).hex() if r else None, "message": message.hex(),
                "blocks": amd.block_count(len(message)), "x": value.to_bytes(16, "little").hex(),
                "f": amd.tag(value, message).to_bytes(16, "little").hex(),
            }
        )  # fmt: skip
    bounds = [
        (_terms_of(n, k, size, CELIA_SERENA), keys, candidates)
        for n, k, size, keys, candidates in (
            (5, 3, 32, 1, 1), (5, 3, 32, 1, 10), (5, 3, 32, 2**40, 10), (3, 2, 16, 1, 3),
            (5, 3, 1024, 1, 10), (5, 3, 1025, 1, 10), (5, 3, 2**21, 1, 10),
        )
    ]  # fmt: skip
    return {
        "tags": tags,
        "bounds": [
            {
                "terms": _terms(terms), "keys": keys, "candidates": candidates,
                "log2": round(failure_bound_log2(terms, keys, candidates), 3),
            }
            for terms, keys, candidates in bounds
        ],
    }  # fmt: skip


class Dealing(NamedTuple):
    """Keys dealt from fixed randomness."""

    terms: Terms
    keys: list[tuple[bytes, bytes]]
    xs: tuple[int, ...]
    hubs: list[list[HubShare]]


def _dealing(label: str, terms: Terms, xs: tuple[int, ...], count: int) -> Dealing:
    keys = [(fixed(f"{label} id {i}", 16), fixed(f"{label} key {i}", terms.key_bytes)) for i in range(count)]
    return Dealing(terms, keys, xs, deal(keys, terms, xs, source(label)))


SHORT = _dealing("short", _terms_of(5, 3, 32, CELIA_SERENA, CONNIE_SOFIA, CONNIE_SUSAN), XS, 2)
LONG = _dealing("long", _terms_of(3, 2, 1040, CONNIE_SOFIA), (7, 100, 255), 1)


def dealing_vectors() -> dict[str, Any]:
    """Whole dealings, and what is rebuilt when some shares are wrong."""
    return {
        "dealings": [_dealing_json(SHORT), _dealing_json(LONG)],
        "recoveries": [
            _recovery("one hub adds to x only", {2: (0, 0, 1)}, [2]),
            _recovery("one hub adds to one byte of the key and to f", {4: (0x80, 0, 0x77)}, [4]),
            _recovery("two hubs lie: found among all subsets", {1: (1, 2, 3), 5: (9, 8, 7)}, [1, 5]),
            _recovery("three hubs lie: refused", {1: (1, 2, 3), 3: (4, 5, 6), 5: (9, 8, 7)}, None),
        ],
    }


def _dealing_json(dealing: Dealing) -> dict[str, Any]:
    return {
        "terms": _terms(dealing.terms),
        "xs": list(dealing.xs),
        "responder_clients": list(responder_clients(dealing.terms)),
        "code_bytes": code_bytes(dealing.terms),
        "keys": [{"key_id": key_id.hex(), "key": key.hex()} for key_id, key in dealing.keys],
        "hubs": [
            [{"share": s.share.hex(), "codes": [c.hex() for c in s.codes]} for s in hub]
            for hub in dealing.hubs
        ],
    }


def _recovery(name: str, lies: dict[int, tuple[int, int, int]], wrong: list[int] | None) -> dict[str, Any]:
    """The first short key at client celia; a lie XORs into the first key byte and adds to f and to x."""
    shares = []
    for x, hub in zip(SHORT.xs, SHORT.hubs, strict=True):
        to_key, to_f, to_x = lies.get(x, (0, 0, 0))
        code = hub[0].codes[0]
        numbers = [int.from_bytes(code[:16], "little") + to_x, int.from_bytes(code[16:], "little") + to_f]
        lied = b"".join((number % gfp.P).to_bytes(16, "little") for number in numbers)
        share = bytes([hub[0].share[0] ^ to_key]) + hub[0].share[1:]
        shares.append({"x": x, "share": share.hex(), "code": lied.hex()})
    key_id, key = SHORT.keys[0]
    return {
        "name": name, "terms": _terms(SHORT.terms), "key_id": key_id.hex(), "shares": shares,
        "key": key.hex() if wrong is not None else None, "liars": wrong,
    }  # fmt: skip
