"""From what messages say of a dealing to `Terms`, refusing what no honest peer sends."""

from __future__ import annotations

from collections.abc import Iterable

from dsked.limits import PROTOCOL_VERSION
from dsked.sharing.shares import code_bytes
from dsked.sharing.terms import Party, Terms, sort_parties
from dsked.wire.messages import PartyBody, PutGroup, ShareGroup


def put_terms(client: str, group: PutGroup) -> Terms | None:
    """The terms of a PUT_SHARES group of `client`, or None where they break a rule."""
    return _terms(Party(client, group.initiator), group.responders, group)


def share_terms(group: ShareGroup) -> Terms | None:
    """The terms of a SHARES group, or None where they break a rule."""
    return _terms(Party(group.initiator.client, group.initiator.encryptor), group.responders, group)


def _terms(initiator: Party, bodies: Iterable[PartyBody], group: PutGroup | ShareGroup) -> Terms | None:
    responders = tuple(Party(body.client, body.encryptor) for body in bodies)
    if not 2 <= group.k <= group.n:
        return None
    if len(responders) > 1 and sort_parties(set(responders)) != responders:
        return None
    return Terms(PROTOCOL_VERSION, group.n, group.k, initiator, responders, group.key_bytes)


def columns_fit(terms: Terms, group: PutGroup | ShareGroup, codes_per_key: int) -> bool:
    """True when the columns of a group have the lengths that its terms and its number of keys demand.

    A piece of a share (of one key alone) ends within the share. Codes come with the first piece.
    """
    number = group.number
    if number > 1 or len(group.shares) == terms.key_bytes:
        shares_fit = not group.offset and len(group.shares) == number * terms.key_bytes
    else:
        shares_fit = 0 < len(group.shares) <= terms.key_bytes - group.offset
    codes = 0 if group.offset else number * codes_per_key * code_bytes(terms)
    return shares_fit and len(group.codes) == codes
