"""A hub's bundles: the same bytes in the hub's pools and on the medium, whatever comes between."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from dsked.errors import ConfigurationError, RequestError, ServiceError, StorageError
from dsked.media import generating, manifest, medium, node, planning, pools
from dsked.media.planning import Order
from dsked.psrd.pair import Side
from dsked.storage.files import Files

from .bundles import MIB, delivery, nothing, randomness
from .nodes import (
    Crash,
    FailingFiles,
    Unsynced,
    client,
    generate,
    headers_in,
    hub,
    import_,
    nothing_half,
    pool,
    same_pools,
)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_both_sides_hold_the_same_bytes(tmp_path: Path, sealed: bool) -> None:
    hank, carol = hub(tmp_path), client(tmp_path)
    import_(carol, generate(hank, tmp_path / "a.psrd", size=MIB + 4097, sealed=sealed))
    assert same_pools(hank, carol)
    import_(carol, generate(hank, tmp_path / "b.psrd", size=70_000, sealed=sealed))
    assert same_pools(hank, carol)
    data = pool(carol, "hank", Side.CLIENT)
    assert len(data) == MIB + 4097 + 70_000
    assert data != pool(carol, "hank", Side.HUB)
    assert len({data[at : at + 16] for at in range(0, len(data) - 16, 16)}) == (len(data) - 1) // 16
    record = node.record(carol, "hank")
    assert record is not None
    assert record.terms == getattr(node.record(hank, "carol"), "terms", None)
    assert record.terms.window == (MIB + 4097) // 64


def test_one_file_for_several_clients(tmp_path: Path) -> None:
    hank = hub(tmp_path)
    generate(hank, tmp_path / "all.psrd", "carol", "celia", "curtis")
    assert [header.client for header in headers_in([tmp_path / "all.psrd"])] == ["carol", "celia", "curtis"]
    records = node.records(hank)
    assert len({record.terms.gate_key for record in records.values()}) == 3
    assert len({pool(hank, name, owner) for name in records for owner in Side}) == 6


def test_files_are_nobody_elses(tmp_path: Path) -> None:
    hank = hub(tmp_path)
    out = generate(hank, tmp_path / "a.psrd")
    for path in [out, *hank.blocks.iterdir(), *hank.pairs.iterdir()]:
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.psrd").write_text("something else")
    with pytest.raises(RequestError, match="exists already"):
        generate(hub(tmp_path), tmp_path / "a.psrd")
    assert (tmp_path / "a.psrd").read_text() == "something else"


def test_new_streams_erase_the_old_pools(tmp_path: Path) -> None:
    hank, carol = hub(tmp_path), client(tmp_path)
    import_(carol, generate(hank, tmp_path / "a.psrd"))
    old = node.record(hank, "carol")
    generate(hank, tmp_path / "b.psrd", new_streams=True)
    with pytest.raises(RequestError, match=r"2\.0 MiB, would be erased; if that is meant, say --repl"):
        import_(carol, tmp_path / "b.psrd")
    import_(carol, tmp_path / "b.psrd", replace=True)
    assert same_pools(hank, carol)
    new = node.record(hank, "carol")
    assert old is not None and new is not None
    assert old.terms.gate_key != new.terms.gate_key
    assert {old.terms.client_stream, old.terms.hub_stream}.isdisjoint(
        {new.terms.client_stream, new.terms.hub_stream}
    )
    for state in (hank, carol):
        assert nothing_half(state)
        assert not list(state.trash.iterdir())


def test_pools_that_the_hub_has_erased_begin_anew_when_the_client_says_so(tmp_path: Path) -> None:
    hank, carol = hub(tmp_path), client(tmp_path)
    import_(carol, generate(hank, tmp_path / "a.psrd"))
    pools.erase(hank, "carol", lambda length: None)
    generate(hank, tmp_path / "b.psrd")
    with pytest.raises(RequestError, match="--replace"):
        import_(carol, tmp_path / "b.psrd")
    import_(carol, tmp_path / "b.psrd", replace=True)
    assert same_pools(hank, carol)


@pytest.mark.parametrize("damaged", [["hub"], ["client"], ["hub", "client"]])
def test_new_streams_are_the_way_out_of_a_damaged_record(tmp_path: Path, damaged: list[str]) -> None:
    hank, carol = hub(tmp_path), client(tmp_path)
    import_(carol, generate(hank, tmp_path / "a.psrd"))
    for state, peer in ((hank, "carol"), (carol, "hank")):
        if state.role in damaged:
            path = state.pair(peer)
            path.write_bytes(path.read_bytes()[:-1])
            with pytest.raises(StorageError, match=r"carol\.pair: damaged|hank\.pair: damaged"):
                node.record(state, peer)
    if "hub" in damaged:
        with pytest.raises(StorageError, match="damaged"):
            generate(hank, tmp_path / "more.psrd")
    generate(hank, tmp_path / "b.psrd", new_streams=True)
    with pytest.raises(RequestError, match="--replace"):
        import_(carol, tmp_path / "b.psrd")
    import_(carol, tmp_path / "b.psrd", replace=True)
    assert same_pools(hank, carol)


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (Order(client="carol", size_bytes=MIB - 1), r"at least 1\.0 MiB"),
        (Order(client="carol", size_bytes=0), "at least 1 is expected"),
        (Order(client="carol", size_bytes=MIB, block_bytes=0), "a block of 0 bytes"),
        (Order(client="carol", size_bytes=MIB, block_bytes=4 * 1024 * MIB + 1), "a block of 4294967297"),
        (Order(client="carol", size_bytes=MIB, block_bytes=200), "5243 blocks for each pool"),
    ],
)
def test_orders_that_cannot_be_met(order: Order, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        planning.plan(order, "hank", 1, None, randomness("order"))


def test_a_smaller_bundle_may_follow_and_keeps_the_window(tmp_path: Path) -> None:
    hank = hub(tmp_path)
    generate(hank, tmp_path / "a.psrd", size=4 * MIB)
    generate(hank, tmp_path / "b.psrd", size=1)
    record = node.record(hank, "carol")
    assert record is not None and record.terms.window == 4 * MIB // 64
    assert record.client_stream.end == 4 * MIB + 1


def test_another_x_coordinate_needs_new_streams(tmp_path: Path) -> None:
    hank = hub(tmp_path)
    generate(hank, tmp_path / "a.psrd")
    with pytest.raises(RequestError, match="x-coordinate 7 in its configuration, and 1 in the bundles"):
        generate(hank, tmp_path / "b.psrd", x=7)
    generate(hank, tmp_path / "b.psrd", x=7, new_streams=True)


def test_blocks_are_cut_to_size() -> None:
    brings = delivery(size=3 * MIB + 5, block=MIB)
    assert [info.size for info in brings.hub_blocks] == [MIB, MIB, MIB, 5]
    assert [info.start for info in brings.client_blocks] == [0, MIB, 2 * MIB, 3 * MIB]
    assert manifest.pool_bytes(brings, Side.CLIENT) == 3 * MIB + 5


def test_no_room(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"\d .iB are needed on its file system, \d+\.\d .iB are free"):
        generate(hub(tmp_path), tmp_path / "a.psrd", size=1 << 43)
    assert not list(tmp_path.glob("*.psrd*"))


def _consistent(place: Path, before: int = 0) -> None:
    """After a run that was cut off and a second one: what is on the medium the hub has, each exactly once."""
    hank = hub(place, files=Unsynced())
    assert nothing_half(hank)
    assert not list(place.glob("*.partial*"))
    on_medium = [header.bundle for header in headers_in(place.glob("*.psrd"))]
    adopted = [bundle for record in node.records(hank).values() for bundle in record.bundles[before:]]
    assert sorted(on_medium) == sorted(adopted)


@pytest.fixture(scope="module")
def hub_with_pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a hub that shares something with two clients already: further bundles may be small."""
    place = tmp_path_factory.mktemp("hub")
    generate(hub(place), place / "first.psrd", "carol", "celia")
    (place / "first.psrd").unlink()
    return place


