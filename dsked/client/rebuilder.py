"""From the shares in hand to keys: the first k under identical terms, whole batches at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsked.client.fetch import Fetch
from dsked.sharing.rebuilding import rebuild
from dsked.sharing.terms import Terms


def rebuild_fetches(terms: Terms, fetches: Sequence[Fetch]) -> Iterator[Fetch]:
    """Try those that have got their first k shares under `terms`; gives those that have a key now."""
    wanted = [fetch for fetch in fetches if fetch.key is None and len(fetch.group(terms)) == terms.k]
    batch = [(fetch.id[1], list(fetch.group(terms))) for fetch in wanted]
    for fetch, (_, shares), key in zip(wanted, batch, rebuild(terms, batch), strict=True):
        if key is None:
            fetch.failed_check = True
        else:
            fetch.succeed(terms, key, shares)
            yield fetch


def needs_search(terms: Terms, fetch: Fetch) -> bool:
    """True when the first k shares did not give the key, and there are more."""
    return fetch.key is None and len(fetch.group(terms)) > terms.k
