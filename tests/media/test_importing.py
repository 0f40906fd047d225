"""A client's imports: all of a bundle or nothing, once, and only what is meant for it."""

from __future__ import annotations

import itertools
import os
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from dsked.errors import RequestError, StorageError
from dsked.media import generating, manifest, node, pools
from dsked.media import header as headers
from dsked.media.header import BundleError
from dsked.media.importing import open_bundle
from dsked.psrd.pair import Side
from dsked.storage.files import Files, OpenFile
from dsked.storage.node_store import NodeStore
from dsked.storage.open_blocks import block_path
from tests.storage.lives import write_staged

from .bundles import MIB, delivery, header_of
from .nodes import (
    HUBS,
    Crash,
    FailingFiles,
    Unsynced,
    client,
    generate,
    hub,
    import_,
    nothing_half,
    pool,
    same_pools,
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Of hank for carol, the first one."""
    return generate(hub(tmp_path), tmp_path / "first.psrd")


def refused(tmp_path: Path, path: Path, told: str, **options: object) -> None:
    """The bundle is refused with this reason, and carol is as she was."""
    carol = client(tmp_path)
    before = node.records(carol) if carol.exists else {}
    with pytest.raises(RequestError, match=told):
        import_(carol, path, **options)  # type: ignore[arg-type]
    assert node.records(carol) == before
    assert nothing_half(carol)


def test_twice(tmp_path: Path, bundle: Path) -> None:
    import_(client(tmp_path), bundle)
    refused(tmp_path, bundle, "client carol has imported this bundle already")


def test_twice_with_pools_erased_in_between(tmp_path: Path, bundle: Path) -> None:
    carol = client(tmp_path)
    import_(carol, bundle)
    pools.erase(carol, "hank", lambda length: None)
    refused(tmp_path, bundle, "client carol has imported this bundle already")


def test_for_another_client(tmp_path: Path) -> None:
    path = generate(hub(tmp_path), tmp_path / "other.psrd", "curtis")
    refused(tmp_path, path, "this bundle is for client curtis, from hub hank; this is client carol")


def test_from_a_hub_that_it_does_not_know(tmp_path: Path, bundle: Path) -> None:
    refused(
        tmp_path, bundle, "from hub hank, and client carol has no such hub; it has helen", hubs={"helen": 2}
    )


def test_with_another_x_coordinate_than_configured(tmp_path: Path, bundle: Path) -> None:
    refused(
        tmp_path, bundle, "x-coordinate 1 in this bundle and 4 in this client's", hubs={"hank": 4, "helen": 2}
    )


def test_two_hubs_with_one_x_coordinate(tmp_path: Path, bundle: Path) -> None:
    import_(client(tmp_path), generate(hub(tmp_path, "helen"), tmp_path / "h.psrd", x=1), hubs={"helen": 1})
    refused(tmp_path, bundle, "as another hub of this client has", hubs={"hank": 1, "helen": 1})


def test_before_the_one_that_it_continues(tmp_path: Path, bundle: Path) -> None:
    later = generate(hub(tmp_path), tmp_path / "later.psrd", size=100)
    refused(tmp_path, later, "import the earlier bundles first")
    import_(client(tmp_path), bundle)
    import_(client(tmp_path), later)
    assert same_pools(hub(tmp_path), client(tmp_path))


def test_of_another_life_of_the_hub(tmp_path: Path, bundle: Path) -> None:
    """The hub's state was lost: it begins anew, and does not know that there was anything."""
    import_(client(tmp_path), bundle)
    shutil.rmtree(tmp_path / "hub-hank")
    again = generate(hub(tmp_path), tmp_path / "again.psrd")
    refused(tmp_path, again, "begins new streams of carol and hank: what is left of the old ones")
    import_(client(tmp_path), again, replace=True)
    assert same_pools(hub(tmp_path), client(tmp_path))


@pytest.mark.parametrize("damage", ["record", "block"])
def test_in_the_place_of_damaged_pools_nothing_is_left_of_them(
    tmp_path: Path, bundle: Path, damage: str
) -> None:
    """Their blocks are of no use any more, and still are pads: they are overwritten at once."""
    carol = client(tmp_path)
    import_(carol, bundle)
    import_(carol, generate(hub(tmp_path, "helen"), tmp_path / "h.psrd"))
    record = node.record(carol, "hank")
    assert record is not None
    old = [block_path(carol.blocks, record.stream(owner).blocks[0].uuid) for owner in Side]
    for path in old:
        os.link(path, tmp_path / path.name)
    if damage == "record":
        carol.pair("hank").write_bytes(b"damaged")
    else:
        with old[0].open("r+b") as file:
            file.write(b"damaged")
    again = generate(hub(tmp_path), tmp_path / "again.psrd", new_streams=True)
    import_(carol, again, replace=True)
    assert not any(path.exists() for path in old)
    assert not any(any((tmp_path / path.name).read_bytes()) for path in old)
    assert not list(carol.trash.iterdir())
    assert len(list(carol.blocks.iterdir())) == 4
    assert same_pools(hub(tmp_path), carol) and same_pools(hub(tmp_path, "helen"), carol)


def test_several_bundles_in_one_file(tmp_path: Path) -> None:
    path = generate(hub(tmp_path), tmp_path / "all.psrd", "carol", "celia")
    refused(tmp_path, path, "holds 2 bundles, for carol, celia; cut it first with: dskectl psrd split")


def test_damaged_at_its_end(tmp_path: Path, bundle: Path) -> None:
    raw = bytearray(bundle.read_bytes())
    raw[-33] ^= 1  # the last checksum
    bundle.write_bytes(raw)
    refused(tmp_path, bundle, "damaged: block .* between byte 1044480 and byte 1048576")


def test_a_wrong_passphrase(tmp_path: Path) -> None:
    path = generate(hub(tmp_path), tmp_path / "sealed.psrd", sealed=True)
    carol = client(tmp_path)
    with pytest.raises(BundleError, match="wrong passphrase"):
        import_(carol, path, passphrase="incorrect horse")
    import_(carol, path)


def test_seals_beyond_the_limits_are_not_even_asked_for(tmp_path: Path) -> None:
    files = Files()
    header = header_of(delivery(), sealed=True)
    assert header.seal is not None
    costly = replace(header, seal=replace(header.seal, log2_n=22))
    (tmp_path / "costly.psrd").write_bytes(headers.encode(costly))

    def ask(header: object) -> str:
        raise AssertionError("a passphrase was asked for")

    file = files.open(tmp_path / "costly.psrd")
    with pytest.raises(BundleError, match=r"costly.psrd: its seal asks for scrypt with N = 2\^22"):
        open_bundle(files, file, 0, costly, ask)
    files.close(file)


@pytest.fixture(scope="module")
def place_with_pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hub and client that share something, and a small bundle that goes on."""
    place = tmp_path_factory.mktemp("pair")
    import_(client(place), generate(hub(place), place / "first.psrd"))
    generate(hub(place), place / "next.psrd", size=5000)
    return place


@pytest.mark.parametrize("crash", [False, True], ids=["error", "kill"])
def test_cut_off_at_every_call_and_run_again(tmp_path: Path, place_with_pools: Path, crash: bool) -> None:
    for number in itertools.count(1):
        place = tmp_path / str(number)
        shutil.copytree(place_with_pools, place)
        files = FailingFiles(number, crash=crash)
        try:
            import_(client(place, files=files), place / "next.psrd", files=files)
        except (Crash, StorageError):
            _check_and_run_again(place, crash)
        carol = client(place, files=Unsynced())
        assert nothing_half(carol)
        assert same_pools(hub(place), carol)
        assert len(pool(carol, "hank", Side.CLIENT)) == MIB + 5000
        if files.calls < number:
            break
        shutil.rmtree(place)
    assert number > 25


def _check_and_run_again(place: Path, crash: bool) -> None:
    """What was cut off was imported whole or not at all; the same command again makes it whole."""
    carol = client(place, files=Unsynced())
    record = node.record(carol, "hank")
    assert record is not None
    assert record.client_stream.end in (MIB, MIB + 5000)
    if record.client_stream.end == MIB:
        if not crash:
            assert not list(carol.staging.iterdir())
        import_(carol, place / "next.psrd", files=Unsynced())
    else:
        with pytest.raises(RequestError, match="imported this bundle already"):
            import_(carol, place / "next.psrd", files=Unsynced())


def test_hubs_of_one_client_are_kept_apart(tmp_path: Path, bundle: Path) -> None:
    carol = client(tmp_path)
    import_(carol, bundle)
    import_(carol, generate(hub(tmp_path, "helen"), tmp_path / "h.psrd"))
    assert set(node.records(carol)) == set(HUBS)
    assert same_pools(hub(tmp_path), carol) and same_pools(hub(tmp_path, "helen"), carol)


def test_what_is_discarded_is_not_adopted_by_an_owner_that_comes_late(tmp_path: Path) -> None:
    """The command gave up waiting, and the next one discards: the zeros must not reach an adopted block."""
    hank = hub(tmp_path)
    with node.deliveries(hank):
        pass
    owner = NodeStore(hank, lambda call: call(), lambda level, text, /, **fields: None, lambda: 0.0)
    delivered = delivery()
    write_staged(Files(), hank, delivered)
    outcomes: list[type[Exception]] = []

    class Late(Files):
        def open(self, path: Path, *, write: bool = False) -> OpenFile:
            file = super().open(path, write=write)
            if write and path.suffix == ".block":
                with pytest.raises((RequestError, StorageError)) as raised:
                    owner.adopt(delivered.bundle, None)
                outcomes.append(raised.type)
            return file

    with node.deliveries(hub(tmp_path, files=Late())):
        pass
    assert len(outcomes) > 1 and not owner.pairs
    owner.close()
    assert nothing_half(hank)


def test_nothing_shows_keys_by_accident() -> None:
    one = delivery()
    planned = generating.Planned(one, header_of(one), b"the key of its seal")
    assert "the key" not in repr(planned) and repr(one.terms.gate_key)[2:-1] not in repr(planned)
    raw = msgspec.msgpack.decode(manifest.encode(one), type=manifest._Manifest)
    assert repr(one.terms.gate_key)[2:-1] not in repr(raw)
