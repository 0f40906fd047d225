"""The keys that a topology file wants held ready, per pair of encryptors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from dsked import limits
from dsked.chosen_limits import Value
from dsked.config import rules, schema
from dsked.config.document import Document, Place
from dsked.config.node import StoredKeys


class StoredKeysOfFile:
    """What each encryptor of a file wants held ready."""

    def __init__(self, source: Document, entry: schema.FileEntry, alone: bool = False) -> None:
        """`alone`: other clients' encryptors do not stand in the file."""
        self._source = source
        self._alone = alone
        self._encryptors = frozenset(one.name for client in entry.clients for one in client.encryptors)
        self._of_client: defaultdict[Place, list[tuple[int, int]]] = defaultdict(list)  # (count, bits) of all

    def of(
        self, encryptor: schema.EncryptorEntry, place: Place, chosen: Mapping[str, Value]
    ) -> tuple[StoredKeys, ...]:
        """What `encryptor`, which stands at `place`, wants; `chosen` are the limits written for its client.

        Raises ConfigurationError with the place.
        """
        max_bits = int(chosen.get("max_key_size_bits", limits.MAX_KEY_SIZE_BITS))
        found: dict[tuple[str, int], StoredKeys] = {}
        for index, one in enumerate(encryptor.stored_keys):
            at: Place = (*place, "stored_keys", index)
            for key, fault in rules.stored_keys_faults(one.count, one.size, max_bits):
                raise self._source.error((*at, key), fault)
            of_responder = self._responder_fault(one.responder, encryptor.name)
            if of_responder:
                raise self._source.error((*at, "responder"), of_responder)
            if (one.responder, one.size) in found:
                raise self._source.error(
                    at, f"keys of {one.size} bits for {one.responder!r} are listed already"
                )
            self._of_client[place[:2]].append((one.count, one.size))
            total_fault = rules.stored_keys_total_fault(self._of_client[place[:2]])
            if total_fault:
                raise self._source.error(at, total_fault)
            found[one.responder, one.size] = StoredKeys(
                initiator=encryptor.name, responder=one.responder, count=one.count, size_bits=one.size
            )
        return tuple(found.values())

    def _responder_fault(self, responder: str, initiator: str) -> str | None:
        if responder == initiator or not (self._alone or responder in self._encryptors):
            where = "" if self._alone else " of this file"
            return f"{responder!r} is no other encryptor{where}; expected one"
        return rules.encryptor_name_fault(responder)
