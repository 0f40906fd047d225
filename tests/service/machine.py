"""A machine with systemd as its first process, for tests: a container on a copy of this root file system.

    with Machine(installed) as machine:       # two seconds; `installed(machine)` prepares it before it boots
        machine.run("systemctl", "start", "dsked-hub@hank")
        machine.journal("dsked-hub@hank")

It sees what this machine has installed, writes nothing here, has a loopback network and control groups of
its own, and is gone at the end, whatever becomes of the test. It needs root, and systemd-nspawn (Debian:
systemd-container).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.laboratory import LIMIT_S, wait_until

from .cgroups import own_cgroups

ROOT = Path(__file__).parents[2]
#: How long a command may take on a machine that is very busy: an installation starts node after node again.
COMMAND_LIMIT_S = 300.0
#: Root's in the machine, and nothing of whoever runs the tests: his PATH may lead to another dskectl.
_ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
#: A copy that takes writes lies in memory, over the root file system. Once it says so it is prepared from
#: outside, until it hears a line.
_SCRIPT = """
set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
rm -f root/etc/machine-id
systemd-machine-id-setup --root=root
echo mounted
read -r go
shift
exec systemd-nspawn --quiet --directory=root --boot --register=no --keep-unit --link-journal=no \
    --private-network --console=pipe "$@" -- --unit=basic.target </dev/null >&2
"""
#: Where the checkout lies in the machine: what stands in /root or /tmp is hidden from services.
LIBRARY = Path("/usr/lib/dsked")
#: The interpreter there: the system's own, or a copy of this one.
PYTHON = (Path("/usr") if sys.base_prefix == "/usr" else LIBRARY / "python") / (
    f"bin/python{sys.version_info.major}.{sys.version_info.minor}"
)


def why_not() -> str | None:
    """Why no machine can be had here; None where it can."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    missing = [tool for tool in ("systemd-nspawn", "nsenter", "unshare", "setpriv") if not shutil.which(tool)]
    if missing:
        return f"{missing[0]} is missing (Debian: apt-get install systemd-container)"
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this system makes no mount namespaces"


