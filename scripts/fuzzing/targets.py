"""The table of all targets, by name."""

from __future__ import annotations

from . import (
    targets_config,
    targets_connection,
    targets_control,
    targets_http,
    targets_identifiers,
    targets_link,
    targets_media,
    targets_storage,
    targets_wire,
)
from .target import Target

_PARTS = (
    targets_wire,
    targets_identifiers,
    targets_connection,
    targets_config,
    targets_media,
    targets_storage,
    targets_control,
    targets_link,
    targets_http,
)

TARGETS: dict[str, Target] = {target.name: target for part in _PARTS for target in part.TARGETS}
assert len(TARGETS) == sum(len(part.TARGETS) for part in _PARTS), "two targets of one name"
