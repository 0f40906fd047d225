"""Where a node's settings are written, for what is found wrong only when it is used.

Groups and users that a system does not have, directories, files of certificates: a file's text does not show
whether they are right. So the settings carry `FILE:LINE: key` of each, or the option that it comes from
(merge_origins.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dsked.errors import ConfigurationError, StorageError

#: By key; of an encryptor `users of NAME`, of a file its path.
Origins = Mapping[str, str]

_Errors = tuple[type[ConfigurationError | StorageError], ...]
#: What says that a setting is wrong.
_ALL: _Errors = (ConfigurationError, StorageError)
AUDIT_LOG, CONTROL_GROUP, GATE_KEYS, STATE_DIR = "audit_log", "control_group", "gate_keys", "state_dir"
#: Addresses: of a hub, or of ETSI GS QKD 014; of SKIP; of metrics.
LISTEN, SKIP_LISTEN, METRICS = "listen", "skip listen", "metrics"


@contextmanager
def named(origins: Origins, key: str = "", only: _Errors = _ALL) -> Iterator[None]:
    """Errors say where that is written that `key` stands for; without one, the file that they begin with."""
    try:
        yield
    except only as error:
        where = origins.get(key) if key else _of_path(origins, str(error))
        if where is None:
            raise
        raise type(error)(f"{where}: {error}") from None


def _of_path(origins: Origins, message: str) -> str | None:
    found = [path for path in origins if path.startswith("/") and message.startswith(path)]
    return origins[max(found, key=len)] if found else None


def users_of(encryptor: str) -> str:
    """The key of the users who may act for it."""
    return f"users of {encryptor}"


def groups_of(encryptor: str) -> str:
    """The key of the groups that may act for it."""
    return f"groups of {encryptor}"
