"""The main job with random data on media: hubs write bundles, they are carried, clients take them in.

Three hubs and two clients on free ports, in a temporary directory. Two nodes are killed without warning in
between, and come back on their own state. Exits 0 only if both encryptors hold the same key each time.
"""

from __future__ import annotations

import sys

from laboratory import Laboratory, free_ports, topology

CLIENTS = {"carol": ["sam"], "curtis": ["sunny"]}
HUBS = ("hub1", "hub2", "hub3")
MASTER, SLAVE = "sam", "sunny"


class Demonstration:
    """A laboratory whose commands are shown as they would be typed."""

    def __init__(self, lab: Laboratory) -> None:
        self._lab = lab
        self.medium = lab.path / "medium"

    def run(self, *arguments: str) -> None:
        """One command of dskectl, shown with its output. Ends the demonstration if it fails."""
        shown = [word.replace(str(self._lab.path), ".") for word in arguments]
        print("$ dskectl --config lab.yaml", *shown, flush=True)
        print(self._lab.dskectl(*arguments).replace(str(self._lab.path), "."), flush=True)

    def deliver(self) -> None:
        """Every hub writes one file for both clients; a distributor cuts it; each client takes its part."""
        for_all = [word for client in CLIENTS for word in ("--client", client)]
        for hub in HUBS:
            carried = str(self.medium / f"{hub}.psrd")
            self.run("psrd", "generate", "--hub", hub, *for_all, "--size", "4M", "--out", carried)
            self.run("psrd", "split", carried, "--out", str(self.medium), "--erase")
        for bundle in sorted(self.medium.glob("*.psrd")):
            self.run("psrd", "import", str(bundle), "--erase")

    def pull_the_plug(self, *names: str) -> None:
        """Nodes end in the middle of whatever they do, and are started again."""
        for name in names:
            print(f"# {name} is killed without warning\n")
            self._lab.kill(name)
        filters = [word for name in names for word in (f"--{self._lab.role(name)}", name)]
        self.run(*filters, "start")


def main() -> None:
    content = topology(
        len(HUBS), CLIENTS, free_ports(len(HUBS) + len(CLIENTS)), psrd="media", min_nr_shares=2
    )
    lab = Laboratory(content)
    with lab.prepared():
        demonstration = Demonstration(lab)
        demonstration.medium.mkdir()
        demonstration.deliver()
        demonstration.run("start")
        demonstration.run("etsi-qkd", MASTER, SLAVE, "get-key-pair")
        demonstration.pull_the_plug("hub1", "carol")
        demonstration.run("etsi-qkd", MASTER, SLAVE, "get-key-pair")
        demonstration.run("psrd", "list", "--client", "carol")
        demonstration.run("stop")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")
