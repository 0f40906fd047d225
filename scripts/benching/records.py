"""What a run of the benchmark finds, as it stands in its JSON."""

from __future__ import annotations

import msgspec

from benching.shape import Shape

#: Kinds of processes whose CPU time is told apart. The load generator is none of the system's.
HUBS, INITIATOR, RESPONDER, LOAD = KINDS = ("hubs", "initiator", "responder", "load")

Quantiles = tuple[float, float]  # p50 and p99, in ms


class Floor(msgspec.Struct, frozen=True):
    """What the machine takes for the same with nothing else to do; CPU time in us of one pair."""

    echo_pairs_per_s: float
    echo_us: float
    compute_us: float

    @property
    def cpu_us(self) -> float:
        """The bare exchange of frames and the bare compute."""
        return self.echo_us + self.compute_us


class Counted(msgspec.Struct, frozen=True):
    """What a key pair takes beside time.

    `wire_bytes` and `segments`: between clients and hubs, headers of IP and TCP included, PSRD that came over
    the connections not. `psrd`: pad bytes per key byte and hub, both halves.
    """

    wire_bytes: float
    segments: float
    psrd: float


class Row(msgspec.Struct, frozen=True):
    """A load and its figures. `refused`: requests that a client did not serve.

    `cpu_us`: CPU time in us of a key pair, by kind of process. `counted` is missing where a pool was used up
    or a request refused while it was counted.
    """

    shape: Shape
    pairs: int
    refused: int
    pairs_per_s: float
    get_key_ms: Quantiles
    by_id_ms: Quantiles
    cpu_us: dict[str, float]
    counted: Counted | None
    floor: Floor

    @property
    def nodes_us(self) -> float:
        """CPU time of all nodes for a pair, in us."""
        return sum(us for kind, us in self.cpu_us.items() if kind != LOAD)

    @property
    def ratio(self) -> float:
        """How many times the floor's CPU time that is."""
        return self.nodes_us / self.floor.cpu_us


class Memory(msgspec.Struct, frozen=True):
    """Resident MiB by node, when the topology was ready and at the end."""

    hubs: int
    k: int
    ready: dict[str, float]
    end: dict[str, float]
    idle_percent: float  # CPU of all nodes while nobody asks, in percent of a core


class Large(msgspec.Struct, frozen=True):
    """Keys of one large size, end to end. `pools`: where their pads come from.

    `mbit_per_s` counts key material, 10^6 bits, that both ends have; CPU is that of all nodes.
    """

    pools: str
    bits: int
    concurrency: int
    keys: int
    refused: int
    mbit_per_s: float
    get_key_ms: Quantiles
    by_id_ms: Quantiles
    cpu_ms: float
    floor: Floor

    @property
    def ratio(self) -> float:
        """How many times the floor's CPU time a key costs."""
        return 1000 * self.cpu_ms / self.floor.cpu_us


class Startup(msgspec.Struct, frozen=True):
    """The example topology: medians in seconds, CPU time in seconds of all that took part, and MiB."""

    nodes: int
    ready_s: float
    ready_cpu_s: float
    stopped_s: float
    hub_mib: float  # resident, of one node
    client_mib: float
    get_key_s: float  # `dskectl get-key` as a whole process
    get_key_cpu_s: float


class Requests(msgspec.Struct, frozen=True):
    """HTTP requests of one kind. `cpu_us`: of the process that serves them, for one."""

    what: str
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


class Etsi(msgspec.Struct, frozen=True):
    """ETSI GS QKD 014 over HTTP keep-alive, one key a request, beside a bare handler of the same library.

    Parts of the bare handler's rate: `of_process`, what one client process serves (seven daemons share the
    cores meanwhile), `of_both`, what both clients serve together. `of_cpu`: a bare request's CPU time as a
    part of that of one of ours, its engine's work included.
    """

    concurrency: int
    get_key: Requests
    by_id: Requests
    bare: Requests
    of_process: float
    of_both: float
    of_cpu: float


class Durability(msgspec.Struct, frozen=True):
    """Pairs a second of two topologies that are alike but for where their pools are; medians of rounds."""

    shape: Shape
    in_memory: float
    durable: float

    @property
    def ratio(self) -> float:
        """What durability leaves."""
        return self.durable / self.in_memory


class Wrapped(msgspec.Struct, frozen=True):
    """Pairs a second of two topologies that are alike but for message wrapping; medians of rounds."""

    shape: Shape
    plain: float
    wrapped: float

    @property
    def ratio(self) -> float:
        """What wrapping leaves."""
        return self.wrapped / self.plain


class Connecting(msgspec.Struct, frozen=True):
    """Clients that connect to a hub, until all are registered: seconds, and CPU seconds of the hub."""

    seconds: float
    hub_cpu_s: float


class Crowd(msgspec.Struct, frozen=True):
    """One hub with so many connected clients, as scripts/bench_clients.py --json tells it.

    `pads`: they hold ordinary pools, else hardly any; `together`: all of them come from one address.
    """

    clients: int
    together: bool
    pads: bool
    bytes_each: float
    idle_cpu_percent: float
    at_once: Connecting
    restarted: Connecting


class Crowds(msgspec.Struct, frozen=True):
    """The result of scripts/bench_clients.py, as far as it is shown here."""

    crowds: list[Crowd]


class Alone(msgspec.Struct, frozen=True):
    """p50 in ms of bare exchanges of a PUT_SHARES frame of one key, and its answer.

    `round_trip_ms`: with one process; `scatter_ms`: with one for each hub, until all have answered.
    """

    round_trip_ms: float
    scatter_ms: float


class Document(msgspec.Struct):
    """One run. `load`: the load average when it began; it is 0 on a quiet machine.

    `alone`: the bare exchanges that stand beside a request alone; `left_out`: parts, and why.
    """

    date: str
    machine: str
    cores: int
    load: float
    seconds: float
    rows: list[Row]
    sizes: list[Row]
    memory: list[Memory]
    large: list[Large]
    alone: Alone | None = None
    startup: Startup | None = None
    etsi: Etsi | None = None
    durability: list[Durability] = []
    wrapping: list[Wrapped] = []
    crowds: list[Crowd] = []
    left_out: list[str] = []
