"""What real daemons write down: every key, both halves, through which hubs, and who was refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dsked.errors import DskedError
from dsked.keys import Key
from dsked.limits import AUDIT_REFUSAL_BURST
from scripts.laboratory import Laboratory, wait_until

from .support import etsi, fetch, get_keys, key_pair, small, started, wait_for_hubs

HUBS = ["hank", "helen", "hilary"]
SAM = {"client": "carol", "encryptor": "sam"}
SUNNY, SUSAN = ({"client": "curtis", "encryptor": name} for name in ("sunny", "susan"))
Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    content = {**small(HUBS, k=2), "audit_log": "{name}.audit", "logging": {"format": "json"}}
    content["clients"][1]["encryptors"][0]["stored_keys"] = [{"responder": "sam", "count": 3, "size": 128}]
    with started(content) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        yield lab


def path(lab: Laboratory, name: str) -> Path:
    return lab.path / f"{name}.audit"


def lines(lab: Laboratory, name: str, event: str, keys: list[Key]) -> Lines:
    """What a node has written down of any of these keys."""
    wanted = set(ids(keys))
    told = [json.loads(line) for line in path(lab, name).read_text().splitlines()]
    return [line for line in told if line["event"] == event and wanted.intersection(line["key_ids"])]


def ids(keys: list[Key]) -> list[str]:
    return [str(uuid.UUID(bytes=key.key_id)) for key in keys]


def of_key(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in ("number", "time", "event", "hash")}


def test_a_key_stands_in_the_logs_of_both_clients_before_it_is_there(lab: Laboratory) -> None:
    keys = key_pair(lab, "sam", "sunny", number=3, size=256)
    [established], [delivered] = (
        lines(lab, "carol", "established", keys),
        lines(lab, "curtis", "delivered", keys),
    )
    hubs = established.pop("hubs")
    assert set(hubs) <= set(HUBS)
    assert len(hubs) >= 2
    assert of_key(established) == {
        "encryptor": "sam", "responders": [SUNNY], "size_bits": 256, "key_ids": ids(keys),
    }  # fmt: skip
    assert len(delivered.pop("hubs")) == 2, "those from whose shares the keys were rebuilt"
    assert of_key(delivered) == {
        "encryptor": "sunny", "initiator": SAM, "size_bits": 256, "key_ids": ids(keys),
    }  # fmt: skip


def test_hubs_write_down_whose_shares_they_took_and_gave(lab: Laboratory) -> None:
    keys = get_keys(lab, "sam", "sunny", "susan", number=2)
    for encryptor in ("sunny", "susan"):
        assert fetch(lab, encryptor, "sam", keys) == keys
    [established] = lines(lab, "carol", "established", keys)
    assert established["responders"] == [SUNNY, SUSAN]
    parties = {"initiator": SAM, "responders": [SUNNY, SUSAN], "size_bits": 128, "key_ids": ids(keys)}
    for hub in established["hubs"]:
        [taken] = lines(lab, hub, "taken", keys)
        assert of_key(taken) == parties
    [first, _] = [line for name in ("sunny", "susan") for line in lines(lab, "curtis", "delivered", keys)
                  if line["encryptor"] == name]  # fmt: skip
    for hub in first["hubs"]:
        [given] = lines(lab, hub, "given", keys)
        assert of_key(given) == {"client": "curtis", **parties}


def stored(lab: Laboratory) -> list[Key]:
    """Keys of curtis's store; none where they were made for this request."""
    before = lab.status("curtis")["stored_keys"][0]["nr_handed_out"]
    keys = get_keys(lab, "sunny", "sam", number=2)
    return keys if lab.status("curtis")["stored_keys"][0]["nr_handed_out"] == before + 2 else []


def test_stored_keys_are_written_down_when_they_are_handed_out(lab: Laboratory) -> None:
    keys = wait_until(partial(stored, lab), "keys come out of the store")
    told = lines(lab, "curtis", "established", keys)  # a line for each dealing that they come from
    for line in told:
        assert (line["encryptor"], line["responders"]) == ("sunny", [SAM])
        assert len(line["hubs"]) >= 2
    assert [key_id for line in told for key_id in line["key_ids"]] == ids(keys)


def test_over_http_it_is_the_same(lab: Laboratory) -> None:
    reply = etsi(lab, "carol", "susan/enc_keys?number=2", sae="sam")
    found = [Key(uuid.UUID(key["key_ID"]).bytes, b"") for key in reply.document["keys"]]
    [established] = lines(lab, "carol", "established", found)
    assert established["responders"] == [SUSAN]


