"""Random lives of a pair over media pools, with every loss, restore and copy.

A run plays client and hub processes over one pair of streams: frames and handshakes that arrive late or
never, handshakes of several processes that cross each other, connections that break, processes that crash
while their disks are at work and what they say is held back, and one side's state restored from an old copy
or run several times at once. Whatever leaves a process is read off the wire, whether it arrives or not, and
noted in a ledger of the stream, which all copies share; a byte used twice fails the run. So do a process
that takes a byte of its own pool twice, even if the first did not leave it, and anything that leaves before
the disk holds the marks that it uses or tells.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import msgspec

from dsked.errors import DskedError, ErrorCode, HandshakeRefusedError
from dsked.limits import AEAD_NONCE_BYTES, HANDSHAKE_PAD_BYTES, MASK_BYTES, MAX_WRAPPED_BYTES
from dsked.psrd.pair import Pair, Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import MemoryStream
from dsked.wire.additions import Wrapping
from dsked.wire.connection import ClientConnection, HubConnection
from dsked.wire.frame import LENGTH_BYTES, FrameBuffer, Header, decode_header
from dsked.wire.handshake import M1, M2, M3, M4, decode_part
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.handshake_hub import HubHandshake
from dsked.wire.messages import MessageType

from ..psrd.stores import stream_bytes
from .sides import CLIENT_STREAM, GATE, HUB_STREAM, WIN, put

SIZE = 1024 * 1024
#: What travels, by its number of fields; a frame has a body and a tag besides its header.
KINDS = {len(kind.__struct_fields__): kind for kind in (M1, M2, M3)} | {len(Header._fields) + 2: Header}
BYTES = {Side.CLIENT: stream_bytes(SIZE, 21), Side.HUB: stream_bytes(SIZE, 22)}


class Reuse(AssertionError):
    """Bytes of a stream were taken twice."""


class TooEarly(AssertionError):
    """Something left a process before the mark that it uses or tells was durable."""


class Ledger:
    """Which bytes of a stream have been used: by all copies of its owner, or by one process."""

    def __init__(self) -> None:
        self._taken = bytearray()

    def take(self, position: int, length: int) -> None:
        at = self._taken.find(1, position, position + length)
        if at >= 0:
            raise Reuse(f"byte {at} was used twice")
        self._taken.extend(bytes(max(position - len(self._taken), 0)))
        self._taken[position : position + length] = b"\1" * length


@dataclass
class Disk:
    """The durable marks of one side: of the pool that it owns, and of the one that it follows."""

    marks: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))

    def copy(self) -> Disk:
        return Disk(dict(self.marks))


class SharedBytes(MemoryStream):
    """One side's view of a stream. Marks reach the disk at once, or when the disk gets to it.

    How far they run ahead within their bounds is any number, as a store may choose it.
    """

    def __init__(self, owner: Side, process: Process) -> None:
        super().__init__()
        self._owner, self._process = owner, process
        self._end = SIZE

    def read(self, position: int, length: int) -> bytes:
        assert position + length <= SIZE
        if self._owner is self._process.side:
            self._process.taken.take(position, length)
        return BYTES[self._owner][position : position + length]

    def wipe(self, up_to: int) -> None:
        pass  # the copies share the bytes

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        process = self._process
        granted = process.world.random.choice((mark, at_most, process.world.random.randint(mark, at_most)))

        def written() -> None:
            process.disk.marks[self._owner] = max(process.disk.marks[self._owner], granted)

        def done() -> None:
            written()
            durable(granted)

        if process.world.random.random() < 0.3:
            done()
        else:
            process.writing.append((written, done))


class Process:
    """One run of a side's daemon, from the marks on its disk."""

    def __init__(self, world: World, side: Side, disk: Disk) -> None:
        self.world, self.side, self.disk = world, side, disk
        self.writing: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.taken = Ledger()
        self.boot_id = world.random.randbytes(16)
        self.link: Link | None = None  # a client's connection; a hub's session
        self.half_open: Link | None = None  # a hub's newest handshake
        self.pair = Pair("carol", "hank", side, GATE, simulated=False)
        ids = {Side.CLIENT: CLIENT_STREAM, Side.HUB: HUB_STREAM}
        self.pair.streams = Streams(
            OwnerPool(ids[side], SharedBytes(side, self), WIN, disk.marks[side]),
            ReceiverPool(ids[side.other], SharedBytes(side.other, self), WIN, disk.marks[side.other]),
        )

    def write(self) -> None:
        """The disk does one thing that it was asked for."""
        if self.writing:
            self.writing.pop(0)[1]()

    def write_all(self) -> None:
        """The disk does all that it was asked for."""
        while self.writing:
            self.write()

    def crash(self) -> None:
        """Some of what the disk was asked for is done, and nobody is told."""
        for written, _ in self.writing:
            if self.world.random.random() < 0.5:
                written()
        self.writing.clear()


