"""Whole topologies of pure engines in one process: network, clocks, disks and enemies, all from one seed.

Imports run from the top of this list down, and never back:

    running, results        one seed from its first event to its last; many seeds together
    load, storm, calm       what happens in a world: requests, faults (adversary: at the wires), the end
    world                   one of each, put together, and its operator (supplies: what its pools allow)
    judging/                what must always hold, and what the judge remembers to know it
    processes               what net/ makes around an engine: turns, timers, dials
    machines                clocks, disks and crashes, on which processes live one after the other
    wires/                  bytes between two ends, and what is checked of them at each
    disks/                  what a crash leaves of what was written; the real store on it
    enemies/                hubs that lie and hostile clients: real engines that know nothing of a world
    topology                who is there, drawn from the seed
    events                  the clock, what is to happen, and a trace of what has

What stands below is told things from above by calls, and reports to whoever judges it by protocols of its
own (`inspection.Judge`, `processes.Judge`), so it can be read without what is above.
"""
