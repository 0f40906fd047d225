"""What systemd makes for a unit, and tells it in its environment: directories, credentials (systemd.exec(5)).

A process that is started from within another service has that one's environment. So a directory counts only
where it is named after the very node, as in configs/systemd: /run/dsked/hub-hank.
"""

from __future__ import annotations

import os
from pathlib import Path

#: So a path in a configuration file begins that is a credential's: `$CREDENTIALS_DIRECTORY/tls-key`.
_CREDENTIALS = "$CREDENTIALS_DIRECTORY/"


def state_directory(role: str, name: str) -> Path | None:
    """The node's own directory for what must survive, made by systemd; None elsewhere."""
    return _directory("STATE_DIRECTORY", role, name)


def runtime_directory(role: str, name: str) -> Path | None:
    """The node's own directory for its control socket, made by systemd; None elsewhere."""
    return _directory("RUNTIME_DIRECTORY", role, name)


def with_credential(path: str) -> str:
    """The path as it is written in a file, where it begins with $CREDENTIALS_DIRECTORY with what that is.

    Where nobody gives credentials it stays as it is: there is no such file, and the error names it.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory or not path.startswith(_CREDENTIALS):
        return path
    return str(Path(directory, path.removeprefix(_CREDENTIALS)))


def is_credential(path: Path) -> bool:
    """Whether a path of a file is one that only its unit sees, and this process is not of that unit."""
    return _CREDENTIALS.rstrip("/") in path.parts


def is_brought(path: Path) -> bool:
    """Whether a path is a credential's, of this process's unit or of another: nothing is made there."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return is_credential(path) or (bool(directory) and path.is_relative_to(str(directory)))


def hint(path: Path) -> str:
    """What to say of a path behind the words that there is no such file."""
    text = "; the unit was given no such credential: bring /etc/credstore/dsked.NAME."
    return f"{text}{path.name}, and start it anew" if is_brought(path) else ""


def _directory(variable: str, role: str, name: str) -> Path | None:
    made = (Path(one) for one in os.environ.get(variable, "").split(":"))
    return next((path for path in made if path.is_absolute() and path.name == f"{role}-{name}"), None)
