"""Refused requests for keys, as the audit log gets them: all kinds, of bounded size, and no flood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dsked.audit.chain import START, append, parse
from dsked.delivery.audited import AuditedKeys
from dsked.errors import AlreadyDeliveredError, BadKeySizeError, DskedError, TooFewHubsError
from dsked.keys import Outcome
from dsked.limits import (
    AUDIT_KEYS_PER_LINE,
    AUDIT_REFUSAL_BURST,
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_RESPONDERS,
    OUTSIDER_LOG_INTERVAL_S,
)

from .fakes import FakeKeys

ID = "00010203-0405-4607-8809-0a0b0c0d0e0f"


class Audited:
    """An audited service, its lines, and what callers get."""

    def __init__(self) -> None:
        self.service = FakeKeys(encryptors=("sam", "sue"))
        self.lines: list[dict[str, Any]] = []
        self.outcomes: list[Outcome] = []
        self.now = 100.0
        self.keys = AuditedKeys(self.service, self._append, lambda: self.now)

    def _append(self, event: str, fields: Mapping[str, object]) -> None:
        self.lines.append({"event": event, **fields})

    def get(self, caller: str = "sam", *responders: str, size: int = 128) -> None:
        self.keys.get_keys(caller, responders or ("sunny",), 1, size, self.outcomes.append)

    def fetch(self, caller: str = "sam", initiator: str = "sunny", *ids: bytes) -> None:
        self.keys.get_keys_by_id(caller, initiator, ids, self.outcomes.append)


@pytest.fixture
def audited() -> Audited:
    return Audited()


def test_what_is_answered_is_not_its_business(audited: Audited) -> None:
    audited.get()
    assert isinstance(audited.outcomes[0], list)
    assert not audited.lines


@pytest.mark.parametrize("error", [BadKeySizeError("no"), TooFewHubsError("no"), AlreadyDeliveredError("no")])
def test_a_refusal_is_written_down_and_goes_on_to_the_caller(audited: Audited, error: DskedError) -> None:
    audited.service.failure = error
    audited.get("sam", "sunny", "susan")
    audited.fetch("sue", "sunny", bytes.fromhex(ID.replace("-", "")))
    assert audited.outcomes == [error, error]
    reason = error.code.name.lower()
    assert audited.lines == [
        {"event": "refused", "encryptor": "sam", "reason": reason, "request": "get keys",
         "responders": ["sunny", "susan"], "nr_keys": 1},
        {"event": "refused", "encryptor": "sue", "reason": reason, "request": "get keys with key IDs",
         "initiator": "sunny", "key_ids": [ID], "nr_keys": 1},
    ]  # fmt: skip


def test_a_line_is_of_bounded_size_whatever_is_asked_for(audited: Audited) -> None:
    audited.service.failure = BadKeySizeError("no")
    long = "n" * 100_000
    audited.get(long, *[long] * 1000)
    audited.fetch(long, long, *[b"k" * 100_000] * 1000)
    for line in audited.lines:
        for name in (line["encryptor"], *line.get("responders", []), line.get("initiator", "")):
            assert len(name) <= MAX_ENCRYPTOR_NAME_BYTES
    assert len(audited.lines[0]["responders"]) == MAX_RESPONDERS
    assert len(audited.lines[1]["key_ids"]) == AUDIT_KEYS_PER_LINE
    assert {len(key_id) for key_id in audited.lines[1]["key_ids"]} == {32}
    assert audited.lines[1]["nr_keys"] == 1000


@pytest.mark.parametrize("key_id", [b"", b"short", b"\xff" * 15])
def test_what_is_no_key_id_is_written_as_it_came(audited: Audited, key_id: bytes) -> None:
    audited.service.failure = BadKeySizeError("no")
    audited.fetch("sam", "sunny", key_id)
    assert audited.lines[0]["key_ids"] == [key_id.hex()]


def test_a_crowd_of_refusals_is_counted(audited: Audited) -> None:
    audited.service.failure = BadKeySizeError("no")
    for _ in range(1000):
        audited.get()
    assert len(audited.lines) == AUDIT_REFUSAL_BURST
    audited.get("sue")
    assert len(audited.lines) == AUDIT_REFUSAL_BURST + 1, "another encryptor's"
    audited.service.failure = TooFewHubsError("no")
    audited.get()
    assert len(audited.lines) == AUDIT_REFUSAL_BURST + 2, "another kind"
    audited.now += OUTSIDER_LOG_INTERVAL_S
    audited.service.failure = BadKeySizeError("no")
    audited.get()
    assert audited.lines[-1]["left_out"] == 1000 - AUDIT_REFUSAL_BURST


def test_names_without_end_share_one_place(audited: Audited) -> None:
    """Else each would be remembered, and have lines of its own."""
    audited.service.failure = BadKeySizeError("no")
    for number in range(1000):
        audited.get(f"nobody{number}")
    assert len(audited.lines) == AUDIT_REFUSAL_BURST


@pytest.mark.parametrize("name", ["\ud800sam", "sam\n{}", "s\x00m", "\u202emas"], ids=range(4))
def test_no_name_breaks_a_line(audited: Audited, name: str) -> None:
    audited.service.failure = BadKeySizeError("no")
    audited.get(name, name)
    audited.fetch(name, name)
    for fields in audited.lines:
        _, line = append(START, "", fields.pop("event"), fields)
        assert line.count(b"\n") == 1
        assert parse(line) is not None


def test_the_rest_of_the_service_is_there(audited: Audited) -> None:
    found: list[object] = []
    audited.keys.locate("sam", "sunny", found.append)
    assert found == ["curtis"]
    assert audited.keys.limits("sam", "sunny") == audited.service.limits("sam", "sunny")
    assert (audited.keys.name, audited.keys.encryptors) == ("carol", ("sam", "sue"))
