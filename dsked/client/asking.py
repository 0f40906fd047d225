"""Asking hubs for shares: one GET_SHARES per hub and round, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from dsked.client.columns import Column
from dsked.client.confirmations import Confirmations
from dsked.client.evidence import Evidence
from dsked.client.fetch import Batch, Fetch, Inquiry, usable_terms
from dsked.client.fetches import Fetches
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import NO_STRANGERS, Hubs, Strangers
from dsked.client.rounds import Round
from dsked.limits import KEY_ID_BYTES, MAX_KEYS_PER_FRAME
from dsked.sharing.terms import Terms
from dsked.wire.messages import (
    Confirmed,
    GetGroup,
    GetShares,
    Message,
    ShareGroup,
    Shares,
    cut_key_ids,
)
from dsked.wire.terms import columns_fit, share_terms

#: With their names each may take some 10 KB.
_MAX_REMEMBERED_TERMS = 256
_Frame = tuple[list[Batch], list[GetGroup]]  # what one GET_SHARES asks for
Changed = Callable[[Batch], None]
Grown = Callable[[Terms, list[Batch], float], None]


class Asking:
    """Asks hubs, and puts what they give into the batches.

    `changed(batch)` is called when a hub has answered for a batch, or will not any more; `grown(terms,
    batches, now)` when one frame has brought whole shares under `terms`.
    """

    def __init__(
        self, client: str, hubs: Hubs, evidence: Evidence, fetches: Fetches, confirmations: Confirmations,
        changed: Changed, grown: Grown,
    ) -> None:  # fmt: skip
        self._client = client
        self._hubs = hubs
        self._evidence = evidence
        self._fetches = fetches
        self._confirmations = confirmations
        self._changed = changed
        self._grown = grown
        self._usable: dict[tuple[object, ...], Terms] = {}  # by what groups say

    # --- what is asked ---

    def ask(
        self, this_round: Round, wanted: Mapping[Batch, Collection[Fetch]], usable: Sequence[HubPeer],
        now: float, *, spare_set_aside: bool,
    ) -> None:  # fmt: skip
        """Ask the hubs for those keys of `wanted` that they have not answered for; one GET_SHARES each.

        `spare_set_aside`: not the hubs that are set aside for their initiator, nor strangers to it, if there
        are enough others.
        """
        spared: dict[str, set[int]] = {}
        if spare_set_aside and (not self._evidence.nothing_known or any(this_round.strangers.values())):
            for initiator in {batch.initiator for batch in wanted}:
                strangers = this_round.strangers.get(initiator, NO_STRANGERS)
                spared[initiator] = self._spared(initiator, strangers, usable, now)
        batches = [part for batch, fetches in wanted.items() for part in _parts(batch, list(fetches), usable)]
        fresh = not spared and all(batch.untouched for batch in batches)
        frames = [(frame, _groups(frame, 0)) for frame in _frames(batches)] if fresh else []
        for hub in usable:
            for frame, groups in frames if fresh else self._frames_for(hub.x, batches, spared):
                self._send(this_round, hub, frame, groups, now)

    @staticmethod
    def _frames_for(x: int, batches: Sequence[Batch], spared: Mapping[str, set[int]]) -> list[_Frame]:
        """What one hub is asked for, where it is not the same for all."""
        asked = [
            batch for batch in batches if batch.may_be_asked(x) and x not in spared.get(batch.initiator, ())
        ]
        return [(frame, _groups(frame, x)) for frame in _frames(asked)]

    def _spared(
        self, initiator: str, strangers: Strangers, usable: Sequence[HubPeer], now: float
    ) -> set[int]:
        """The xs of hubs that are set aside, and of strangers, each where there are enough others."""
        spared: set[int] = set()
        strange = {hub.x for hub in usable if hub.index in strangers}
        aside = {hub.x for hub in usable if self._evidence.is_set_aside(initiator, hub.name, now)}
        for some in (strange, aside):
            if len(usable) - len(spared | some) >= self._hubs.k:
                spared |= some
        return spared

    def _send(
        self, this_round: Round, hub: HubPeer, batches: Sequence[Batch], groups: list[GetGroup], now: float
    ) -> None:
        done = hub.take_confirmations()
        wait_ms = max(int((this_round.deadline - now) * 1000), 0)
        inquiry, taken = Inquiry(batches), done[:]
        for batch in batches:
            batch.ask(hub.x, inquiry)
        answered = partial(self._answered, hub, inquiry, taken)
        request_id = hub.request(GetShares(groups, wait_ms, done), answered)
        if request_id is not None:
            this_round.asked.append((hub, request_id))
            return
        for batch in batches:  # as if it had not been asked
            batch.answered(hub.x)
        self._confirmations.again(hub, taken, now)

    # --- what is answered ---

    def _answered(
        self, hub: HubPeer, inquiry: Inquiry, confirmed: list[Confirmed], message: Message | None, now: float
    ) -> bool:
        if not isinstance(message, Shares):  # the session is lost, or nothing of it was done: ERROR, nonsense
            for batch in tuple(inquiry.batches):
                self._answered_for(hub, batch)
            self._confirmations.again(hub, confirmed, now)
            confirmed.clear()
            return True
        confirmed.clear()
        self._take_shares(hub, inquiry, message, now)
        for missing in message.missing:
            for batch in self._batches_of(inquiry, missing.initiator, missing.key_ids):
                batch.take_missing(hub.x, missing.code)
                self._answered_for(hub, batch)
        return not inquiry.batches

    def _answered_for(self, hub: HubPeer, batch: Batch) -> None:
        batch.answered(hub.x)
        self._changed(batch)

    def _take_shares(self, hub: HubPeer, inquiry: Inquiry, message: Shares, now: float) -> None:
        grown: dict[Terms, list[Batch]] = {}
        for group in message.groups:
            terms = self._terms_of(group)
            if terms is None or not columns_fit(terms, group, 1):
                for batch in self._batches_of(inquiry, group.initiator.client, group.key_ids):
                    batch.take_unusable(hub.x)
                    self._answered_for(hub, batch)
                continue
            whole = self._take_group(hub.x, inquiry, terms, group)
            for batch in whole:
                self._answered_for(hub, batch)
            grown.setdefault(terms, []).extend(whole)
        for terms, batches in grown.items():
            self._grown(terms, batches, now)

    def _terms_of(self, group: ShareGroup) -> Terms | None:
        """The terms of a group, if its shares may be tried. What all hubs say alike is looked at once."""
        parties = [
            name for body in (group.initiator, *group.responders) for name in (body.client, body.encryptor)
        ]
        said = (group.n, group.k, group.key_bytes, *parties)
        known = self._usable.get(said)
        if known is not None:
            return known
        terms = share_terms(group)
        if terms is None or not usable_terms(terms, self._client, self._hubs.k):
            return None
        if len(self._usable) >= _MAX_REMEMBERED_TERMS:
            self._usable.clear()
        self._usable[said] = terms
        return terms

    def _take_group(self, x: int, inquiry: Inquiry, terms: Terms, group: ShareGroup) -> list[Batch]:
        """The batches of which whole shares are here now."""
        column = Column(x, terms, group.key_ids, group.shares, group.codes)
        fitting = group.key_ids[: self._fetches.room(column) * KEY_ID_BYTES]
        batches = self._batches_of(inquiry, group.initiator.client, fitting)
        in_part = len(group.shares) < terms.key_bytes
        return [
            batch
            for batch in batches
            if self._fetches.take(batch, column.of(batch.key_ids), group.offset, in_part=in_part)
        ]

    def _batches_of(self, inquiry: Inquiry, initiator: str, key_ids: bytes) -> list[Batch]:
        """The batches of these keys and no others, as far as `inquiry` has not been answered for them."""
        first = self._fetches.find(initiator, key_ids[:KEY_ID_BYTES])
        if first is not None and first.batch.is_of(key_ids):
            return [first.batch] if first.batch in inquiry.batches else []
        answered: dict[Batch, dict[Fetch, None]] = {}
        for key_id in cut_key_ids(key_ids):
            fetch = self._fetches.find(initiator, key_id)
            if fetch is not None and fetch.batch in inquiry.batches:
                answered.setdefault(fetch.batch, {})[fetch] = None
        return [batch.split(fetches) for batch, fetches in answered.items()]


def _parts(batch: Batch, fetches: Sequence[Fetch], usable: Iterable[HubPeer]) -> Iterator[Batch]:
    """These of its keys alone, in batches that fit into one frame; none where no hub is to be asked."""
    if len(fetches) == len(batch.fetches) <= MAX_KEYS_PER_FRAME:
        yield batch
        return
    if not any(batch.may_be_asked(hub.x) for hub in usable):
        return
    for start in range(0, len(fetches), MAX_KEYS_PER_FRAME):
        yield batch.split(fetches[start : start + MAX_KEYS_PER_FRAME])


def _frames(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """The batches that one frame asks for."""
    frame: list[Batch] = []
    number = 0
    for batch in batches:
        if number + len(batch.fetches) > MAX_KEYS_PER_FRAME:
            yield frame
            frame, number = [], 0
        frame.append(batch)
        number += len(batch.fetches)
    if frame:
        yield frame


def _groups(batches: Sequence[Batch], x: int) -> list[GetGroup]:
    """What a hub is asked for: by initiator, and apart what it has given a part of."""
    whole: dict[str, list[bytes]] = {}
    parts = []
    for batch in batches:
        if offset := batch.offset(x):
            parts.append(GetGroup(batch.initiator, batch.key_ids, offset))
        else:
            whole.setdefault(batch.initiator, []).append(batch.key_ids)
    return [GetGroup(initiator, b"".join(key_ids), 0) for initiator, key_ids in whole.items()] + parts
