from __future__ import annotations

import pytest

from scripts.laboratory import free_ports


@pytest.fixture
def free() -> int:
    """A port that nobody listens on, and that no outgoing connection takes meanwhile."""
    return free_ports(1)
