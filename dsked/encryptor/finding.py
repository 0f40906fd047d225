"""Clients on this host, found by their control sockets.

Light to import: `dskectl get-key` comes this way for every key.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dsked.config import paths
from dsked.delivery.control_client import ControlClient, NoAnswerError, NotRunningError
from dsked.errors import DskedError, NotAllowedError, RequestError
from dsked.limits import CONTROL_ANSWER_S


class Place(NamedTuple):
    """What a client may be chosen by; None leaves it open."""

    node: str | None = None  # its name
    config: str | Path | None = None  # only clients of this topology file
    runtime_dir: str | Path | None = None  # only sockets below this directory; see paths.runtime_base


class Found(NamedTuple):
    """A node that listens."""

    path: Path
    connection: ControlClient

    @property
    def name(self) -> str:
        """The node's name."""
        return node_name(self.path)


def find_socket(
    encryptor: str | None = None,
    *,
    node: str | None = None,
    config: str | Path | None = None,
    runtime_dir: str | Path | None = None,
    timeout_s: float = CONTROL_ANSWER_S,
) -> Path:
    """The control socket of the one client on this host that fits.

    That is the client named `node`, or the only one that runs; of several, the one that serves `encryptor`.
    The sockets are looked for where dskectl looks for them, or only below `runtime_dir`, or only those of the
    topology file `config`. Each client that is asked may take `timeout_s`.

    Raises NotRunningError where none runs, RequestError where several fit, NotAllowedError or NoAnswerError
    where those that may fit do not let this user in, or do not answer, ConfigurationError where there is no
    such topology file.
    """
    place = Place(node, config, runtime_dir)
    found, refused = listening(sockets(place), timeout_s, place.runtime_dir)
    try:
        fitting = serving(found, encryptor) if encryptor is not None else found
        if len(fitting) == 1:
            return fitting[0].path
        if fitting:
            raise _several(fitting, encryptor)
        if found:
            raise _none_serves(found, encryptor, refused)
        raise refused or _nothing(place)
    finally:
        close(found)


def sockets(place: Place, roles: Iterable[str] = ("client",)) -> list[Path]:
    """The sockets of nodes of that name in these roles, or of all clients; nobody need listen there."""
    runtime_dir = None if place.runtime_dir is None else str(place.runtime_dir)
    if place.config is not None:
        directory = paths.runtime_dir(paths.find_config(place.config), runtime_dir)
        here = sorted(directory.glob("*.sock"))
    else:
        here = paths.sockets_on_host(runtime_dir)
    if place.node is None:
        return [path for path in here if path.name.startswith("client-")]
    names = {f"{role}-{paths.socket_name(place.node)}.sock" for role in roles}
    return [path for path in here if path.name in names]


def node_name(path: Path) -> str:
    """The node's name, as its socket's file has it."""
    return path.stem.partition("-")[2]


def listening(
    candidates: Iterable[Path],
    timeout_s: float = CONTROL_ANSWER_S,
    runtime_dir: str | Path | None = None,
) -> tuple[list[Found], DskedError | None]:
    """Connections to all nodes that listen, and the last refusal of one that does not let us.

    A socket that somebody else may have planted is passed over.
    """
    option = None if runtime_dir is None else str(runtime_dir)
    found: list[Found] = []
    refused: DskedError | None = None
    for path in candidates:
        try:
            connection = ControlClient(path, timeout_s)
        except NotRunningError:
            continue
        except (NotAllowedError, NoAnswerError) as error:
            refused = error
        else:
            if paths.is_trusted(path, option):
                found.append(Found(path, connection))
            else:
                connection.close()
    return found, refused


def serving(found: list[Found], encryptor: str) -> list[Found]:
    """Of several, those that serve the encryptor. A single one is not asked: a request will tell."""
    if len(found) < 2:
        return found
    return [one for one in found if encryptor in encryptors_of(one)]


def encryptors_of(one: Found) -> list[str]:
    """The encryptors that it serves, as far as it tells."""
    try:
        names = one.connection.status()["status"].get("encryptor_names")
    except DskedError:
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def who_serves_whom(found: list[Found]) -> str:
    """`carol serves sam; curtis serves sunny, susan`, for people."""
    return "; ".join(f"{one.name} serves {', '.join(encryptors_of(one)) or 'none'}" for one in found)


def close(found: Iterable[Found]) -> None:
    """Close these connections."""
    for one in found:
        one.connection.close()


def names_differ(found: list[Found]) -> bool:
    """Whether a name is enough to choose one of them."""
    return len({one.name for one in found}) == len(found)


def _several(fitting: list[Found], encryptor: str | None) -> RequestError:
    what = "run here" if encryptor is None else f"here serve {encryptor}"
    if not names_differ(fitting):
        places = ", ".join(str(one.path) for one in fitting)
        return RequestError(
            f"several clients {what}, some of the same name: choose one by config=FILE, the file that it was "
            f"started with, or by socket=PATH, one of {places}"
        )
    names = ", ".join(one.name for one in fitting)
    others = ", or by the encryptor that it serves" if encryptor is None else ""
    return RequestError(f"several clients {what}: choose one by node=NAME, one of {names}{others}")


def _none_serves(found: list[Found], encryptor: str | None, refused: DskedError | None) -> RequestError:
    closed = f"; beside these, {refused}" if refused else ""
    return RequestError(f"no client here serves {encryptor}: {who_serves_whom(found)}{closed}")


def _nothing(place: Place) -> DskedError:
    what = f"no client {place.node} runs here" if place.node is not None else "no client runs here"
    config = None if place.config is None else str(place.config)
    closed = paths.closed_directories(config, None if place.runtime_dir is None else str(place.runtime_dir))
    if closed:
        return NotAllowedError(
            f"{what}, as far as you may see: only its user, its group and root may look into {closed[0]}"
        )
    return NotRunningError(what)
