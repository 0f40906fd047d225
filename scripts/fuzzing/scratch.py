"""A directory of this process's own for decoders that read files."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def _directory(process: int) -> Path:
    """One for each process: who forks gets its own. libFuzzer ends without atexit: runner.py sees to that."""
    made = Path(tempfile.mkdtemp(prefix="dsked-fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def directory() -> Path:
    """The directory, which is removed when the process ends."""
    return _directory(os.getpid())


def file(name: str, content: bytes) -> Path:
    """A file of this name with this content, mode 0600."""
    path = directory() / name
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(content)
    return path
