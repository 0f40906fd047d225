"""The audit log's lines: who got which keys when, through which hubs, and who was refused; never a secret.

A line is a JSON object. Its last member, `hash`, is SHA-256 over the hash of the line before and over this
line without that member: no line can be changed, removed or put in without the lines behind it telling. Who
may write the file can write all of it anew, or cut lines off at its end. `number` and `hash` of a line, kept
elsewhere, show that (`dskectl audit verify --after`).

    {"number":7,"time":"2026-11-22T14:05:01.123Z","event":"established",...,"hash":"<64 hexadecimal digits>"}

OPENED is written by each process first, and first into each file; its `previous` is the hash of the line
before, which may stand in another file. Lines that could not be written are counted by the next one that can,
GAP: `lost`, and `torn`, those of which a part was written. It follows the last whole line, its `previous`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

import msgspec

from dsked.errors import RequestError
from dsked.identifiers import key_id_text
from dsked.limits import AUDIT_KEYS_PER_LINE, KEY_ID_BYTES

OPENED, GAP = "opened", "gap"
_OWN = frozenset({"number", "time", "event", "hash"})
_encode = msgspec.json.Encoder().encode
#: No node comes to that number.
_ENDLESS = 1 << 63
_HASH = re.compile(rb',"hash":"([0-9a-f]{64})"}\Z')


#: Takes a line: what happened, and its fields.
Append = Callable[[str, Mapping[str, object]], None]


class Chain(NamedTuple):
    """Where a chain has got to: the number of its last line, and that line's hash."""

    number: int
    head: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.head.hex()}"


START = Chain(0, bytes(32))


def key_id_lines(key_ids: bytes) -> Iterator[list[str]]:
    """The key IDs that stand in each line: UUIDs, AUDIT_KEYS_PER_LINE at most."""
    texts = [key_id_text(key_ids[at : at + KEY_ID_BYTES]) for at in range(0, len(key_ids), KEY_ID_BYTES)]
    for first in range(0, len(texts), AUDIT_KEYS_PER_LINE):
        yield texts[first : first + AUDIT_KEYS_PER_LINE]


class Entry(NamedTuple):
    """A line that could be read. `body`: what the hash is over, beside the hash before."""

    fields: Mapping[str, Any]
    body: bytes
    hash: bytes

    @property
    def number(self) -> int:
        """The line's number in its chain."""
        return int(self.fields["number"])

    @property
    def event(self) -> str:
        """What happened."""
        return str(self.fields["event"])

    @property
    def chain(self) -> Chain:
        """The chain as this line says that it is."""
        return Chain(self.number, self.hash)


def append(chain: Chain, time: str, event: str, fields: Mapping[str, object]) -> tuple[Chain, bytes]:
    """(the chain with one more line, that line with its end)."""
    assert _OWN.isdisjoint(fields), "a line has these of its own"
    number = chain.number + 1
    body = _encode({"number": number, "time": time, "event": event, **fields})
    head = _hash(chain.head, body)
    return Chain(number, head), b'%b,"hash":"%b"}\n' % (body[:-1], head.hex().encode())


def _hash(before: bytes, body: bytes) -> bytes:
    return hashlib.sha256(before + body).digest()


def parse(line: bytes) -> Entry | None:
    """A line with or without its end; None where it is none of an audit log."""
    line = line.removesuffix(b"\n")
    found = _HASH.search(line)
    if found is None:
        return None
    body = line[: found.start()] + b"}"
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not _is_number(fields.get("number")):
        return None
    if not all(isinstance(fields.get(name), str) for name in ("time", "event")):
        return None
    return Entry(fields, body, bytes.fromhex(found[1].decode()))


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < _ENDLESS


