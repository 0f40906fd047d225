"""From the shares in hand to keys: the first k under identical terms, or the good ones among more."""

from __future__ import annotations

from collections.abc import Iterator

from dsked.client.fetch import Fetch
from dsked.errors import ReconstructionError
from dsked.sharing.rebuilding import rebuild
from dsked.sharing.recovery import recover
from dsked.sharing.terms import Terms


def rebuild_fetches(terms: Terms, fetches: list[Fetch]) -> Iterator[Fetch]:
    """Try those that have just got another share under `terms`; gives those that have a key now.

    Keys with exactly k shares are rebuilt as one batch. Where that check fails, each further share is a
    reason to look for the good ones among all.
    """
    wanted = [fetch for fetch in fetches if fetch.key is None]
    first = [fetch for fetch in wanted if len(fetch.group(terms)) == terms.k]
    batch = [(fetch.id[1], list(fetch.group(terms))) for fetch in first]
    for fetch, (_, shares), key in zip(first, batch, rebuild(terms, batch), strict=True):
        if key is None:
            fetch.failed_check = True
        else:
            fetch.succeed(terms, key, shares)
            yield fetch
    for fetch in wanted:
        if len(fetch.group(terms)) > terms.k and _recovered(fetch, terms):
            yield fetch


def _recovered(fetch: Fetch, terms: Terms) -> bool:
    try:
        found = recover(terms, fetch.id[1], fetch.group(terms))
    except ReconstructionError:
        return False  # further shares may come
    fetch.succeed(terms, found.key, list(found.passed))
    return True
