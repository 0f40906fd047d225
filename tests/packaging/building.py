"""Packages of this checkout, built as `make wheel`, `make binary` and `make deb` build them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
#: What is built is tried once: it need not be small.
_QUICK = {"DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1", "ARCHIVE_LEVEL": "1"}


def build(script: str, directory: Path) -> str:
    """Run packaging/`script`, which writes to `directory`; what it says. A failure is an AssertionError."""
    environment = {**os.environ, **_QUICK, "DIST": str(directory), "BIN": str(Path(sys.executable).parent)}
    environment.pop("PYTHONPATH", None)
    ran = subprocess.run(
        [str(PACKAGING / script)], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr
