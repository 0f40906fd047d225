"""The files of proto/vectors are what the generator makes: nobody edits them by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.proto.files import PROJECT, VECTORS


def test_the_generator_gives_the_same_files(tmp_path: Path) -> None:
    script = PROJECT / "scripts" / "make_vectors.py"
    subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        check=True,
        cwd=PROJECT,
        env={"PYTHONPATH": str(PROJECT)},
    )
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in VECTORS.glob("*.json")}
    assert made == kept
