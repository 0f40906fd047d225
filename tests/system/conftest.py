from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from scripts.laboratory import Laboratory

from .browser import Profile, profile
from .daemon import Daemon
from .outsiders import HUBS, VICTIM, Scene
from .proxy import Proxy
from .support import assert_no_fault, example, fetch, get_keys, small, started, wait_for_hubs


@pytest.fixture(scope="session")
def lab() -> Iterator[Laboratory]:
    """The example topology, whole: a test that stops nodes starts them again, and waits for their hubs.

    Nobody fetches keys at the client of sofia: tests watch there how many pad bytes are used.
    """
    with started(example(), log_level="debug") as lab:
        yield lab


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Carol reaches hank through a proxy, and all of them are unharmed in the end."""
    content = small(HUBS, k=2) | {
        "share_timeout_secs": 3600
    }  # so that shares at the hubs only grow in number
    with ExitStack() as stack:
        lab = stack.enter_context(started(content, nodes=[*HUBS, "curtis"]))
        proxy = Proxy(lab.port(VICTIM))
        stack.callback(proxy.close)
        ports = {name: lab.port(name) for name in HUBS} | {VICTIM: proxy.port}
        hubs = [f"{name}=127.0.0.1:{port}" for name, port in ports.items()]
        arguments = ["--role", "client", "carol", "--config", str(lab.config), *lab.places, "--hubs", *hubs]
        log = lab.path / "client-carol.out"
        carol = stack.enter_context(Daemon(arguments, log))
        carol.wait_ready()
        wait_for_hubs(lab, "carol")
        yield Scene(lab, proxy)
        keys = get_keys(lab, "sam", "sunny")
        assert fetch(lab, "sunny", "sam", keys) == keys
        for name in HUBS:
            assert_no_fault(lab.log(name), name)
        assert carol.end() == 0


@pytest.fixture
def user() -> Iterator[Profile]:
    """Somebody who has a browser."""
    with profile() as user:
        yield user
