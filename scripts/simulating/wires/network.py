"""All connections of a world: partitions between pairs, slow links, resets, ends that vanish."""

from __future__ import annotations

import random
from collections import defaultdict, deque

from simulating.events import Events
from simulating.wires.tcp import End, Pipe

_RECORDED = 40
Pair = tuple[str, str]  # client, hub


class Network:
    """The links between clients and hubs. `links`: the client's ends of all that are open."""

    def __init__(self, events: Events, seed: str) -> None:
        self._events = events
        self._dice = random.Random(f"{seed} network")  # noqa: S311  repeatable on purpose
        self._links: list[End] = []
        self._cuts: dict[Pair, int] = {}
        self.recorded: defaultdict[tuple[str, str, str], deque[bytes]] = defaultdict(
            lambda: deque(maxlen=_RECORDED)
        )

    def pipes(self, client: str, hub: str) -> tuple[Pipe, Pipe]:
        """The two directions of a new connection: to the hub, to the client."""
        to_hub = Pipe(self._events, self._dice, self.recorded[client, hub, "to the hub"])
        to_client = Pipe(self._events, self._dice, self.recorded[client, hub, "to the client"])
        return to_hub, to_client

    @property
    def links(self) -> list[End]:
        """The clients' ends of the connections that are open there; dead ones are forgotten."""
        self._links[:] = [end for end in self._links if end.open]
        return self._links

    def of(self, client: str, hub: str) -> list[End]:
        """The client's ends of the connections of one pair."""
        return [end for end in self.links if (end.process.name, end.peer) == (client, hub)]

    # --- partitions ---

    def is_cut(self, client: str, hub: str) -> bool:
        """True while nothing passes between the two."""
        return self._cuts.get((client, hub), 0) > 0

    def cut(self, pairs: list[Pair]) -> None:
        """Nothing passes between these any more: what is under way stalls."""
        for pair in pairs:
            self._cuts[pair] = self._cuts.get(pair, 0) + 1
            for end in self.of(*pair):
                end.out.stall()
                end.inn.stall()

    def heal(self, pairs: list[Pair], *, reset: bool) -> None:
        """It passes again, or the connections turn out to be lost."""
        for pair in pairs:
            self._cuts[pair] -= 1
            if self.is_cut(*pair):
                continue
            for end in self.of(*pair):
                if reset:
                    self.reset(end)
                else:
                    end.out.flow()
                    end.inn.flow()

    # --- single connections ---

    def reset(self, end: End) -> None:
        """Both ends lose the connection, wherever in a frame it is."""
        self._events.count("resets")
        for one in (end, end.other):
            if one is not None:
                one.out.drop()
                one.process.after(0.0, lambda one=one: one.lost("reset by peer"))  # type: ignore[misc]

    def half_open(self, end: End, *, client_goes: bool) -> None:
        """One side is gone, and the other does not know."""
        gone = end if client_goes else end.other
        if gone is None or not gone.open:
            return
        self._events.count("half-open")
        gone.vanish()
        gone.process.after(0.0, lambda: gone.lost("its address is gone"))
