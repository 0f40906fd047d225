"""What must always hold (design: what must always hold), checked as things happen. Raises Broken.

It knows what nobody in the world knows: every key as it was dealt, every position that was ever used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from torturing.ledger import Origin, Reuse, Stream
from torturing.ledger import Use as LedgerUse

from dsked.client.deal import Deal, KeyRequest
from dsked.errors import DskedError
from dsked.keys import Key, Outcome
from dsked.limits import KEY_ID_BYTES, MAX_FRAME_BYTES, MAX_OUTBOX_BYTES
from dsked.sharing.shares import HubColumns, cut
from dsked.sharing.terms import Party
from simulating.events import Broken, Events
from simulating.judging.ahead import Store, check_handed_out, check_store
from simulating.judging.common_hubs import check_dealt, check_established
from simulating.judging.keeping import check_counts, check_hub
from simulating.judging.remembered import Dealt, FetchId, Memory, Request
from simulating.processes import ClientProcess, HubProcess, Process
from simulating.topology import Topology
from simulating.wires.pieces import Use

#: A request is answered within this long of the world's time: directory 0.8 s, shares or keys 1 s, clocks.
ANSWER_S = 4.0
_COUNTED_EVERY = 20  # turns of all processes: what they hold is weighed
_Dealing = tuple[Deal, list[HubColumns]]
Learn = Callable[[str, bytes, bytes], None]  # initiator client, key ID, key


class Oracle:
    """The judge of one world. `learn` is told of every key; `lives` tells the life that each hub is in."""

    def __init__(
        self, events: Events, topology: Topology, learn: Learn, lives: Callable[[], dict[str, int]]
    ) -> None:
        self.events = events
        self.memory = Memory(events, topology, lives)
        self._topology = topology
        self._learn = learn
        self._client_of = topology.client_of
        self._by_life: Counter[tuple[FetchId, str, int]] = Counter()
        self._handed_out: set[FetchId] = set()
        self._streams: dict[bytes, Stream] = {}
        self._pending: dict[int, Request] = {}
        self._nr_requests = 0
        self._stolen: Counter[str] = Counter()
        self._nr_turns = 0

    # --- pads ---

    def pads_used(self, name: str, serial: int, stream_id: bytes, use: Use) -> None:
        """A life writes a piece that uses positions of its own stream. None may ever be used again."""
        stream = self._streams.get(stream_id)
        if stream is None:
            stream = self._streams[stream_id] = Stream(stream_id.hex(), "", "", name, None)
        found = stream.note(LedgerUse(use.start, use.end, use.kind, Origin(serial, 0)))
        self.events.counts["pieces under pads"] += 1
        if isinstance(found, Reuse):
            first, second = found.first, found.second
            raise Broken(
                f"{name} uses bytes {second.start} to {second.end} of {stream.name} for a "
                f"{second.kind}; life {first.origin.connection} used {first.start} to {first.end} for a "
                f"{first.kind}"
            )

    # --- keys ---

    def watch(self, process: ClientProcess) -> None:
        """Look over the shoulder of a client: what it deals, and whom it accuses."""
        engine = process.engine
        if process.name in self._topology.hostile:
            return
        deal = engine._initiator._deal
        engine._initiator._deal = partial(self._deals, process, deal)  # type: ignore[method-assign]
        accuse = engine._evidence.mismatch
        engine._evidence.mismatch = partial(self._accuses, process, accuse)  # type: ignore[method-assign]

    def _deals(
        self, process: ClientProcess, deal: Callable[..., _Dealing], about: object, requests: list[KeyRequest]
    ) -> _Dealing:
        dealing = one, _ = deal(about, requests)
        check_dealt(self._topology, one)
        ids, keys = cut(one.key_ids, KEY_ID_BYTES), cut(one.keys, one.terms.key_bytes)
        of_keys = [request for request in requests for _ in range(request.number)]
        for key_id, key, request in zip(ids, keys, of_keys, strict=True):
            if (process.name, key_id) in self.memory.dealt:
                raise Broken(f"{process.name} deals the key ID {key_id.hex()} twice")
            dealt = Dealt(one.terms, key, one, request, self.events.now, self.memory.lives())
            self.memory.dealt[process.name, key_id] = dealt
            self._learn(process.name, key_id, key)
        return dealing

    def _accuses(
        self, process: ClientProcess, accuse: Callable[..., bool], initiator: str, hub: str, now: float
    ) -> bool:
        self.events.count("liars named")
        if self.are_honest(hub, initiator):
            raise Broken(f"{process.name} accuses the honest {hub} over a key of the honest {initiator}")
        return accuse(initiator, hub, now)

    # --- requests ---

    def get_keys(
        self, process: ClientProcess, caller: str, responders: list[str], number: int, bits: int,
        then: Callable[[Request], None],
    ) -> None:  # fmt: skip
        """Ask for keys; `then` is told of the outcome, once it has been judged."""
        request = self._begin(process, caller, f"{number} keys of {bits} bits for {responders}")

        def done(outcome: Outcome) -> None:
            self._answered(request, outcome)
            if isinstance(outcome, list):
                self._judge_own(request, outcome, responders, number, bits)
            then(request)

        now = process.node.now
        stored = Store.of(
            process, self._topology.stored.get(process.name, ()), (caller, *responders, bits), number
        )
        process.engine.get_keys(caller, responders, number, bits, done, now)
        if stored is not None:
            stored.judge(at_once=isinstance(request.outcome, list))
        process.touch()

    def fetch(
        self, process: ClientProcess, caller: str, initiator: str, key_ids: list[bytes],
        then: Callable[[Request], None],
    ) -> None:  # fmt: skip
        """Ask for another's keys."""
        request = self._begin(process, caller, f"{len(key_ids)} keys of {initiator}")

        def done(outcome: Outcome) -> None:
            self._answered(request, outcome)
            if isinstance(outcome, list):
                self._judge_fetched(request, initiator, key_ids, outcome)
            then(request)

        process.engine.get_keys_by_id(caller, initiator, key_ids, done, process.node.now)
        process.touch()

    def _begin(self, process: ClientProcess, caller: str, what: str) -> Request:
        self._nr_requests += 1
        number, request = self._nr_requests, Request(process, caller, what, self.events.now)
        self._pending[number] = request
        self.events.after(ANSWER_S, lambda: self._audit(number))
        return request

    def _audit(self, number: int) -> None:
        """A request of a process that lives and runs has been answered by now."""
        request = self._pending[number]
        process = request.process
        if request.outcome is not None or not process.alive:
            del self._pending[number]
            return
        late = self.events.now - max(request.asked_at, process.thawed_at)
        if late > ANSWER_S + 0.01 and not process.node.frozen:
            raise Broken(f"{process.name} has not answered {request.caller} ({request.what}) in {late:.1f} s")
        self.events.after(ANSWER_S, lambda: self._audit(number))

    def _answered(self, request: Request, outcome: Outcome) -> None:
        if request.outcome is not None:
            raise Broken(f"{request.process.name} answers {request.caller} twice ({request.what})")
        request.outcome = outcome
        said = f"{len(outcome)} keys" if isinstance(outcome, list) else f"{type(outcome).__name__}: {outcome}"
        self.events.note(f"{request.process.name} answers {request.caller} ({request.what}): {said}")
        if isinstance(outcome, DskedError):
            self.events.count(f"error {type(outcome).__name__}")
        elif not isinstance(outcome, list):
            raise Broken(f"{request.process.name} answers {request.caller} with {outcome!r}")

    def _judge_own(
        self, request: Request, keys: list[Key], responders: list[str], number: int, bits: int
    ) -> None:
        process = request.process
        self.events.count("keys established", len(keys))
        named = {Party(self._client_of[name], name) for name in responders}
        for key in keys:
            dealt = self.memory.dealt[process.name, key.key_id]
            if (process.name, key.key_id) in self._handed_out:
                raise Broken(f"{process.name} hands out the key {key.key_id.hex()} twice")
            self._handed_out.add((process.name, key.key_id))
            if dealt.ahead:
                check_handed_out(self.memory, process, key.key_id, dealt)
            check_established(self._topology, dealt.terms)
            if dealt.key != key.key or dealt.terms.initiator.encryptor != request.caller:
                raise Broken(f"{process.name} gives {request.caller} a key that it did not deal for it")
            if set(dealt.terms.responders) != named or 8 * len(key.key) != bits:
                raise Broken(f"{process.name} dealt {dealt.terms}, asked for were {request.what}")
        if len(keys) != number:
            raise Broken(f"{process.name} gives {len(keys)} keys ({request.what})")

    def _judge_fetched(self, request: Request, initiator: str, key_ids: list[bytes], keys: list[Key]) -> None:
        if [key.key_id for key in keys] != key_ids:
            raise Broken(f"{request.process.name} gives other keys than {request.caller} asked for")
        self.events.count("keys delivered", len(keys))
        client = self._client_of[initiator]
        for key in keys:
            self._judge_delivery(request, (client, key.key_id), initiator, key)

    def _judge_delivery(self, request: Request, fetch_id: FetchId, initiator: str, key: Key) -> None:
        process, caller = request.process, request.caller
        if fetch_id[0] not in self._topology.hostile:
            dealt = self.memory.dealt.get(fetch_id)
            if dealt is None or dealt.terms.initiator.encryptor != initiator:
                raise Broken(f"{process.name} gives {caller} a key that {initiator} never dealt")
            if dealt.key != key.key:
                raise Broken(f"{process.name} gives {caller} a WRONG KEY of {initiator}")
            if Party(process.name, caller) not in dealt.terms.responders:
                raise Broken(f"{process.name} gives {caller} a key that names {dealt.terms.responders}")
        self._by_life[fetch_id, caller, process.serial] += 1
        times = self.memory.deliver(fetch_id, caller)
        if self._by_life[fetch_id, caller, process.serial] > 1:
            raise Broken(f"{process.name} gives {caller} the key {key.key_id.hex()} twice")
        if times > 1:
            # Two processes of a client, each served by k hubs of its own: possible where 2k <= n.
            self.events.count("keys doubled by a crash")
            topology = self._topology
            disjoint = 2 * topology.k <= topology.n  # two sets of k hubs may be
            if not disjoint and not topology.liars and self.memory.same_lives(fetch_id):
                raise Broken(f"{process.name} gives {caller} the key {key.key_id.hex()} again after a crash")

    def check_stolen(self, process: ClientProcess) -> None:
        """What a hostile client got hold of was named for it, or is not what was dealt."""
        stolen: list[tuple[str, bytes, bytes]] = getattr(process.engine, "stolen", [])
        for initiator, key_id, key in stolen[self._stolen[process.name] :]:
            dealt = self.memory.dealt.get((initiator, key_id))
            named = dealt is not None and any(one.client == process.name for one in dealt.terms.responders)
            if dealt is not None and dealt.key == key and not named:
                raise Broken(f"the hostile {process.name} has a key of {initiator} that was not for it")
        self._stolen[process.name] = len(stolen)

    # --- nodes ---

    def are_honest(self, *names: str) -> bool:
        """True for honest nodes."""
        topology = self._topology
        return all(name not in topology.liars and name not in topology.hostile for name in names)

    def logged(self, process: Process, text: str) -> None:
        """A line of a node's log. An alarm that nothing was restored for is a false one."""
        if "restored or cloned" in text and not self.events.counts["restores"]:
            raise Broken(f"{process.name} raises a false alarm: {text}")

    def turn_ended(self, process: Process) -> None:
        """Limits: nothing of an engine outlives or outgrows the connections that it belongs to."""
        nr_ends = len(process.ends)
        self._nr_turns += 1
        if self._nr_turns % _COUNTED_EVERY == 0 and process.name not in self._topology.liars:
            check_counts(process)
        for connection in process.ends:
            session = connection.session
            if session is not None and session.outbox_bytes > MAX_OUTBOX_BYTES + MAX_FRAME_BYTES:
                raise Broken(f"{process.name}: an outbox of {session.outbox_bytes} bytes")
        if isinstance(process, HubProcess) and process.name not in self._topology.liars:
            check_hub(process, nr_ends)
        elif isinstance(process, ClientProcess):
            if process.name in self._topology.hostile:
                self.check_stolen(process)
            check_store(process)
