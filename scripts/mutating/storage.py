"""What is durable, wiped, checked, and brought on media."""

from __future__ import annotations

from mutating.mutant import Mutant

STORE = ("tests/storage",)

MUTANTS = (
    Mutant(
        "a second daemon takes the state directory",
        "dsked/storage/state_dir.py",
        "if not self.files.lock(lock, wait_s):",
        "if self.files.lock(lock, wait_s) is None:",
        STORE,
    ),
    Mutant(
        "marks are not synced",
        "dsked/storage/marks.py",
        "        self._files.sync_data(self._file)\n",
        "        pass\n",
        STORE,
    ),
    Mutant(
        "a failed sync is tried again as if nothing had happened",
        "dsked/storage/committer.py",
        "            lost = True\n",
        "",
        STORE,
    ),
    Mutant(
        "bytes are overwritten above the durable mark",
        "dsked/storage/committer.py",
        "end = min(stream.used, stream.committed)",
        "end = stream.used",
        STORE,
    ),
    Mutant(
        "a renamed record is not synced with its directory",
        "dsked/storage/records.py",
        "    files.sync_directory(path.parent)\n",
        "",
        STORE,
    ),
    Mutant(
        "UUIDs are forgotten",
        "dsked/storage/known_uuids.py",
        "    if missing:\n",
        "    if not known:\n",
        STORE,
    ),
    Mutant(
        "a damaged chunk is used",
        "dsked/storage/durable_stream.py",
        "return checksum(chunk) == expected",
        "return True",
        STORE,
    ),
    Mutant(
        "wiped bytes are taken for pads after a start",
        "dsked/storage/durable_stream.py",
        "return _ZEROS not in chunk[self.used - start :]",
        "return True",
        STORE,
    ),
    Mutant(
        "what is left of a chunk is not verified when it is read again",
        "dsked/storage/durable_stream.py",
        "return checksum(chunk[self.used - start :]) == self._rest",
        "return True",
        ("tests/storage/test_chunks.py",),
    ),
    Mutant(
        "a chunk that was given up stays in memory",
        "dsked/storage/durable_stream.py",
        "        self._chunk[:] = bytes(len(self._chunk))\n",
        "",
        ("tests/storage/test_chunks.py",),
    ),
    Mutant(
        "used blocks stay on the disk",
        "dsked/storage/committer.py",
        "                self._files.remove(path)\n",
        "",
        STORE,
    ),
    Mutant(
        "two hubs with one x-coordinate",
        "dsked/storage/adoption.py",
        "    if x in taken_x:\n",
        "    if x is None:\n",
        STORE,
    ),
    Mutant(
        "a bundle of which blocks are missing",
        "dsked/media/bundle.py",
        "if self._body.read(DIGEST_BYTES) != self._digest.digest():",
        "if not self._body.read(DIGEST_BYTES):",
        ("tests/media",),
    ),
    Mutant(
        "a generator that is not tested after its start",
        "dsked/entropy/sources.py",
        "            self._tests.check(samples)\n",
        "            self._reader.nr_bytes_read > 1024 or self._tests.check(samples)\n",
        ("tests/entropy",),
    ),
)
