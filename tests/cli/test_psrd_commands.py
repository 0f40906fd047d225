"""`dskectl psrd`: what is printed, what is refused, and with which exit status."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
from pathlib import Path

import pytest

from dsked.cli.psrd_options import size
from dsked.media import node
from dsked.media.sizes import show_size
from dsked.storage.files import Files
from dsked.storage.state_dir import StateDirectory

from .conftest import Dskectl
from .psrd_lab import FOR_CAROL, MIB, generate, refused


def test_from_a_hub_to_a_client(lab: Dskectl) -> None:
    ran = lab(*FOR_CAROL, "--out", "usb/a.psrd", "--size", "2M")
    assert ran.status == 0
    assert re.fullmatch(r"usb/a.psrd: 4\.0 MiB in \d+\.\d s; hub hank has its copy", ran.lines[0])
    assert ran.lines[1] == "  for client carol: 2.0 MiB for each pool, from block 0 on, not sealed"
    ran = lab("verify", "usb/a.psrd")
    assert ran == (0, "usb/a.psrd: hub hank for client carol: 2.0 MiB and 2.0 MiB: good\n", "")
    ran = lab("import", "usb/a.psrd")
    assert ran.status == 0
    told = r"client carol has 2\.0 MiB more for each direction, shared with hub hank \(\d+\.\d s\)\n"
    assert re.fullmatch(told, ran.out)
    assert ran.err == "dskectl: usb/a.psrd holds the same pads; erase it: dskectl psrd erase usb/a.psrd\n"
    for role, name, peer in (("--hub", "hank", "carol"), ("--client", "carol", "hank")):
        assert lab("verify", role, name).out == (
            f"{role[2:]} {name}: pools with {peer}: 4.0 MiB unread: good\n"
        )
    mine, theirs = lab("list", "--client", "carol").lines, lab("list", "--hub", "hank").lines
    assert mine[0].split() == ["PEER", "POOL", "BLOCK", "SIZE", "UNREAD", "UUID"]
    assert [line.split()[1:] for line in mine[1:]] == [line.split()[1:] for line in theirs[1:]]
    assert [line.split()[:5] for line in mine[1:]] == [
        ["hank", owner, "0", "2.0", "MiB"] for owner in ("client", "hub")
    ]


def test_json(lab: Dskectl) -> None:
    ran = lab(*FOR_CAROL, "--out", "usb", "--size", "1M", "--json")
    made = json.loads(ran.out)
    [bundle] = made["bundles"]
    assert made["file"] == f"usb/hank-carol-{bundle['bundle'][:8]}.psrd"
    assert (bundle["hub"], bundle["client"], bundle["sealed"], bundle["replace"]) == (
        "hank", "carol", False, False,
    )  # fmt: skip
    assert (bundle["x_coordinate"], bundle["window_bytes"]) == (1, 16384)
    assert [pool["bytes"] for pool in bundle["pools"].values()] == [MIB, MIB]
    verified = json.loads(lab("verify", made["file"], "--json").out)
    assert verified == {"file": made["file"], "bundles": [bundle]}
    taken = json.loads(lab("import", made["file"], "--erase", "--json").out)
    assert taken == {**bundle, "file": made["file"], "erased": True}
    assert not Path(made["file"]).exists()
    listed = json.loads(lab("list", "--client", "carol", "--json").out)
    [pair] = listed["pairs"]
    assert (listed["role"], listed["name"], pair["peer"]) == ("client", "carol", "hank")
    [block] = pair["pools"]["hub"]["blocks"]
    assert block == {**bundle["pools"]["hub"]["blocks"][0], "unread_bytes": MIB}
    assert json.loads(lab("verify", "--client", "carol", "--json").out)["verified_bytes"] == 2 * MIB


def test_no_secret_is_ever_printed(lab: Dskectl, directory: Path) -> None:
    path = str(generate(lab))
    printed = [lab("verify", path), lab("import", path), lab("list", path), lab("list", "--client", "carol")]
    [state] = (directory / "state").glob("client-carol")
    found = node.record(StateDirectory(Files(), state, "client", "carol"), "hank")
    assert found is not None
    assert not any(found.terms.gate_key.hex() in ran.out + ran.err for ran in printed)


def test_sealed_and_split(lab: Dskectl) -> None:
    path = generate(lab, "--passphrase-file", "pw", client="carol curtis")
    assert re.fullmatch(r"usb/hank-2-clients-[0-9a-f]{8}\.psrd", str(path))
    refused(lab("import", str(path)), "holds 2 bundles, for carol, curtis; cut it first with: dskectl psrd")
    ran = lab("split", str(path), "--out", "usb", "--erase")
    assert ran.status == 0
    assert not path.exists()
    assert [re.sub("-[0-9a-f]{8}.psrd", "", line) for line in ran.lines] == [
        "usb/hank-carol", "usb/hank-curtis",
    ]  # fmt: skip
    listed = lab("list", *ran.lines)
    assert listed.lines[0].split() == ["HUB", "CLIENT", "SIZE", "SEALED", "BUNDLE", "FILE"]
    assert [line.split()[:5] for line in listed.lines[1:]] == [
        ["hank", name, "2.0", "MiB", "yes"] for name in ("carol", "curtis")
    ]
    for line in ran.lines:
        assert lab("verify", line, "--passphrase-file", "pw").status == 0
        assert lab("import", line, "--passphrase-file", "pw", "--erase").status == 0
    assert not list(Path("usb").iterdir())


def test_split_again_over_what_is_there(lab: Dskectl) -> None:
    path = generate(lab, client="carol curtis")
    carol, curtis = lab("split", str(path), "--out", "usb").lines
    Path(curtis).unlink()
    ran = lab("split", str(path), "--out", "usb")
    assert (ran.status, ran.lines) == (0, [carol, curtis])
    assert f"dskectl: {carol} was there already, and holds the same\n" in ran.err
    assert f"{curtis} was there" not in ran.err
    raw = bytearray(Path(carol).read_bytes())
    raw[len(raw) // 2] ^= 1
    Path(carol).write_bytes(raw)
    refused(lab("split", str(path), "--out", "usb", "--erase"), f"{carol} exists already and is not this")
    Path(carol).unlink()
    ran = lab("split", str(path), "--out", "usb", "--erase", "--json")
    assert json.loads(ran.out) == {"files": [carol, curtis], "were_there": [curtis], "erased": True}


def test_imported_twice(lab: Dskectl) -> None:
    path = str(generate(lab))
    assert lab("import", path).status == 0
    refused(lab("import", path), "client carol has imported this bundle already; every bundle is good")


def test_for_somebody_else(lab: Dskectl) -> None:
    path = str(generate(lab))
    refused(
        lab("import", path, "--client", "curtis"),
        "this bundle is for client carol, from hub hank; this is client curtis",
    )
    path = str(generate(lab, client="chloe"))
    refused(
        lab("import", path), "client chloe is on 192.0.2.7, which is no address of this machine", status=2
    )
    assert lab("import", path, "--client", "chloe").status == 0


def test_for_a_client_that_is_not_in_the_file(lab: Dskectl, directory: Path) -> None:
    path = str(generate(lab, client="curtis"))
    config = directory / "dske-config.yaml"
    config.write_text(config.read_text().replace("{name: curtis, ", "{name: celia, "))
    ran = lab("import", path)
    refused(ran, "this bundle is for client curtis, from hub hank; ", status=4)
    assert ran.err.endswith("dske-config.yaml has client carol, celia, chloe\n")


def test_not_at_the_hub_of_another_machine(lab: Dskectl, directory: Path) -> None:
    ran = lab("generate", "--hub", "holly", "--client", "carol", "--out", "usb")
    refused(ran, "hub holly is on 192.0.2.8, which is no address of this machine: run this there", status=2)
    assert not (directory / "state").exists()


def test_replacing_what_is_there(lab: Dskectl) -> None:
    assert lab("import", str(generate(lab)), "--erase").status == 0
    ran = lab(
        "generate", "--hub", "hank", "--client", "carol", "--out", "usb", "--size", "1M", "--new-streams"
    )
    assert ran.err == "dskectl: 2.0 MiB of unread pads of hub hank with carol are given up\n"
    assert ran.lines[1].endswith("; import with --replace")
    [path] = Path("usb").iterdir()
    refused(lab("import", str(path)), r"old ones, 2\.0 MiB, would be erased; if that is meant, say --replace")
    assert lab("import", str(path), "--replace").status == 0


def test_the_state_of_another_node_or_release(lab: Dskectl) -> None:
    assert lab("import", str(generate(lab)), "--erase").status == 0
    shutil.copytree("state/client-carol", "state/client-curtis")
    for command in ("list", "verify"):
        ran = lab(command, "--client", "curtis")
        refused(ran, "client-curtis: holds the state of client carol, not of client curtis", status=2)
    Path("state/client-carol/version").write_text("dsked state 9\nclient carol\n")
    for command in ("list", "verify"):
        refused(
            lab(command, "--client", "carol"), "holds 'dsked state 9'; expected 'dsked state 1'", status=2
        )


@pytest.mark.parametrize(("role", "name", "damaged"), [("hub", "hank", "carol"), ("client", "carol", "hank")])
def test_a_damaged_pair_does_not_hide_the_others(lab: Dskectl, role: str, name: str, damaged: str) -> None:
    """Which pair cannot be read, and how it is made anew; all others are shown."""
    for path in (generate(lab), generate(lab, hub="helen")):
        assert lab("import", str(path), "--erase").status == 0
    assert lab(*FOR_CAROL[:3], "--client", "curtis", "--out", "usb", "--size", "1M").status == 0
    Path(f"state/{role}-{name}/pairs/{damaged}.pair").write_bytes(b"damaged")
    other = "curtis" if role == "hub" else "helen"
    told = (
        rf"dskectl: {role} {name}: pools with {damaged}: .*{damaged}\.pair.* begin anew: dskectl psrd "
        r"generate --hub hank --client carol --new-streams .*import FILE --replace at the client\n"
    )
    for command in ("list", "verify"):
        ran = lab(command, f"--{role}", name)
        assert ran.status == 1 and re.fullmatch(told, ran.err), ran
        assert other in ran.out and damaged not in ran.out
        ran = lab(command, f"--{role}", name, "--json")
        assert ran.status == 1 and list(json.loads(ran.out)["damaged"]) == [damaged]


def test_verify_goes_on_after_a_damaged_block(lab: Dskectl) -> None:
    assert lab("import", str(generate(lab)), "--erase").status == 0
    assert lab("import", str(generate(lab, hub="helen")), "--erase").status == 0
    [hank, _] = json.loads(lab("list", "--client", "carol", "--json").out)["pairs"]
    block = hank["pools"]["hub"]["blocks"][0]["uuid"]
    with Path(f"state/client-carol/blocks/{block}.block").open("r+b") as file:
        file.seek(4096 + 5000)
        file.write(b"damaged")
    ran = lab("verify", "--client", "carol")
    assert (ran.status, ran.out) == (1, "client carol: pools with helen: 2.0 MiB unread: good\n")
    assert re.fullmatch("dskectl: client carol: pools with hank: .*damaged between byte 0 and.*\n", ran.err)
    assert json.loads(lab("verify", "--client", "carol", "--json").out)["verified_bytes"] == 2 * MIB


def test_erase(lab: Dskectl) -> None:
    path = generate(lab)
    assert lab("import", str(path)).status == 0
    assert lab("erase", str(path), "--yes").out == f"Erased {path}: 2.0 MiB\n"
    assert not path.exists()
    ran = lab("erase", "--client", "carol", "--peer", "hank", "--yes", "--json")
    assert json.loads(ran.out) == {"erased": "the pools of client carol with hank", "bytes": 2 * MIB}
    refused(
        lab("erase", "--client", "carol", "--peer", "hank", "--yes"), "client carol keeps no pools with hank"
    )
    assert lab("list", "--client", "carol").out.startswith("client carol has no PSRD: bring it with")
    refused(lab("erase", "dske-config.yaml", "--yes"), "no bundle of PSRD; it is left as it is")
    assert Path("dske-config.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list"], "Say FILE, or --hub NAME, or --client NAME"),
        (["verify", "pw", "--hub", "hank"], "Say FILE, or --hub NAME, or --client NAME"),
        (["erase", "--hub", "hank"], "Say which pools with --peer NAME"),
        (["erase", "pw", "--peer", "x"], "--peer is for --hub NAME or --client NAME"),
        (["list", "--hub", "harry"], "there is no hub 'harry'; it has hank, helen, holly"),
        (["generate", "--hub", "hank", "--client", "eve", "--out", "x"], "there is no client 'eve'; it has"),
        ([*FOR_CAROL, "--out", "no/x"], "no: there is no such directory"),
        ([*FOR_CAROL, "--out", "x", "--size", "1MB"], "'1MB' is no size"),
        ([*FOR_CAROL, "--out", "x", "--x-coordinate", "9"], "hub hank has x-coordinate 1 there, not 9"),
        ([*FOR_CAROL, "--out", "x", "--entropy-raw"], "--entropy-raw is about a device; name its path"),
        ([*FOR_CAROL, "--out", "x", "--min-entropy", "4"], "--min-entropy is about a device; name its path"),
        ([*FOR_CAROL, "--out", "x", "--passphrase-file", "pw", "--passphrase-fd", "0"], "say one of them"),
        (["verify", "pw", "--passphrase-file", "pw", "--passphrase-fd", "0"], "say one of them"),
        (["import", "nothing"], "'nothing' does not exist"),
        (["verify", "usb"], "'usb' is a directory"),
    ],
)  # fmt: skip
def test_wrong_command_lines(lab: Dskectl, arguments: list[str], told: str) -> None:
    refused(lab(*arguments), re.escape(told), status=2)


def test_options_in_front_are_for_other_commands(call: Dskectl, lab: Dskectl) -> None:
    refused(call("--hub", "hank", "psrd", "list", "--hub", "hank"), "say them behind: dskectl psrd", status=2)


def test_not_where_psrd_is_simulated(call: Dskectl) -> None:
    ran = call("psrd", "generate", "--hub", "hank", "--client", "carol", "--out", "x")
    refused(ran, "psrd is 'simulated': its nodes take no blocks from media; expected 'media'", status=2)


def test_without_a_topology_file(lab: Dskectl) -> None:
    Path("dske-config.yaml").unlink()
    command = [*FOR_CAROL, "--out", "usb", "--size", "1M"]
    refused(lab(*command), "--x-coordinate: missing", status=2)
    assert lab(*command, "--x-coordinate", "7").status == 0
    [path] = Path("usb").iterdir()
    assert lab("import", str(path)).status == 0
    [pair] = json.loads(lab("list", "--client", "carol", "--json").out)["pairs"]
    assert pair["x_coordinate"] == 7


def test_a_source_of_entropy(lab: Dskectl) -> None:
    Path("zeros").write_bytes(bytes(MIB))
    command = [*FOR_CAROL, "--out", "usb", "--size", "1M"]
    ran = lab(*command, "--entropy", "zeros")
    assert (ran.status, ran.out) == (1, "")
    assert "zeros" in ran.err
    Path("few").write_bytes(os.urandom(MIB))
    ran = lab(*command, "--entropy", "few")
    assert ran.status == 1
    assert not list(Path("usb").iterdir()), "nothing is left, and nothing was filled with zeros"
    Path("enough").write_bytes(os.urandom(2 * MIB + 65536))
    ran = lab(*command, "--entropy", "enough")
    assert ran.status == 0
    assert (
        ran.err
        == "dskectl: enough: bytes that can be read again; never use them for other blocks, erase them\n"
    )


def test_no_core_dumps(lab: Dskectl, monkeypatch: pytest.MonkeyPatch) -> None:
    set_limits: list[object] = []
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: set_limits.append(limit))
    assert lab("list", "--hub", "hank").status == 0
    assert set_limits == [(resource.RLIMIT_CORE, (0, 0))]


@pytest.mark.parametrize(
    ("text", "nr_bytes"),
    [
        ("1", 1),
        ("64K", 65536),
        ("64k", 65536),
        ("64KiB", 65536),
        ("4G", 1 << 32),
        ("1 TiB", 1 << 40),
        ("7B", 7),
    ],
)
def test_sizes(text: str, nr_bytes: int) -> None:
    assert size(text) == nr_bytes


@pytest.mark.parametrize(
    ("nr_bytes", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (65536 + 6554, "70.4 KiB"),
     (1 << 32, "4.0 GiB"), ((1 << 50) * 3, "3072.0 TiB")],
)  # fmt: skip
def test_sizes_for_people(nr_bytes: int, text: str) -> None:
    assert show_size(nr_bytes) == text
