"""ETSI GS QKD 014 over HTTP keep-alive, beside a bare handler in the same run (scripts/bench_etsi.py)."""

from __future__ import annotations

import bench_etsi
import msgspec

from benching.records import Etsi


def measure_etsi(seconds: float) -> Etsi:
    """Both halves and the bare handler, for so long each."""
    return msgspec.convert(bench_etsi.measure(seconds).document(), Etsi)
