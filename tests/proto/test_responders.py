"""dsked's responder finds the key that the vectors tell, and names the hubs that they name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dsked.client.evidence import Evidence
from dsked.client.responder import Responder
from dsked.errors import DskedError, ErrorCode
from dsked.keys import Key, Outcome
from dsked.sharing.terms import Party
from dsked.timers import Timers
from dsked.wire.messages import MessageType, Shares, decode_body
from tests.client.fakes import fake_hubs
from tests.proto.files import cases, load, octets

NOW = 1000.0


class Asked:
    """The responder of the file's client, asked for its key."""

    def __init__(self, case: dict[str, Any]) -> None:
        document = load("responders")
        self.xs: dict[str, int] = document["xs"]
        self.hubs, hubs = fake_hubs()
        assert (hubs.k, [hub.x for hub in self.hubs]) == (document["k"], list(self.xs.values()))
        self.timers, self.evidence = Timers(), Evidence()
        self.outcome: list[Outcome] = []
        self.responder = Responder(
            document["client"], hubs, self.evidence, self.timers, 60.0, lambda *_, **__: None
        )
        ids = [bytes.fromhex(document["key_id"])]
        initiator = Party(*document["initiator"])
        self.responder.get_keys_by_id(case["caller"], initiator, ids, self.outcome.append, NOW)
        self.responder.turn_ends(NOW)

    def hears(self, answer: dict[str, Any]) -> None:
        """One SHARES of a hub."""
        message = decode_body(MessageType.SHARES, msgspec.msgpack.encode(octets(answer["fields"])))
        assert isinstance(message, Shares)
        self.hubs[self.xs[answer["hub"]] - 1].answer(message, NOW)
        self.responder.turn_ends(NOW)

    def time_is_out(self) -> None:
        for after_s in range(1, 8):
            self.timers.run_due(NOW + after_s)
            self.responder.turn_ends(NOW + after_s)

    @property
    def mismatches(self) -> list[str]:
        """The hubs that were named."""
        names = {hub.name: name for name, hub in zip(self.xs, self.hubs, strict=True)}
        return [named for name, named in names.items() if self.evidence.report(name, NOW)["mismatches"]]


@pytest.mark.parametrize("case", **cases("responders", "cases"))
def test_what_comes_of_it(case: dict[str, Any]) -> None:
    asked = Asked(case)
    for answer in case["answers"]:
        asked.hears(answer)
    asked.time_is_out()
    [found] = asked.outcome
    if case["key"] is None:
        assert isinstance(found, DskedError)
        assert found.code.name == case["error"]
    else:
        assert found == [Key(bytes.fromhex(load("responders")["key_id"]), bytes.fromhex(case["key"]))]
    assert asked.mismatches == case["wrong"]


def test_errors_are_codes() -> None:
    errors = {case["error"] for case in load("responders")["cases"]} - {None}
    assert errors == {ErrorCode(code).name for code in (6, 7, 34)}