class Said(NamedTuple):
    """What a piece that leaves a process uses of the own pool, and tells of the other one."""

    position: int = 0
    length: int = 0
    told: int = 0  # a durable mark, or an ack
    shares: int = 0  # of its pads, those over what others know: all of them, but for WRAP's


def what_is_said(data: bytes, unwrap: Callable[[bytes], bytes]) -> Iterator[Said]:
    """The pieces of a write, read off the wire. `unwrap`: the frame inside a wrapped piece."""
    for piece in FrameBuffer(MAX_WRAPPED_BYTES).feed(data):
        fields = msgspec.msgpack.decode(piece[LENGTH_BYTES:])
        if len(fields) == 1:
            piece = unwrap(piece)
            fields = msgspec.msgpack.decode(piece[LENGTH_BYTES:])
        kind = KINDS.get(len(fields))
        if kind is M1 or kind is M2:
            yield Said(told=decode_part(kind, piece).holdings.durable_mark)
        elif kind is M3:
            yield Said(decode_part(M3, piece).position, HANDSHAKE_PAD_BYTES)
        elif kind is Header:
            header = decode_header(piece)
            shares = 0 if header.type == MessageType.WRAP else header.pads
            yield Said(header.position, MASK_BYTES + header.pads, header.ack, shares)
        elif isinstance(fields[0], int):  # M4 has as many fields as M0
            m4 = decode_part(M4, piece)
            yield Said(m4.position, HANDSHAKE_PAD_BYTES, m4.ack)


class Link:
    """A TCP connection. What is on its way still arrives when only the sender has closed it."""

    def __init__(self, client: Process, hub: Process) -> None:
        random, wrapping = client.world.random, client.world.wrapping
        self.client, self.hub = client, hub
        self._nr_wrapped = dict.fromkeys(Side, 0)
        self.near = ClientConnection(
            ClientHandshake(client.pair, client.boot_id, random.randbytes(16), wrapping=wrapping),
            lambda connection: connection.prove(), lambda connection: None,
        )  # fmt: skip
        machine = HubHandshake(
            "hank", random.randbytes(16), {"carol": hub.pair}.get, bytes(32), _no_streams, hub.boot_id,
            wrapping=wrapping,
        )  # fmt: skip
        self.far = HubConnection(machine, self._greeted, self._opened)
        self.under_way: dict[Side, list[bytes]] = {side: [] for side in Side}  # to that side
        self.ends_open = {Side.CLIENT: True, Side.HUB: True}
        client.link = self

    def end(self, side: Side) -> ClientConnection | HubConnection:
        return self.near if side is Side.CLIENT else self.far

    def _greeted(self, connection: HubConnection) -> None:
        """As the hub's engine does it."""
        if self.hub.half_open is not None:
            self.hub.half_open.ends_open[Side.HUB] = False
        self.hub.half_open = self
        session = self.hub.link
        if session is not None and session.client is not self.client:
            session.ends_open[Side.HUB] = False

    def _opened(self, connection: HubConnection) -> None:
        if self.hub.link is not None and self.hub.link is not self:
            self.hub.link.ends_open[Side.HUB] = False  # the new one replaces it
        self.hub.link, self.hub.half_open = self, None

    def send(self) -> None:
        """Both ends put on the wire what they can."""
        for side in Side:
            data = self.end(side).data_to_send() if self.ends_open[side] else b""
            if data:
                for said in what_is_said(data, partial(self._unwrap, side)):
                    self._leaves(side, said)
                self.under_way[side.other].append(data)

    def _unwrap(self, side: Side, piece: bytes) -> bytes:
        """By the sender's key, and the number that the piece must have."""
        wrapper = self.end(side)._wrapper
        assert wrapper is not None and wrapper._outward is not None
        nonce = self._nr_wrapped[side].to_bytes(AEAD_NONCE_BYTES, "big")
        self._nr_wrapped[side] += 1
        inner = wrapper._outward._aead.decrypt(nonce, piece[10:], piece[:10])
        return len(inner).to_bytes(LENGTH_BYTES, "big") + inner

    def _leaves(self, side: Side, said: Said) -> None:
        process = self.client if side is Side.CLIENT else self.hub
        process.world.ledgers[side].take(said.position, said.length)
        end = said.position + said.length
        if process.disk.marks[side] < end or process.disk.marks[side.other] < said.told:
            raise TooEarly(f"{said} leaves the {side.name}, whose disk holds {process.disk.marks}")

    def arrive(self, receiver: Side) -> None:
        """What is under way to one end arrives."""
        queue = self.under_way[receiver]
        while queue and self.ends_open[receiver]:
            for _ in self.end(receiver).receive_data(queue.pop(0)):
                self.client.world.nr_messages += 1

    def close(self) -> None:
        self.ends_open = {Side.CLIENT: False, Side.HUB: False}

    @property
    def open(self) -> bool:
        return any(self.ends_open.values())

    @property
    def in_session(self) -> bool:
        return all(self.ends_open.values()) and None not in (self.near.session, self.far.session)


