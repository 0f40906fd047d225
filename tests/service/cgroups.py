"""Control groups of its own for one of the tests' machines.

systemd-nspawn that registers its machine nowhere puts all into one group, `payload`, below the group that it
was started in. Two machines at once would have the same groups then: what the systemd of the one removes or
kills (`dsked-client@carol.service` has no process left) is the other's as well.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.laboratory import wait_until

_MOUNTS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def own_cgroups(name: str) -> Iterator[Callable[[int], None]]:
    """Groups of this name below this process's own; gone at the end, when nothing may run in them any more.

    Gives what moves a process there, by its number.
    """
    groups = [parent / name for parent in _of_this_process()]
    with contextlib.ExitStack() as ends:
        for group in groups:
            group.mkdir()
            ends.callback(_remove, group)

        def move(pid: int) -> None:
            for group in groups:
                (group / "cgroup.procs").write_text(f"{pid}\n")

        yield move


def _of_this_process() -> list[Path]:
    """Where this process is in the hierarchies that systemd keeps its units in."""
    paths = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths[controllers] = path.lstrip("/")
    # The second version's, alone or beside the first's (cgroups(7)); the first's, which has no controllers.
    mounts = {"": [_MOUNTS / "unified", _MOUNTS], "name=systemd": [_MOUNTS / "systemd"]}
    return [
        mount / paths[controllers]
        for controllers, places in mounts.items()
        if controllers in paths
        for mount in [place for place in places if (place / "cgroup.procs").exists()][:1]
    ]


def _remove(group: Path) -> None:
    """The group and all below it. A process that was killed is in its group until it is wholly gone."""

    def gone() -> bool:
        with contextlib.suppress(OSError):
            for directory, _, _ in os.walk(group, topdown=False):
                os.rmdir(directory)  # noqa: PTH106
        return not group.exists()

    wait_until(gone, f"{group} is empty")
