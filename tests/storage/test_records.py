"""Records: whole or refused, and no secret of theirs in a text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from simulating.disks.disk import Disk
from simulating.disks.files import SimulatedFiles, fails_at, no_fault

from dsked.errors import StorageError
from dsked.psrd.pair import Side
from dsked.psrd.store import BlockInfo
from dsked.storage import records
from dsked.storage.records import Delivery, PairRecord, PairTerms, StreamRecord

PATH = Path("/hank.pair")
GATE_KEY = bytes(range(32))
TERMS = PairTerms("carol", "hank", GATE_KEY, 3, 16_384, b"C" * 16, b"H" * 16)
BLOCK = BlockInfo(0, b"U" * 16, 0, 1000)
PAIR = PairRecord(TERMS, StreamRecord(4, 1000, 1, (BLOCK,)), StreamRecord(5), (b"B" * 16,))
DELIVERY = Delivery(b"B" * 16, TERMS, (BLOCK,), (), replace=True)


@pytest.fixture
def files() -> SimulatedFiles:
    return SimulatedFiles(Disk())


def rewrite(files: SimulatedFiles, content: bytes, path: Path = PATH) -> None:
    files.remove(path)
    file = files.create(path)
    files.write_at(file, content, 0)
    files.close(file)


def test_a_record_is_read_as_it_was_written(files: SimulatedFiles) -> None:
    records.write_pair(files, PATH, PAIR)
    assert records.read_pair(files, PATH) == PAIR
    records.write_delivery(files, Path("/"), DELIVERY)
    assert records.read_delivery(files, Path("/")) == DELIVERY
    assert files.nr_open == 0 and files.disk.is_synced


def test_which_stream_is_whose() -> None:
    assert PAIR.stream(Side.CLIENT).slot == 4 and PAIR.stream(Side.HUB).slot == 5
    assert TERMS.stream(Side.CLIENT) == b"C" * 16 and TERMS.stream(Side.HUB) == b"H" * 16
    assert DELIVERY.blocks(Side.CLIENT) == (BLOCK,) and DELIVERY.blocks(Side.HUB) == ()
    assert DELIVERY.peer(Side.CLIENT) == "hank" and DELIVERY.peer(Side.HUB) == "carol"


def test_no_text_shows_the_gate_key() -> None:
    for thing in (TERMS, PAIR, DELIVERY):
        assert repr(GATE_KEY)[2:20] not in repr(thing) and GATE_KEY.hex() not in repr(thing)


def test_every_damaged_byte_is_found(files: SimulatedFiles) -> None:
    records.write_pair(files, PATH, PAIR)
    content = bytes(files.disk.file(PATH).seen)
    for at in range(len(content)):
        rewrite(files, content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with pytest.raises(StorageError, match=r"^/hank.pair: (damaged|of version)"):
            records.read_pair(files, PATH)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 40, 100])
def test_a_record_that_was_cut_is_refused(files: SimulatedFiles, length: int) -> None:
    records.write_pair(files, PATH, PAIR)
    rewrite(files, bytes(files.disk.file(PATH).seen[:length]))
    with pytest.raises(StorageError, match=r"damaged|of version"):
        records.read_pair(files, PATH)


def _sealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def test_another_version_is_refused_by_name(files: SimulatedFiles) -> None:
    rewrite(files, _sealed(b"DSKEPAR2" + msgspec.msgpack.encode(PAIR)))
    with pytest.raises(StorageError, match="version b'2'; expected b'1'"):
        records.read_pair(files, PATH)


def test_a_record_of_another_kind_is_refused(files: SimulatedFiles) -> None:
    records.write_delivery(files, Path("/"), DELIVERY)
    rewrite(files, bytes(files.disk.file(Path("/delivery")).seen))
    with pytest.raises(StorageError, match="damaged"):
        records.read_pair(files, PATH)


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1}, {"bundles": (b"short",)}, {"client_stream": {"slot": -1}}, {"terms": None},
        {"client_stream": {"slot": 2**63}},
    ],
)  # fmt: skip
def test_values_out_of_place_are_refused(files: SimulatedFiles, change: dict[str, object]) -> None:
    rewrite(files, _sealed(b"DSKEPAR1" + msgspec.msgpack.encode(msgspec.to_builtins(PAIR) | change)))
    with pytest.raises(StorageError, match="damaged"):
        records.read_pair(files, PATH)


@pytest.mark.parametrize("number", range(6))
def test_a_failed_replacement_leaves_the_old_one_or_the_new_one(files: SimulatedFiles, number: int) -> None:
    records.replace_file(files, PATH, b"old")
    files.fault = fails_at(files.nr_calls + number, 28)
    with pytest.raises(StorageError, match="No space left"):
        records.replace_file(files, PATH, b"new")
    files.fault = no_fault
    expected = b"new" if number == 5 else b"old"  # the last call syncs the directory
    assert bytes(files.disk.file(PATH).seen) == expected and files.nr_open == 0
    records.replace_file(files, PATH, b"new")
    assert bytes(files.disk.file(PATH).durable) == b"new" and files.disk.is_synced
