"""Random lives of a pair with somebody on its path who has broken nothing and knows what is under the pads.

He keeps, delays, drops, reorders, changes and replays what the two ends say, sends it back to who has said
it, and makes proofs of his own wherever he knows the pads that they would stand under: those of all shares.
In worlds without copies he may have the gate key as well; then he begins handshakes in either's place, with
what both have told on the wire. In the meantime processes crash, are restored or run as clones (lives.py).

What must hold: nothing is taken that the other side has not made, and nothing twice; no byte is used twice;
and once he has gone, every process finds its way into a session with every other.

    python -m tests.wire.attacked_lives SEED    one life again, with its steps
"""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from dsked.limits import (
    HASH_KEY_BYTES,
    MASK_BYTES,
    NONCE_BYTES,
    ONE_TIME_KEY_BYTES,
    TAG_BYTES,
)
from dsked.psrd.pair import Side
from dsked.wire.connection import Stage
from dsked.wire.frame import LENGTH_BYTES
from dsked.wire.handshake import M1, M2, M3, M4, Holdings, Part, decode_part, with_mac, with_tag

from .lives import ALL, BYTES, CLONES, CROSSED, RESTORES, Link, Process, Said, World
from .sides import GATE, WIN, put

NR_STEPS = 32
#: Attempts that a process may need where nobody disturbs it: after restores and clones each side may be
#: left behind once, and has to find that no hash key is known.
MAX_ATTEMPTS = 3
#: He remembers so many pieces, and where so many of the latest frames stood.
NR_KEPT = 200


class Forgery(AssertionError):
    """Something was taken that its owner has not made, or that had been taken before."""


class Stuck(AssertionError):
    """Two processes that nobody disturbs get into no session."""


class Eavesdropper:
    """What he has seen: pieces, and where the pads stood that he knows."""

    def __init__(self) -> None:
        self.kept: deque[bytes] = deque(maxlen=NR_KEPT)
        self.hellos: dict[type[Part], deque[bytes]] = {M1: deque(maxlen=NR_KEPT), M2: deque(maxlen=NR_KEPT)}
        self.known = {side: deque[range](maxlen=NR_KEPT) for side in Side}

    def saw(self, side: Side, said: Said) -> None:
        """Something has left: he knows the shares in it, and so their pads."""
        start = said.position + MASK_BYTES
        if said.shares >= ONE_TIME_KEY_BYTES:
            self.known[side].append(range(start, start + said.shares))

    def key(self, side: Side, position: int) -> bytes | None:
        """r | s of a proof in this place, if he knows both."""
        end = position + ONE_TIME_KEY_BYTES
        known = any(position in pads and end <= pads.stop for pads in self.known[side])
        return BYTES[side][position:end] if known else None

    def places(self, side: Side, mark: int) -> list[int]:
        """Positions for a proof: some that he knows, above a mark."""
        return [pads.stop - ONE_TIME_KEY_BYTES for pads in self.known[side] if pads.start >= mark]


