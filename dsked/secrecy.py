"""What types that hold keys, shares or pads have in common: no text tells them, and nobody copies them."""

from __future__ import annotations

from typing import NoReturn


def no_pickle(holder: object) -> NoReturn:
    """For `__reduce__`: neither pickled nor copied, so that no second form of a secret comes into being."""
    raise TypeError(f"{type(holder).__name__} holds secrets: it cannot be pickled or copied")


def no_secrets(holder: object) -> str:
    """For `__repr__`: what it is, and nothing of what is in it."""
    return f"{type(holder).__name__}(...)"
