"""Numbers of bytes, as people read them."""

from __future__ import annotations

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def show_size(nr_bytes: int) -> str:
    """For people: `64.0 MiB`."""
    unit = min((nr_bytes.bit_length() - 1) // 10 if nr_bytes else 0, len(_UNITS) - 1)
    return f"{nr_bytes} bytes" if unit == 0 else f"{nr_bytes / (1 << 10 * unit):.1f} {_UNITS[unit]}"
