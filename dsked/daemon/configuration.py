"""A running node's configuration, read again on SIGHUP: what can change does, of the rest the log tells."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

from dsked.chosen_limits import Limits
from dsked.config.node import ClientSettings, HubSettings, NodeSettings
from dsked.daemon import logs, process
from dsked.delivery.access import AccessRules
from dsked.errors import ConfigurationError

_log = logging.getLogger("dsked")
#: Fields of the settings that take effect at once, and those that are read again by others or come from PSRD.
_LIVE = frozenset({"log_level", "log_format", "limits", "control", "origins"})
_LIVE_OF_HUBS = frozenset({"owners", "gate_keys"})
_OF_OTHERS = frozenset({"gate_keys"})
#: Words of a configuration file, where they are not the field's name.
_WORDS = {
    "port": "port (listen)",
    "host": "host (listen)",
    "simulated": "psrd",
    "share_timeout_s": "share_timeout_secs",
    "owners": "clients and their encryptors",
    "etsi_plain_http": "etsi",
    "etsi_insecure": "etsi",
    "etsi_tls": "etsi",
}
#: Clients with their encryptors.
Owners = Mapping[str, tuple[str, ...]]


class Configuration:
    """The settings that a node runs with."""

    def __init__(self, settings: NodeSettings, read: Callable[[], NodeSettings]) -> None:
        """`read` gives them as they are written by now, or raises ConfigurationError."""
        self._settings = settings
        self._read = read
        self._limited: list[Callable[[Limits], None]] = []
        self._guarded: list[Callable[[AccessRules], None]] = []
        self._served: list[Callable[[Owners, Mapping[str, bytes]], None]] = []

    def on_limits(self, use: Callable[[Limits], None]) -> None:
        """From now on `use` is given the limits when they have changed."""
        self._limited.append(use)

    def on_access(self, use: Callable[[AccessRules], None]) -> None:
        """From now on `use` is given the rules of the control socket when they have changed."""
        self._guarded.append(use)

    def on_clients(self, use: Callable[[Owners, Mapping[str, bytes]], None]) -> None:
        """From now on `use` is given a hub's clients, their encryptors and simulated pairs' gate keys."""
        self._served.append(use)

    def read(self) -> Callable[[], None]:
        """Read again, in any thread; what it returns has it take effect, in the event loop's.

        Raises ConfigurationError, and nothing changes.
        """
        try:
            new = self._read()
            rules = _access(new) if _who(new) != _who(self._settings) else None  # raises for an unknown user
        except ConfigurationError as error:
            raise ConfigurationError(f"the configuration stays as it was: {error}") from None
        return partial(self._use, new, rules)

    def _use(self, new: NodeSettings, rules: AccessRules | None) -> None:
        old = self._settings
        changed = []
        if (new.log_format, new.log_level) != (old.log_format, old.log_level):
            role = "client" if isinstance(new, ClientSettings) else "hub"
            logs.set_up(new.log_format, new.log_level, role, new.name)
            changed.append("logging")
        if rules is not None:
            changed.append("users and groups of encryptors")
            for guard in self._guarded:
                guard(rules)
        if new.limits != old.limits:
            changed += _differing(old.limits, new.limits)
            fitting = process.fit_limits(new)[0].limits
            for use in self._limited:
                use(fitting)
        changed += self._reload_clients(new, old)
        self._settings = _with_live_of(new, old)
        _tell(changed, self._needs_restart(new))

    def _reload_clients(self, new: NodeSettings, old: NodeSettings) -> list[str]:
        """Gives what has changed."""
        if not _serves_others(new, old):
            return []
        assert isinstance(new, HubSettings) and new.owners is not None
        for use in self._served:
            use(new.owners, new.gate_keys)
        return [_WORDS["owners"]]

    def _needs_restart(self, new: NodeSettings) -> list[str]:
        """What is written and does not take effect, in the words of a configuration file."""
        found = [name for name in _differing(self._settings, new) if name not in _OF_OTHERS]
        return list(dict.fromkeys(_word(name) for name in found))


def _word(name: str) -> str:
    return "control_group" if name == "control" else _WORDS.get(name, name)


def _with_live_of(new: NodeSettings, old: NodeSettings) -> NodeSettings:
    """What the node runs with now."""
    control = replace(old.control, users=new.control.users, groups=new.control.groups)
    live: dict[str, Any] = {name: getattr(new, name) for name in _LIVE} | {"control": control}
    if _serves_others(new, old):
        live |= {name: getattr(new, name) for name in _LIVE_OF_HUBS}
    return replace(old, **live)


def _serves_others(new: NodeSettings, old: NodeSettings) -> bool:
    """Whether a hub has other clients now, other encryptors or gate keys of them."""
    if not isinstance(new, HubSettings) or not isinstance(old, HubSettings):
        return False
    if new.owners is None or old.owners is None or new.simulated != old.simulated:
        return False
    return (new.owners, new.gate_keys) != (old.owners, old.gate_keys)


def _differing(old: object, new: object) -> list[str]:
    names = [one.name for one in fields(old) if one.compare]  # type: ignore[arg-type]  # both are the same dataclass
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def _who(settings: NodeSettings) -> tuple[Any, Any]:
    return settings.control.users, settings.control.groups


def _access(settings: NodeSettings) -> AccessRules:
    control = settings.control
    return AccessRules.from_names(os.geteuid(), control.users, control.groups, settings.origins)


def _tell(changed: list[str], waiting: list[str]) -> None:
    what = f"new {', '.join(changed)}" if changed else "nothing has changed that takes effect now"
    _log.info("the configuration was read again: %s", what)
    if waiting:
        _log.warning("the configuration has changes that take effect at a restart: %s", ", ".join(waiting))
