from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.net.nodes import Nodes


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    made = Nodes(tmp_path)
    yield made
    await made.close()