class Machine:
    """One that runs as long as the `with` block."""

    def __init__(self, prepare: Callable[[Machine], None], binds: Mapping[Path, Path] | None = None) -> None:
        """`prepare` may write below `root`, before it boots. `binds`: what of this machine is seen where."""
        self._prepare = prepare
        self._binds = binds or {}
        self._leader = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ends:
            self._directory = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="dsked-machine-")))
            self._boot(ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    @property
    def root(self) -> Path:
        """The machine's root directory, as this process reaches it."""
        if self._leader:
            return Path(f"/proc/{self._leader}/root")
        return Path(f"/proc/{self._process.pid}/root{self._directory}/over/root")

    def _boot(self, ends: contextlib.ExitStack) -> None:
        over, log = self._directory / "over", self._directory / "log"
        over.mkdir()
        binds = [f"--bind-ro={source}:{place}" for source, place in self._binds.items()]
        # With this process it ends, and in order: killed, systemd-nspawn would leave the machine behind.
        command = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]
        command += ["sh", "-c", _SCRIPT, "sh", str(over), *binds]
        move = ends.enter_context(own_cgroups(self._directory.name))
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output
            )
        ends.callback(self._end)
        assert self._process.stdin and self._process.stdout
        with self._process.stdin as go, self._process.stdout as told:
            if told.readline() != b"mounted\n":
                raise RuntimeError(f"no machine: {log.read_text()}")
            _forget_ours(self.root)
            self._prepare(self)
            move(self._process.pid)
            go.write(b"go\n")
        self._leader = wait_until(self._child, f"a machine boots: {log.read_text()}")
        wait_until(self._is_up, "the machine is up")

    def _child(self) -> int:
        if self._process.poll() is not None:
            raise RuntimeError(f"no machine: {(self._directory / 'log').read_text()}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return next((int(one) for one in children if _name(int(one)) == "systemd"), 0)

    def _is_up(self) -> bool:
        state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        return state in ("running", "degraded")

    def _end(self) -> None:
        """Nothing in it is worth an orderly end: with its first process all are killed."""
        with contextlib.suppress(ProcessLookupError):
            if self._leader:
                os.kill(self._leader, signal.SIGKILL)
        if not self._leader:
            self._process.kill()
        self._process.wait(LIMIT_S)

    # --- once it is up ---

    def run(self, *command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine, as root."""
        inside = ["nsenter", "--target", str(self._leader), "--all", "--", *command]
        given = {
            "capture_output": True,
            "text": True,
            "timeout": COMMAND_LIMIT_S,
            "stdin": subprocess.DEVNULL,
            "env": _ENVIRONMENT,
        } | options
        ran: subprocess.CompletedProcess[str] = subprocess.run(inside, check=False, **given)
        if check and ran.returncode != 0:
            last = self.run("journalctl", "--lines=40", "--no-pager", check=False).stdout
            raise AssertionError(
                f"{' '.join(command)}: status {ran.returncode}\n{ran.stdout}{ran.stderr}\n{last}"
            )
        return ran

    def as_user(self, user: str, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """The same as a user of the machine, with the groups that he is in."""
        become = ("setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env")
        return self.run(*become, *command, **options)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """What systemd knows of a unit."""
        shown = self.run("systemctl", "show", unit, *(f"--property={one}" for one in properties)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    def wait_for(self, unit: str, **properties: str) -> None:
        """Until the unit has all these properties."""
        last: dict[str, str] = {}

        def has_them() -> bool:
            last.update(self.show(unit, *properties))
            return last == properties

        try:
            wait_until(has_them, f"{unit}: {properties}")
        except TimeoutError:
            raise AssertionError(f"{unit} is {last}, not {properties}:\n{self.journal(unit)}") from None

    def main_pid(self, unit: str) -> int:
        """The unit's main process, as this machine (not that one) numbers it. 0: none."""
        inside = int(self.show(unit, "MainPID")["MainPID"])
        return _outside(self._leader, inside) if inside else 0

    def journal(self, unit: str) -> str:
        """What the unit's processes, and systemd of it, have said since the machine is up."""
        self.run("journalctl", "--sync")  # what they have said just now may be on its way to the journal
        return self.run("journalctl", "--unit", unit, "--output=cat", "--no-pager").stdout


def _forget_ours(root: Path) -> None:
    """Nodes of this machine, and what is installed of dsked here, are none of that one's."""
    for place in ("var/lib/dsked", "var/log/dsked", "etc/dsked", "usr/lib/dsked"):
        shutil.rmtree(root / place, ignore_errors=True)
    for program in ("dsked", "dskectl"):
        (root / "usr/bin" / program).unlink(missing_ok=True)


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _outside(leader: int, inside: int) -> int:
    """The process that has the number `inside` in the machine's own count."""
    space = Path(f"/proc/{leader}/ns/pid").readlink()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            numbers = (path / "status").read_text().partition("NSpid:")[2].split("\n")[0].split()
            if int(numbers[-1]) == inside and (path / "ns/pid").readlink() == space:
                return int(path.name)
    raise ProcessLookupError(inside)


# --- dsked in it, from this checkout ---


def checkout_binds() -> dict[Path, Path]:
    """This Python, what it has installed, and the checkout, for the programs of `install_checkout`."""
    python = {Path(sys.base_prefix): LIBRARY / "python"} if PYTHON.is_relative_to(LIBRARY) else {}
    return python | {
        Path(sysconfig.get_path("purelib")): LIBRARY / "site-packages",
        ROOT / "dsked": LIBRARY / "checkout/dsked",
    }


def wait_for_hubs(machine: Machine, clients: Iterable[str], hubs: Collection[str]) -> None:
    """Until these clients are registered with these hubs and no others.

    They are ready with k of them: of two that are, those of the one need not be those of the other.
    """

    def so() -> bool:
        return all(_registered(machine, client) == set(hubs) for client in clients)

    wait_until(so, f"{clients} are registered with {hubs}")


def _registered(machine: Machine, client: str) -> set[str]:
    told = json.loads(machine.run("dskectl", "status", "--node", client, "--json").stdout)
    return {peer["hub_name"] for peer in told["peer_hubs"] if peer["registered"]}


def install_checkout(machine: Machine) -> None:
    """/usr/bin/dsked and dskectl from the checkout, units, user and directories: as a package would."""
    root = machine.root
    for place in checkout_binds().values():
        (root / place.relative_to("/")).mkdir(parents=True, exist_ok=True)
    for program in ("dsked", "dskectl"):
        path = root / "usr/bin" / program
        path.write_text(_program(program))
        path.chmod(0o755)
    units = ROOT / "configs/systemd"
    for unit in units.glob("*.service"):
        _copy(unit, root / "usr/lib/systemd/system" / unit.name)
    _copy(units / "dsked.sysusers", root / "usr/lib/sysusers.d/dsked.conf")
    _copy(units / "dsked.tmpfiles", root / "usr/lib/tmpfiles.d/dsked.conf")


def _program(name: str) -> str:
    return f"""#!/bin/sh
export PYTHONPATH={LIBRARY}/checkout:{LIBRARY}/site-packages LD_LIBRARY_PATH={LIBRARY}/python/lib
exec {PYTHON} -P -c 'from dsked.cli.{name} import main; main()' "$@"
"""


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
