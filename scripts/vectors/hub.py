"""The file hub.json: what a hub with several clients answers each of them, step by step."""

from __future__ import annotations

from typing import Any

from dsked.wire import messages as ms
from vectors.hub_keys import batch, two_clients
from vectors.hub_scene import CELIA, Scene, scene_of
from vectors.hub_stage import POOL_BYTES


def hub_vectors() -> dict[str, Any]:
    """All scenarios, each at a hub of its own."""
    scenes = (two_clients, batch, _parking, _time, _draining, _limits, _registering, _first_come)
    return {"pool_bytes": POOL_BYTES, "scenarios": [scene().json() for scene in scenes]}


# --- parking ---


def _parking() -> Scene:
    scene = scene_of("parking: shares that come a moment later", "carol", "celia", "connie")
    scene.registered("carol 1", "celia 1", "connie 1")
    scene.gets("celia 1", "a", "before the share: nothing is answered", wait_ms=500)
    scene.later(125)
    scene.puts("carol 1", "a", "celia's request is answered as well")
    scene.gets("celia 1", "b", "not at all", wait_ms=0)
    scene.gets("celia 1", "b", "for 250 ms", wait_ms=250)
    scene.waits(375, "the time is out")
    scene.gets("celia 1", "b", "for 4 s, which means 1 s", wait_ms=4000)
    scene.later(1250)
    scene.gets("celia 1", "ac", "what is there comes at once, whatever else waits", wait_ms=500)
    scene.waits(1375, "1 s is over")
    scene.puts("carol 1", "c", "the rest of celia's last request")
    _of_several(scene)
    _in_part(scene)
    _lost(scene)
    return scene


def _of_several(scene: Scene) -> None:
    scene.later(2000)
    scene.gets("celia 1", "dd", "one key twice is answered once", wait_ms=500)
    scene.gets("connie 1", "de", "two keys", wait_ms=500)
    scene.gets("carol 1", "d", "of a client that will not be named", wait_ms=500)
    scene.later(2125)
    twice = ms.PutShares([scene.group("carol 1", "d"), scene.group("carol 1", "d")])
    scene.asks("carol 1", twice, "one key twice in a frame, a retry: whoever waits is answered once")
    scene.waits(2500, "connie's second key has not come")


def _in_part(scene: Scene) -> None:
    whole = scene.group("carol 1", "f").shares
    scene.later(3000)
    scene.gets("celia 1", "f", "before the share", wait_ms=1000)
    scene.later(3125)
    scene.puts("carol 1", "f", "the first piece, with all code shares", shares=whole[:3])
    scene.gets("connie 1", "f", "in part it is unknown to all")
    scene.puts("carol 1", "f", "a gap", shares=whole[5:], offset=5, codes=b"")
    scene.puts("carol 1", "f", "an overlap that does not agree", shares=bytes(3), offset=2, codes=b"")
    scene.puts("carol 1", "f", "the rest: now it is whole", shares=whole[2:], offset=2, codes=b"")


def _lost(scene: Scene) -> None:
    scene.later(4000)
    scene.gets("celia 1", "g", "before the share", wait_ms=1000)
    scene.ends("celia 1", "and its connection is lost: nothing waits for it any more")
    scene.later(4125)
    scene.puts("carol 1", "g", "nobody waits")
    scene.opens("celia 2", "the same process connects again")
    scene.registers("celia 2")
    scene.gets("celia 2", "g", "and asks anew", wait_ms=1000)


# --- time ---


def _time() -> Scene:
    """An expired share may stay a tenth of a second longer, a tombstone a twelfth of its time."""
    scene = scene_of("time to live, and tombstones", "carol", "celia", "connie", share_timeout_ms=4000)
    scene.registered("carol 1", "celia 1", "connie 1")
    scene.puts("carol 1", "a", "for one second", ttl_ms=1000)
    scene.puts("carol 1", "b", "for a minute, which this hub cuts to 4 s", ttl_ms=60_000)
    scene.pings("celia 1", "d", "celia has d before its share is here: other hubs were faster")
    scene.later(500)
    scene.puts("carol 1", "a", "the same again: its deadline stays", ttl_ms=60_000)
    scene.puts("carol 1", "d", "stored for connie alone")
    scene.gets("celia 1", "d", "confirmed")
    scene.gets("connie 1", "d", "not by connie")
    scene.later(750)
    scene.gets("celia 1", "a", "in time")
    scene.later(1500)
    scene.gets("celia 1", "a", "the time is out: for who has got it")
    scene.gets("connie 1", "a", "and for who has not")
    scene.puts("carol 1", "a", "and for the initiator")
    _time_of_tombstones(scene)
    return scene


def _time_of_tombstones(scene: Scene) -> None:
    scene.later(3750)
    scene.gets("celia 1", "b", "4 s are not over")
    scene.later(4500)
    scene.gets("connie 1", "b", "4 s are over")
    scene.later(6500)
    scene.gets("celia 1", "a", "its tombstone has gone after 4 s (and a bit)")
    scene.puts("carol 1", "a", "as a new key", ttl_ms=60_000)
    scene.gets("connie 1", "a", "which it is")


