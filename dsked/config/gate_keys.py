"""The file of the pairs' gate keys: `{"version": 1, "pairs": {"carol/hank": "<64 hex digits>"}}`.

A gate key of 32 bytes is shared by one client and one hub. It guards availability, and seals
simulated PSRD; whoever can read the file can read a laboratory's keys.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from dsked import limits
from dsked.config import config_file, secret_files, service
from dsked.errors import ConfigurationError, StorageError

FILE_NAME = "gate-keys.json"
VERSION = 1
MAX_FILE_BYTES = 64 * 1024 * 1024

#: (client name, hub name) -> 32 bytes
GateKeys = dict[tuple[str, str], bytes]


def load(path: Path) -> GateKeys:
    """Reads the file.

    Raises ConfigurationError: missing, no regular file, readable by others, or not as this module writes it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            config_file.demand_regular(path, status)
            mode = stat.S_IMODE(status.st_mode)
            if secret_files.open_to(status):
                raise ConfigurationError(
                    f"{path}: others may read these secrets (mode {mode:04o}); mend it with: chmod 600 {path}"
                )
            raw = file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        how = "; 'dskectl start' makes it, or copy it from the host that has it"
        raise ConfigurationError(
            f"{path}: there is no file of gate keys{service.hint(path) or how}"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    return _parse(path, raw)


def ensure(path: Path, pairs: Iterable[tuple[str, str]]) -> bool:
    """Adds a fresh key for every pair that has none; keys that exist stay. True if any was added.

    Safe against other processes that do the same at the same time.
    Raises StorageError if it cannot be written, ConfigurationError as `load` does.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StorageError(f"{path.parent}: cannot be made: {error.strerror}") from None
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        added, keys = completed(path, pairs)
        if added:
            _write(path, keys)
            os.fsync(directory)
    finally:
        os.close(directory)
    return added


def completed(path: Path, pairs: Iterable[tuple[str, str]]) -> tuple[bool, GateKeys]:
    """(whether some were missing, the keys as `ensure` has them). Writes nothing; raises as `load` does."""
    keys = load(path) if path.exists() else {}
    missing = [pair for pair in pairs if pair not in keys]
    keys.update((pair, os.urandom(limits.GATE_KEY_BYTES)) for pair in missing)
    return bool(missing), keys


def _parse(path: Path, raw: bytes) -> GateKeys:
    fault = ConfigurationError(f"{path}: no file of gate keys, or damaged; restore it from a copy")
    try:
        data = json.loads(raw)
        if data["version"] != VERSION:
            raise ConfigurationError(f"{path}: its version is not known; expected {VERSION}")
        keys: GateKeys = {}
        for pair, text in data["pairs"].items():
            client, hub = pair.split("/")
            keys[client, hub] = bytes.fromhex(text)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise fault from None  # `from None`: the text at fault may be a key
    if any(len(key) != limits.GATE_KEY_BYTES for key in keys.values()):
        raise fault
    return keys


def _write(path: Path, keys: GateKeys) -> None:
    """Replaces the file in one step: a reader sees the old one or the new one, whole."""
    pairs = {f"{client}/{hub}": key.hex() for (client, hub), key in sorted(keys.items())}
    text = json.dumps({"version": VERSION, "pairs": pairs}, indent=1) + "\n"
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)  # left by a crash; we hold the lock
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from None
