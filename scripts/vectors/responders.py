"""Vectors of responders: what hubs say of one key, true or not, and which key, if any, comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from dsked.sharing import gfp
from dsked.sharing.dealing import HubShare, deal
from dsked.sharing.terms import Party, Terms
from vectors.common import fixed, plain, source

HUBS = {"hank": 1, "helen": 2, "hilary": 3, "holly": 4, "hugo": 5}
SAM, SERENA = Party("carol", "sam"), Party("celia", "serena")
KEY_ID = fixed("responder key id", 16)
KEY, OTHER_KEY = fixed("responder key", 32), fixed("another responder key", 32)


def _terms(**changes: Any) -> Terms:
    fields = {"version": 1, "n": 5, "k": 3, "initiator": SAM, "responders": (SERENA,), "key_bytes": 32}
    return Terms(**{**fields, **changes})


def _dealt(terms: Terms, key: bytes, label: str, xs: Sequence[int] = tuple(HUBS.values())) -> list[HubShare]:
    return [shares[0] for shares in deal([(KEY_ID, key)], terms, tuple(xs), source(f"responder {label}"))]


def _group(terms: Terms, share: HubShare, code: bytes | None = None) -> list[Any]:
    """A share group as its fields, for client celia."""
    responders = [list(party) for party in terms.responders]
    return [
        list(terms.initiator), responders, terms.n, terms.k, terms.key_bytes, KEY_ID, 0, share.share,
        share.codes[0] if code is None else code,
    ]  # fmt: skip


class Case(NamedTuple):
    """What each hub says, in the order in which it comes: fields of SHARES. `wrong`: hubs proven wrong."""

    name: str
    answers: list[tuple[str, list[Any]]]
    key: bytes | None
    error: str | None = None
    wrong: tuple[str, ...] = ()
    caller: str = "serena"


def responder_vectors() -> dict[str, Any]:
    """The file responders.json."""
    return {
        "client": "celia", "encryptors": ["serena", "sunny"], "k": 3, "xs": HUBS,
        "initiator": list(SAM), "key_id": KEY_ID.hex(),
        "cases": [_json(case) for case in [*_of_shares(), *_of_terms(), *_of_numbers(), *_of_others()]],
    }  # fmt: skip


def _json(case: Case) -> dict[str, Any]:
    return {
        "name": case.name, "caller": case.caller,
        "answers": [{"hub": hub, "fields": plain(fields)} for hub, fields in case.answers],
        "key": case.key and case.key.hex(), "error": case.error, "wrong": list(case.wrong),
    }  # fmt: skip


TERMS = _terms()
HONEST = _dealt(TERMS, KEY, "honest")


def _says(groups: dict[str, list[Any]]) -> list[tuple[str, list[Any]]]:
    """One SHARES of each hub: its one group."""
    return [(hub, [[group], []]) for hub, group in groups.items()]


def _honest(*hubs: str) -> dict[str, list[Any]]:
    return {hub: _group(TERMS, HONEST[x - 1]) for hub, x in HUBS.items() if hub in (hubs or HUBS)}


def _with(**groups: list[Any]) -> dict[str, list[Any]]:
    """All hubs honest, but these."""
    return {**_honest(), **groups}


def _altered(hub: str, *, share: int = 0, code: int | None = None) -> list[Any]:
    """A hub's group with a bit of the share's first byte, or of one byte of the code, flipped."""
    group = list(_group(TERMS, HONEST[HUBS[hub] - 1]))
    group[7] = bytes([group[7][0] ^ share]) + group[7][1:]
    if code is not None:
        group[8] = bytes(byte ^ (index == code) for index, byte in enumerate(group[8]))
    return group


def _of_shares() -> list[Case]:
    """Honest hubs, and lies about bytes."""
    elsewhere = _dealt(TERMS, KEY, "honest", (1, 2, 3, 4, 6))[4]
    liars = {"hank": _altered("hank", share=1), "helen": _altered("helen", share=2)}
    third = {"hilary": _altered("hilary", share=4)}
    return [
        Case("all five are honest", _says(_honest()), KEY),
        Case("any three are enough", _says(_honest("helen", "holly", "hugo")), KEY),
        Case("two are not", _says(_honest("hank", "hugo")), None, "UNKNOWN_KEY"),
        Case("one lies about a bit of its share", _says(_with(hank=liars["hank"])), KEY, wrong=("hank",)),
        Case("one lies about a bit of x in its code", _says(_with(hugo=_altered("hugo", code=3))), KEY,
             wrong=("hugo",)),
        Case("one lies about a bit of f in its code", _says(_with(holly=_altered("holly", code=20))), KEY,
             wrong=("holly",)),
        Case("two lie", _says(_with(**liars)), KEY, wrong=("hank", "helen")),
        Case("three lie: no three shares are right", _says(_with(**liars, **third)), None, "RECONSTRUCTION"),
        Case("a wrong x: hugo gives the share of x = 6, and is configured as 5",
             _says(_with(hugo=_group(TERMS, elsewhere))), KEY, wrong=("hugo",)),
        Case("two hubs give each other's share", _says(_with(
            hank=_group(TERMS, HONEST[1]), helen=_group(TERMS, HONEST[0]))), KEY, wrong=("hank", "helen")),
    ]  # fmt: skip


def _of_numbers() -> list[Case]:
    """Elements that are none, and wrong lengths: the share is a wrong one."""

    def coded(code: bytes) -> list[Any]:
        return _group(TERMS, HONEST[0], code)

    good, p = HONEST[0].codes[0], gfp.P.to_bytes(16, "little")
    whole = _group(TERMS, HONEST[0])
    piece, longer = ([*whole[:7], share, good] for share in (HONEST[0].share[:31], HONEST[0].share + b"!"))
    return [
        Case(f"not of GF(p): {what}", _says(_with(hank=coded(code))), KEY, wrong=("hank",))
        for what, code in (
            ("x is p, which is 0 modulo p", p + good[16:]), ("f is p", good[:16] + p),
            ("x is x + 2^127, the top bit set", good[:15] + bytes([good[15] | 0x80]) + good[16:]),
            ("f is 2^128 - 1", good[:16] + b"\xff" * 16),
        )
    ] + [
        Case(f"{what}", _says(_with(hank=group)), KEY, wrong=("hank",))
        for what, group in (
            ("a share that is a byte too long", longer),
            ("a code that is a byte short", coded(good[:31])),
            ("a code with an r, as long keys have it", coded(good + bytes(16))),
        )
    ] + [
        Case("a piece of a share, which the rest does not follow", _says(_with(hank=piece)), KEY)
    ]  # fmt: skip


def _invented(terms: Terms, hubs: Sequence[str], key: bytes = OTHER_KEY) -> dict[str, list[Any]]:
    """Hubs that deal a key of their own under such terms."""
    dealt = _dealt(terms, key, f"invented {terms.k} {len(hubs)}")
    return {hub: _group(terms, dealt[HUBS[hub] - 1]) for hub in hubs}


def _of_terms() -> list[Case]:
    """Terms that the client does not take, or that only some hubs say."""
    two = _terms(k=2)
    other = _terms(initiator=Party("carol", "sue"))
    unsorted = [*_group(TERMS, HONEST[0])]
    unsorted[1] = [["celia", "serena"], ["celia", "candy"]]
    above = [*_group(TERMS, HONEST[0])]
    above[2] = 2  # n
    return [
        Case("k below the local minimum: two hubs invent a dealing of 2 of 5", _says(
            {**_invented(two, ("hank", "helen")), **_honest("hilary", "holly", "hugo")}), KEY,
             wrong=("hank", "helen")),
        Case("k below the local minimum, at all hubs", _says(_invented(two, tuple(HUBS))), None,
             "UNKNOWN_KEY"),
        Case("two hubs say another initiating encryptor", _says(
            {**_invented(other, ("hank", "helen")), **_honest("hilary", "holly", "hugo")}), KEY,
             wrong=("hank", "helen")),
        Case("all say another initiating encryptor than was asked for", _says(
            _invented(other, tuple(HUBS))), None, "UNKNOWN_KEY"),
        Case("k above n", _says(_with(hank=above)), KEY, wrong=("hank",)),
        Case("responders out of order", _says(_with(hank=unsorted)), KEY, wrong=("hank",)),
        Case("another client is named, this one is not", _says(
            _with(hank=_group(_terms(responders=(Party("connie", "sofia"),)), HONEST[0]))), KEY,
             wrong=("hank",)),
    ]  # fmt: skip


def _of_others() -> list[Case]:
    """Who asks, and what says nothing of the key."""

    def missing(code: int) -> list[Any]:
        return [[], [["carol", code, KEY_ID]]]

    other = _group(TERMS, HONEST[0])
    other[5] = fixed("a key that was not asked for", 16)
    return [
        Case("another encryptor of the same client asks", _says(_honest()), None, "NOT_NAMED",
             caller="sunny"),
        Case("two know no share", [("hank", missing(6)), ("helen", missing(7)),
             *_says(_honest("hilary", "holly", "hugo"))], KEY),
        Case("a group of a key that was not asked for", _says(_with(hank=other)), KEY),
    ]  # fmt: skip
