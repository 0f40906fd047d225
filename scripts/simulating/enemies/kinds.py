"""Kinds of lies and of deeds, known by the names of their classes."""

from __future__ import annotations

import re


class Kind:
    """One way of being an enemy."""

    @classmethod
    def named(cls) -> str:
        """AltersShare as alters-share: its name in lists."""
        return re.sub("(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
