"""dsked's two ends close, refuse or go on as the vectors of refused handshake messages say."""

from __future__ import annotations

from typing import Any

import pytest

from dsked.errors import (
    DskedError,
    ErrorCode,
    FrameError,
    HandshakeRefusedError,
    PeerError,
    ReplayError,
    TagError,
    WindowError,
)
from dsked.wire import handshake as hs
from dsked.wire import handshake_client, handshake_hub
from dsked.wire.connection import ClientConnection, Connection, HubConnection, Stage
from tests.proto.files import GivenStream, load
from tests.proto.playing import Play

TRANSCRIPTS = {case["name"]: case for case in load("handshakes")["handshakes"]}
#: RULE is a value that the stage does not allow: the code closes, or refuses to go on.
ERRORS: dict[str, tuple[type[DskedError], ...]] = {
    "FORM": (FrameError,),
    "MAC": (TagError,),
    "TAG": (TagError,),
    "REPLAY": (ReplayError,),
    "WINDOW": (WindowError,),
    "RULE": (FrameError, HandshakeRefusedError),
    "VERSION": (HandshakeRefusedError,),
    "REFUSED": (HandshakeRefusedError,),
}


class Ends:
    """Both ends of one connection in the states of a transcript, and what they say."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.play = Play(TRANSCRIPTS[case["of"]])
        self.client = ClientConnection(self.play.client, lambda _: None, lambda _: None)
        self.hub = HubConnection(self.play.hub, lambda _: None, lambda _: None)
        assert self.hub.data_to_send() == self.play.raw["M0"]

    def up_to(self, stage: str) -> Connection:
        """All messages before `stage` are exchanged; the one who awaits that one."""
        if stage > "M1":
            assert self._takes(self.client, "M0") == self.play.raw["M1"]
            assert self._takes(self.hub, "M1") == self.play.raw["M2"]
        if stage > "M2":
            self._takes(self.client, "M2")
            self.client.prove()
            assert self.client.data_to_send() == self.play.raw["M3"]
        if stage > "M3":
            self._takes(self.hub, "M3")
        return self.hub if stage in ("M1", "M3") else self.client

    def _takes(self, end: Connection, stage: str) -> bytes:
        assert list(end.receive_data(self.play.raw[stage])) == []
        return end.data_to_send()


def marks(end: Connection) -> tuple[int, int] | None:
    """Exact mark and next position, where there are streams."""
    return (end.streams.peer.mark, end.streams.local.next) if end.streams is not None else None


def self_proves(end: Connection) -> None:
    """What the client's engine does after M2: some refusals come only here."""
    if isinstance(end, ClientConnection) and end.stage is Stage.PROOF and not end.proved:
        end.prove()


def waiting(case: dict[str, Any]) -> Connection:
    """Who awaits the message of a case, with the pool bytes that this may be about."""
    end = Ends(case).up_to(case["stage"])
    if case["pool"] is not None:
        assert end.streams is not None
        pool = end.streams.peer
        pool.store = GivenStream(case["pool"]["position"], bytes.fromhex(case["pool"]["bytes"]), pool.end)
    return end


@pytest.mark.parametrize("case", load("refused_handshakes")["cases"], ids=lambda case: case["name"])
def test_one_message(case: dict[str, Any]) -> None:
    end = waiting(case)
    before, message = marks(end), bytes.fromhex(case["message"])
    if case["result"] == "CLOSE":
        with pytest.raises(PeerError) as caught:
            list(end.receive_data(message))
            self_proves(end)
        assert isinstance(caught.value, ERRORS[case["error"]])
        assert end.data_to_send() == b""
        assert case["code"] is None or caught.value.refusal == case["code"]  # type: ignore[attr-defined]
        assert before is None or marks(end) == before
        return
    assert list(end.receive_data(message)) == []
    if case["stage"] == "M1":
        answer = hs.decode_part(hs.M2, end.data_to_send())
        assert answer.code == (case["code"] or ErrorCode.OK)
        assert (end.session is None) and (answer.holdings == hs.NO_HOLDINGS) == bool(case["code"])


def test_proofs_under_known_pads_have_no_other_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes the hash key of a proof from where the proof says that it stands takes all of them."""
    cases = [one for one in load("refused_handshakes")["cases"] if "r is the pool's" in one["name"]]
    assert [one["result"] for one in cases].count("CLOSE") >= 16
    for case in cases:
        end = waiting(case)
        with monkeypatch.context() as careless:
            for machine in (handshake_client, handshake_hub):
                careless.setattr(machine, "peers_hash_key", lambda *_: None)
            assert list(end.receive_data(bytes.fromhex(case["message"]))) == []


def test_every_message_is_there() -> None:
    seen = {(case["stage"], case["result"]) for case in load("refused_handshakes")["cases"]}
    assert seen >= {(f"M{number}", result) for number in range(5) for result in ("OK", "CLOSE")}
    assert ("M1", "REFUSE") in seen
