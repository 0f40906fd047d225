"""Scenarios of hub.json: keys from PUT_SHARES to the last DONE, alone and with others of a group."""

from __future__ import annotations

from dsked.wire import messages as ms
from vectors.common import fixed
from vectors.hub_scene import CODE_BYTES, CURTIS, KEY_BYTES, OWNERS, Scene, scene_of

# --- a key, from PUT_SHARES to the last DONE ---


def two_clients() -> Scene:
    scene = scene_of("two responder clients, and two that are none", *OWNERS)
    scene.registered("carol 1", "celia 1", "connie 1", "curtis 1")
    scene.later(125)
    scene.asks("carol 1", ms.Locate(["serena", "sofia", "sam", "nobody"]), "asks who serves whom")
    _put(scene)
    _fetched(scene)
    _of_processes(scene)
    _confirmed(scene)
    return scene


def _put(scene: Scene) -> None:
    scene.later(250)
    scene.puts("carol 1", "ab", "two keys for celia and connie")
    scene.puts("carol 1", "a", "the same again: its time to live does not count", ttl_ms=1000)
    scene.puts("carol 1", "a", "other content", shares=bytes(KEY_BYTES))
    scene.puts("carol 1", "a", "other code shares", codes=bytes(2 * CODE_BYTES))
    scene.puts("carol 1", "a", "other terms", k=3)
    changed = fixed("hub share carol c", KEY_BYTES) + bytes(KEY_BYTES)
    scene.puts("carol 1", "cb", "a new key, and one with other content: each has its answer", shares=changed)
    scene.puts("celia 1", "a", "the same key ID of another initiator's client is another key", CURTIS)
    scene.puts("curtis 1", "d", "an encryptor that another client has registered", initiator="sam")


def _fetched(scene: Scene) -> None:
    scene.later(375)
    scene.gets("celia 1", "ab", "a named client: its own code shares come along")
    scene.gets("connie 1", "a", "the other one: the same share, with its own code share")
    scene.gets("celia 1", "a", "the same process may ask again")
    scene.gets("celia 1", "ax", "one key is there, and one is unknown")
    scene.gets("curtis 1", "a", "a client that is not named")
    scene.gets("carol 1", "a", "the initiator's own client is not named either")
    scene.gets("curtis 1", "a", "the same ID of celia's: here it is named", of="celia")
    scene.gets("celia 1", "a", "and here celia is the initiator", of="celia")
    scene.gets("connie 1", "x", "no key of this client", of="curtis")
    scene.gets("connie 1", "ab", "no offset stands with two keys", offset=4)
    scene.gets("connie 1", "a", "from byte 4 on: no code share", offset=4)
    scene.gets("connie 1", "a", "beyond the share", offset=KEY_BYTES)


def _of_processes(scene: Scene) -> None:
    scene.later(500)
    scene.opens("celia 2", "another process of celia's: on media the first one's session ends", process=2)
    scene.registers("celia 2")
    scene.gets("celia 2", "abc", "a and b went to the first process; c to nobody yet")
    scene.gets("connie 1", "b", "connie is another client")
    scene.opens("connie 2", "the same process connects again")
    scene.registers("connie 2")
    scene.gets("connie 2", "a", "it is the process that got the share")


def _confirmed(scene: Scene) -> None:
    scene.later(625)
    scene.gets("curtis 1", "", "confirmed by a client that is not named: nothing changes", done="a")
    scene.gets("connie 2", "a", "so the share is there")
    scene.gets("celia 2", "", "the client confirms, whichever of its processes has the key", done="a")
    scene.gets("celia 2", "a", "it gets it no more")
    scene.puts("carol 1", "a", "the same again, while one client has not confirmed")
    scene.gets("connie 2", "a", "the other client still gets it")
    scene.pings("connie 2", "a", "the last client confirms: the share is removed")
    scene.gets("connie 2", "a", "confirmed")
    scene.gets("curtis 1", "a", "a client that was not named knows nothing of it")
    scene.puts("carol 1", "a", "a late copy: nothing is stored")
    scene.gets("celia 2", "bc", "confirmations count before what the same frame asks for", done="bc")
    scene.gets("connie 2", "c", "celia's word is not connie's")
    scene.gets("curtis 1", "a", "celia's own key of this ID is as it was", of="celia")


# --- keys that come together ---


def batch() -> Scene:
    """Keys of one group live, and end, each by itself."""
    scene = _scene_of_batch()
    scene.later(125)
    scene.gets("celia 1", "/", "its ID stands across those of a and b as well")
    scene.gets("celia 1", "dcba", "the others, in another order")
    scene.gets("connie 1", "abcd/", "all")
    scene.gets("connie 1", "", "connie confirms two", done="ca")
    scene.gets("connie 1", "cdb", "the others it still gets")
    scene.gets("celia 1", "", "celia confirms a, which is removed, and b and d", done="abd")
    scene.pings("connie 1", "bd", "and b and d are removed as well")
    scene.gets("connie 1", "/dcba", "of two keys that are left one is not confirmed")
    scene.later(250)
    scene.opens("celia 2", "another process", process=2)
    scene.registers("celia 2")
    scene.gets("celia 2", "c/d", "c and / went to the first process; d is done with")
    scene.puts("carol 1", "abc/e", "all once more, and a new one: those that are gone stay so")
    return scene


def _scene_of_batch() -> Scene:
    scene = scene_of("keys that come in one group", "carol", "celia", "connie")
    scene.registered("carol 1", "celia 1", "connie 1")
    scene.puts("carol 1", "abcd/", "five keys in one group")
    scene.puts("carol 1", "ff", "one twice: the second is a retry")
    changed = fixed("hub share carol g", KEY_BYTES) + bytes(KEY_BYTES)
    scene.puts("carol 1", "gg", "one twice with different shares", shares=changed)
    scene.puts("carol 1", "hi", "the shares of one for two keys", shares=bytes(KEY_BYTES))
    scene.puts("carol 1", "hi", "the code shares of one for two keys", codes=bytes(2 * CODE_BYTES))
    scene.puts("carol 1", "hi", "no piece stands with two keys", offset=4, shares=bytes(8), codes=b"")
    scene.gets("celia 1", "fghif", "a key that is asked for twice is given once")
    return scene
