"""Programs that ask for keys: nobody gets another's, and one request's end is no other's."""

from __future__ import annotations

from mutating.mutant import Mutant

ASKS, BLOCKING, LINK, FINDING, CLIENT = (
    "dsked/delivery/control_asks.py",
    "dsked/encryptor/blocking.py",
    "dsked/encryptor/link.py",
    "dsked/encryptor/finding.py",
    "dsked/delivery/control_client.py",
)
OF_BLOCKING, OF_AIO, OF_FINDING = (
    ("tests/encryptor/test_blocking.py",),
    ("tests/encryptor/test_aio.py",),
    ("tests/encryptor/test_finding.py",),
)

MUTANTS = (
    Mutant(
        "a reply to another request is taken for its own",
        CLIENT,
        "        if request_id != self._request_id:\n",
        "        if not request_id:\n",
        OF_BLOCKING,
    ),
    Mutant(
        "a connection that was lost meanwhile fails a request",
        CLIENT,
        "        if not self._in_step:\n            return False\n",
        "        if self._in_step:\n            return True\n",
        OF_BLOCKING,
    ),
    Mutant(
        "a child process takes its parent's keys",
        BLOCKING,
        "            self._begin_anew()\n",
        "            self._lock = allocate_lock()\n",
        OF_BLOCKING,
    ),
    Mutant(
        "keys of other IDs are taken",
        ASKS,
        "        if [key.key_id for key in keys] != wanted:\n",
        "        if len(keys) != len(wanted):\n",
        OF_BLOCKING,
    ),
    Mutant(
        "keys of another size are taken",
        ASKS,
        "fits = size_bits is None or all(8 * len(key.key) == size_bits for key in keys)",
        "fits = True",
        OF_BLOCKING,
    ),
    Mutant(
        "one key is taken twice",
        ASKS,
        " or len({key.key_id for key in keys}) != number:\n",
        ":\n",
        OF_BLOCKING,
    ),
    Mutant(
        "a refusal quotes what is no message",
        ASKS,
        "    if code == ErrorCode.OK or not isinstance(message, str):\n",
        "    message = str(message)\n    if code == ErrorCode.OK:\n",
        OF_BLOCKING,
    ),
    Mutant(
        "a request that ends the connection is sent",
        ASKS,
        "        if length > MAX_CONTROL_REQUEST_BYTES:\n",
        "        if not length:\n",
        OF_BLOCKING,
    ),
    Mutant(
        "replies are given to tasks in the order in which they asked",
        LINK,
        "        waiting = self._waiting.pop(request_id, None)\n",
        "        waiting = self._waiting.pop(min(self._waiting, default=0), None)\n",
        OF_AIO,
    ),
    Mutant(
        "a reply that comes too late ends the connection",
        LINK,
        "        if self.future.done():\n",
        "        if not self.ask:\n",
        OF_AIO,
    ),
    Mutant(
        "who gave up makes room before the node has",
        LINK,
        "asyncio.Semaphore(MAX_CONTROL_REQUESTS_IN_FLIGHT)",
        "asyncio.Semaphore(MAX_CONTROL_REQUESTS_IN_FLIGHT + 1)",
        OF_AIO,
    ),
    Mutant(
        "a request ID that is in use is used again",
        LINK,
        "        while found in self._waiting:\n",
        "        while not found:\n",
        OF_AIO,
    ),
    Mutant(
        "a reply to no request is passed over",
        LINK,
        '            raise FrameError("the node answered another request than those it was sent")\n',
        "            return\n",
        OF_AIO,
    ),
    Mutant(
        "futures hold bare replies, which their repr tells",
        LINK,
        "            self.future.set_result(self.ask.outcome(code, result))\n",
        "            self.ask.outcome(code, result)\n            self.future.set_result(result)\n",
        OF_AIO,
        more=(
            ("        return cast(Result, await future)\n", "        return ask.outcome(0, await future)\n"),
        ),
    ),
    Mutant(
        "a client that does not serve the encryptor is asked for its keys",
        FINDING,
        "    return [one for one in found if encryptor in encryptors_of(one)]\n",
        "    return found[:1]\n",
        OF_FINDING,
    ),
)
