from __future__ import annotations

import pytest

from .sides import Ends, Sessions


@pytest.fixture(params=["media", "simulated"])
def sessions(request: pytest.FixtureRequest) -> Sessions:
    return Ends(simulated=request.param == "simulated").sessions()


@pytest.fixture
def media() -> Sessions:
    return Ends().sessions()
