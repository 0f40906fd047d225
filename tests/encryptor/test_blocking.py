"""KeyClient against nodes that behave, and against those that do not."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dsked.delivery.control import ControlServer
from dsked.delivery.control_protocol import Op, encode_frame
from dsked.encryptor import Key, KeyClient, NoAnswerError, NotRunningError, key_id_text
from dsked.errors import (
    BadKeyIdError,
    BadKeySizeError,
    BadNumberError,
    DskedError,
    ErrorCode,
    FrameError,
    LimitError,
    NotOwnerError,
    RequestError,
    ServiceError,
    TooFewHubsError,
    UnknownEncryptorError,
)

from ..delivery.fakes import FakeKeys
from .conftest import shows_secret
from .nodes import LIMIT_S, SECRET, Node, Request, key

Result = TypeVar("Result")


@pytest.fixture
async def blocking(node: Node) -> KeyClient:
    """A client of the scripted node; each request is made in a thread beside the loop."""
    client = await asyncio.to_thread(KeyClient, "sam", timeout_s=LIMIT_S)
    await node.accepted(2)  # that which found it, and its own
    yield client
    client.close()


def asking(call: Callable[..., Result], *args: Any, **options: Any) -> asyncio.Task[Result]:
    return asyncio.ensure_future(asyncio.to_thread(call, *args, **options))


# --- what is asked and what comes back ---


async def test_every_request(server: ControlServer, keys: FakeKeys) -> None:
    def requests() -> None:
        with KeyClient("sam") as client:
            assert len(client.get_key("sunny").key) == 16
            assert len(client.get_key(["sunny", "a/b"], 256).key) == 32
            assert [len(one.key) for one in client.get_keys("sunny", 3, 64)] == [8, 8, 8]
            dealt = [keys.deal("sunny", "sam") for _ in range(5)]
            as_bytes, as_text, as_uuid, *others = (one.key_id for one in dealt)
            assert client.get_key_by_id("sunny", as_bytes) == dealt[0]
            assert client.get_key_by_id("sunny", key_id_text(as_text)) == dealt[1]
            assert client.get_key_by_id("sunny", uuid.UUID(bytes=as_uuid)) == dealt[2]
            assert client.get_keys_by_id("sunny", others) == dealt[3:]
            assert client.locate("sunny") == "curtis"
            status = client.status()
            assert (status.role, status.name, status.pid, status.ready) == (
                "client",
                "carol",
                os.getpid(),
                True,
            )
            assert (status.reason, status.encryptors) == (None, ())

    await asyncio.to_thread(requests)


async def test_what_is_sent(node: Node, blocking: KeyClient) -> None:
    asked = asking(blocking.get_keys, iter(["sunny", "susan"]), 2, 256)
    request = await node.next()
    assert (request.op, request.args) == (Op.GET_KEYS, [["sunny", "susan"], 2, 256, "sam"])
    request.give(key(1), key(2))
    assert await asked == [key(1), key(2)]
    asked = asking(blocking.get_keys_by_id, "sunny", (one for one in (key(2).key_id, key(1).key_id)))
    request = await node.next()
    assert (request.op, request.args) == (Op.GET_KEYS_BY_ID, ["sunny", [key(2).key_id, key(1).key_id], "sam"])
    request.give(key(2), key(1))
    assert await asked == [key(2), key(1)]


async def test_the_clients_only_encryptor(node: Node) -> None:
    def request() -> Key:
        with KeyClient() as client:
            return client.get_key("sunny")

    asked = asking(request)
    request_ = await node.next()
    assert request_.args == [["sunny"], 1, None, None]
    request_.give(key(1))
    assert await asked == key(1)


async def test_status_tells_the_encryptors(server: ControlServer) -> None:
    server.node.state["encryptor_names"] = ["sam", "sue"]  # type: ignore[attr-defined]

    def status() -> tuple[str, ...]:
        with KeyClient("sam") as client:
            return client.status().encryptors

    assert await asyncio.to_thread(status) == ("sam", "sue")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (TooFewHubsError("2 of 5 hubs answered; 3 are needed"), ServiceError),
        (LimitError("1024 requests are open"), ServiceError),
        (UnknownEncryptorError("no hub knows sunny"), RequestError),
    ],
)
async def test_errors_are_of_the_tree(
    server: ControlServer, keys: FakeKeys, failure: DskedError, kind: type[DskedError]
) -> None:
    keys.failure = failure

    def request() -> None:
        with KeyClient("sam") as client:
            with pytest.raises(type(failure), match=str(failure)) as raised:
                client.get_key("sunny")
            assert isinstance(raised.value, kind)
            keys.failure = None
            client.get_key("sunny")

    await asyncio.to_thread(request)
    assert len(server._connections) <= 1


async def test_a_refusal_costs_no_new_connection(node: Node, blocking: KeyClient) -> None:
    connected = node.nr_connections
    for code, error in ((ErrorCode.NOT_OWNER, NotOwnerError), (ErrorCode.BAD_NUMBER, BadNumberError)):
        asked = asking(blocking.get_key, "sunny")
        (await node.next()).refuse(code, "no")
        with pytest.raises(error, match=r"^no$"):
            await asked
    assert node.nr_connections == connected


# --- what is wrong before anything is sent ---


@pytest.mark.parametrize("timeout_s", [0, -1, 0.0009, math.nan, math.inf, 3601, "5", None])
async def test_no_time_to_wait(node: Node, timeout_s: Any) -> None:
    with pytest.raises(RequestError, match=r"timeout_s is .*: 0.001 to 3600 s is expected"):
        KeyClient("sam", timeout_s=timeout_s)
    assert node.nr_connections == 0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda client: client.get_key_by_id("sunny", b"short"), BadKeyIdError, "16 bytes"),
        (lambda client: client.get_key_by_id("sunny", "no-uuid"), BadKeyIdError, "'no-uuid' is no key ID"),
        (lambda client: client.get_key_by_id("sunny", 7), BadKeyIdError, "16 bytes"),
        (
            lambda client: client.get_keys_by_id("sunny", key_id_text(bytes(16))),
            BadKeyIdError,
            "a list of IDs",
        ),
        (lambda client: client.get_keys_by_id("sunny", bytes(16)), BadKeyIdError, "a list of IDs"),
        (lambda client: client.get_keys_by_id("sunny", [bytes(16)] * 4000), RequestError, "fewer keys"),
        (lambda client: client.get_key("\udc80"), RequestError, "cannot be sent"),
        (lambda client: client.get_key([object()]), RequestError, "cannot be sent"),
        (lambda client: client.get_keys("sunny", 2**64), RequestError, "cannot be sent"),
        (lambda client: client.get_keys("sunny", "2"), BadNumberError, "^number is '2': a whole number"),
        (lambda client: client.get_key("sunny", "x"), BadKeySizeError, "^size_bits is 'x': a multiple of 8"),
        (lambda client: client.get_key("sunny", 128.0), BadKeySizeError, "^size_bits is 128.0: a multiple"),
        (lambda client: client.get_key("sunny", timeout_s=0), RequestError, "timeout_s is 0"),
    ],
)
async def test_a_wrong_argument_reaches_no_node(
    node: Node, blocking: KeyClient, call: Callable[[KeyClient], object], error: type[DskedError], says: str
) -> None:
    with pytest.raises(error, match=says):
        await asyncio.to_thread(call, blocking)
    asked = asking(blocking.get_key, "sunny")
    request = await node.next()
    request.give(key(1))
    assert (request.op, request.args[0], await asked) == (Op.GET_KEYS, ["sunny"], key(1))


# --- nodes that do not behave ---


async def test_a_late_answer_is_not_taken_for_that_of_another_request(
    node: Node, blocking: KeyClient
) -> None:
    connected = node.nr_connections
    asked = asking(blocking.get_key, "sunny", timeout_s=0.02)
    late = await node.next()
    with pytest.raises(NoAnswerError, match=r"did not answer within 0.02 s"):
        await asked
    late.give(key(1))
    asked = asking(blocking.get_key, "sunny")
    (await node.next()).give(key(2))
    assert await asked == key(2)
    assert node.nr_connections == connected + 1


async def test_the_time_that_was_granted_is_told_whatever_of_it_was_left(
    node: Node, blocking: KeyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = blocking._connect

    def slowly(deadline_s: float) -> None:
        time.sleep(0.005)  # as if others had the core
        connect(deadline_s)

    monkeypatch.setattr(blocking, "_connect", slowly)
    with pytest.raises(NoAnswerError, match=r"did not answer within 0.02 s"):
        await asyncio.to_thread(blocking.get_key, "sunny", timeout_s=0.02)


async def test_an_answer_in_pieces(node: Node, blocking: KeyClient) -> None:
    asked = asking(blocking.get_key, "sunny")
    request = await node.next()
    for byte in request.reply([list(key(1))]):
        request.send(bytes([byte]))
        await request.connection.drain()
        await asyncio.sleep(0)
    assert await asked == key(1)


#: Replies to a request for one key of 256 bits, none of which is one.
WRONG: dict[str, Callable[[Request], bytes]] = {
    "no message": lambda request: b"\0\0\0\x01\xc1",
    "too long": lambda request: b"\xff" * 8 + SECRET,
    "another request": lambda request: request.reply([list(key(1))], request_id=request.request_id + 1),
    "a request ID of no number": lambda request: encode_frame([SECRET, 0, [list(key(1))]]),
    "a code of no number": lambda request: encode_frame([request.request_id, SECRET, [list(key(1))]]),
    "too few parts": lambda request: encode_frame([request.request_id, 0]),
    "a text": lambda request: request.reply("a text"),
    "no list of keys": lambda request: request.reply({"keys": SECRET}),
    "no key": lambda request: request.reply([[bytes(16)]]),
    "text as key": lambda request: request.reply([[bytes(16), SECRET.decode("latin-1")]]),
    "an empty key": lambda request: request.reply([[bytes(16), b""]]),
    "a short key ID": lambda request: request.reply([[bytes(15), SECRET]]),
    "two keys": lambda request: request.reply([list(key(1)), list(key(2))]),
    "no keys": lambda request: request.reply([]),
    "another size": lambda request: request.reply([list(key(1, SECRET[:16]))]),
    "keys as a refusal": lambda request: request.reply([list(key(1))], code=ErrorCode.LIMIT),
    "bytes as a refusal": lambda request: request.reply(SECRET, code=ErrorCode.LIMIT),
    "success to no request": lambda request: request.reply([list(key(1))], request_id=0),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_a_wrong_answer_is_no_key_and_tells_none(
    node: Node, blocking: KeyClient, wrong: Callable[[Request], bytes]
) -> None:
    asked = asking(blocking.get_key, "sunny", 256)
    request = await node.next()
    request.send(wrong(request))
    with pytest.raises(FrameError) as raised:
        await asked
    assert not shows_secret("".join(traceback.format_exception(raised.value)))
    assert raised.value.__cause__ is None
    asked = asking(blocking.get_key, "sunny", 256)
    (await node.next()).give(key(2))
    assert await asked == key(2)


@pytest.mark.parametrize(
    "given", [[key(2), key(1)], [key(1)], [key(1), key(1)], [key(1), key(3)], [key(1), key(2), key(3)]]
)
async def test_other_ids_than_asked_for(node: Node, blocking: KeyClient, given: list[Key]) -> None:
    asked = asking(blocking.get_keys_by_id, "sunny", [key(1).key_id, key(2).key_id])
    (await node.next()).give(*given)
    with pytest.raises(FrameError, match="keys of other IDs"):
        await asked


async def test_the_same_key_twice(node: Node, blocking: KeyClient) -> None:
    asked = asking(blocking.get_keys, "sunny", 2)
    (await node.next()).give(key(1), key(1))
    with pytest.raises(FrameError, match="other keys than it was asked for"):
        await asked


@pytest.mark.parametrize("sent", [b"", b"\0\0", encode_frame([1, 0, [list(key(1))]])[:-1]])
async def test_a_node_that_hangs_up_in_between(node: Node, blocking: KeyClient, sent: bytes) -> None:
    asked = asking(blocking.get_key, "sunny")
    request = await node.next()
    request.send(sent)
    request.hang_up()
    with pytest.raises(NoAnswerError, match="closed the connection without an answer"):
        await asked
    asked = asking(blocking.get_key, "sunny")
    (await node.next()).give(key(2))
    assert await asked == key(2)


async def test_a_node_that_says_why_it_hangs_up(node: Node, blocking: KeyClient) -> None:
    asked = asking(blocking.get_key, "sunny")
    request = await node.next()
    request.send(request.reply("256 control connections are open", ErrorCode.LIMIT, 0))
    request.hang_up()
    with pytest.raises(LimitError, match="256 control connections are open"):
        await asked


async def test_a_connection_that_was_lost_meanwhile_fails_no_request(node: Node, blocking: KeyClient) -> None:
    asked = asking(blocking.get_key, "sunny")
    request = await node.next()
    request.give(key(1))
    assert await asked == key(1)
    request.hang_up()
    await request.connection.wait_closed()
    asked = asking(blocking.get_key, "sunny")
    (await node.next()).give(key(2))
    assert await asked == key(2)


async def test_a_node_that_went_away_and_came_back(node: Node, blocking: KeyClient) -> None:
    await node.close()
    with pytest.raises(NotRunningError, match=f"no node is listening on {node.path}"):
        await asyncio.to_thread(blocking.get_key, "sunny")
    await node.start()
    asked = asking(blocking.get_key, "sunny")
    (await node.next()).give(key(1))
    assert await asked == key(1)


# --- threads, processes, the end ---


async def test_threads_share_it(server: ControlServer, keys: FakeKeys) -> None:
    dealt = [keys.deal("sunny", "sam", size_bytes=16) for _ in range(200)]
    client = await asyncio.to_thread(KeyClient, "sam")

    def some(mine: list[Key]) -> bool:
        return all(client.get_key_by_id("sunny", one.key_id) == one for one in mine)

    assert all(await asyncio.gather(*(asyncio.to_thread(some, dealt[nth::8]) for nth in range(8))))
    client.close()


async def test_a_thread_waits_for_another_no_longer_than_it_may(node: Node, blocking: KeyClient) -> None:
    first = asking(blocking.get_key, "sunny")
    request = await node.next()
    with pytest.raises(NoAnswerError, match=r"requests of other threads took 0.02 s: nothing was sent"):
        await asyncio.to_thread(blocking.get_key, "sunny", timeout_s=0.02)
    request.give(key(1))
    assert await first == key(1)
    assert node.requests.empty()


async def test_a_child_process_has_a_connection_of_its_own(server: ControlServer, path: Path) -> None:
    program = (
        "import os\n"
        "from dsked.encryptor import KeyClient\n"
        "client = KeyClient('sam')\n"
        "client.get_key('sunny')\n"
        "client._lock.acquire()  # as a thread of the parent's in the midst of a request does\n"
        "child = os.fork()\n"
        "if not child: client.get_key('sunny'); client.close(); os._exit(0)\n"
        "ended = os.waitpid(child, 0)[1]\n"
        "client._lock.release()\n"
        "print(ended, len(client.get_key('sunny').key), client._connection.usable)\n"
    )
    connections = []
    admit = server.admit
    server.admit = lambda connection: (connections.append(connection), admit(connection))[1]  # type: ignore
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert (ran.stdout, ran.stderr) == ("0 16 True\n", "")
    assert len(connections) == 3  # one that found the client, and one for each process


async def test_closed_for_good(node: Node, blocking: KeyClient) -> None:
    blocking.close()
    blocking.close()
    with pytest.raises(RequestError, match="this KeyClient is closed"):
        blocking.get_key("sunny")
    await node.ended(2)


async def test_closing_ends_the_request_of_another_thread(node: Node, blocking: KeyClient) -> None:
    asked = asking(blocking.get_key, "sunny")
    await node.next()
    blocking.close()
    with pytest.raises(NoAnswerError, match=r"closed the connection|failed"):
        await asked
    await node.ended(2)


def test_asyncio_is_loaded_when_it_is_asked_for() -> None:
    program = (
        "import sys, dsked.encryptor\n"
        "dsked.encryptor.KeyClient\n"
        "print('asyncio' in sys.modules)\n"
        "print(dsked.encryptor.AsyncKeyClient.__name__, 'asyncio' in sys.modules)\n"
        "try: dsked.encryptor.nothing\n"
        "except AttributeError as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "False",
        "AsyncKeyClient True",
        "module 'dsked.encryptor' has no attribute 'nothing'",
    ]
