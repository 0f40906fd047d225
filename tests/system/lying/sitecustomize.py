"""Makes lying hubs of real daemons: those named in LYING_HUBS ("hub1=alters-share ...") as they start.

What they agree on must be the same in all processes: two that shift the key add one polynomial, which is 0
at the third hub. So with it they rebuild to another key, in bytes of their choice. `spoils-carols-keys`
stands for an initiator carol who deals rubbish; `forges-for-others` has an accomplice (accomplices.py).
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any


def _liar(name: str, kind: str, settings: dict[str, Any]) -> Any:
    """The engine of a hub that lies."""
    from simulating.enemies.cabal import Cabal, Differences, secret_bytes
    from simulating.enemies.liars import LIARS
    from simulating.enemies.lies.collusion import Adds
    from simulating.enemies.lies.hub import hub_that
    from simulating.enemies.lies.shares import RandomShares

    from dsked.sharing.shares import code_bytes

    class ShiftsTogether(Adds):
        def differences(self, terms: Any, key_id: bytes) -> Differences:
            length, pair = secret_bytes(terms, code_bytes(terms)), bytes(32)
            strings = ((0, b"\x66" * length), (1, b"\x17" * length), (3, bytes(length)))
            return Differences(strings, ((0, pair), (1, b"\x05" + pair[1:]), (3, pair)))

    class SpoilsCarolsKeys(RandomShares):
        def group(self, to: Any, group: Any) -> Any:
            return super().group(to, group) if group.initiator.client == "carol" else group

    own = {"shifts-together": ShiftsTogether, "spoils-carols-keys": SpoilsCarolsKeys}
    xs = {f"hub{x}": x for x in range(1, 33)}
    if kind == "forges-for-others":
        import accomplices

        own[kind] = accomplices.ForgesForOthers
    hub = hub_that(own[kind]) if kind in own else LIARS[kind]
    return hub(name, cabal=Cabal(random.Random(name), 3, xs), **settings)


def _begin(liars: dict[str, str]) -> None:
    sys.path.append(str(Path(__file__).parents[3] / "scripts"))
    if "forges-for-others" in liars.values():
        import accomplices

        accomplices.begin()

    import dsked.hub.engine

    honest = dsked.hub.engine.HubEngine

    def engine(name: str, **settings: Any) -> Any:
        return _liar(name, liars[name], settings) if name in liars else honest(name, **settings)

    import dsked.net.hub_node

    dsked.net.hub_node.HubEngine = engine  # type: ignore[assignment, misc]


if {"dsked", "dsked.cli.nursery"} & {*sys.orig_argv} and os.environ.get("LYING_HUBS"):
    _begin(dict(pair.split("=") for pair in os.environ["LYING_HUBS"].split()))
