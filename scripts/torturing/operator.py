"""The operator's work: bundles from the hubs to the clients, by dskectl, beside running nodes or without.

Nodes may be killed meanwhile, and so may dskectl itself: then the same command is given again.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from .nodes import LIMIT_S, Node, TortureError

DSKECTL = Path(sys.executable).with_name("dskectl")
#: A command that is cut off is given again, so often at most.
TRIES = 6
MIB = 1024 * 1024


class Operator:
    """Delivers bundles between the nodes of a laboratory. `held`: bytes of each pool of a pair, by then."""

    def __init__(self, root: Path, nodes: dict[str, Node]) -> None:
        self._media = root / "media"
        self._media.mkdir()
        self._nodes = nodes
        self.nr_bundles = 0
        self._busy = {name: asyncio.Lock() for name in nodes}  # one command at a time on each state
        self.held: dict[tuple[str, str], int] = {}

    async def deliver(self, pair: tuple[str, str], size: int, *, new_streams: bool = False) -> None:
        """Generate a bundle of `size` bytes for each pool of a pair (client, hub), and import it."""
        client, hub = pair
        self.nr_bundles += 1
        bundle = self._media / f"bundle-{self.nr_bundles}"
        anew, replace = (["--new-streams"], ["--replace"]) if new_streams else ([], [])
        ends = ["--hub", hub, "--client", client]
        await self._until_done(hub, "generate", *ends, "--size", str(size), "--out", str(bundle), *anew)
        await self._until_done(client, "import", "--erase", str(bundle), *replace)
        self.held[pair] = size if new_streams else self.held.get(pair, 0) + size
        bundle.unlink(missing_ok=True)

    async def _until_done(self, name: str, *command: str) -> None:
        said = []
        for _ in range(TRIES):
            async with self._busy[name]:
                status, output = await self.dskectl(name, *command)
            said.append(f"{status}: {output}")
            if status == 0 or "already" in output:
                return
        raise TortureError(f"dskectl psrd {' '.join(command)} does not succeed:\n" + "\n".join(said))

    async def dskectl(self, name: str, *command: str) -> tuple[int, str]:
        """Exit status, and all that a `dskectl psrd` command says, for a node."""
        node = self._nodes[name]
        process = await asyncio.create_subprocess_exec(
            str(DSKECTL), *node.place.options, "psrd", *command,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, env=dict(os.environ),
        )  # fmt: skip
        try:
            async with asyncio.timeout(LIMIT_S):
                output, _ = await process.communicate()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
        assert process.returncode is not None
        return process.returncode, output.decode(errors="replace").strip()
