"""Hubs that lie in their answers, one class per way; what is stored and acknowledged is honest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dsked.errors import ErrorCode
from dsked.hub.answers import Found
from dsked.hub.engine import HubEngine
from dsked.hub.share_store import StoredShare
from dsked.sharing import gf256, gfp
from dsked.sharing.terms import Party, Terms
from dsked.wire.connection import HubConnection
from dsked.wire.messages import GetShares, Locate, Located, Missing, PutShares, PutSharesAck


def changed(found: Found, **fields: object) -> Found:
    """The same answer with other content."""
    return found._replace(stored=replace(found.stored, **fields))


def add(data: bytes, difference: bytes) -> bytes:
    """XOR, the shorter difference repeated."""
    repeated = (difference * (len(data) // len(difference) + 1))[: len(data)]
    return gf256.xor(data, repeated)


def add_to_f(code: bytes, difference: int) -> bytes:
    """A code share whose f is shifted by `difference` in GF(p)."""
    f = (int.from_bytes(code[16:32], "little") + difference) % gfp.P
    return code[:16] + f.to_bytes(16, "little") + code[32:]


class LyingHub(HubEngine):
    """Passes every answer through `lie`, which a subclass sets."""

    lies = 0

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._send_honestly = self._desk._send_shares
        self._desk._send_shares = self._send_shares

    def lie(self, client: str, found: Found) -> Found | ErrorCode:
        raise NotImplementedError

    def _send_shares(
        self, connection: HubConnection, request_id: int, found: list[Found], missing: list[Missing]
    ) -> None:
        told: list[Found] = []
        refused = list(missing)
        for item in found:
            self.lies += 1
            answer = self.lie(connection.client, item)
            if isinstance(answer, Found):
                told.append(answer)
            else:
                refused.append(Missing(item.stored.terms.initiator.client, item.key_id, int(answer)))
        self._send_honestly(connection, request_id, told, refused)

    def repent(self) -> None:
        """From now on it tells the truth."""
        self._desk._send_shares = self._send_honestly

    def number(self) -> int:
        """Its place, so that two liars differ."""
        return int(self.name.removeprefix("hub"))


class AltersShare(LyingHub):
    def lie(self, client: str, found: Found) -> Found:
        return changed(found, share=add(found.stored.share, bytes([self.number()])))


class AltersOneByte(LyingHub):
    def lie(self, client: str, found: Found) -> Found:
        share = found.stored.share
        return changed(found, share=share[:-1] + bytes([share[-1] ^ self.number()]))


class AltersX(LyingHub):
    def lie(self, client: str, found: Found) -> Found:
        codes = {
            name: add(code[:15], bytes([self.number()])) + code[15:]
            for name, code in found.stored.codes.items()
        }
        return changed(found, codes=codes)


class AltersF(LyingHub):
    def lie(self, client: str, found: Found) -> Found:
        codes = {name: add_to_f(code, self.number()) for name, code in found.stored.codes.items()}
        return changed(found, codes=codes)


class SharesBeyondTheField(LyingHub):
    def lie(self, client: str, found: Found) -> Found:
        return changed(found, codes={name: b"\xff" * len(code) for name, code in found.stored.codes.items()})


class InventsTwoOfFive(LyingHub):
    """Two such hubs agree on a 2-of-5 dealing of a key that they know: k = 2 is never taken from a hub."""

    def lie(self, client: str, found: Found) -> Found:
        terms = found.stored.terms._replace(k=2)
        constant = bytes([7]) * len(found.stored.share)
        return changed(found, terms=terms, share=constant)


class OtherTerms(LyingHub):
    """Each subclass names what differs."""

    terms: Callable[[Terms], Terms]

    def lie(self, client: str, found: Found) -> Found:
        return changed(found, terms=type(self).terms(found.stored.terms))


class OtherInitiator(OtherTerms):
    terms = staticmethod(lambda terms: terms._replace(initiator=Party(terms.initiator.client, "mallory")))


class OtherResponders(OtherTerms):
    terms = staticmethod(
        lambda terms: terms._replace(responders=(Party("curtis", "susan"), Party("curtis", "sunny")))
    )


class OtherN(OtherTerms):
    terms = staticmethod(lambda terms: terms._replace(n=4))


class ShorterKey(LyingHub):
    def lie(self, client: str, found: Found) -> Found:
        stored = found.stored
        terms = stored.terms._replace(key_bytes=stored.terms.key_bytes - 1)
        return changed(found, terms=terms, share=stored.share[:-1])


class SwapsShares(LyingHub):
    """Gives the share of another key of the same initiator."""

    previous: StoredShare | None = None

    def lie(self, client: str, found: Found) -> Found:
        other, self.previous = self.previous or found.stored, found.stored
        return changed(found, share=other.share, codes=other.codes)


class SaysUnknown(LyingHub):
    def lie(self, client: str, found: Found) -> ErrorCode:
        return ErrorCode.UNKNOWN_KEY


class SaysDone(LyingHub):
    def lie(self, client: str, found: Found) -> ErrorCode:
        return ErrorCode.DONE


class SaysNotNamed(LyingHub):
    def lie(self, client: str, found: Found) -> ErrorCode:
        return ErrorCode.NOT_NAMED


class OwnHandlers(HubEngine):
    """A hub whose subclass says how it treats PUT_SHARES (`_put_shares`) or GET_SHARES (`_get_shares`)."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for message, name in ((PutShares, "_put_shares"), (GetShares, "_get_shares")):
            self._handlers[message] = getattr(self, name, self._handlers[message])


class AcknowledgesWithoutStoring(OwnHandlers):
    def _put_shares(self, connection: HubConnection, request_id: int, message: PutShares, now: float) -> None:
        nr_keys = sum(len(group.keys) for group in message.groups)
        connection.send(request_id, PutSharesAck([int(ErrorCode.OK)] * nr_keys))


class RefusesEverything(OwnHandlers):
    def _put_shares(self, connection: HubConnection, request_id: int, message: PutShares, now: float) -> None:
        nr_keys = sum(len(group.keys) for group in message.groups)
        connection.send(request_id, PutSharesAck([int(ErrorCode.CONFLICT)] * nr_keys))


class FalseDirectory(HubEngine):
    def _locate(self, connection: HubConnection, request_id: int, message: Locate, now: float) -> None:
        connection.send(request_id, Located(["celia"] * len(message.encryptors)))


class KnowsTheKey(LyingHub):
    """Colluders who know the key: differences that fit together, to shift it where they want.

    For shares at x1 and x2 (two of three): difference d_i = D / L_i(0) on one byte string each, so that
    the sum at 0 is the wanted difference D when both are among the k that are taken with hub 3.
    """

    wanted = b"\x55"
    x_shift = 0
    f_shift = 1

    def lie(self, client: str, found: Found) -> Found:
        xs = (1, 2, 3)
        position = xs.index(self.number())
        at_zero = gf256.lagrange(xs, 0)[position]
        inverse = next(i for i in range(1, 256) if gf256.MUL[at_zero][i] == 1)
        half = self.wanted[0] if position == 0 else 0
        difference = bytes([gf256.MUL[inverse][half]])
        share = add(found.stored.share, difference) if half else found.stored.share
        code = found.stored.codes[client]
        shift = self.f_shift * pow(gfp.lagrange(xs, 0)[position], -1, gfp.P)
        return changed(found, share=share, codes={**found.stored.codes, client: add_to_f(code, shift)})