class AttackedLink(Link):
    """A connection piece by piece. `heard`: what each end has said and taken, of the handshake."""

    world: AttackedWorld

    def __init__(self, world: AttackedWorld, client: Process, hub: Process) -> None:
        self.world = world
        self.heard: dict[Side, list[bytes]] = {side: [] for side in Side}
        super().__init__(client, hub)

    def send(self) -> None:
        nr_before = [len(self.under_way[side.other]) for side in Side]
        super().send()
        for side, number in zip(Side, nr_before, strict=True):
            queue = self.under_way[side.other]
            if len(queue) > number:
                queue[number:] = [piece for data in queue[number:] for piece in pieces_of(data)]
                for piece in queue[number:]:
                    self.world.made.add((side, piece))
                    self.world.attacker.kept.append(piece)
                    self._hear(side, piece)

    def _hear(self, side: Side, piece: bytes) -> None:
        heard = self.heard[side]
        if len(heard) < 5:  # M0 to M4
            heard.append(piece)
            if len(heard) in (2, 3):
                self.world.attacker.hellos[M1 if len(heard) == 2 else M2].append(piece)

    def _leaves(self, side: Side, said: Said) -> None:
        super()._leaves(side, said)
        self.world.attacker.saw(side, said)

    def arrive(self, receiver: Side) -> None:
        """Piece by piece; what raises was not taken."""
        queue, end = self.under_way[receiver], self.end(receiver)
        while queue and self.ends_open[receiver]:
            piece = queue.pop(0)
            if end.stage is not Stage.CLOSING:
                is_m0 = end.stage is Stage.GREETING
                self.world.nr_messages += sum(1 for _ in end.receive_data(piece))
                if not is_m0:  # which says nothing
                    self.world.taken(receiver.other, piece)
                self._hear(receiver, piece)

    def awaits_proof(self, receiver: Side) -> bool:
        """M2 has left, and for a client M3; the other end's proof has not come."""
        nr_heard = 3 if receiver is Side.HUB else 4
        is_open = self.ends_open[receiver] and self.end(receiver).stage is Stage.PROOF
        return is_open and len(self.heard[receiver]) == nr_heard


