"""From the shares in hand to keys: the first k under identical terms, whole batches at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dsked.client.columns import Column as HubColumn
from dsked.client.fetch import Batch
from dsked.sharing.rebuilding import Column, rebuild_columns
from dsked.sharing.terms import Terms


def rebuild_batches(terms: Terms, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Try those without keys that have got their first k shares under `terms`; gives all that were tried.

    A key that does not pass becomes a batch of its own, and is given as well.
    """
    alike: dict[tuple[int, ...], list[Batch]] = {}
    for batch in batches:
        group = batch.group(terms)
        if len(group) == terms.k:
            alike.setdefault(tuple([column.x for column in group]), []).append(batch)
    for xs, of_xs in alike.items():
        yield from _rebuild(terms, xs, of_xs)


def _rebuild(terms: Terms, xs: tuple[int, ...], batches: Sequence[Batch]) -> Iterator[Batch]:
    fetches = [fetch for batch in batches for fetch in batch.fetches.values()]
    keys = rebuild_columns(terms, [fetch.id[1] for fetch in fetches], join_batches(batches, xs))
    tried = dict.fromkeys(batches)
    for fetch, key in zip(fetches, keys, strict=True):
        fetch.key = key
        if key is None:
            alone = fetch.batch.split([fetch])
            alone.failed_check = True
            tried[alone] = None
    for batch in batches:
        if next(iter(batch.fetches.values())).key is not None:  # then all of those that are left
            batch.succeed(terms, xs)
    yield from tried


def join_batches(batches: Sequence[Batch], xs: Iterable[int]) -> list[Column]:
    """What these hubs have given of all keys of `batches`, in their order."""
    if len(batches) == 1:
        return [(column.x, column.shares, column.codes) for column in map(batches[0].column, xs)]
    return [_join(x, [batch.column(x) for batch in batches]) for x in xs]


def _join(x: int, parts: Sequence[HubColumn]) -> Column:
    return x, b"".join([part.shares for part in parts]), b"".join([part.codes for part in parts])


def needs_search(terms: Terms, batch: Batch) -> bool:
    """True when the first k shares did not give the key, and there are more."""
    return batch.terms is None and len(batch.group(terms)) > terms.k