@pytest.mark.parametrize("crash", [False, True], ids=["error", "kill"])
def test_cut_off_at_every_call_and_run_again(tmp_path: Path, hub_with_pools: Path, crash: bool) -> None:
    """Two clients, so that a run can end between the two adoptions."""
    for number in itertools.count(1):
        place = tmp_path / str(number)
        shutil.copytree(hub_with_pools, place)
        files = FailingFiles(number, crash=crash)
        try:
            generate(hub(place, files=files), place / "out.psrd", "carol", "celia", size=5000, files=files)
        except (Crash, StorageError):
            if not crash:
                _check_after_an_error(place)
            _run_again(place)
        _consistent(place, before=1)
        if files.calls < number:
            break
        shutil.rmtree(place)
    assert number > 60


def _check_after_an_error(place: Path) -> None:
    """Nothing is left of a bundle that the hub has not adopted."""
    hank = hub(place)
    kept = headers_in(place.glob("*.psrd*"))
    assert all(node.adopted(hank, header.bundle) for header in kept)


def _run_again(place: Path) -> None:
    """As the command does it: settle, and generate where nothing good was left."""
    hank, files = hub(place, files=Unsynced()), Unsynced()
    with node.deliveries(hank):
        good = generating.settle(files, hank, place / "out.psrd")
    if not good and not (place / "out.psrd").exists():
        generate(hank, place / "out.psrd", "carol", "celia", size=5000, files=files)


