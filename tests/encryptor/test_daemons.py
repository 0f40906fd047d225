"""Both clients, the README's program and the guide's programs, before real daemons."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsked.encryptor import AsyncKeyClient, Key, KeyClient, NoAnswerError, NotRunningError, key_id_text
from dsked.errors import (
    AlreadyDeliveredError,
    BadKeySizeError,
    NotNamedError,
    NotOwnerError,
    RequestError,
    ShuttingDownError,
    UnknownEncryptorError,
)
from scripts.laboratory import LIMIT_S, Laboratory

from ..system.support import wait_for_hubs

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/python-client.md")


@pytest.fixture(autouse=True)
def in_lab(lab: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients look for their sockets in the laboratory."""
    monkeypatch.setenv("DSKED_RUNTIME_DIR", str(lab.path))


@pytest.fixture
def ends() -> Iterator[tuple[KeyClient, KeyClient]]:
    with KeyClient("sam", timeout_s=LIMIT_S) as sam, KeyClient("sunny", timeout_s=LIMIT_S) as sunny:
        yield sam, sunny


def programs() -> dict[str, str]:
    """The Python programs of the documents, as they stand there."""
    found = {}
    for name in DOCUMENTS:
        blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(), re.DOTALL | re.MULTILINE)
        assert blocks, name
        found |= {f"{name}, program {nth}": block for nth, block in enumerate(blocks, 1)}
    return found


@pytest.mark.parametrize("program", programs().values(), ids=programs())
def test_every_program_of_the_documents_runs(lab: Laboratory, program: str) -> None:
    wait_for_hubs(lab, "carol", "curtis")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=lab.path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_the_readme_has_ten_lines_of_it() -> None:
    lines = programs()["README.md, program 1"].strip().splitlines()
    assert len(lines) <= 10


def test_keys_at_both_ends(ends: tuple[KeyClient, KeyClient]) -> None:
    sam, sunny = ends
    made = sam.get_keys("sunny", 128, 256)
    assert {len(key.key) for key in made} == {32}
    assert sunny.get_keys_by_id("sam", [key_id_text(key.key_id) for key in made]) == made
    long = sam.get_key("sunny", 16_777_216)
    assert sunny.get_key_by_id("sam", long.key_id) == long
    assert (sam.locate("sunny"), sunny.locate("sam")) == ("curtis", "carol")
    assert (sam.status().encryptors, sunny.status().encryptors) == (("sam",), ("sunny", "susan"))


def test_errors_as_daemons_tell_them(ends: tuple[KeyClient, KeyClient]) -> None:
    sam, sunny = ends
    key = sam.get_key("sunny")
    with KeyClient("susan", timeout_s=LIMIT_S) as susan, pytest.raises(NotNamedError):
        susan.get_key_by_id("sam", key.key_id)
    assert sunny.get_key_by_id("sam", key.key_id) == key
    with pytest.raises(AlreadyDeliveredError):
        sunny.get_key_by_id("sam", key.key_id)
    with pytest.raises(UnknownEncryptorError):
        sam.get_key("nobody")
    with pytest.raises(BadKeySizeError):
        sam.get_key("sunny", 7)
    with KeyClient("sunny", node="carol") as wrong, pytest.raises(NotOwnerError):
        wrong.get_key("sam")
    with KeyClient(node="curtis") as unnamed, pytest.raises(RequestError, match="say for which encryptor"):
        unnamed.get_key("sam")


async def test_many_pairs_at_once() -> None:
    async with (
        AsyncKeyClient("sam", timeout_s=LIMIT_S) as sam,
        AsyncKeyClient("sunny", timeout_s=LIMIT_S) as sunny,
        AsyncKeyClient("susan", timeout_s=LIMIT_S) as susan,
    ):

        async def pair(_: int) -> Key:
            key = await sam.get_key(["sunny", "susan"], 256)
            assert await sunny.get_key_by_id("sam", key.key_id) == key
            assert await susan.get_key_by_id("sam", key.key_id) == key
            return key

        made = await asyncio.gather(*map(pair, range(64)))
    assert len({key.key_id for key in made}) == 64


async def test_cancelled_requests_leave_the_others_their_keys() -> None:
    async with (
        AsyncKeyClient("sam", timeout_s=LIMIT_S) as sam,
        AsyncKeyClient("sunny", timeout_s=LIMIT_S) as sunny,
    ):
        tasks = [asyncio.create_task(sam.get_key("sunny")) for _ in range(60)]
        await asyncio.sleep(0)  # all have been sent
        for task in tasks[::3]:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended[::3])
        kept = [one for one in ended if isinstance(one, Key)]
        assert len(kept) == 40
        assert await sunny.get_keys_by_id("sam", [key.key_id for key in kept]) == kept


def test_the_node_hangs_for_a_while(lab: Laboratory, ends: tuple[KeyClient, KeyClient]) -> None:
    sam, sunny = ends
    with lab.frozen("carol"), pytest.raises(NoAnswerError, match=r"did not answer within 0.1 s"):
        sam.get_key("sunny", timeout_s=0.1)
    key = sam.get_key("sunny")
    assert sunny.get_key_by_id("sam", key.key_id) == key


def test_the_node_is_started_anew(lab: Laboratory, ends: tuple[KeyClient, KeyClient]) -> None:
    asyncio.run(_started_anew(lab, *ends))


async def _started_anew(lab: Laboratory, blocking: KeyClient, sunny: KeyClient) -> None:
    async with AsyncKeyClient("sam", timeout_s=LIMIT_S) as client:
        for end in (lab.stop, lab.kill):
            flood = asyncio.create_task(_until_it_is_gone(client))
            await asyncio.to_thread(end, "carol")
            assert await flood <= {ShuttingDownError, NoAnswerError, NotRunningError}
            with pytest.raises(NotRunningError):
                blocking.get_key("sunny")
            await asyncio.to_thread(lab.start, "carol")
            key, another = await client.get_key("sunny"), blocking.get_key("sunny")
            assert sunny.get_keys_by_id("sam", [key.key_id, another.key_id]) == [key, another]


async def _until_it_is_gone(client: AsyncKeyClient) -> set[type[BaseException]]:
    """Twenty requests at once, over and over; gives the kinds of errors that the node's end brought."""
    kinds: set[type[BaseException]] = set()
    while NotRunningError not in kinds:
        ended = await asyncio.gather(*(client.get_key("sunny") for _ in range(20)), return_exceptions=True)
        kinds |= {type(one) for one in ended if not isinstance(one, Key)}
    return kinds
