"""A session in which the hub says no in every way in which one client alone can make it."""

from __future__ import annotations

from typing import Any

from dsked.errors import ErrorCode
from dsked.psrd.pair import Side
from dsked.wire import messages as ms
from vectors.common import fixed
from vectors.pairs import MEDIA_BYTES, media_pair
from vectors.sessions import Recording

C, H = Side.CLIENT, Side.HUB
_SUE, _SERENA = ["carol", "sue"], ["celia", "serena"]
_TIMEOUT_MS = 60_000


def _id(label: str) -> bytes:
    return fixed(f"session of noes: key id {label}", 16)


def _put(key_ids: bytes, **changes: Any) -> ms.PutGroup:
    """A group of keys of 8 bytes for carol's own sue, right but for the changes."""
    number = len(key_ids) // 16
    fields: dict[str, Any] = {
        "initiator": "sam", "responders": [_SUE], "n": 3, "k": 2, "ttl_ms": _TIMEOUT_MS, "key_bytes": 8,
        "key_ids": key_ids, "offset": 0, "shares": fixed("session of noes: shares", 8 * number),
        "codes": fixed("session of noes: codes", 32 * number),
    }  # fmt: skip
    fields.update(changes)
    fields["responders"] = [ms.PartyBody(*party) for party in fields["responders"]]
    return ms.PutGroup(**fields)


class _Talk:
    """The session: each request has the next id."""

    def __init__(self) -> None:
        pair = media_pair("carol", "henry", 5)
        self.recording = Recording("a hub says no: every code that one client can get", pair)
        self.recording.hello()
        self.recording.proofs()
        self._number = 0

    def asks(self, request: ms.Message, answer: ms.Message) -> None:
        """A request and its answer."""
        self._number += 1
        self.recording.frame(C, self._number, request)
        self.recording.frame(H, self._number, answer)

    def puts(self, code: ErrorCode, *groups: ms.PutGroup) -> None:
        """PUT_SHARES, answered with the same code for every key."""
        number = sum(len(group.key_ids) // 16 for group in groups)
        self.asks(ms.PutShares(list(groups)), ms.PutSharesAck(bytes([code]) * number))

    def gets(self, code: ErrorCode, key_id: bytes, offset: int = 0, initiator: str = "carol") -> None:
        """GET_SHARES for one key, which is not given."""
        wanted = [ms.GetGroup(initiator, key_id, offset)]
        self.asks(ms.GetShares(wanted, 0, []), ms.Shares([], [ms.Missing(initiator, code, key_id)]))


def said_no() -> dict[str, Any]:
    """The session as it stands in the file."""
    talk, key_id = _Talk(), _id("stored")
    talk.asks(ms.Register(["bob", "sam"]), ms.Registered(ErrorCode.NOT_OWNER, ["bob"], _TIMEOUT_MS))
    talk.asks(ms.Register(["sam", "sue"]), ms.Registered(ErrorCode.OK, [], _TIMEOUT_MS))
    talk.asks(ms.Locate(["bob", "sue", "nobody"]), ms.Located(["celia", "carol", None]))
    _puts(talk, key_id)
    _gets(talk, key_id)
    talk.recording.frame(C, 0, ms.Unregister())
    return talk.recording.json()


def _puts(talk: _Talk, key_id: bytes) -> None:
    """What PUT_SHARES is answered with."""
    code = ErrorCode
    talk.puts(code.NOT_OWNER, _put(_id("of another"), initiator="bob"))
    talk.puts(code.BAD_REQUEST, _put(_id("n"), n=2, k=3))
    talk.puts(code.BAD_REQUEST, _put(_id("k"), k=1))
    talk.puts(code.BAD_REQUEST, _put(_id("order") + _id("of them"), responders=[_SERENA, _SUE]))
    talk.puts(code.BAD_REQUEST, _put(_id("twice"), responders=[_SUE, _SUE]))
    talk.puts(code.BAD_REQUEST, _put(_id("long"), shares=bytes(9)))
    talk.puts(code.BAD_REQUEST, _put(_id("none"), shares=b""))
    talk.puts(code.BAD_REQUEST, _put(_id("codes"), codes=bytes(31)))
    talk.puts(code.BAD_REQUEST, _put(_id("two") + _id("pieces"), shares=bytes(8), codes=bytes(64)))
    talk.puts(code.BAD_REQUEST, _put(_id("gap"), offset=4, shares=bytes(4), codes=b""))
    talk.puts(code.OK, _put(key_id))
    talk.puts(code.OK, _put(key_id, ttl_ms=1))  # the same again: its time to live does not count
    talk.puts(code.CONFLICT, _put(key_id, shares=bytes(8)))
    talk.puts(code.CONFLICT, _put(key_id, codes=bytes(32)))
    talk.puts(code.CONFLICT, _put(key_id, n=4))
    first = {"shares": bytes(4), "codes": bytes(32)}
    talk.puts(code.PARTIAL, _put(_id("pieces"), **first))
    talk.puts(code.BAD_REQUEST, _put(_id("pieces"), offset=5, shares=bytes(3), codes=b""))
    talk.puts(code.CONFLICT, _put(_id("pieces"), offset=2, shares=b"other!", codes=b""))
    talk.puts(code.OK, _put(_id("not for carol"), responders=[_SERENA]))


def _gets(talk: _Talk, key_id: bytes) -> None:
    """What GET_SHARES is answered with; in the end the key is given, confirmed, and put once more."""
    code, group = ErrorCode, _put(key_id)
    talk.gets(code.UNKNOWN_KEY, _id("unknown"))
    talk.gets(code.UNKNOWN_KEY, key_id, initiator="celia")
    talk.gets(code.UNKNOWN_KEY, _id("pieces"))
    talk.gets(code.NOT_NAMED, _id("not for carol"))
    talk.gets(code.BAD_REQUEST, key_id, offset=8)
    given = ms.ShareGroup(
        ms.PartyBody("carol", "sam"), group.responders, 3, 2, 8, key_id, 0, group.shares, group.codes
    )
    talk.asks(ms.GetShares([ms.GetGroup("carol", key_id, 0)], 0, []), ms.Shares([given], []))
    done = [ms.Confirmed("carol", key_id)]
    talk.asks(ms.GetShares([], 0, done), ms.Shares([], []))
    talk.gets(code.DONE, key_id)
    talk.puts(code.DONE, _put(key_id))
    talk.asks(ms.Ping(False, MEDIA_BYTES, MEDIA_BYTES, []), ms.Ping(True, MEDIA_BYTES, MEDIA_BYTES, []))
