"""dsked says and takes every byte of the recorded sessions, and none of them a second time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from dsked.errors import PeerError
from dsked.psrd.pair import Side
from tests.proto.files import cases, load
from tests.proto.replaying import Replay


@pytest.mark.parametrize("session", **cases("sessions", "sessions"))
def test_both_ends_say_what_the_file_says(session: dict[str, Any]) -> None:
    replay = Replay(session)
    if session["pieces"][-1]["name"] == "M2":
        with pytest.raises(PeerError):
            replay.play()
        return
    replay.play()
    for side, end in replay.ends.items():
        after = session[f"{side.name.lower()}_after"]
        assert end.streams is not None
        assert (end.streams.local.next, end.streams.peer.mark) == (after["own_next"], after["mark"])


@pytest.mark.parametrize("session", **cases("sessions", "sessions"))
def test_a_piece_that_comes_again_closes(session: dict[str, Any]) -> None:
    """Replay within the session: of the last piece of each direction."""
    if session["pieces"][-1]["name"] == "M2":
        return
    for sender in Side:
        replay = Replay(session)
        replay.play()
        last = [piece for piece in session["pieces"] if piece["direction"] == sender.value.decode()][-1]
        with pytest.raises(PeerError):
            list(replay.ends[sender.other].receive_data(bytes.fromhex(last["bytes"])))


def test_a_frame_of_another_session_closes() -> None:
    """Replay across sessions: of another pair, and of the same one before it started anew."""
    of_media = [
        one for one in load("sessions")["sessions"] if not one["simulated"] and len(one["pieces"]) > 5
    ]
    for session, other in pairwise(of_media):
        replay = Replay(session)
        replay.play()
        [frame, *_] = [piece for piece in other["pieces"] if piece.get("type") == 1]
        with pytest.raises(PeerError):
            list(replay.ends[Side.HUB].receive_data(bytes.fromhex(frame["bytes"])))


def test_what_there_is() -> None:
    sessions = load("sessions")["sessions"]
    seen = {piece["name"] for session in sessions for piece in session["pieces"]}
    assert {"M0", "M4", "PSRD_BLOCK", "WRAP", "NAMES", "PUT_SHARES", "SHARES", "ERROR"} <= seen
    before = [
        session[f"{side}_state"]["previous_hash_key"] for session in sessions for side in ("client", "hub")
    ]
    assert any(before)
    assert {session["simulated"] for session in sessions} == {True, False}
