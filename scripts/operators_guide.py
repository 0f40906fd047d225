"""docs/operators-guide.md, followed from its first line to its last. In the end both sites must hold one key.

Each host of the page is a network namespace with a root directory of its own: files, users, addresses. What
differs from the page:

- There is no systemd: what `systemctl` would run is run as the unit's file says, as the user that it says.
- `apt install` puts the programs of this checkout, its units and its user there; --package takes a real
  package.
- Bundles of random data are smaller, so that hosts fit into memory.

Needs root. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from guiding import hosts, page, units
from guiding.hosts import PROJECT, Network

#: The hosts of the page. Encryptors and authorities run no node; authorities have no network.
ADDRESSES = {
    "hank": ("192.0.2.11/24", "2001:db8::11/64"),
    "helen": ("2001:db8::12/64",),
    "hilary": ("192.0.2.13/24", "2001:db8::13/64"),
    "carol": ("192.0.2.21/24", "2001:db8::21/64"),
    "curtis": ("192.0.2.22/24", "2001:db8::22/64"),
    "sam": ("192.0.2.31/24",),
    "sunny": ("192.0.2.32/24",),
    "hugo": ("192.0.2.14/24", "2001:db8::14/64"),
    "celia": ("192.0.2.23/24", "2001:db8::23/64"),
    "pki-a": (),
    "pki-b": (),
}
_SIZE = ("--size 256M", "--size 2M")
_INSTALL = "apt install ./dsked.deb"
_KEY_ID = re.compile(r'(?:"key_ID":"|: key )([0-9a-f-]{36})')
_KEY = re.compile(r'\{"keys":\[\{"key_ID":"(?P<id>[0-9a-f-]{36})","key":"(?P<key>[^"]+)"')
_WRAPPER = '#!/bin/sh\nexec {python} -m {module} "$@"\n'


class Failed(Exception):
    """A step did not do what the page says."""


class Operator:
    """Who follows the page."""

    def __init__(self, network: Network, package: Path | None) -> None:
        self._network, self._package = network, package
        self.units = {name: units.Units(host) for name, host in network.hosts.items()}
        self.keys: list[tuple[str, str]] = []  # ID and key, as encryptors got them
        self._key_id = "KEY_ID"  # the last that was printed
        self.commands = 0

    def summary(self) -> str:
        """What was done, in words."""
        return f"{self.commands} commands were typed; both sites hold the same {len(self.keys) // 2} keys"

    def do(self, step: page.Step) -> None:
        """One step. Raises Failed."""
        match step:
            case page.Medium(host):
                print(f"\n--- the medium is put into {host}", flush=True)
                self._network.carry(host)
            case page.File(names, path, text):
                for name in names:
                    print(f"\n--- {path} is written at {name}", flush=True)
                    (self._network.hosts[name].root / path[1:]).write_text(text)
            case page.Command(names):
                for name in names:
                    self._type(name, step)

    def end(self) -> None:
        """All nodes stop, as they should, and none has met a fault of its own."""
        for one in self.units.values():
            one.stop_all()
        for log in (path for one in self.units.values() for path in one.logs()):
            if "Traceback" in (text := log.read_text()):
                raise Failed(f"{log.stem} has said:\n{text}")

    def _type(self, name: str, step: page.Command) -> None:
        command = step.command.replace(*_SIZE)
        command = command.replace("KEY_ID", self._key_id)
        print(f"\nroot@{name}# {command}", flush=True)
        printed = self._printed(name, command)
        print(printed, end="" if printed.endswith("\n") else "\n" * bool(printed), flush=True)
        self.commands += 1
        ended = printed if printed.endswith("\n") or not printed else printed + "\n"
        expected = step._replace(output=step.output.replace("KEY_ID", self._key_id))
        if not expected.printed(ended):
            raise Failed(f"the page says that it prints:\n{step.output}")
        if key_id := _KEY_ID.search(printed):
            self._key_id = key_id[1]
        if key := _KEY.match(printed):
            self.keys.append((key["id"], key["key"]))

    def _printed(self, name: str, command: str) -> str:
        told = self.units[name].systemctl(command)
        if told is not None:
            return told
        host = self._network.hosts[name]
        if command == _INSTALL:
            command = self._install(host)
        done = host.shell(command)
        if done.returncode != 0:
            raise Failed(f"{done.stdout}exit status {done.returncode}")
        return done.stdout

    def _install(self, host: hosts.Host) -> str:
        """What is typed in the place of `apt install`."""
        if self._package is not None:
            shutil.copyfile(self._package, host.root / "root/dsked.deb")
            return "dpkg --force-depends --install ./dsked.deb"
        for module, program in (("dsked", "dsked"), ("dsked.cli.dskectl", "dskectl")):
            path = host.root / "usr/bin" / program
            path.unlink(missing_ok=True)
            path.write_text(_WRAPPER.format(python=sys.executable, module=module))
            path.chmod(0o755)
        systemd = PROJECT / "configs" / "systemd"
        for file in systemd.glob("*.service"):
            shutil.copyfile(file, host.root / "usr/lib/systemd/system" / file.name)
        shutil.copyfile(systemd / "dsked.sysusers", host.root / "usr/lib/sysusers.d/dsked.conf")
        shutil.copyfile(systemd / "dsked.tmpfiles", host.root / "usr/lib/tmpfiles.d/dsked.conf")
        return "systemd-sysusers dsked.conf range.conf && systemd-tmpfiles --create dsked.conf && id dsked"


def follow(operator: Operator) -> None:
    """All steps of the page, and the check that both sites got one key. Raises Failed, RuntimeError."""
    for step in page.steps():
        operator.do(step)
    operator.end()
    check_keys(operator.keys)


def check_keys(keys: Sequence[tuple[str, str]]) -> None:
    """Whether each key, by its ID, was shown at both sites, and was the same. Raises Failed."""
    ids = {key_id for key_id, _ in keys}
    if not ids or len(set(keys)) != len(ids) or sorted(keys) != sorted([*set(keys)] * 2):
        raise Failed(f"{len(keys)} keys were shown, of {len(ids)} IDs and {len(set(keys))} values")


def main() -> int:
    """Exit status 0 only if every step did what the page says, and the keys match."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--package", type=Path, metavar="FILE", help="install this Debian package at every node"
    )
    options = parser.parse_args()
    if reason := hosts.why_not():
        sys.exit(f"operators_guide: {reason}")
    hosts.separate()
    print(__doc__)
    begun = time.monotonic()
    network = Network(ADDRESSES)
    network.make()
    operator = Operator(network, options.package)
    try:
        follow(operator)
    except (Failed, OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"\noperators_guide: {error}", file=sys.stderr)
        return 1
    print(f"\n{operator.summary()}, in {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