def parse_chain(text: str) -> Chain:
    """`NUMBER:HASH`, as `dskectl audit verify` and the log tell it. Raises RequestError."""
    number, _, head = text.partition(":")
    if re.fullmatch("[0-9]{1,18}", number) is None or re.fullmatch("[0-9a-f]{64}", head) is None:
        raise RequestError(f"{text!r} is no end of an audit log: expected NUMBER:HASH, as verify prints it")
    return Chain(int(number), bytes.fromhex(head))


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be told of a line. `wrong`: it is not as the node wrote it."""

    file: str
    line: int
    text: str
    wrong: bool = True


class Verifier:
    """Follows the chain through files, the oldest first. Each is given line by line, with the lines' ends."""

    def __init__(self, after: Chain | None = None) -> None:
        """`after`: a line that was once the last. It must still be there, or stand just before the first."""
        self.nr_lines = 0
        self.nr_lost = 0  # lines that could not be written
        self.chain = START
        self._after = self._vouched = after
        self._begun = False
        self._unread: list[tuple[str, int, bytes]] = []  # the lines before, which could not be read

    def verify(self, file: str, lines: Iterable[bytes]) -> Iterator[Finding]:
        """What is wrong with this file, or else worth telling."""
        for number, line in enumerate(lines, 1):
            entry = parse(line)
            if entry is None:
                self._unread.append((file, number, line))
                continue
            yield from self._follow(file, number, entry)
            self.nr_lines += 1
            self._begun, self.chain = True, entry.chain
            if self.chain == self._after:
                self._after = None

    def end(self) -> Iterator[Finding]:
        """After the last file."""
        last = self._unread[-1] if self._unread else None
        if last is not None and not last[2].endswith(b"\n"):
            self._unread.pop()
            text = "the last line is not whole: the node is writing it, or was stopped while it did; "
            text += "check it again once the node runs: it counts a line that was cut off as lost"
            yield Finding(*last[:2], text, False)
        yield from self._give_up_on_unread()
        if self._after is not None:
            text = f"number {self._after.number} with that hash is not there: lines were removed, or replaced"
            yield Finding("", 0, text)

    def _give_up_on_unread(self) -> Iterator[Finding]:
        unread, self._unread = self._unread, []
        for file, number, _ in unread:
            text = (
                "this is no whole line, and the node tells of none here that it could not write: it was cut,"
            )
            yield Finding(file, number, f"{text} changed or put in since; compare a copy of the file")

    def _follow(self, file: str, line: int, entry: Entry) -> Iterator[Finding]:
        before = self._before(entry)
        if before == self._after:  # it stands in the file before, which was not given
            self._after = None
        follows = before is not None and entry.hash == _hash(before.head, entry.body)
        if follows and entry.event == GAP:
            yield self._gap(file, line, entry)
        yield from self._give_up_on_unread()
        if before is None:
            yield Finding(file, line, f"it begins with number {entry.number}: what was before it is missing")
        elif self._begun and before != self.chain:
            text = (
                f"number {entry.number} does not follow number {self.chain.number}: lines between are missing"
            )
            yield Finding(file, line, text)
        elif entry.number != before.number + 1:
            yield Finding(file, line, f"number {entry.number} stands behind number {before.number}")
        elif not follows:
            yield Finding(file, line, f"number {entry.number}, or the line before it, was changed")
        elif not self._begun and before not in (START, self._vouched):
            text = f"it goes on after number {before.number}, which stands in no file that was given"
            yield Finding(file, line, text, wrong=False)

    def _gap(self, file: str, line: int, entry: Entry) -> Finding:
        lost, torn = (entry.fields.get(name) for name in ("lost", "torn"))
        lost = lost if _is_number(lost) else 0
        self.nr_lost += lost
        if _is_number(torn) and len(self._unread) <= torn:
            self._unread = []
        return Finding(file, line, f"{lost} lines before this one could not be written", wrong=False)

    def _before(self, entry: Entry) -> Chain | None:
        """Where the chain was before this line; None where nobody can say."""
        previous = _previous(entry)
        if previous is not None:
            return previous
        return self.chain if self._begun else None


def _previous(entry: Entry) -> Chain | None:
    """The line before, where this one says which it is."""
    previous = entry.fields.get("previous")
    if entry.event not in (OPENED, GAP) or not isinstance(previous, str):
        return None
    try:
        return parse_chain(f"{entry.number - 1}:{previous}")
    except RequestError:
        return None
