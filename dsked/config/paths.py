"""Where things are: the configuration file, state, and control sockets.

Light to import: `dskectl get-key` needs it, and must be quick.

A topology is known by its ID, NAME-HASH: the stem of its file's name and 8 hex digits of the
SHA-256 of its real path. So two topologies of one user never meet each other's nodes. The file of one
node is known by ROLE-NAME, wherever it is: a host has one node of that role and name, as systemd has it.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from dsked import limits
from dsked.config import config_file
from dsked.errors import ConfigurationError

DEFAULT_CONFIGS = (
    Path("dske-config.yaml"),
    Path("/etc/dsked/dske-config.yaml"),
    Path("/etc/dsked/dsked.yaml"),
)

SYSTEM_RUNTIME_DIR = Path("/run/dsked")
SYSTEM_STATE_DIR = Path("/var/lib/dsked")

ROLES = ("hub", "client")

#: Sockets of nodes that were given everything on the command line, without a topology file.
NO_TOPOLOGY = "no-topology"

#: The line of a node's own file that says which node it is.
_NODE_LINE = re.compile(
    rb"""^(?:\xef\xbb\xbf)?(hub|client)[ \t]*:[ \t]+(["']?)([A-Za-z0-9][A-Za-z0-9._-]*)\2"""
    rb"[ \t]*(?:#.*)?\r?$",
    re.MULTILINE,
)

MAX_STEM_CHARACTERS = 24
#: /run/user/4294967294/dsked/ 27 + topology ID 33 + /client- 8 + name 32 + .sock 5 = 105 of 107 bytes
MAX_SOCKET_NAME_CHARACTERS = 32


def find_config(named: str | Path | None) -> Path:
    """The configuration file: the named one, else the first default that exists.

    Raises ConfigurationError if there is none, or it is one in the current directory that is not ours.
    """
    if named is not None:
        if not Path(named).exists():
            raise ConfigurationError(f"{named}: there is no such file")
        return Path(named)
    found = default_config()
    if found is None:
        places = ", ".join(str(path) if path.is_absolute() else f"./{path}" for path in DEFAULT_CONFIGS)
        raise ConfigurationError(f"none of {places} exists; name a topology file with --config FILE")
    if not found.is_absolute():
        config_file.demand_ours(found)
    return found


def default_config() -> Path | None:
    """The first default configuration file that exists, or None; /etc/dsked may be closed to this user."""
    return next((path for path in DEFAULT_CONFIGS if os.path.exists(path)), None)  # noqa: PTH110  which raises


def node_of(config: Path) -> tuple[str, str] | None:
    """Role and name of the node whose own file it is; None for a topology's, and where there is no file.

    A look at its lines: YAML would take a key request longer than its key. Who reads the file checks that
    both say the same (topology.load). Raises ConfigurationError for what is no regular file.
    """
    try:
        found = _NODE_LINE.search(config_file.read(config))
    except OSError:
        return None
    return (found[1].decode(), found[3].decode()) if found else None


def topology_id(config: Path | None) -> str:
    """The name under which a topology keeps its files, at most 33 characters; of a node's file ROLE-NAME."""
    if config is None:
        return NO_TOPOLOGY
    own = node_of(config)
    if own:
        return "-".join(own)
    import hashlib  # 3 ms that a request without a topology file need not pay

    real = os.path.realpath(config)
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", Path(real).stem)[:MAX_STEM_CHARACTERS]
    return f"{stem}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:8]}"


def state_dir(config: Path | None, option: str | None = None, configured: Path | None = None) -> Path:
    """Where a topology keeps what must survive: the option, $DSKED_STATE_DIR, the file's, a default.

    Nodes with files of their own share the default: below it each has its ROLE-NAME, as under systemd.
    """
    named = option or os.environ.get("DSKED_STATE_DIR")
    if named:
        return Path(named).absolute()
    if configured:
        return configured
    if os.geteuid() == 0:
        base = SYSTEM_STATE_DIR
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "dsked"
    return base if config is not None and node_of(config) else base / topology_id(config)


def node_state_dir(base: Path, role: str, name: str) -> Path:
    """Where one node keeps what must survive: `base` is the topology's directory."""
    return base / f"{role}-{name}"


def runtime_base(option: str | None = None) -> Path:
    """The directory of all topologies' sockets: the option, $DSKED_RUNTIME_DIR, or a default.

    By default /run/dsked for root, else $XDG_RUNTIME_DIR/dsked, else /tmp/dsked-UID.
    """
    named = option or os.environ.get("DSKED_RUNTIME_DIR")
    if named:
        return Path(named).absolute()
    if os.geteuid() == 0:
        return SYSTEM_RUNTIME_DIR
    user = os.environ.get("XDG_RUNTIME_DIR")
    if user and Path(user).is_dir():
        return Path(user) / "dsked"
    return Path(f"/tmp/dsked-{os.geteuid()}")  # noqa: S108  prepare_runtime_dir checks whose it is


def runtime_dir(config: Path | None, option: str | None = None) -> Path:
    """The directory of a topology's sockets: this user's, or the system's where only that exists."""
    candidates = [base / topology_id(config) for base in _bases(option)]
    return next((directory for directory in candidates if directory.exists()), candidates[0])


def prepare_runtime_dir(config: Path | None, option: str | None = None) -> Path:
    """The directory of a topology's sockets; the one above it is made if missing.

    The directory itself is made by the first node, with the group that may enter it. Raises
    ConfigurationError where somebody else could have planted one of the two, or can change it.
    """
    base = runtime_base(option)
    directory = base / topology_id(config)
    try:
        if not base.exists():
            base.mkdir(parents=True, exist_ok=True)
            base.chmod(0o755)  # whatever the umask took: groups may have to pass
    except OSError as error:
        raise ConfigurationError(
            f"{base}: cannot be made: {error.strerror}; choose another place with --runtime-dir"
        ) from None
    _check_owner(base)
    if directory.exists():
        _check_owner(directory)
    return directory


def lock_file(directory: Path) -> Path:
    """The file that `start` and `stop` lock while they change which nodes of a topology run."""
    return directory.with_name(f"{directory.name}.lock")


def _check_owner(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(
            f"{path}: belongs to somebody else, or is no directory; choose another place with --runtime-dir"
        )
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise ConfigurationError(f"{path}: everybody can write there; mend it with: chmod o-w {path}")


def socket_path(directory: Path, role: str, name: str) -> Path:
    """The control socket of a node. Raises ConfigurationError if Unix cannot hold the path."""
    path = directory / f"{role}-{socket_name(name)}.sock"
    length = len(os.fsencode(path))
    if length > limits.MAX_SOCKET_PATH_BYTES:
        raise ConfigurationError(
            f"{path}: the path of a socket has at most {limits.MAX_SOCKET_PATH_BYTES} bytes, this one "
            f"{length}; choose a shorter place with --runtime-dir"
        )
    return path


def socket_name(name: str) -> str:
    """A node's name as its socket's file has it: long ones shortened, so that default paths fit."""
    if len(name) <= MAX_SOCKET_NAME_CHARACTERS:
        return name
    import hashlib

    digits = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: MAX_SOCKET_NAME_CHARACTERS - 9]}~{digits}"


