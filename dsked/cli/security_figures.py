"""The figures of `dskectl security`: bounds, tolerances and costs of a topology, as one document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

from dsked import limits
from dsked.sharing import amd, bounds
from dsked.sharing.shares import code_bytes, tag_message_bytes
from dsked.sharing.terms import Party, Terms, hashes_key, responder_clients, sort_parties

SECONDS_PER_YEAR = 31_557_600  # 365.25 days
_DIRECTIONS = 2
#: A session that was cut begins again no sooner.
_SHORTEST_BACKOFF_S = limits.RECONNECT_FIRST_S * (1 - limits.RECONNECT_JITTER)
_SHARING, _UUID = "proto/sharing.md, section 7", "RFC 9562, section 5.4"
_AMD = f"Cramer, Dodis, Fehr, Padro, Wichs 2008; {_SHARING}"
_POLY1305 = f"Wegman, Carter 1981; Bernstein 2005; {_SHARING}"
_SHAMIR = f"Shamir 1979; {_SHARING}"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about. `clients`: how many there are; `attempts`: forged frames in all."""

    terms: Terms
    clients: int
    keys: int
    years: float
    attempts: int


class Risk(NamedTuple):
    """One thing that must not happen. `probability` is an upper bound; 0: it cannot."""

    event: str
    probability: Fraction
    formula: str
    source: str


def longest_terms(
    n: int, k: int, size_bits: int, responders: int, parties: Sequence[Party], clients: int
) -> Terms:
    """Terms as long as they can be: names of full length, or those of the longest `parties`.

    The longer the names, the larger the bound. `clients` is how many there are to serve the responders.
    """
    if parties:
        longest = sorted(parties, key=lambda party: -len((party.client + party.encryptor).encode()))
        initiator, named = longest[0], longest[1 : responders + 1]
    else:
        initiator = _longest_party(0, 1)
        named = [_longest_party(number, clients - 1) for number in range(responders)]
    return Terms(limits.PROTOCOL_VERSION, n, k, initiator, sort_parties(set(named)), size_bits // 8)


def _longest_party(number: int, clients: int) -> Party:
    name = f"{number % clients:x}".rjust(limits.MAX_NODE_NAME_BYTES, "x")
    return Party(name, f"{number:x}".rjust(limits.MAX_ENCRYPTOR_NAME_BYTES, "x"))


def possible_attempts(hubs: int, clients: int, years: float) -> int:
    """Frames that can be forged: one costs its session, and the next one waits for the back-off."""
    return ceil(_DIRECTIONS * hubs * clients * years * SECONDS_PER_YEAR / _SHORTEST_BACKOFF_S)


def risks(question: Question) -> list[Risk]:
    """All bounds, for less than k hubs that lie or leak and any computing power."""
    terms = question.terms
    candidates = bounds.max_candidates(terms.n, terms.k)
    d = amd.block_count(tag_message_bytes(terms))
    one = f"({d} + 2) / (2^127 - 1)"
    if hashes_key(terms):
        one += f" + 8 * ceil({terms.key_bytes} / 16) / 2^106"
    codes = len(responder_clients(terms))
    per_key = f"{codes} * {candidates} * the above" if codes > 1 else f"{candidates} * the above"
    tagged = f"8 * ceil({bounds.MAX_TAGGED_BYTES} / 16) / 2^106"
    hubs = "whatever k - 1 hubs and all wires know"
    return [
        Risk("wrong key accepted, per candidate", bounds.candidate_passes(terms), one, _AMD),
        Risk("wrong key accepted, per key", codes * bounds.wrong_key(terms), per_key, _AMD),
        Risk("any wrong key accepted", codes * bounds.wrong_key(terms, question.keys),
             f"{number(question.keys)} * the above", _AMD),
        Risk("forged frame accepted, per attempt", bounds.forged_frame(1), tagged, _POLY1305),
        Risk("any forged frame accepted", bounds.forged_frame(question.attempts),
             f"{number(question.attempts)} * the above", _POLY1305),
        Risk("k - 1 hubs learn anything of a key", Fraction(0), "0", _SHAMIR),
        Risk("any key guessed at one try each", bounds.guessed_key(terms.key_bytes, question.keys),
             f"{number(question.keys)} / 2^{8 * terms.key_bytes}, {hubs}", _SHAMIR),
        Risk("any key ID twice (the request fails)", bounds.same_key_id(question.keys),
             f"{number(question.keys)} * ({number(question.keys)} - 1) / 2 / 2^122", _UUID),
    ]  # fmt: skip


def number(value: int) -> str:
    """A whole number; large powers of two as such: 2^30."""
    return f"2^{value.bit_length() - 1}" if value > 1024 and value & (value - 1) == 0 else str(value)


class Cost(NamedTuple):
    """Bytes of PSRD that keys take at one hub: of its pair with the initiator, and with a responder."""

    initiator: int
    responder: int


def cost(terms: Terms, keys: int) -> Cost:
    """PSRD for `keys` keys that are asked for at once, at one hub and in both its pools with each client.

    Frames as large as they may be; confirmations and pings, which are shared by many keys, not counted.
    """
    nr_codes = len(responder_clients(terms))
    put = keys * (terms.key_bytes + nr_codes * code_bytes(terms))
    got = keys * (terms.key_bytes + code_bytes(terms))
    return Cost(_padded(put) + limits.MASK_BYTES, _padded(got) + limits.MASK_BYTES)


def _padded(secret_bytes: int) -> int:
    return secret_bytes + limits.MASK_BYTES * -(-secret_bytes // limits.MAX_FRAME_PAD_BYTES)


CONDITIONS = (
    "All of it holds relative to ideal randomness. Where the operating system's generator makes keys or "
    "PSRD, it is that generator's 256 bits, computational.",
    "Whoever has k hubs has every key. So has who reads the state of both sides of k pairs, or their media.",
    "Attempts to forge are limited by the back-off of the client; each costs its session. Proofs (M3, M4) "
    "stand behind the gate key, whose HMAC is computational: it guards availability, not keys.",
)


def document(question: Question) -> dict[str, Any]:
    """All figures; probabilities as powers of two, rounded up."""
    terms = question.terms
    batch = min(limits.MAX_KEYS_PER_REQUEST, limits.MAX_REQUEST_KEY_BYTES // terms.key_bytes)
    return {
        "n": terms.n,
        "k": terms.k,
        "key_size": 8 * terms.key_bytes,
        "keys": question.keys,
        "responders": len(terms.responders),
        "clients": question.clients,
        "years": question.years,
        "attempts": question.attempts,
        "bounds": [
            {"event": risk.event, "log2": rounded_log2(risk.probability), "formula": risk.formula,
             "source": risk.source}
            for risk in risks(question)
        ],
        "tolerance": [row._asdict() for row in bounds.tolerances(terms.n, terms.k)],
        "psrd_bytes_per_key": {
            str(count): {who: ceil(total / count) for who, total in cost(terms, count)._asdict().items()}
            for count in sorted({1, batch})
        },
        "conditions": list(CONDITIONS),
    }  # fmt: skip


def rounded_log2(probability: Fraction) -> float | None:
    """log2 rounded up to a tenth, so that it stays a bound; None for 0. Never above 0."""
    return min(ceil(10 * bounds.log2_of(probability)) / 10, 0.0) if probability else None