def test_cut_off_while_it_is_settled(tmp_path: Path, hub_with_pools: Path) -> None:
    """One of two bundles adopted; then settling itself is cut off, again and again."""
    place = tmp_path / "place"
    shutil.copytree(hub_with_pools, place)
    generate(hub(place), place / "out.psrd", "carol", "celia", size=5000)
    (place / "out.psrd").rename(place / "out.psrd.partial")
    pools.erase(hub(place), "celia", nothing)
    (place / "hub-hank" / "uuids").write_bytes(b"")  # as if the hub had never known celia's
    kept: list[Path] = []
    for number in itertools.count(1):
        files = FailingFiles(number, crash=True)
        hank = hub(place, files=Unsynced())
        try:
            with node.deliveries(hank):
                kept = generating.settle(files, hank, place / "out.psrd")
            break
        except Crash:
            continue
    assert number > 5
    assert [header.client for header in headers_in(kept)] == ["carol"]
    assert list(place.glob("*.psrd*")) == kept


def test_what_another_hub_began_is_left_alone(tmp_path: Path) -> None:
    files = FailingFiles(60, crash=True)
    with pytest.raises(Crash):
        generate(hub(tmp_path, "helen", files), tmp_path / "a.psrd", files=files)
    partial = medium.partial_of(tmp_path / "a.psrd")
    assert partial.exists()
    hank = hub(tmp_path)
    with pytest.raises(RequestError, match="was begun by hub helen"):
        generate(hank, tmp_path / "a.psrd")
    assert generating.begun(Files(), hank, tmp_path) == []
    assert generating.begun(Files(), hub(tmp_path, "helen"), tmp_path) == [tmp_path / "a.psrd"]
    assert partial.exists()


@pytest.mark.parametrize("content", [b"a letter, half written", b"DSKEPS?", b"\0" * 8192])
def test_what_nobody_began_is_left_alone(tmp_path: Path, content: bytes) -> None:
    partial = medium.partial_of(tmp_path / "a.psrd")
    partial.write_bytes(content)
    with pytest.raises(RequestError, match="is there already and is no bundle"):
        generate(hub(tmp_path), tmp_path / "a.psrd")
    assert partial.read_bytes() == content


@pytest.mark.parametrize("content", [b"somebody's", b"", b"DSKEPSRD"])
def test_a_planted_link_leads_nowhere(tmp_path: Path, content: bytes) -> None:
    """A medium, or a directory for all, where somebody else may write."""
    victim = tmp_path / "victim"
    victim.write_bytes(content)
    out = tmp_path / "a.psrd"
    medium.partial_of(out).symlink_to(victim)
    try:
        generate(hub(tmp_path), out)
    except RequestError:
        medium.partial_of(out).unlink()
        generate(hub(tmp_path), out)
    assert victim.read_bytes() == content
    assert out.is_file() and not out.is_symlink()
    assert [header.client for header in headers_in([out])] == ["carol"]


def test_two_commands_at_once(tmp_path: Path) -> None:
    hank = hub(tmp_path)
    with node.deliveries(hank), pytest.raises(ServiceError, match="another psrd command is at work"):
        generate(hub(tmp_path), tmp_path / "a.psrd")


def test_a_state_that_a_daemon_owns_is_not_adopted_into(tmp_path: Path) -> None:
    hank = hub(tmp_path)
    generate(hank, tmp_path / "a.psrd")
    lock = hank.lock()
    try:
        with pytest.raises(ConfigurationError, match="is in use by process"):
            generate(hank, tmp_path / "b.psrd")
    finally:
        hank.files.close(lock)
    generate(hank, tmp_path / "b.psrd")
    _consistent(tmp_path)
