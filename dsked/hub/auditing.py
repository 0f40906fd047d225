"""What a hub's audit log is told: whose shares it has taken, and to whom it has given them; never a share."""

from __future__ import annotations

from collections.abc import Iterable

from dsked.audit.chain import Append, key_id_lines
from dsked.hub.lots import Given
from dsked.sharing.terms import Terms


class ShareAudit:
    """Writes shares down, by the keys that they are of. `append` takes the lines."""

    def __init__(self, append: Append) -> None:
        self._append = append

    def taken(self, terms: Terms, key_ids: bytes) -> None:
        """Shares of these keys are stored; `terms` as their initiator has dealt them."""
        self._lines("taken", terms, key_ids, {})

    def given(self, client: str, given: Iterable[Given]) -> None:
        """These are about to go to a client that was named. Of a share in pieces, the first one counts."""
        for one in given:
            if not one.offset:
                self._lines("given", one.terms, one.key_ids, {"client": client})

    def _lines(self, event: str, terms: Terms, key_ids: bytes, about: dict[str, object]) -> None:
        parties = {
            "initiator": terms.initiator._asdict(),
            "responders": [party._asdict() for party in terms.responders],
            "size_bits": 8 * terms.key_bytes,
        }
        for some in key_id_lines(key_ids):
            self._append(event, {**about, **parties, "key_ids": some})
