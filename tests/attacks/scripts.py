"""The script as a process of its own, as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

SCRIPT = Path(__file__).parents[2] / "scripts" / "attacks.py"


class Done(NamedTuple):
    """A run that has ended. `found`: what the script tells of the attack."""

    status: int
    found: dict[str, Any]
    said: str

    @property
    def failure(self) -> str:
        """What did not hold."""
        (failure,) = self.found["failures"].values()
        return str(failure)


def attack(name: str, *arguments: str, limit_s: float, environment: Mapping[str, str] | None = None) -> Done:
    """Run an attack with --json."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), name, "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=limit_s,
        env={**os.environ, **(environment or {})},
    )
    found = json.loads(done.stdout)["attacks"][name] if done.stdout else {}
    return Done(done.returncode, found, done.stderr)
