"""What a client's audit log is told: which encryptor got which keys, through which hubs.

A key is written down before it leaves: `established` where its initiator gets it, `delivered` where a
responder does. `hubs` have acknowledged all its shares by then, or gave the shares that it was rebuilt from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dsked.audit.chain import Append, key_id_lines
from dsked.client.deal import Deal, KeyRequest
from dsked.client.hubs import Hubs
from dsked.client.rounds import Request
from dsked.client.stored_place import Lot
from dsked.limits import KEY_ID_BYTES
from dsked.sharing.terms import Party, Terms


class KeyAudit:
    """Writes keys down. `append` takes the lines."""

    def __init__(self, hubs: Hubs, append: Append) -> None:
        self._hubs = hubs
        self._append = append

    def established(self, deal: Deal, request: KeyRequest) -> None:
        """The keys of a request are about to go to their initiator."""
        first = request.start * KEY_ID_BYTES
        key_ids = deal.key_ids[first : first + request.number * KEY_ID_BYTES]
        hubs = [
            hub.name
            for hub in self._hubs
            if hub.index in deal.acked and hub.index not in (request.refusals or ())
        ]
        self._established(
            deal.terms.initiator.encryptor, deal.terms.responders, key_ids, deal.terms.key_bytes, hubs
        )

    def taken(self, initiator: str, responder: str, lots: Sequence[Lot], number: int) -> None:
        """The first `number` stored keys of `lots`, in their order, are about to go to their initiator."""
        for lot in lots:
            some = lot.keys[:number]
            number -= len(some)
            if some:
                key_ids = b"".join([key.key_id for key in some])
                hubs = [hub.name for hub in self._hubs if lot.holders.has(hub)]
                responders = (Party(lot.client, responder),)
                self._established(initiator, responders, key_ids, len(some[0].key), hubs)

    def _established(
        self, encryptor: str, responders: Iterable[Party], key_ids: bytes, key_bytes: int, hubs: list[str]
    ) -> None:
        about = {
            "encryptor": encryptor,
            "responders": [party._asdict() for party in responders],
            "size_bits": 8 * key_bytes,
            "hubs": hubs,
        }
        self._lines("established", about, key_ids)

    def delivered(self, request: Request) -> None:
        """The keys of a request are about to go to a responder."""
        alike: dict[tuple[Terms | None, tuple[int, ...]], list[bytes]] = {}
        for fetch in request.fetches:
            alike.setdefault((fetch.batch.terms, fetch.batch.passed), []).append(fetch.id[1])
        for (terms, passed), key_ids in alike.items():
            assert terms is not None
            about = {
                "encryptor": request.caller,
                "initiator": request.initiator._asdict(),
                "size_bits": 8 * terms.key_bytes,
                "hubs": [hub.name for hub in self._hubs if hub.x in passed],
            }
            self._lines("delivered", about, b"".join(key_ids))

    def _lines(self, event: str, about: Mapping[str, object], key_ids: bytes) -> None:
        for some in key_id_lines(key_ids):
            self._append(event, {**about, "key_ids": some})
