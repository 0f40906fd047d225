"""Units of a host without systemd: what `systemctl` would run is run, as the unit's file says.

Of a unit's file are kept: ExecStartPre, ExecStart, User, UMask, the directories and the credentials, and what
Type=notify means. The rest (hardening, limits, watchdog, restarts) needs systemd; tests/service has it.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

from .hosts import Host

_SYSTEMCTL = re.compile(
    r"systemctl (?P<verb>enable --now|start|stop|restart|reload|is-active)"
    r"(?P<no_block> --no-block)? (?P<unit>\S+)"
)
_DIRECTORIES = {"StateDirectory": "/var/lib", "RuntimeDirectory": "/run", "LogsDirectory": "/var/log"}
_READY_S = 60.0
_STOP_S = 30.0


class Unit:
    """A unit's file, with the instance's name for %i."""

    def __init__(self, host: Host, name: str) -> None:
        template, _, self.instance = name.removesuffix(".service").partition("@")
        self.name = f"{template}@{self.instance}"
        path = next(
            directory / f"{template}@.service"
            for directory in (host.root / "usr/lib/systemd/system", host.root / "lib/systemd/system")
            if (directory / f"{template}@.service").exists()
        )
        self._lines = [line for line in path.read_text().splitlines() if not line.startswith(("#", "["))]

    def all(self, key: str) -> list[str]:
        """The values of a key that may stand there several times."""
        found = (line.partition("=")[2] for line in self._lines if line.startswith(f"{key}="))
        return [value.replace("%i", self.instance) for value in found]

    def one(self, key: str, default: str = "") -> str:
        """The value of a key, or `default`."""
        return next(iter(self.all(key)), default)


class _Running(NamedTuple):
    process: subprocess.Popen[bytes]
    told: socket.socket

    def hears(self, limit_s: float) -> bytes | None:
        """What it tells next; None where it ended. Raises TimeoutError."""
        ended = os.pidfd_open(self.process.pid)
        try:
            ready, _, _ = select.select([self.told.fileno(), ended], [], [], limit_s)
        finally:
            os.close(ended)
        if not ready:
            raise TimeoutError(f"it told nothing in {limit_s:g} s")
        return self.told.recv(4096) if self.told.fileno() in ready else None


class Units:
    """Those of one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._running: dict[str, _Running] = {}
        self._ready: set[str] = set()

    def systemctl(self, command: str) -> str | None:
        """What `systemctl` prints; None for another command. Raises RuntimeError where it fails."""
        found = _SYSTEMCTL.fullmatch(command)
        if found is None:
            return None
        unit = Unit(self._host, found["unit"])
        match found["verb"]:
            case "enable --now" | "start":
                self._start(unit, wait=not found["no_block"])
            case "stop":
                self._stop(unit)
            case "restart":
                self._stop(unit)
                self._start(unit, wait=True)
            case "reload":
                self._running[unit.name].process.send_signal(signal.SIGHUP)
                self._hear(unit, "READY=1")
            case "is-active":
                return "active\n" if self._is_active(unit) else "inactive\n"
        return ""

    def stop_all(self) -> None:
        """All that run."""
        for name in list(self._running):
            self._stop(Unit(self._host, name))

    def log(self, unit: str) -> Path:
        """What a unit has said."""
        return self._host.directory / f"{unit}.log"

    def logs(self) -> list[Path]:
        """What all that were ever started have said."""
        return sorted(self._host.directory.glob("*.log"))

    def _start(self, unit: Unit, wait: bool) -> None:
        if unit.name not in self._running:
            self._run(unit)
        if wait and unit.name not in self._ready:
            self._hear(unit, "READY=1")
            self._ready.add(unit.name)

    def _run(self, unit: Unit) -> None:
        notify = f"/run/notify-{unit.name}"
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        (self._host.root / notify[1:]).unlink(missing_ok=True)
        told.bind(str(self._host.root / notify[1:]))
        (self._host.root / notify[1:]).chmod(0o666)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "NOTIFY_SOCKET": notify}
        environment |= self._directories(unit) | self._credentials(unit)
        with self.log(unit.name).open("ab") as log:
            for command in unit.all("ExecStartPre"):
                subprocess.run(
                    self._words(unit, command), env=environment, stdout=log, stderr=log, check=True
                )
            process = subprocess.Popen(
                self._words(unit, unit.one("ExecStart")),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=int(unit.one("UMask", "0022"), 8),
            )
        self._running[unit.name] = _Running(process, told)

    def _words(self, unit: Unit, command: str) -> list[str]:
        return self._host.inside(*shlex.split(command), user=unit.one("User", "root"))

    def _directories(self, unit: Unit) -> dict[str, str]:
        """Makes them, and says in the environment where they are (systemd.exec(5))."""
        made = {}
        for key, base in _DIRECTORIES.items():
            if name := unit.one(key):
                path = f"{base}/{name}"
                here = self._host.root / path[1:]
                here.mkdir(parents=True, exist_ok=True)
                here.chmod(int(unit.one(f"{key}Mode", "0755"), 8))
                self._host.command("chown", f"{unit.one('User')}:{unit.one('Group')}", path)
                variable = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).upper()
                made[variable] = path
        return made

    def _credentials(self, unit: Unit) -> dict[str, str]:
        """Copies those that are there, for the unit's user alone."""
        path = f"/run/credentials/{unit.name}"
        here = self._host.root / path[1:]
        here.mkdir(parents=True, exist_ok=True)
        here.chmod(0o700)
        for credential in unit.all("LoadCredential"):
            name, _, source = credential.partition(":")
            for store in ("etc/credstore", "usr/lib/credstore"):
                file = self._host.root / store / source
                if file.exists():
                    shutil.copyfile(file, here / name)
                    (here / name).chmod(0o400)
        self._host.command("chown", "--recursive", unit.one("User"), path)
        return {"CREDENTIALS_DIRECTORY": path}

    def _hear(self, unit: Unit, line: str) -> None:
        """Waits until the unit tells `line`."""
        running = self._running[unit.name]
        while (told := running.hears(_READY_S)) is not None:
            if line in told.decode().splitlines():
                return
        raise RuntimeError(f"{unit.name} ended, and never told {line}\n{self.log(unit.name).read_text()}")

    def _is_active(self, unit: Unit) -> bool:
        running = self._running.get(unit.name)
        return running is not None and running.process.poll() is None and unit.name in self._ready

    def _stop(self, unit: Unit) -> None:
        process, told = self._running.pop(unit.name)
        self._ready.discard(unit.name)
        with contextlib.closing(told):
            process.terminate()
            if process.wait(_STOP_S) != 0:
                raise RuntimeError(
                    f"{unit.name}: exit status {process.returncode}\n{self.log(unit.name).read_text()}"
                )
        if runtime := unit.one("RuntimeDirectory"):
            shutil.rmtree(self._host.root / "run" / runtime)
