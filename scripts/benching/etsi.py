"""ETSI GS QKD 014 over HTTP keep-alive, beside a bare handler in the same run."""

from __future__ import annotations

from collections.abc import Iterator

from benching.records import Etsi


def measure_etsi(seconds: float) -> Iterator[Etsi]:
    """Get key and get key with key IDs."""
    yield from ()
