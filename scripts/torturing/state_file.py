"""State files of long runs: one JSON document each, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def save(path: Path, version: int, document: dict[str, Any]) -> None:
    """Written beside it first, so that no interruption leaves half of it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps({"version": version, **document}, indent=1) + "\n")
    partial.replace(path)


def load(path: Path, version: int, build: Callable[[dict[str, Any]], T]) -> T:
    """What `build` makes of the document. Raises ValueError where it is none of ours, OSError."""
    try:
        document = json.loads(path.read_text())
        if document.pop("version") != version:
            raise ValueError
        return build(document)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(f"{path} is no state file of version {version} of this script") from None