def sockets_on_host(option: str | None = None) -> list[Path]:
    """The control sockets of all topologies that this user can see.

    A socket file tells nothing about whether its node still runs.
    """
    return sorted(path for base in _bases(option) for path in base.glob("*/*.sock"))


def closed_directories(config: str | None = None, option: str | None = None) -> list[Path]:
    """Where sockets may be that this user cannot see: of the named topology, else of all."""
    if config is not None:
        directories = [runtime_dir(Path(config), option)]
    else:
        bases = _bases(option)
        directories = [*bases, *(path for base in bases for path in sorted(base.glob("*")))]
    return [path for path in directories if path.is_dir() and not os.access(path, os.R_OK | os.X_OK)]


def _bases(option: str | None) -> list[Path]:
    """Where nodes that this user may reach have their sockets: the named place only, if one is named.

    Anybody can make a directory of the default's name in /tmp, and sockets in it that hand out keys of his
    own: what belongs to somebody else is left out.
    """
    own = runtime_base(option)
    if is_runtime_dir_named(option) or own == SYSTEM_RUNTIME_DIR:
        return [own]
    return [own, SYSTEM_RUNTIME_DIR] if not own.exists() or _is_ours(own) else [SYSTEM_RUNTIME_DIR]


def is_trusted(socket: Path, option: str | None = None) -> bool:
    """Whether nobody but root and this user can have planted a socket that was found below a default place.

    To be asked once it is connected: a place that was not there before may be somebody's since.
    """
    base = socket.parent.parent
    return is_runtime_dir_named(option) or base == SYSTEM_RUNTIME_DIR or _is_ours(base)


def is_state_dir_named(option: str | None) -> bool:
    """Whether the operator says where state is, other than in a file."""
    return bool(option or os.environ.get("DSKED_STATE_DIR"))


def is_runtime_dir_named(option: str | None) -> bool:
    """Whether the operator says where sockets are."""
    return bool(option or os.environ.get("DSKED_RUNTIME_DIR"))


def _is_ours(base: Path) -> bool:
    try:
        _check_owner(base)
    except (ConfigurationError, OSError):
        return False
    return True
