"""Files on a medium and in a state directory: split, erased, listed, verified; whose they are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsked.errors import RequestError, StorageError
from dsked.media import medium, node, ownership, pools, splitting, verifying
from dsked.media.header import BundleError
from dsked.psrd.pair import Side
from dsked.storage.files import Files
from dsked.storage.marks import Mark, MarkFile
from dsked.storage.open_blocks import block_path
from dsked.storage.state_dir import StateDirectory

from .bundles import MIB, PASSPHRASE, nothing
from .nodes import Crash, FailingFiles, client, generate, headers_in, hub, import_, same_pools


def split(whole: Path, out: Path) -> list[Path]:
    return [cut.path for cut in splitting.split(Files(), whole, out, nothing)]


class TestSplit:
    @pytest.fixture
    def whole(self, tmp_path: Path) -> Path:
        return generate(hub(tmp_path), tmp_path / "all.psrd", "carol", "celia", sealed=True)

    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        (tmp_path / "out").mkdir()
        return tmp_path / "out"

    def test_a_file_for_each_client(self, tmp_path: Path, whole: Path, out: Path) -> None:
        made = split(whole, out)
        assert [header.client for header in headers_in(made)] == ["carol", "celia"]
        assert b"".join(path.read_bytes() for path in made) == whole.read_bytes()
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in made)
        for name, path in zip(("carol", "celia"), made, strict=True):
            import_(client(tmp_path, name), path)
            assert same_pools(hub(tmp_path), client(tmp_path, name))

    def test_interrupted_and_run_again(self, whole: Path, out: Path) -> None:
        for number in range(1, 100):
            files = FailingFiles(number, crash=True)
            try:
                splitting.split(files, whole, out, nothing)
                break
            except Crash:
                continue
        made = split(whole, out)
        assert b"".join(path.read_bytes() for path in made) == whole.read_bytes()
        assert sorted(out.iterdir()) == sorted(made)

    def test_an_error_leaves_nothing(self, whole: Path, out: Path) -> None:
        for number in range(1, 8):
            with pytest.raises(StorageError):
                splitting.split(FailingFiles(number, crash=False), whole, out, nothing)
            assert not list(out.glob("*.partial"))

    def test_another_file_of_that_name_is_left_alone(self, whole: Path, out: Path) -> None:
        [first, _] = headers_in([whole])
        (out / medium.file_name(first)).write_bytes(b"mine")
        with pytest.raises(RequestError, match="exists already and is not this bundle"):
            splitting.split(Files(), whole, out, nothing)
        assert (out / medium.file_name(first)).read_bytes() == b"mine"

    def test_a_damaged_copy_is_no_copy(self, whole: Path, out: Path) -> None:
        """What is taken for done lets the operator erase the source."""
        [first, _] = split(whole, out)
        good = first.read_bytes()
        for at in (0, len(good) // 2, len(good) - 1):
            first.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            with pytest.raises(RequestError, match="is not this bundle, or is damaged"):
                splitting.split(Files(), whole, out, nothing)

    def test_what_was_there_is_told(self, whole: Path, out: Path) -> None:
        [first, second] = split(whole, out)
        second.unlink()
        done: list[int] = []
        cuts = splitting.split(Files(), whole, out, done.append)
        assert cuts == [splitting.Cut(first, True), splitting.Cut(second, False)]
        assert sum(done) == whole.stat().st_size

    @pytest.mark.parametrize("link", [None, os.link, os.symlink])
    def test_a_file_is_no_copy_of_itself(
        self, tmp_path: Path, out: Path, link: Callable[[Path, Path], None] | None
    ) -> None:
        alone = generate(hub(tmp_path), tmp_path / "alone.psrd")
        target = out / medium.file_name(headers_in([alone])[0])
        if link is None:
            alone = alone.rename(target)
        else:
            link(alone, target)
        with pytest.raises(RequestError, match="is the file that is to be cut"):
            splitting.split(Files(), alone, out, nothing)

    def test_a_planted_link_leads_nowhere(self, tmp_path: Path, whole: Path, out: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"somebody's")
        for header in headers_in([whole]):
            medium.partial_of(out / medium.file_name(header)).symlink_to(victim)
        made = split(whole, out)
        assert b"".join(path.read_bytes() for path in made) == whole.read_bytes()
        assert sorted(out.iterdir()) == sorted(made)
        assert victim.read_bytes() == b"somebody's"

    def test_a_truncated_file(self, whole: Path, out: Path) -> None:
        whole.write_bytes(whole.read_bytes()[:-1])
        with pytest.raises(BundleError, match="truncated: the bundle of hub hank for client celia has"):
            splitting.split(Files(), whole, out, nothing)
        assert not list(out.iterdir())


def test_verify_a_file_of_several(tmp_path: Path) -> None:
    path = generate(hub(tmp_path), tmp_path / "all.psrd", "carol", "celia", sealed=True)
    before = path.read_bytes()
    files = Files()
    done: list[int] = []
    with medium.opened(files, path) as file:
        for placed in medium.scan(files, file):
            found = verifying.verify(files, file, placed, lambda header: PASSPHRASE, done.append)
            assert found.terms.client == placed.header.client
    assert sum(done) == 4 * MIB
    assert path.read_bytes() == before


def test_too_many_bundles_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = generate(hub(tmp_path), tmp_path / "all.psrd", "carol", "celia")
    monkeypatch.setattr("dsked.limits.MAX_BUNDLES_PER_FILE", 1)
    files = Files()
    with medium.opened(files, path) as file, pytest.raises(BundleError, match="more than 1 bundles"):
        medium.scan(files, file)


def test_a_pipe_is_no_bundle_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with medium.opened(Files(), tmp_path / "pipe") as file, pytest.raises(BundleError, match="no bundle"):
        medium.scan(Files(), file)


def test_a_link_is_not_erased_through(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(b"DSKEPSRD")
    (tmp_path / "link").symlink_to(tmp_path / "bundle")
    with pytest.raises(StorageError, match="link: cannot be opened: Too many levels of symbolic links"):
        medium.erase(Files(), tmp_path / "link", nothing)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "bundle").read_bytes() == b"DSKEPSRD"


def test_erase_overwrites_before_the_name_goes(tmp_path: Path) -> None:
    path = tmp_path / "secret.psrd"
    path.write_bytes(b"\xaa" * 3_000_000)
    os.link(path, tmp_path / "other name")
    done: list[int] = []
    medium.erase(Files(), path, done.append)
    assert not path.exists()
    assert (tmp_path / "other name").read_bytes() == bytes(3_000_000)
    assert len(done) == 3


def test_room_is_counted_per_file_system(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    free = status.f_bavail * status.f_frsize
    medium.check_space([(tmp_path, free // 2)])
    with pytest.raises(StorageError, match=r"\d .iB are needed on its file system, \d+\.\d .iB are free"):
        medium.check_space([(tmp_path, free // 2), (tmp_path, free // 2 + MIB * 512)])
    with pytest.raises(StorageError, match="No such file"):
        medium.check_space([(tmp_path / "none", 1)])


def test_pairs_with_a_damaged_record_are_left_out(tmp_path: Path) -> None:
    hank = hub(tmp_path)
    generate(hank, tmp_path / "all.psrd", "carol", "celia")
    hank.pair("carol").write_bytes(b"damaged")
    assert (sorted(node.peer_names(hank)), list(node.records(hank))) == (["carol", "celia"], ["celia"])


class TestPools:
    @pytest.fixture
    def carol(self, tmp_path: Path) -> StateDirectory:
        carol = client(tmp_path)
        import_(carol, generate(hub(tmp_path), tmp_path / "a.psrd"))
        import_(carol, generate(hub(tmp_path), tmp_path / "b.psrd", size=10_000))
        return carol

    def spend(self, carol: StateDirectory, mark: int) -> None:
        """Moves the mark of the client pool, as a daemon does."""
        record = node.record(carol, "hank")
        assert record is not None
        marks = MarkFile.open(carol.files, carol.marks)
        marks.write([(record.client_stream.slot, Mark(record.terms.client_stream, mark, 0))])
        marks.close()

    def pools(self, carol: StateDirectory) -> list[pools.StoredPool]:
        record = node.record(carol, "hank")
        assert record is not None
        return pools.of_record(carol, record)

    def damage(self, carol: StateDirectory, number: int, at: int) -> None:
        record = node.record(carol, "hank")
        assert record is not None
        path = block_path(carol.blocks, record.client_stream.blocks[number].uuid)
        raw = bytearray(path.read_bytes())
        raw[4096 + at] ^= 1
        path.write_bytes(raw)

    def verified(self, carol: StateDirectory) -> int:
        record = node.record(carol, "hank")
        assert record is not None
        done: list[int] = []
        pools.verify(carol, record, done.append)
        return sum(done)

    def test_what_is_left(self, carol: StateDirectory) -> None:
        self.spend(carol, MIB + 1000)
        own, peer = self.pools(carol)
        assert (own.owner, own.mark, own.unread_bytes) == (Side.CLIENT, MIB + 1000, 9000)
        assert [(info.sequence, own.unread_of(info)) for info in own.blocks] == [(1, 9000)]
        assert (peer.unread_bytes, len(peer.blocks)) == (MIB + 10_000, 2)

    def test_verify_reads_all_that_is_unread(self, carol: StateDirectory) -> None:
        assert self.verified(carol) == 2 * (MIB + 10_000)
        self.spend(carol, MIB)
        assert self.verified(carol) == MIB + 20_000

    @pytest.mark.parametrize(("number", "at"), [(0, 0), (0, MIB - 1), (1, 4096), (1, 9999)])
    def test_damage_is_found(self, carol: StateDirectory, number: int, at: int) -> None:
        self.damage(carol, number, at)
        with pytest.raises(StorageError, match="damaged between byte"):
            self.verified(carol)

    def test_what_was_used_is_not_damage(self, carol: StateDirectory) -> None:
        self.damage(carol, 0, 5000)
        self.spend(carol, 8192)
        assert self.verified(carol) > MIB

    def test_what_is_used_meanwhile_is_not_damage(
        self, carol: StateDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The daemon overwrites the first block while it is read, and goes on into the second."""
        stale = self.pools(carol)
        self.damage(carol, 0, 5000)
        self.spend(carol, MIB + 5000)
        real, answers = pools.of_record, [stale]
        monkeypatch.setattr(
            pools, "of_record", lambda *arguments: answers.pop() if answers else real(*arguments)
        )
        self.verified(carol)
        assert not answers

    def test_a_lost_mark_is_told(self, carol: StateDirectory) -> None:
        record = node.record(carol, "hank")
        assert record is not None
        marks = MarkFile.open(carol.files, carol.marks)
        marks.write([(record.client_stream.slot, None)])
        marks.close()
        with pytest.raises(StorageError, match="the mark of the pool of carol and hank is lost"):
            self.pools(carol)

    def test_erase(self, carol: StateDirectory) -> None:
        record = node.record(carol, "hank")
        assert record is not None
        before = sum(1 for _ in carol.blocks.iterdir())
        pools.erase(carol, "hank", nothing)
        assert (before, list(carol.blocks.iterdir())) == (4, [])
        assert node.records(carol) == {}
        assert all(node.adopted(carol, bundle) for bundle in record.bundles)
        with pytest.raises(RequestError, match="client carol keeps no pools with hank"):
            pools.erase(carol, "hank", nothing)

    def test_erased_blocks_were_overwritten(self, carol: StateDirectory, tmp_path: Path) -> None:
        paths = list(carol.blocks.iterdir())
        for number, path in enumerate(paths):
            os.link(path, tmp_path / f"other{number}")
        pools.erase(carol, "hank", nothing)
        assert not any(any((tmp_path / f"other{number}").read_bytes()) for number in range(len(paths)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for others")
class TestForAnotherUser:
    USER, GROUP = 12345, 23456

    @pytest.fixture
    def base(self) -> Iterator[Path]:
        """The user's, in a place that he may pass: pytest's own directories are closed to him."""
        with tempfile.TemporaryDirectory(prefix="dsked-test-") as place:
            base = Path(place)
            base.chmod(0o755)
            os.chown(base, self.USER, self.GROUP)
            yield base

    def test_all_files_are_the_owners(self, tmp_path: Path, base: Path) -> None:
        files = ownership.files_for(base / "hub-hank")
        assert isinstance(files, ownership.OwnersFiles)
        hank = hub(base, files=files)
        out = generate(hank, tmp_path / "a.psrd")
        generate(hank, tmp_path / "b.psrd", new_streams=True)
        found = list((base / "hub-hank").rglob("*"))
        assert len(found) > 8
        for path in (base / "hub-hank", *found):
            assert (path.stat().st_uid, path.stat().st_gid) == (self.USER, self.GROUP), path
        assert out.stat().st_uid == 0
        assert (os.geteuid(), os.getegid()) == (0, 0)

    def test_the_owner_of_the_nearest_directory_counts(self, base: Path, tmp_path: Path) -> None:
        assert isinstance(ownership.files_for(base / "new" / "hub-hank"), ownership.OwnersFiles)
        assert not isinstance(ownership.files_for(tmp_path / "hub-hank"), ownership.OwnersFiles)

    def test_a_planted_link_leads_nowhere(self, tmp_path: Path, base: Path) -> None:
        """Root follows no link of the user's to where the user could not write himself."""
        target = tmp_path / "roots"
        target.mkdir(mode=0o700)
        hank = hub(base, files=ownership.files_for(base / "hub-hank"))
        generate(hank, tmp_path / "a.psrd")
        hank.staging.rmdir()
        hank.staging.symlink_to(target)
        with pytest.raises(StorageError, match="Permission denied"):
            generate(hank, tmp_path / "b.psrd")
        assert not list(target.iterdir())
        assert os.geteuid() == 0