def _no_streams() -> tuple[bytes, bytes]:
    raise AssertionError("media pools are never begun anew")


class World:
    """The processes of one pair. `copied`: the side whose state is restored or run several times.

    `wrapped`: frames are wrapped, and WRAP is the first of every session on both sides.
    """

    def __init__(self, seed: int, copied: Side, *, wrapped: bool = False) -> None:
        self.random = random.Random(seed)
        self.wrapping = Wrapping.ON if wrapped else Wrapping.OFF
        self.ledgers = {side: Ledger() for side in Side}
        self.copied = copied
        self.running = {side: [Process(self, side, Disk())] for side in Side}
        self.copies = [Disk()]
        self.links: list[Link] = []
        self.nr_messages = 0
        self.exhausted = False

    def pick(self, side: Side) -> Process:
        return self.random.choice(self.running[side])

    # --- the network ---

    def dial(self) -> None:
        """A handshake that nothing crosses, whole or broken off anywhere."""
        nr_arrive = self.random.choice((2, 3, 4, 5, 5, 5, 5))
        link = self.connect(self.pick(Side.CLIENT), self.pick(Side.HUB), nr_arrive)
        if not link.in_session:
            link.close()

    def connect(self, client: Process, hub: Process, nr_arrive: int = 5) -> Link:
        """A handshake of which so many messages arrive, M0 first; the next one may be held back."""
        link = self._link(client, hub)
        for number in range(nr_arrive):
            client.write_all()
            hub.write_all()
            self.act(link, link.send)
            self.arrive(link, list(Side)[number % 2])
        self.act(link, link.send)
        return link

    def _link(self, client: Process, hub: Process) -> Link:
        if client.link is not None:
            client.link.ends_open[Side.CLIENT] = False  # one connection at a time
        link = self.new_link(client, hub)
        self.links = [link for link in self.links if link.open]
        self.links.append(link)
        return link

    def new_link(self, client: Process, hub: Process) -> Link:
        return Link(client, hub)

    def begin(self) -> None:
        """A connection whose handshake others may cross."""
        self._link(self.pick(Side.CLIENT), self.pick(Side.HUB))

    def move(self) -> None:
        """Something arrives, late, on any connection."""
        for _ in range(4):
            if self.links:
                link = self.random.choice(self.links)
                self.act(link, link.send)
                self.arrive(link, self.random.choice(list(Side)))

    def arrive(self, link: Link, side: Side) -> None:
        """What is under way to that end of a connection arrives."""
        self.act(link, lambda: link.arrive(side), [side])

    def act(self, link: Link, action: Callable[[], None], sides: Iterable[Side] = Side) -> None:
        """What raises closes the connection: at the end that noticed, until the other learns of it."""
        try:
            action()
        except DskedError as error:
            refusal = error.refusal if isinstance(error, HandshakeRefusedError) else error.code
            self.exhausted |= refusal == ErrorCode.POOL_EXHAUSTED
            for side in sides:
                link.ends_open[side] = False

    def talk(self) -> None:
        """Frames on open sessions, both ways or one; some stay under way."""
        for link in self.links:
            for side in Side:
                connection = link.end(side)
                if link.ends_open[side] and connection.session and self.random.random() < 0.7:
                    for _ in range(self.random.randint(1, 6)):
                        connection.send(1, put(bytes(self.random.choice((16, 1000, 4096)))))
            for _ in range(self.random.randint(0, 3)):
                self.act(link, link.send)
                self.arrive(link, self.random.choice(list(Side)))

    def converse(self) -> None:
        """A session goes on for a while, perhaps for more than a window."""
        links = [link for link in self.links if link.in_session]
        if links:
            link = self.random.choice(links)
            for _ in range(self.random.randint(1, 12)):
                if link.in_session:
                    self.act(link, lambda: self.exchange(link))

    def exchange(self, link: Link) -> None:
        """A frame each way; disks get to all that they were asked for."""
        for sender in Side:
            link.end(sender).send(1, put(bytes(4096)))
            link.send()
            link.client.write_all()
            link.hub.write_all()
            link.send()
            link.arrive(sender.other)

    def cut(self) -> None:
        for link in self.links:
            link.close()

    # --- the processes ---

    def write(self) -> None:
        for side in Side:
            for process in self.running[side]:
                process.write()

    def restart(self) -> None:
        """A crash of one process; it starts again from its own disk."""
        side = self.random.choice(list(Side))
        old = self.pick(side)
        self._stop(old)
        self.running[side].append(Process(self, side, old.disk))

    def restore(self) -> None:
        """One side starts again from an old copy of its disk."""
        self._stop(self.pick(self.copied))
        self.running[self.copied].append(Process(self, self.copied, self.random.choice(self.copies).copy()))

    def _stop(self, old: Process) -> None:
        for link in self.links:
            if old in (link.client, link.hub):
                link.ends_open[old.side] = False
        old.crash()
        self.running[old.side].remove(old)

    def keep_copy(self) -> None:
        self.copies.append(self.pick(self.copied).disk.copy())

    def clone(self) -> None:
        """A copy of a running process's disk, or an older one, starts beside the others."""
        if len(self.running[self.copied]) < 3:
            disks = [self.pick(self.copied).disk, self.random.choice(self.copies)]
            self.running[self.copied].append(Process(self, self.copied, self.random.choice(disks).copy()))

    def stop_a_clone(self) -> None:
        if len(self.running[self.copied]) > 1:
            self._stop(self.pick(self.copied))

    def settle(self) -> None:
        """One process of each side stays, and no copy; from now on the other side is the copied one."""
        self.cut()
        while len(self.running[self.copied]) > 1:
            self.stop_a_clone()
        self.copied = self.copied.other
        self.copies = [self.pick(self.copied).disk.copy()]

    def live(self, steps: list[Callable[[World], None]], nr_steps: int) -> None:
        """A random life, until the bytes are used up."""
        for _ in range(nr_steps):
            self.random.choice(steps)(self)
            if self.exhausted:
                return


Steps = list[Callable[[World], None]]
LOSSES: Steps = [*[World.dial] * 2, *[World.talk] * 3, World.write, World.cut]
CROSSED: Steps = [*LOSSES, *[World.converse] * 3, *[World.begin] * 2, *[World.move] * 6]
RESTORES: Steps = [*CROSSED, World.keep_copy, World.restart, World.restore]
CLONES: Steps = [
    *[World.dial] * 2,
    *[World.talk] * 5,
    *[World.converse] * 2,
    *[World.write] * 2,
    World.cut,
    World.clone,
]
ALL: Steps = [*CROSSED, *[World.converse] * 3, World.keep_copy, World.restart, World.restore,
              World.clone, World.clone, World.stop_a_clone]  # fmt: skip
