from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.laboratory import Laboratory

from .support import example, started


@pytest.fixture(scope="session")
def lab() -> Iterator[Laboratory]:
    """The example topology, for tests that stop none of its nodes or start them again.

    Nobody fetches keys at the client of sofia: tests watch there how many pad bytes are used.
    """
    with started(example(), log_level="debug") as lab:
        yield lab