class AttackedWorld(World):
    """A world and its attacker, who makes proofs for the verifiers named: M3 for a hub, M4 for a client."""

    def __init__(self, seed: int, copied: Side, *, wrapped: bool, forges_for: tuple[Side, ...]) -> None:
        super().__init__(seed, copied, wrapped=wrapped)
        self.attacker = Eavesdropper()
        self.made: set[tuple[Side, bytes]] = set()
        self.forges_for = forges_for
        self.nr_forged = self.nr_fresh = self.nr_posed = 0

    def new_link(self, client: Process, hub: Process) -> Link:
        return AttackedLink(self, client, hub)

    def taken(self, sender: Side, piece: bytes) -> None:
        """Raises Forgery unless it is what that side has made, for the first time."""
        try:
            self.made.remove((sender, piece))
        except KeyError:
            raise Forgery(f"{len(piece)} bytes that the {sender.name} has not made, or taken twice") from None

    @property
    def _links(self) -> list[AttackedLink]:
        return [link for link in self.links if isinstance(link, AttackedLink)]

    def _a_queue(self) -> tuple[AttackedLink, Side] | None:
        full = [(link, side) for link in self._links for side in Side if link.under_way[side]]
        return self.random.choice(full) if full else None

    # --- what is under way ---

    def drop(self) -> None:
        if found := self._a_queue():
            queue = found[0].under_way[found[1]]
            queue.pop(self.random.randrange(len(queue)))

    def reorder(self) -> None:
        if found := self._a_queue():
            self.random.shuffle(found[0].under_way[found[1]])

    def change(self) -> None:
        """One bit of a piece; its length would only close the connection later."""
        if found := self._a_queue():
            queue = found[0].under_way[found[1]]
            place = self.random.randrange(len(queue))
            changed = bytearray(queue[place])
            changed[self.random.randrange(LENGTH_BYTES, len(changed))] ^= 1 << self.random.randrange(8)
            queue[place] = bytes(changed)

    def replay(self) -> None:
        """A piece of any connection and direction, on any other or the same."""
        if self.links and self.attacker.kept:
            queue = self.random.choice(self._links).under_way[self.random.choice(list(Side))]
            queue.insert(self.random.randint(0, len(queue)), self.random.choice(self.attacker.kept))

    def late_hello(self) -> None:
        """A client gives a handshake up, whose M1 arrives when another one has led to a session."""
        client, hub = self.pick(Side.CLIENT), self.pick(Side.HUB)
        late = self.connect(client, hub, self.random.choice((1, 1, 1, 2)))
        for _ in range(self.random.choice((1, 1, 2))):
            session = self.connect(client, hub)
        for _ in range(2):
            self.arrive(late, Side.HUB)
            hub.write_all()
            self.act(late, late.send)
        if self.random.random() < 0.7:
            self._overtake(session)
            self.forge()

    def overtake(self) -> None:
        """A session goes on, whatever handshakes wait; then he keeps what one side says."""
        sessions = [link for link in self.links if link.in_session]
        if sessions:
            self._overtake(self.random.choice(sessions))

    def _overtake(self, link: Link) -> None:
        for _ in range(self.random.choice((0, 1, 1, 2, 2, 3, 6))):
            if link.in_session:
                self.act(link, lambda: self.exchange(link))
        if link.in_session:
            self._fill(link, self.random.choice(list(Side)))

    def _fill(self, link: Link, side: Side) -> None:
        """So much that no more fits into the window."""
        for size in (*[WIN // 4] * 3, *[WIN // 16] * 4, *[WIN // 64] * 4):
            link.end(side).send(1, put(bytes(size)))
        self.act(link, link.send)
        (link.client if side is Side.CLIENT else link.hub).write_all()
        self.act(link, link.send)

    # --- proofs of his own ---

    def forge(self) -> None:
        """M3 or M4 under pads that he knows, at a handshake that waits for it."""
        waiting = [
            (link, side) for link in self._links for side in self.forges_for if link.awaits_proof(side)
        ]
        if not waiting:
            return
        link, receiver = self.random.choice(waiting)
        proof = self._proof(link, receiver)
        if proof is not None:
            self.nr_forged += 1
            link.under_way[receiver].insert(0, proof)
            self.arrive(link, receiver)

    def _proof(self, link: AttackedLink, receiver: Side) -> bytes | None:
        """Where the hash key would lie in the pool, or anywhere else; None where he knows no pads."""
        owner, transcript = receiver.other, b"".join(link.heard[receiver])
        told = self._told(link, receiver)
        fresh, places = told.durable_mark + WIN, self.attacker.places(owner, told.exact_mark)
        key = self.attacker.key(owner, fresh)
        self.nr_fresh += key is not None
        if key is not None and self.random.random() < 0.7:
            places = [fresh]
        if not places:
            return None
        position = self.random.choice(places)
        key = self._guess(self.attacker.key(owner, position) or bytes(ONE_TIME_KEY_BYTES), position == fresh)
        if receiver is Side.CLIENT:
            return with_tag(M4(position, position, bytes(TAG_BYTES)), key, Side.HUB, transcript)
        streams = told.client_stream, told.hub_stream, told.client_end, told.hub_end
        return with_tag(M3(position, *streams, bytes(TAG_BYTES)), key, Side.CLIENT, transcript)

    def _told(self, link: AttackedLink, receiver: Side) -> Holdings:
        """What the verifier has told in this handshake."""
        _, m1, m2, *_ = link.heard[receiver]
        return (decode_part(M2, m2) if receiver is Side.HUB else decode_part(M1, m1)).holdings

    def _guess(self, key: bytes, fresh: bool) -> bytes:
        """r | s: r as it stands there, or zeros."""
        hash_key = key[:HASH_KEY_BYTES] if fresh or self.random.random() < 0.5 else bytes(HASH_KEY_BYTES)
        return hash_key + key[HASH_KEY_BYTES:]

    # --- with the gate key ---

    def pose(self) -> None:
        """He begins in the client's place or in the hub's, with what it once told: boot ID, marks, ends."""
        side = self.random.choice(list(Side))
        hellos = self.attacker.hellos[M1 if side is Side.CLIENT else M2]
        if hellos:
            pose = self._pose_as_client if side is Side.CLIENT else self._pose_as_hub
            pose(self.pick(Side.CLIENT), self.pick(Side.HUB), self.random.choice(hellos))
            self.nr_posed += 1

    def _pose_as_client(self, client: Process, hub: Process, old: bytes) -> None:
        own, link = client.link, self.new_link(client, hub)
        client.link = own
        link.ends_open[Side.CLIENT] = False
        self.links.append(link)
        self.act(link, link.send)
        m0 = b"".join(link.under_way[Side.CLIENT])
        self._say(link, Side.CLIENT, M1, decode_part(M1, old), m0)

    def _pose_as_hub(self, client: Process, hub: Process, old: bytes) -> None:
        link = self._link(client, hub)
        self.act(link, link.send)
        link.ends_open[Side.HUB] = False
        m0 = b"".join(link.under_way[Side.CLIENT])
        self.arrive(link, Side.CLIENT)
        client.write_all()
        self.act(link, link.send)
        m1 = b"".join(link.under_way[Side.HUB])
        self._say(link, Side.HUB, M2, decode_part(M2, old), m0 + m1)

    def _say(self, link: Link, side: Side, kind: type[M1 | M2], old: M1 | M2, transcript: bytes) -> None:
        """M1 or M2 under the gate key, and what the other end says to it."""
        fresh = {"nonce": self.random.randbytes(NONCE_BYTES)} if kind is M1 else {}
        hello = with_mac(replace(old, **fresh), GATE, kind.__name__.encode(), transcript)
        self.made.add((side, hello))
        link.under_way[side.other].append(hello)
        self.arrive(link, side.other)
        (link.hub if side is Side.CLIENT else link.client).write_all()
        self.act(link, link.send)

    # --- when he has gone ---

    def recovers(self) -> None:
        """Every process gets into a session with every other, and frames flow. Raises Stuck."""
        self.cut()
        for client, hub in itertools.product(*(self.running[side] for side in Side)):
            link = self._comes_in(client, hub)
            if self.exhausted:
                return
            self.exchange(link)
            link.close()

    def _comes_in(self, client: Process, hub: Process) -> Link:
        for _ in range(MAX_ATTEMPTS):
            link = self.connect(client, hub)
            if link.in_session or self.exhausted:
                return link
            link.close()
        raise Stuck(f"no session at {MAX_ATTEMPTS} attempts that nobody disturbed")


def pieces_of(data: bytes) -> Iterator[bytes]:
    """What leaves in one write, cut at the length prefixes."""
    while data:
        end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
        yield data[:end]
        data = data[end:]


AttackedSteps = list[Callable[[AttackedWorld], None]]
ATTACKS: AttackedSteps = [
    World.converse, AttackedWorld.drop, AttackedWorld.reorder, AttackedWorld.change,
    *[AttackedWorld.replay] * 2, *[AttackedWorld.late_hello] * 3, *[AttackedWorld.overtake] * 2,
    *[AttackedWorld.forge] * 4,
]  # fmt: skip
UNCOPIED: AttackedSteps = [*CROSSED, World.restart, *ATTACKS]
BOTH = tuple(Side)


def world_of(seed: int) -> tuple[AttackedWorld, AttackedSteps]:
    """The world of a life, and the steps it is made of.

    He makes no proofs for a side that runs as clones, and has the gate key only where nothing is copied:
    those are the exceptions of proto/security.md, sections 1 and 5.
    """
    copied, wrapped = list(Side)[seed % 2], seed % 3 == 0
    other = (copied.other,)
    steps, forges_for = (
        (UNCOPIED, BOTH), ([*UNCOPIED, AttackedWorld.pose, AttackedWorld.pose], BOTH),
        ([*RESTORES, *ATTACKS], BOTH), ([*CLONES, *ATTACKS], other), ([*ALL, *ATTACKS], other),
    )[seed // 2 % 5]  # fmt: skip
    return AttackedWorld(seed, copied, wrapped=wrapped, forges_for=forges_for), steps


def live(seed: int, tell: Callable[[str], None] = lambda step: None) -> AttackedWorld:
    """One life, to its end. `tell` is called with every step. Raises AssertionError, with the seed."""
    world, steps = world_of(seed)
    try:
        for _ in range(NR_STEPS):
            step = world.random.choice(steps)
            tell(step.__name__)
            step(world)
            if world.exhausted:
                return world
        tell("he goes")
        world.recovers()
    except AssertionError as error:
        error.add_note(f"again: python -m tests.wire.attacked_lives {seed}")
        raise
    return world


if __name__ == "__main__":
    live(int(sys.argv[1]), print)