REFUSED: dict[str, tuple[Callable[[Laboratory], object], str, dict[str, Any]]] = {
    "nobody knows the responder": (
        lambda lab: get_keys(lab, "sam", "nobody"),
        "carol",
        {"encryptor": "sam", "reason": "unknown_encryptor", "request": "get keys", "responders": ["nobody"]},
    ),
    "an unknown key": (
        lambda lab: fetch(lab, "susan", "sam", [Key(bytes(16), b"")]),
        "curtis",
        {
            "encryptor": "susan",
            "reason": "unknown_key",
            "initiator": "sam",
            "key_ids": [str(uuid.UUID(int=0))],
        },
    ),
    "not named": (
        lambda lab: fetch(lab, "susan", "sam", get_keys(lab, "sam", "sunny")),
        "curtis",
        {"encryptor": "susan", "reason": "not_named", "request": "get keys with key IDs"},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_who_is_refused_is_written_down(lab: Laboratory, name: str) -> None:
    request, client, wanted = REFUSED[name]
    with pytest.raises(DskedError):
        request(lab)
    told = [json.loads(line) for line in path(lab, client).read_text().splitlines()]
    last = [line for line in told if line["event"] == "refused"][-1]
    assert all(last[key] == value for key, value in wanted.items())


def test_a_crowd_of_refusals_is_counted(lab: Laboratory) -> None:
    before = path(lab, "carol").read_text().count('"bad_key_size"')
    for _ in range(3 * AUDIT_REFUSAL_BURST):
        with pytest.raises(DskedError):
            get_keys(lab, "sam", "sunny", size=77)
    assert path(lab, "carol").read_text().count('"bad_key_size"') == before + AUDIT_REFUSAL_BURST


def test_status_tells_of_it(lab: Laboratory) -> None:
    told = lab.status("carol")["audit_log"]
    assert (told["path"], told["problem"], told["nr_lost"]) == (str(path(lab, "carol")), None, 0)
    last = path(lab, "carol").read_text().splitlines()[-1]
    assert (told["number"], told["hash"]) == (json.loads(last)["number"], json.loads(last)["hash"])


def verified(lab: Laboratory, *files: Path, after: str = "") -> dict[str, Any]:
    options = ["--after", after] if after else []
    done = lab.run("audit", "verify", "--json", *options, *map(str, files))
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (not document["whole"]), done.stderr
    return document


def test_rotation_under_load_loses_no_line(lab: Laboratory) -> None:
    """As logrotate does it: the file is renamed, and the node told by SIGHUP."""
    key_pair(lab)
    end = verified(lab, path(lab, "carol"))["end"]
    aside = path(lab, "carol").with_suffix(".audit.1")
    path(lab, "carol").rename(aside)
    before = key_pair(lab)
    os.kill(lab.pid("carol"), signal.SIGHUP)
    wait_until(path(lab, "carol").exists, "the new file is there")
    after = key_pair(lab)
    assert ids(before)[0] in aside.read_text()
    assert ids(after)[0] in path(lab, "carol").read_text()
    both = verified(lab, aside, path(lab, "carol"), after=end)
    assert both["whole"]
    assert not verified(lab, path(lab, "carol"), after=end)["whole"], "that line is in the other file"


LOGROTATE = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
CONFIGURATION = Path(__file__).parents[2] / "configs" / "logrotate" / "dsked"


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")
def test_logrotate_with_our_configuration(lab: Laboratory, tmp_path: Path) -> None:
    """As it stands, but for places, the user, and who tells the nodes."""
    text = CONFIGURATION.read_text().replace("/var/log/dsked/", f"{lab.path}/").replace("su dsked dsked", "")
    told = "kill -HUP " + " ".join(str(lab.pid(name)) for _, name in lab.nodes())
    text = re.sub(r"systemctl --no-block reload .*", told, text)
    (tmp_path / "rotate").write_text(text)
    (tmp_path / "rotate").chmod(0o644)
    key_pair(lab)
    ends = {name: verified(lab, path(lab, name))["end"] for _, name in lab.nodes()}
    command = [str(LOGROTATE), "--force", "--state", str(tmp_path / "state"), str(tmp_path / "rotate")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name, end in ends.items():
        wait_until(path(lab, name).exists, f"{name} writes to a new file")
        aside = path(lab, name).with_name(f"{name}.audit.1")
        assert verified(lab, aside, path(lab, name), after=end)["whole"]
    key_pair(lab)


def test_a_process_that_is_killed_leaves_a_whole_log(lab: Laboratory) -> None:
    keys = key_pair(lab)
    lab.kill("curtis")
    assert lines(lab, "curtis", "delivered", keys)
    assert verified(lab, path(lab, "curtis"))["whole"]
    lab.start("curtis")
    wait_for_hubs(lab, "carol", "curtis")
    key_pair(lab)
    assert verified(lab, path(lab, "curtis"))["whole"]


def test_dskectl_shows_what_became_of_a_key(lab: Laboratory) -> None:
    keys = key_pair(lab, "sam", "sunny")
    files = [str(path(lab, name)) for name in ("carol", "curtis")]
    shown = lab.dskectl("audit", "show", "--key-id", ids(keys)[0].upper(), *files).splitlines()
    assert [line.split()[2:4] for line in shown] == [["established", "sam"], ["delivered", "sunny"]]
    assert "responders=curtis/sunny" in shown[0]
    assert "initiator=carol/sam" in shown[1]
    with pytest.raises(DskedError):
        fetch(lab, "susan", "sam", keys)
    shown = lab.dskectl("audit", "show", "--encryptor", "susan", "--event", "refused", *files).splitlines()
    assert shown
    assert all("susan" in line for line in shown)


def test_every_line_of_the_log_is_json_with_its_node(lab: Laboratory) -> None:
    for role, name in lab.nodes():
        for line in lab.log(name).splitlines():
            event = json.loads(line)
            assert (event["role"], event["node"]) == (role, name)
    events = [json.loads(line) for line in lab.log("hank").splitlines()]
    assert {event["peer"] for event in events if " connected from " in event["event"]} == {"carol", "curtis"}


def test_a_change_is_shown_with_its_line(lab: Laboratory, tmp_path: Path) -> None:
    key_pair(lab, "sam", "sunny")
    changed = tmp_path / "changed"
    text = path(lab, "curtis").read_text()
    changed.write_text(text.replace("sunny", "susan", 1))
    done = lab.run("audit", "verify", str(changed))
    assert done.returncode == 1
    number = text[: text.index("sunny")].count("\n") + 1
    assert f"{changed}:{number}: " in done.stderr
    assert "it is not as the node wrote it" in done.stdout
    done = lab.run("audit", "verify", str(tmp_path / "nothing"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    done = lab.run("audit", "verify", "--after", "7", str(changed))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
