"""The script as a process of its own, as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

SCRIPT = Path(__file__).parents[2] / "scripts" / "torture.py"


class Done(NamedTuple):
    """A run that has ended."""

    status: int
    found: dict[str, Any]
    said: str


def torture(*arguments: str, limit_s: float, environment: Mapping[str, str] | None = None) -> Done:
    """Run it with --json."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=limit_s,
        env={**os.environ, **(environment or {})},
    )
    return Done(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)
