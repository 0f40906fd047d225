"""What a check has found, and what all findings together mean."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


class Outcome(enum.StrEnum):
    """How bad it is."""

    GOOD = "good"
    WARNING = "warning"  # keys flow, and somebody has to do something
    FAULT = "fault"  # something does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """`about`: what was looked at; `text`: for people, with the remedy; `values`: the same for programs."""

    check: str
    outcome: Outcome
    about: str
    text: str
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "check": self.check,
            "outcome": str(self.outcome),
            "about": self.about,
            "text": self.text,
            **self.values,
        }


def good(check: str, about: str, text: str, **values: Any) -> Finding:
    """All is well with it."""
    return Finding(check, Outcome.GOOD, about, text, values)


def warning(check: str, about: str, text: str, **values: Any) -> Finding:
    """Something is to be done about it before it becomes a fault."""
    return Finding(check, Outcome.WARNING, about, text, values)


def fault(check: str, about: str, text: str, **values: Any) -> Finding:
    """It does not work."""
    return Finding(check, Outcome.FAULT, about, text, values)


def verdict(findings: Iterable[Finding]) -> Outcome:
    """The worst of them."""
    outcomes = {finding.outcome for finding in findings}
    return next((one for one in (Outcome.FAULT, Outcome.WARNING) if one in outcomes), Outcome.GOOD)
