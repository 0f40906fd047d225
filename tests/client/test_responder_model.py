"""The responder in columns against a plain model in which every key is alone.

Hubs answer in any order, keys in any order, in one SHARES or in several, and lie in many ways.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations
from operator import and_, or_
from random import Random
from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsked.client.evidence import Evidence
from dsked.client.responder import Responder
from dsked.errors import (
    AlreadyDeliveredError,
    DskedError,
    ErrorCode,
    NotNamedError,
    ReconstructionError,
    UnknownKeyError,
)
from dsked.keys import Key, Outcome
from dsked.limits import FETCH_DEADLINE_S, RETRY_FIRST_S
from dsked.sharing.dealing import deal
from dsked.sharing.proof import Proof, prove_wrong
from dsked.sharing.rebuilding import rebuild
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Party, Terms, sort_parties
from dsked.timers import Timers
from dsked.wire.messages import GetShares, Missing, PartyBody, ShareGroup, Shares, cut_key_ids
from tests.client.fakes import FakeHub, fake_hubs

N, K, LENGTH = 5, 3, 20
XS = range(1, N + 1)
SAM = Party("carol", "sam")
SUNNY, SUSAN = Party("curtis", "sunny"), Party("curtis", "susan")
FINAL, UNKNOWN = int(ErrorCode.DONE), int(ErrorCode.UNKNOWN_KEY)


class Said(NamedTuple):
    """What a hub says of one key: a share, or a piece of it, or a code of `missing`."""

    terms: Terms
    share: bytes
    code: bytes
    offset: int = 0
    missing: int = 0


@dataclass
class Alone:
    """The model: one key, what each hub has said of it first, and what that amounts to."""

    key_id: bytes
    key: bytes
    terms: Terms
    honest: dict[int, Said]
    whole: dict[int, tuple[Terms, KeyShare]] = field(default_factory=dict)  # in the order in which they came
    parts: dict[int, Said] = field(default_factory=dict)
    contradicted: set[int] = field(default_factory=set)
    unusable: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    def take(self, x: int, said: Said) -> bool:
        """True when the hub has answered for this key by it."""
        if said.missing:
            self.refused |= {x} if said.missing == FINAL else set()
            return True
        usable = said.terms.k >= K and any(party.client == "curtis" for party in said.terms.responders)
        if not usable or not said.share or len(said.code) != (0 if said.offset else 32):
            if x in self.parts:
                self.contradicted.add(x)
            else:
                self.unusable.add(x)
            return True
        return self._take_piece(x, said)

    def _take_piece(self, x: int, said: Said) -> bool:
        part = self.parts.get(x)
        if part is None:
            if said.offset:
                return False
            part = said
        else:
            have, overlap = len(part.share), part.share[said.offset : said.offset + len(said.share)]
            other = said.terms != part.terms or (not said.offset and said.code != part.code)
            if other or said.offset > have or not said.share.startswith(overlap):
                self.contradicted.add(x)
                return False
            part = part._replace(share=part.share + said.share[have - said.offset :])
        self.parts[x] = part
        if len(part.share) < LENGTH:
            return False
        del self.parts[x]
        self.whole[x] = part.terms, KeyShare(x, part.share, part.code)
        return True

    def passing(self) -> list[tuple[KeyShare, ...]]:
        """All sets of k shares under the same terms that give the key."""
        found = []
        for terms in {of: None for of, _ in self.whole.values()}:
            shares = [share for of, share in self.whole.values() if of == terms]
            for chosen in combinations(shares, K):
                [key] = rebuild(terms, [(self.key_id, chosen)])
                if key is not None:
                    assert (terms, key) == (self.terms, self.key), "the sharing itself lets a wrong key pass"
                    found.append(chosen)
        return found

    def named(self) -> tuple[Counter[int], Counter[int]]:
        """The hubs that are proven wrong whichever k shares gave the key; and those that may be.

        A hub that contradicted itself, and was right in the end, is one of the latter.
        """
        ways = [Counter(self._named(passed)) for passed in self.passing()] or [Counter()]
        return reduce(and_, ways), reduce(or_, ways)

    def _named(self, passed: tuple[KeyShare, ...]) -> tuple[int, ...]:
        others = []
        for x in sorted(self.whole.keys() - {share.x for share in passed}):
            terms, share = self.whole[x]
            fits = terms == self.terms and x not in self.contradicted
            others.append(share if fits else KeyShare(x, b"", b""))
        bad = {x for x, part in self.parts.items() if x in self.contradicted or part.terms != self.terms}
        others += [KeyShare(x, b"", b"") for x in sorted(bad | self.unusable)]
        return _finish(prove_wrong(self.terms, passed, others))

    def errors(self) -> set[type[DskedError]]:
        """What a request may be told that does not get this key."""
        if max(Counter(terms for terms, _ in self.whole.values()).values(), default=0) >= K:
            return {ReconstructionError}
        return {AlreadyDeliveredError, UnknownKeyError} if self.refused else {UnknownKeyError}


def _finish(work: Proof) -> tuple[int, ...]:
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: tuple[int, ...] = end.value
            return found


def dealt(rng: Random, number: int) -> list[Alone]:
    """Keys of sam, some for sunny and some for susan as well."""
    found, secret = [], Random(1)
    for _ in range(number):
        parties = {SUNNY, SUSAN} if rng.random() < 0.3 else {SUNNY}
        terms = Terms(1, N, K, SAM, sort_parties(parties), LENGTH)
        key_id, key = secret.randbytes(16), secret.randbytes(LENGTH)
        shares = deal([(key_id, key)], terms, XS, secret.randbytes)
        honest = {x: Said(terms, hub[0].share, hub[0].codes[0]) for x, hub in zip(XS, shares, strict=True)}
        found.append(Alone(key_id, key, terms, honest))
    return found


Lie = Callable[[Random, Said, Said], list[Said]]
HALF = LENGTH // 2


def _flip(string: bytes) -> bytes:
    return bytes([string[0] ^ 1]) + string[1:]


def _pieces(said: Said) -> list[Said]:
    return [
        said._replace(share=said.share[:HALF]),
        said._replace(share=said.share[HALF:], code=b"", offset=HALF),
    ]


#: What a hub may say of one key, from what it should say of it and what it should say of another.
LIES: dict[str, Lie] = {
    "alters the share": lambda rng, said, other: [said._replace(share=_flip(said.share))],
    "alters the code": lambda rng, said, other: [said._replace(code=_flip(said.code))],
    "no element of the field": lambda rng, said, other: [said._replace(code=b"\xff" * 32)],
    "swaps": lambda rng, said, other: [other],
    "other terms": lambda rng, said, other: [said._replace(terms=said.terms._replace(n=N + 1))],
    "a small k": lambda rng, said, other: [said._replace(terms=said.terms._replace(k=2))],
    "for others": lambda rng, said, other: [said._replace(terms=said.terms._replace(responders=(SAM,)))],
    "no code": lambda rng, said, other: [said._replace(code=b"")],
    "no share": lambda rng, said, other: [said._replace(share=b"")],
    "a second share": lambda rng, said, other: [said, said._replace(share=_flip(said.share))],
    "pieces": lambda rng, said, other: _pieces(said),
    "one piece": lambda rng, said, other: _pieces(said)[:1],
    "the second piece": lambda rng, said, other: _pieces(said)[1:],
    "contradicts itself": lambda rng, said, other: [
        _pieces(said)[0], _pieces(said)[0]._replace(terms=said.terms._replace(n=N + 1)), _pieces(said)[1],
    ],
    "a part, and nonsense": lambda rng, said, other: [_pieces(said)[0], said._replace(code=b"")],
    "unknown": lambda rng, said, other: [said._replace(missing=UNKNOWN)],
    "refuses": lambda rng, said, other: [said._replace(missing=FINAL)],
    "says nothing": lambda rng, said, other: [],
}  # fmt: skip


def _group(key_ids: list[bytes], said: list[Said]) -> ShareGroup:
    terms, offset = said[0].terms, said[0].offset
    responders = [PartyBody(*party) for party in terms.responders]
    shares, codes = b"".join([of.share for of in said]), b"".join([of.code for of in said])
    return ShareGroup(
        PartyBody(*terms.initiator), responders, terms.n, terms.k, LENGTH, b"".join(key_ids), offset, shares,
        codes,
    )  # fmt: skip


def _columns(said: list[tuple[bytes, Said]]) -> Iterator[ShareGroup]:
    """Whole shares under the same terms in one group; all else in groups of one."""
    together: dict[Terms, list[tuple[bytes, Said]]] = {}
    for key_id, of in said:
        if (len(of.share), len(of.code)) == (LENGTH, 32):
            together.setdefault(of.terms, []).append((key_id, of))
        else:
            yield _group([key_id], [of])
    for column in together.values():
        yield _group([key_id for key_id, _ in column], [of for _, of in column])


class Run:
    """One responder, and the model of each of its keys."""

    def __init__(self, rng: Random, number: int) -> None:
        self.rng = rng
        self.now = 1000.0
        self.keys = {alone.key_id: alone for alone in dealt(rng, number)}
        self.fakes, self.peers = fake_hubs(N, K)
        self.timers, self.evidence = Timers(), Evidence()
        self.responder = Responder(
            "curtis", self.peers, self.evidence, self.timers, 60.0, lambda *what, **fields: None
        )
        self.requests: list[tuple[str, list[bytes], list[Outcome]]] = []
        self.liars = {x: rng.choices(list(LIES), k=2) for x in XS if rng.random() < 0.5}
        self.scripts: dict[tuple[int, int], list[Shares]] = {}  # by hub and request id: what it will say
        self.outstanding: dict[tuple[int, int], set[bytes]] = {}
        self.answered: set[tuple[int, bytes]] = set()
        self.confirmed: dict[int, set[bytes]] = {x: set() for x in XS}

    def ask(self) -> None:
        caller = self.rng.choice(["sunny", "sunny", "susan"])
        ids = self.rng.sample(list(self.keys), self.rng.randint(1, len(self.keys)))
        outcome: list[Outcome] = []
        self.requests.append((caller, ids, outcome))
        self.responder.get_keys_by_id(caller, SAM, ids, outcome.append, self.now)

    def turn(self, after_s: float = 0.0) -> None:
        self.now += after_s
        self.timers.run_due(self.now)
        self.responder.turn_ends(self.now)
        self.outstanding = {
            of: ids for of, ids in self.outstanding.items() if of[1] in self.fakes[of[0] - 1]._calls
        }
        for hub in self.fakes:
            for request_id in hub._calls:
                if (hub.x, request_id) not in self.scripts:
                    self._prepare(hub, request_id)

    def _prepare(self, hub: FakeHub, request_id: int) -> None:
        """Lay out what a hub will say to a request; a few messages, keys in any order."""
        message = hub.asked[request_id - 1][1]
        assert isinstance(message, GetShares)
        [group] = [group for group in message.groups if not group.offset] or [None]
        wanted = cut_key_ids(group.key_ids) if group is not None else []
        offsets = {group.key_ids: group.offset for group in message.groups if group.offset}
        self.confirmed[hub.x].update(key_id for of in message.done for key_id in cut_key_ids(of.key_ids))
        for key_id in (*wanted, *offsets):
            asked_again = (hub.x, key_id) in self.answered and key_id not in self.confirmed[hub.x]
            assert not asked_again, "a hub that has answered is not asked again"
            assert not any(key_id in ids for (x, _), ids in self.outstanding.items() if x == hub.x), (
                "nor one whose answer is outstanding"
            )
        self.outstanding[hub.x, request_id] = {*wanted, *offsets}
        messages = self.rng.choice([1, 1, 2, 3])
        laid: list[list[tuple[bytes, Said]]] = [[] for _ in range(messages + 2)]
        for key_id in self.rng.sample([*wanted, *offsets], len(wanted) + len(offsets)):
            said = self._says(hub.x, key_id)
            first = self.rng.randrange(messages)
            for later, of in enumerate(said):
                laid[first + (later if len(said) > 2 or of.offset else 0)].append((key_id, of))
        self.scripts[hub.x, request_id] = [self._message(said) for said in laid if said]

    def _says(self, x: int, key_id: bytes) -> list[Said]:
        said = self.keys[key_id].honest[x]
        if key_id in self.confirmed[x]:
            return [said._replace(missing=FINAL)]
        if x not in self.liars or self.rng.random() < 0.3:
            return [said]
        lie = LIES[self.rng.choice(self.liars[x])]
        return lie(self.rng, said, self.rng.choice(list(self.keys.values())).honest[x])

    def _message(self, said: list[tuple[bytes, Said]]) -> Shares:
        groups = list(_columns([(key_id, of) for key_id, of in said if not of.missing]))
        missing = [Missing("carol", of.missing, key_id) for key_id, of in said if of.missing]
        return Shares(groups, missing)

    def answer(self) -> bool:
        """One hub says one thing; False when none has anything left to say."""
        open_calls = [
            (hub, request_id)
            for hub in self.fakes
            for request_id in hub._calls
            if self.scripts.get((hub.x, request_id))
        ]
        if not open_calls:
            return False
        hub, request_id = self.rng.choice(open_calls)
        message = self.scripts[hub.x, request_id].pop(0)
        self._tell_the_model(hub.x, self.outstanding[hub.x, request_id], message)
        hub.answer(message, self.now, request_id)
        return True

    def _tell_the_model(self, x: int, outstanding: set[bytes], message: Shares) -> None:
        """Key by key, as if each had come alone; what was answered before is not listened to."""
        for key_id, said in _rows(message):
            if key_id in outstanding and self.keys[key_id].take(x, said):
                outstanding.discard(key_id)
                if x in self.keys[key_id].whole or x in self.keys[key_id].unusable:
                    self.answered.add((x, key_id))

    # --- what must be ---

    def check(self) -> None:
        named = [alone.named() for alone in self.keys.values()]
        least, most = (sum(some, start=Counter()) for some in zip(*named, strict=True))
        told = Counter({hub.x: self.evidence.number("carol", hub.name) for hub in self.fakes})
        assert least <= told <= most
        got: Counter[tuple[str, bytes]] = Counter()
        for caller, ids, [outcome] in self.requests:
            self._check_outcome(caller, ids, outcome)
            if isinstance(outcome, list):
                got.update((caller, key.key_id) for key in outcome)
        assert not got or max(got.values()) == 1, "a key goes to an encryptor once"

    def _check_outcome(self, caller: str, ids: list[bytes], outcome: Outcome) -> None:
        keys = [self.keys[key_id] for key_id in ids]
        lacking = [alone for alone in keys if not alone.passing()]
        named = all(Party("curtis", caller) in alone.terms.responders for alone in keys)
        others = {key_id for _, asked, _ in self.requests if asked is not ids for key_id in asked}
        if isinstance(outcome, list):
            assert not lacking
            assert named
            assert outcome == [Key(alone.key_id, alone.key) for alone in keys]
        else:
            possible = {kind for alone in lacking for kind in alone.errors()}
            possible |= {NotNamedError} if not named else set()
            possible |= {AlreadyDeliveredError} if others & {*ids} else set()
            assert type(outcome) in possible, outcome


def _rows(message: Shares) -> Iterator[tuple[bytes, Said]]:
    """A SHARES message key by key."""
    for group in message.groups:
        key_ids = cut_key_ids(group.key_ids)
        responders = tuple(Party(body.client, body.encryptor) for body in group.responders)
        terms = Terms(1, group.n, group.k, Party(*_names(group.initiator)), responders, group.key_bytes)
        share, code = len(group.shares) // len(key_ids), len(group.codes) // len(key_ids)
        for i, key_id in enumerate(key_ids):
            its_share, its_code = (
                group.shares[i * share : (i + 1) * share],
                group.codes[i * code : (i + 1) * code],
            )
            yield key_id, Said(terms, its_share, its_code, group.offset)
    for missing in message.missing:
        for key_id in cut_key_ids(missing.key_ids):
            yield key_id, Said(Terms(1, N, K, SAM, (), LENGTH), b"", b"", 0, missing.code)


def _names(body: PartyBody) -> tuple[str, str]:
    return body.client, body.encryptor


@settings(max_examples=120, deadline=None)
@example(296, 3)  # what passed for the first key decides whose shares are tried first for the others
@given(st.integers(0, 2**32), st.integers(1, 7))
def test_batches_come_to_what_every_key_alone_comes_to(seed: int, number: int) -> None:
    rng = Random(seed)
    run = Run(rng, number)
    for _ in range(rng.randint(1, 3)):
        for _ in range(rng.randint(1, 3)):
            run.ask()
        run.turn()
        for _ in range(rng.randint(0, 12)):
            run.answer()
            if rng.random() < 0.5:
                run.turn()
        run.turn(rng.choice([0.0, 0.0, RETRY_FIRST_S]))
    while run.answer():
        run.turn()
    for _ in range(30):
        run.turn(0.001)
    run.turn(FETCH_DEADLINE_S)
    for _ in range(30):
        run.turn(0.001)
    run.check()
