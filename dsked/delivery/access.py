"""Who may do what over the control socket: the caller as the kernel knows it, and the rules.

The kernel tells user and group of the process that connected (SO_PEERCRED), not its supplementary
groups: those come from the user database, where some rule names a group.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from dsked.config.origins import Origins, groups_of, named, users_of
from dsked.errors import ConfigurationError

_PEER_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_ROOT_UID = 0
#: The one behind it stands for nobody (chown(2)).
_MAX_ID = 2**32 - 2
_NOWHERE: Origins = {}


@dataclass(frozen=True)
class LocalUser:
    """The user and the group of a process on the other end of a Unix socket."""

    uid: int
    gid: int

    @classmethod
    def of_peer(cls, connection: socket.socket) -> LocalUser:
        """The user that connected to, or listens on, the other end of `connection`."""
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        _pid, uid, gid = _PEER_CREDENTIALS.unpack(raw)
        return cls(uid, gid)

    @cached_property
    def groups(self) -> frozenset[int]:
        """All groups of the user, from the user database; the process's own for a user without a name."""
        try:
            name = pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return frozenset([self.gid])
        return frozenset([self.gid, *os.getgrouplist(name, self.gid)])


@dataclass(frozen=True)
class AccessRules:
    """Who may act for which encryptor. root and the daemon's own user may do everything."""

    owner_uid: int
    users: Mapping[str, frozenset[int]]  # encryptor -> user IDs
    groups: Mapping[str, frozenset[int]]  # encryptor -> group IDs

    @classmethod
    def from_names(
        cls,
        owner_uid: int,
        users: Mapping[str, Iterable[str]],
        groups: Mapping[str, Iterable[str]],
        origins: Origins = _NOWHERE,
    ) -> AccessRules:
        """Rules from names, or numbers as decimal strings, of users and groups per encryptor.

        Raises ConfigurationError for a name that this system does not have, with where it is written.
        """
        found_users, found_groups = {}, {}
        for encryptor, names in users.items():
            with named(origins, users_of(encryptor)):
                found_users[encryptor] = frozenset(map(user_id, names))
        for encryptor, names in groups.items():
            with named(origins, groups_of(encryptor)):
                found_groups[encryptor] = frozenset(map(group_id, names))
        return cls(owner_uid, found_users, found_groups)

    def may_control(self, user: LocalUser) -> bool:
        """Whether `user` may stop the node and act for every encryptor."""
        return user.uid in (_ROOT_UID, self.owner_uid)

    def may_act_for(self, user: LocalUser, encryptor: str) -> bool:
        """Whether `user` may ask for keys in the name of `encryptor`."""
        if self.may_control(user) or user.uid in self.users.get(encryptor, ()):
            return True
        groups = self.groups.get(encryptor)
        return bool(groups) and not user.groups.isdisjoint(groups or ())


def _number(name: str) -> int:
    """A user's or group's number. Raises ValueError for what no system has as one."""
    number = int(name)
    if number > _MAX_ID:
        raise ValueError
    return number


def user_id(name: str) -> int:
    """User ID of a local user, given by name or as a decimal string."""
    try:
        return _number(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):  # a name with a zero byte or a lone surrogate; a number beyond all
        raise ConfigurationError(f"there is no local user {name!r}; expected a name, or a number") from None


def group_id(name: str) -> int:
    """Group ID of a local group, given by name or as a decimal string."""
    try:
        return _number(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        raise ConfigurationError(f"there is no local group {name!r}; expected a name, or a number") from None