# --- draining, limits ---


def _draining() -> Scene:
    scene = scene_of("a hub that drains", "carol", "celia", "connie")
    scene.registered("carol 1", "celia 1")
    half = scene.group("carol 1", "b").shares[:4]
    scene.puts("carol 1", "a", "before")
    scene.puts("carol 1", "b", "before: the first half", shares=half)
    scene.later(250)
    scene.drains("the hub says so once in every session")
    scene.puts("carol 1", "c", "nothing new is stored")
    rest = scene.group("carol 1", "b").shares[4:]
    scene.puts("carol 1", "b", "what has begun may be finished", shares=rest, offset=4, codes=b"")
    scene.opens("connie 1", "later sessions are told before anything else")
    scene.registers("connie 1")
    scene.gets("connie 1", "ab", "what is there is given")
    scene.gets("celia 1", "", "confirmations count", done="a")
    scene.gets("celia 1", "ab", "as always")
    scene.asks("carol 1", ms.Locate(["sofia"]), "as always")
    return scene


def _limits() -> Scene:
    scene = scene_of("three shares of an initiator's client at most", "carol", "celia", max_pending_shares=3)
    scene.registered("carol 1", "celia 1")
    scene.puts("carol 1", "ab", "two are taken", CELIA)
    scene.puts("carol 1", "cd", "one more is taken, and one is not", CELIA)
    scene.puts("carol 1", "b", "the same again takes no place", CELIA)
    scene.puts("celia 1", "d", "what celia initiates is counted by itself", ("carol", "sam"))
    scene.gets("celia 1", "abcd", "what was not taken is not here")
    scene.pings("celia 1", "a", "one is done with")
    scene.puts("carol 1", "d", "there is a place again", CELIA)
    scene.gets("celia 1", "d", "and it is here")
    return scene


# --- who is there ---


def _registering() -> Scene:
    scene = scene_of("registration, with the owners of encryptors provisioned", "carol", "celia")
    scene.opens("carol 1", "connects")
    scene.puts("carol 1", "a", "before it has registered")
    scene.asks("carol 1", ms.Register(["sam", "serena"]), "claims celia's encryptor: nothing is taken")
    scene.asks("carol 1", ms.Register(["sam", "nobody"]), "claims one that is nobody's: not either")
    scene.puts("carol 1", "a", "so sam is not registered")
    scene.asks("carol 1", ms.Register(["sam"]), "its own")
    scene.puts("carol 1", "a", "taken", CELIA)
    scene.puts("carol 1", "b", "its own, but not registered", CELIA, initiator="sue")
    scene.asks("carol 1", ms.Register(["sue"]), "another list in place of the first")
    scene.puts("carol 1", "b", "now it is", CELIA, initiator="sue")
    scene.puts("carol 1", "c", "and sam no more", CELIA)
    scene.asks("carol 1", ms.PutSharesAck(bytes(1)), "a message that only hubs send")
    scene.ends("carol 1", "the connection is lost")
    scene.opens("carol 2", "the same process connects again")
    scene.puts("carol 2", "c", "its registration has stayed", CELIA, initiator="sue")
    scene.asks("carol 2", ms.Unregister(), "a clean stop")
    scene.puts("carol 2", "d", "nothing is registered", CELIA, initiator="sue")
    scene.registered("celia 1")
    scene.asks("celia 1", ms.Locate(["sam", "serena", "sofia"]), "owners are known, whoever is there")
    scene.gets("celia 1", "abc", "shares stay when their initiator goes")
    return scene


def _first_come() -> Scene:
    scene = scene_of("registration, first come, first served", "carol", "celia", owners=None)
    scene.opens("carol 1", "connects")
    scene.asks("carol 1", ms.Register(["sam", "sue"]), "the first to name them")
    scene.opens("celia 1", "connects")
    scene.asks("celia 1", ms.Register(["sam", "serena"]), "one is taken: nothing is registered")
    scene.asks("celia 1", ms.Locate(["sam", "serena"]), "and serena is nobody's")
    scene.asks("carol 1", ms.Register(["sue"]), "another list, without sam")
    scene.asks("celia 1", ms.Register(["sam", "serena"]), "now sam is free")
    scene.ends("carol 1", "the connection is lost")
    scene.asks("celia 1", ms.Register(["sue"]), "sue is carol's still")
    scene.asks("celia 1", ms.Locate(["sam", "sue", "serena"]), "and the earlier list holds")
    scene.asks("celia 1", ms.Unregister(), "a clean stop: its names are free")
    scene.opens("carol 2", "the same process connects again")
    scene.asks("carol 2", ms.Locate(["sam", "sue", "serena"]), "its registration has stayed, celia's has not")
    scene.asks("carol 2", ms.Register(["sam", "serena"]), "whoever comes first")
    return scene
