"""What clients say in the scenarios of hub.json: keys of 8 bytes that a letter names."""

from __future__ import annotations

from typing import Any

from dsked.wire import messages as ms
from vectors.common import fixed
from vectors.hub_stage import POOL_BYTES, Stage

OWNERS = {"carol": ("sam", "sue"), "celia": ("serena",), "connie": ("sofia",), "curtis": ("sunny",)}
CELIA, CONNIE, CURTIS = ("celia", "serena"), ("connie", "sofia"), ("curtis", "sunny")
KEY_BYTES, CODE_BYTES = 8, 32


def scene_of(name: str, *clients: str, **configuration: Any) -> Scene:
    """A new scenario, with the owners that are usual here."""
    return Scene(name, clients, **({"owners": OWNERS} | configuration))


def _ids(labels: str) -> bytes:
    """A column of key IDs, each of a letter."""
    return b"".join(map(_id, labels))


def _id(label: str) -> bytes:
    """Where a and b stand side by side, so does / across the two."""
    return _id("a")[8:] + _id("b")[:8] if label == "/" else fixed(f"hub key id {label}", 16)


class Scene(Stage):
    """A scenario whose clients have carol's keys put and fetched."""

    def registered(self, *sessions: str) -> None:
        """These open, and register all that they own."""
        for session in sessions:
            self.opens(session, "connects")
            self.registers(session)

    def registers(self, session: str, why: str = "registers") -> None:
        """REGISTER with all that the client owns."""
        self.asks(session, ms.Register(list(OWNERS[session.split()[0]])), why)

    def puts(self, session: str, labels: str, why: str, *responders: tuple[str, str], **changes: Any) -> None:
        """PUT_SHARES of keys in one group, for celia and connie where nobody else is named."""
        self.asks(session, ms.PutShares([self.group(session, labels, *responders, **changes)]), why)

    def group(self, session: str, labels: str, *responders: tuple[str, str], **changes: Any) -> ms.PutGroup:
        """Keys of 8 bytes; `of`: of which client the content is."""
        of = changes.pop("of", session.split()[0])
        named = responders or (CELIA, CONNIE)
        codes = len({client for client, _ in named}) * CODE_BYTES
        fields: dict[str, Any] = {
            "initiator": OWNERS[session.split()[0]][0], "responders": [ms.PartyBody(*one) for one in named],
            "n": 3, "k": 2, "ttl_ms": 60_000, "key_bytes": KEY_BYTES, "key_ids": _ids(labels), "offset": 0,
            "shares": b"".join(fixed(f"hub share {of} {label}", KEY_BYTES) for label in labels),
            "codes": b"".join(fixed(f"hub codes {of} {label}", codes) for label in labels),
        }  # fmt: skip
        return ms.PutGroup(**(fields | changes))

    def gets(
        self, session: str, labels: str, why: str, *, of: str = "carol", wait_ms: int = 0, offset: int = 0,
        done: str = "",
    ) -> None:  # fmt: skip
        """GET_SHARES for keys of one initiator's client, with confirmations of others of its keys."""
        wanted = [ms.GetGroup(of, _ids(labels), offset)] if labels else []
        self.asks(session, ms.GetShares(wanted, wait_ms, _done(of, done)), why)

    def pings(self, session: str, done: str, why: str, *, of: str = "carol") -> None:
        """PING that wants an answer, with confirmations."""
        self.asks(session, ms.Ping(False, POOL_BYTES, POOL_BYTES, _done(of, done)), why)


def _done(of: str, labels: str) -> list[ms.Confirmed]:
    return [ms.Confirmed(of, _ids(labels))] if labels else []
