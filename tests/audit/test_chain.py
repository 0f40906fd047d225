"""The chain of an audit log: whatever is done to its lines is found, and what the node did is not blamed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from dsked.audit.chain import (
    GAP,
    OPENED,
    START,
    Chain,
    Finding,
    Verifier,
    append,
    key_id_lines,
    parse,
    parse_chain,
)
from dsked.errors import RequestError
from dsked.limits import AUDIT_KEYS_PER_LINE, MAX_AUDIT_LINE_BYTES, MAX_HUBS, MAX_RESPONDERS

TIME = "2026-11-22T14:05:01.123Z"


def written(number: int = 8, chain: Chain = START) -> list[bytes]:
    """A log as a node writes it: its first line, and so many about keys."""
    lines = []
    events = [("opened", {"previous": chain.head.hex(), "node": "carol"})]
    events += [("established", {"encryptor": f"sam{at}", "hubs": ["hank"]}) for at in range(number)]
    for event, fields in events:
        chain, line = append(chain, TIME, event, fields)
        lines.append(line)
    return lines


def end_of(lines: list[bytes]) -> Chain:
    entry = parse(lines[-1])
    assert entry is not None
    return entry.chain


def found(*files: list[bytes], after: Chain | None = None) -> list[Finding]:
    """What is told of the files."""
    verifier = Verifier(after)
    findings = [one for at, lines in enumerate(files) for one in verifier.verify(f"log{at}", lines)]
    return [*findings, *verifier.end()]


def wrong(*files: list[bytes], after: Chain | None = None) -> list[Finding]:
    return [one for one in found(*files, after=after) if one.wrong]


def test_what_the_node_wrote_is_whole() -> None:
    lines = written()
    verifier = Verifier()
    assert [*verifier.verify("log", lines), *verifier.end()] == []
    assert (verifier.nr_lines, verifier.nr_lost, verifier.chain) == (9, 0, end_of(lines))


def test_each_line_is_json_whose_hash_anybody_can_compute() -> None:
    """As docs/logging.md says, without this module."""
    import hashlib

    before = bytes(32)
    for line in written():
        fields = json.loads(line)
        said = fields.pop("hash")
        body = line.rstrip(b"\n").replace(f',"hash":"{said}"'.encode(), b"")
        assert json.loads(body) == fields
        before = hashlib.sha256(before + body).digest()
        assert before.hex() == said


def test_every_change_of_a_byte_is_found() -> None:
    lines = written(3)
    for at, line in enumerate(lines):
        for place in range(len(line) - 1):
            changed = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
            assert wrong([*lines[:at], changed, *lines[at + 1 :]]), (at, place)


def test_every_line_that_is_removed_put_in_or_moved_is_found_but_the_last_ones() -> None:
    lines = written()
    for at in range(1, len(lines) - 1):
        assert wrong(lines[:at] + lines[at + 1 :])
        assert wrong([*lines[:at], lines[at - 1], *lines[at:]])
        assert wrong([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])
        assert wrong(lines[at:]), "the beginning is missing"
        assert not wrong(lines[:at]), "nobody can tell"


def test_a_line_with_a_hash_of_its_own_is_found_by_the_next() -> None:
    """Who changes a line and computes its hash anew."""
    lines = written()
    _, forged = append(end_of(lines[:4]), TIME, "established", {"encryptor": "mallory"})
    [finding] = wrong([*lines[:4], forged, *lines[5:]])
    assert (finding.line, finding.text) == (6, "number 6, or the line before it, was changed")


def test_an_end_kept_elsewhere_finds_what_was_cut_off_or_written_anew() -> None:
    lines, others = written(), written(9)
    kept = end_of(lines)
    assert not wrong(lines, after=kept)
    assert not wrong([*lines, *written(2, kept)], after=kept), "it has grown"
    assert wrong(lines[:-1], after=kept)
    anew = [line.replace(b"sam", b"sun") for line in others]
    assert wrong(anew, after=kept)
    forged, chain = [], START
    for line in others:
        fields = json.loads(line)
        del fields["hash"], fields["number"], fields["time"]
        chain, line = append(chain, TIME, fields.pop("event"), {**fields, "more": 1})
        forged.append(line)
    assert not wrong(forged)
    [finding] = wrong(forged, after=kept)
    assert finding.text.startswith(f"number {kept.number} with that hash is not there")


def test_a_line_that_was_cut_off_says_what_to_do() -> None:
    lines = written()
    cut = lines[-1][:20]
    [told] = found([*lines[:-1], cut])
    assert not told.wrong and "is writing it, or was stopped while it did; check it again" in told.text
    [finding] = wrong([*lines, cut + b"\n"])
    assert finding.text.endswith("cut, changed or put in since; compare a copy of the file")


def test_files_follow_each_other() -> None:
    first = written()
    second = written(3, end_of(first))
    third = written(3, end_of(second))
    assert not found(first, second, third)
    [told] = found(second, third)
    assert not told.wrong, "one that was deleted by rotation is not missed"
    assert told.text == "it goes on after number 9, which stands in no file that was given"
    assert not found(second, third, after=end_of(first))
    [finding] = wrong(first, third)
    assert (finding.file, finding.line) == ("log1", 1)
    assert wrong(second, first), "the wrong order"
    assert wrong(first, written(3)), "a chain that begins anew"
    assert wrong(first[:-1], second), "the end was cut off"


def test_a_process_that_starts_again_goes_on_with_the_chain() -> None:
    first = written()
    again = written(3, end_of(first))
    assert not found([*first, *again])
    assert wrong([*first[:-1], *again])
    assert wrong([*first, *again[1:]])


def gap(chain: Chain, lost: int, torn: int) -> bytes:
    fields = {"previous": chain.head.hex(), "lost": lost, "torn": torn}
    return append(chain, TIME, GAP, fields)[1]


def test_what_could_not_be_written_is_told_and_nobody_is_blamed() -> None:
    lines = written()
    line = gap(end_of(lines), 17, 1)
    verifier = Verifier()
    findings = [*verifier.verify("log", [*lines, b'{"number":10,"ti\n', line]), *verifier.end()]
    assert findings == [Finding("log", 11, "17 lines before this one could not be written", wrong=False)]
    assert verifier.nr_lost == 17


def test_a_gap_excuses_no_more_than_it_says() -> None:
    lines = written()
    assert wrong([*lines, b"one\n", b"two\n", gap(end_of(lines), 2, 1)])
    assert wrong([*lines, b"one\n", gap(end_of(lines), 1, 0)])
    assert wrong([*lines[:-1], gap(end_of(lines), 1, 5)]), "a line before it is missing"
    assert wrong([*lines, b"one\n", gap(START, 1, 1)])


def test_the_last_line_may_be_on_its_way() -> None:
    lines = written()
    [finding] = found([*lines[:-1], lines[-1][:-20]])
    assert not finding.wrong
    assert not found([*lines[:-1], lines[-1].rstrip(b"\n")])
    assert wrong([*lines[:-1], lines[-1][:-20] + b"\n"])
    assert wrong([*lines[:3], lines[3][:-20], *lines[4:]])


NONSENSE = [
    b"", b"\n", b"{}", b"[]", b"null\n", b'{"number":1}', b"[" * 100_000, b"\xff" * 100,
    b'{"number":true,"time":"","event":"","hash":"%b"}' % (b"0" * 64),
    b'{"number":0,"time":"","event":"","hash":"%b"}' % (b"0" * 64),
    b'{"number":-1,"time":"","event":"","hash":"%b"}' % (b"0" * 64),
    b'{"number":"1","time":"","event":"","hash":"%b"}' % (b"0" * 64),
    b'{"number":1,"time":1,"event":"","hash":"%b"}' % (b"0" * 64),
    b'{"number":1,"time":"","event":[],"hash":"%b"}' % (b"0" * 64),
    b'["number","hash":"%b"}' % (b"0" * 64),
]  # fmt: skip


@pytest.mark.parametrize("line", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_no_line(line: bytes) -> None:
    assert parse(line) is None
    assert wrong([*written(2), line + b"\n", *written(2)])


@pytest.mark.parametrize("previous", [None, 1, "", "0" * 63, "g" * 64, [], "0" * 64 + "\n"])
def test_a_first_line_that_does_not_say_what_it_follows(previous: object) -> None:
    _, line = append(Chain(6, bytes(32)), TIME, OPENED, {"previous": previous})
    assert wrong([line])


def test_any_mutation_of_whole_lines_is_found() -> None:
    """Random edits by somebody who knows the format, but does not recompute all hashes behind."""
    dice = random.Random(7)
    lines = written(12)
    edits: list[Callable[[list[bytes], int], None]] = [
        lambda some, at: some.pop(at),
        lambda some, at: some.insert(at, some[dice.randrange(len(some))]),
        lambda some, at: some.__setitem__(at, some[at].replace(b"sam", b"eve")),
        lambda some, at: some.__setitem__(at, b"gone\n"),
    ]
    for _ in range(500):
        some = list(lines)
        for _ in range(dice.randrange(1, 4)):
            dice.choice(edits)(some, dice.randrange(1, len(some) - 3))
        if some != lines:
            assert wrong(some)


@pytest.mark.parametrize("text", ["", "7", "7:", ":00", "x:" + "0" * 64, "7:" + "0" * 63, "-7:" + "0" * 64])
def test_what_is_no_end(text: str) -> None:
    with pytest.raises(RequestError, match="expected NUMBER:HASH"):
        parse_chain(text)


def test_an_end_as_it_is_printed_can_be_read() -> None:
    kept = end_of(written())
    assert parse_chain(str(kept)) == kept


def test_many_keys_stand_in_several_lines() -> None:
    number = 2 * AUDIT_KEYS_PER_LINE + 1
    key_ids = random.Random(1).randbytes(16 * number)
    lines = [*key_id_lines(key_ids)]
    assert [len(line) for line in lines] == [AUDIT_KEYS_PER_LINE, AUDIT_KEYS_PER_LINE, 1]
    assert "".join([text for line in lines for text in line]).replace("-", "") == key_ids.hex()


def test_the_longest_line_is_not_longer_than_is_read() -> None:
    party = {"client": "c" * 64, "encryptor": "\U0001f511" * 32}
    fields = {
        "encryptor": party["encryptor"],
        "responders": [party] * MAX_RESPONDERS,
        "size_bits": 2**24,
        "hubs": ["h" * 64] * MAX_HUBS,
        "key_ids": next(key_id_lines(bytes(16 * AUDIT_KEYS_PER_LINE))),
    }
    _, line = append(Chain(2**63, bytes(32)), TIME, "established", fields)
    assert len(line) < MAX_AUDIT_LINE_BYTES / 2


def test_whatever_a_gap_says_nobody_is_told_in_its_words() -> None:
    chain, line = append(START, TIME, "opened", {"previous": START.head.hex()})
    said = {"previous": chain.head.hex(), "lost": "\x1b]0;x\x07", "torn": [1]}
    chain, gap = append(chain, TIME, "gap", said)
    [finding] = found([line, gap])
    assert finding.text == "0 lines before this one could not be written"


def test_a_number_to_which_no_node_comes_is_none() -> None:
    _, line = append(Chain(1 << 63, bytes(32)), TIME, "opened", {"previous": "0" * 64})
    assert parse(line) is None
    with pytest.raises(RequestError):
        parse_chain("9" * 5000 + ":" + "a" * 64)
