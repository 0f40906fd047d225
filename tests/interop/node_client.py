"""The client for Node in node/, which was written from proto/ alone, as a process that tests talk to."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from scripts.laboratory import LIMIT_S, Laboratory

HERE = Path(__file__).parent / "node"
#: Node where scripts/setup.sh has put it, because the system has none that is recent; else the system's.
OWN_NODE = Path(sys.executable).with_name("node")
NODE = str(OWN_NODE) if OWN_NODE.exists() else shutil.which("node") or ""


def missing() -> str:
    """What is not installed, or nothing. Under CI nothing is missing: there the tests fail instead."""
    if os.environ.get("CI"):
        return ""
    if not NODE:
        return "not installed: node"
    return "" if (HERE / "node_modules").is_dir() else "not installed: what tests/interop/node needs (npm ci)"


needs_node = pytest.mark.skipif(bool(missing()), reason=missing() or "all is there")


def run_node(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the directory to its end."""
    return subprocess.run(
        [NODE, *words], cwd=HERE, env={**os.environ, **environment}, capture_output=True, text=True
    )


def configuration(
    lab: Laboratory, client: str, k: int, hubs: Sequence[str] = (), **settings: Any
) -> dict[str, Any]:
    """What the client of this name in a topology needs to know; of simulated pairs the gate keys as well."""
    names = [hub["name"] for hub in lab.content["hubs"]]
    return {
        "client": client,
        "encryptors": encryptors_of(lab, client),
        "k": k,
        "hubs": [
            {"name": hub, "host": "127.0.0.1", "port": lab.port(hub), "x": names.index(hub) + 1}
            for hub in hubs or names
        ],
        **settings,
    }


def encryptors_of(lab: Laboratory, client: str) -> list[str]:
    """The names of a client's encryptors in a topology."""
    found = next(one for one in lab.content["clients"] if one["name"] == client)
    return [encryptor["name"] for encryptor in found["encryptors"]]


def gate_keys(lab: Laboratory) -> dict[str, str]:
    """The gate keys of simulated pairs, by CLIENT/HUB."""
    pairs: dict[str, str] = json.loads((lab.path / "gate-keys.json").read_text())["pairs"]
    return pairs


def simulated(lab: Laboratory, client: str, k: int, **settings: Any) -> dict[str, Any]:
    """The configuration of a client in a topology with simulated PSRD."""
    known = gate_keys(lab)
    content = configuration(lab, client, k, **settings)
    for hub in content["hubs"]:
        hub["gate_key"] = known[f"{client}/{hub['name']}"]
    return content


def write(lab: Laboratory, name: str, content: Mapping[str, Any]) -> Path:
    """A file of JSON in the laboratory's directory."""
    path = lab.path / name
    path.write_text(json.dumps(content))
    return path


class NodeClient:
    """A running client; it stops in order at the end of the `with` block."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self._ids = itertools.count(1)

    def __enter__(self) -> Self:
        self._log = self.config.with_suffix(".out").open("a")
        command = [NODE, "src/cli.mjs", str(self.config)]
        self._process = subprocess.Popen(
            command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(LIMIT_S)
        finally:
            self._process.kill()
            self._process.stdout.close()
            self._log.close()
        log = self.config.with_suffix(".out").read_text()
        assert "    at " not in log, log  # a stack, of a fault in the client itself

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()
        self._process.wait(LIMIT_S)

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """The answer to a request (node/src/cli.mjs), which may be an error."""
        number = next(self._ids)
        answer = self.say(json.dumps({"id": number, "do": do, **fields}))
        assert answer["id"] == number
        return answer

    def say(self, line: str) -> dict[str, Any]:
        """The answer to a line, whatever stands in it."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def wait_for_hubs(self, number: int) -> None:
        """Until it is registered with so many."""
        assert self.ask("ready", hubs=number, ms=1000 * LIMIT_S)["ready"], self.status()

    def status(self) -> list[dict[str, Any]]:
        """Its state, a hub each."""
        hubs: list[dict[str, Any]] = self.ask("status")["hubs"]
        return hubs

    def get(self, initiator: str, *responders: str, size: int = 32, number: int = 1) -> dict[str, str]:
        """New keys of `size` bytes, by their IDs."""
        answer = self.ask("get", initiator=initiator, responders=responders, size=size, number=number)
        assert "error" not in answer, answer
        return {one["id"]: one["key"] for one in answer["keys"]}

    def fetch(self, responder: str, initiator: str, ids: Sequence[str]) -> dict[str, str]:
        """Keys that another party has established, by their IDs."""
        answer = self.ask("fetch", responder=responder, initiator=initiator, ids=list(ids))
        assert "error" not in answer, answer
        return {one["id"]: one["key"] for one in answer["keys"]}
