from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from dsked.client import initiator, locator
from tests.net.nodes import LIMIT_S, Nodes, give_up_ports


def pytest_asyncio_loop_factories():
    """Sockets behave a little differently on the two loops, and the daemon runs on both."""
    import asyncio

    import uvloop

    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _ports_are_the_tests_own() -> Iterator[None]:
    yield
    give_up_ports()


@pytest.fixture(autouse=True)
def _hubs_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All nodes share this process: whatever holds it up must not look like hubs that do not answer."""
    for module in (initiator, locator):
        monkeypatch.setattr(module, "ACK_LIMIT_S", LIMIT_S)


@pytest.fixture
async def nodes(tmp_path) -> AsyncIterator[Nodes]:
    made = Nodes(tmp_path)
    yield made
    await made.close()
