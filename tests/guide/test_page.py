"""docs/operators-guide.md as the script reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.guiding import hosts, page
from scripts.operators_guide import ADDRESSES, Failed, check_keys

TEXT = page.PAGE.read_text()
STEPS = list(page.steps())


def test_no_prompt_of_the_page_is_left_out() -> None:
    prompts = re.findall(r"^root@\S+# ", TEXT, re.MULTILINE)
    commands = [step for step in STEPS if isinstance(step, page.Command)]
    assert len(commands) == len(prompts) > 50


def test_no_file_and_no_way_of_the_medium_is_left_out() -> None:
    files = [step.path for step in STEPS if isinstance(step, page.File)]
    assert files == re.findall(r"^# [a-z, -]+: (/\S+)$", TEXT, re.MULTILINE)
    carried = [step.host for step in STEPS if isinstance(step, page.Medium)]
    assert len(carried) == len(re.findall(r"^\*The medium ", TEXT, re.MULTILINE)) > 10


def test_the_medium_goes_from_where_it_is() -> None:
    at = None
    for came, goes in re.findall(r"^\*The medium (?:is put into|goes from (\S+) to) (\S+)\.\*$", TEXT, re.M):
        assert came in ("", at), f"to {goes}"
        at = goes


@pytest.mark.parametrize("step", [one for one in STEPS if not isinstance(one, page.Medium)])
def test_every_host_is_known(step: page.File | page.Command) -> None:
    assert set(step.hosts) <= set(ADDRESSES)


def test_addresses_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| ([a-z, ]+) \| (`[^|]*`) \|", TEXT, re.MULTILINE)
    said = {
        name: address
        for names, addresses in rows
        for name, address in zip(names.split(", "), re.findall(r"`([^`]+)`", addresses), strict=True)
    }
    assert said == {name: own[0].partition("/")[0] for name, own in ADDRESSES.items() if own}


@pytest.mark.parametrize(
    ("output", "printed", "fits"),
    [
        ("", "", True),
        ("", "dskectl: no\n", False),
        ("active\n", "active\n", True),
        ("active\n", "inactive\n", False),
        ('{"keys":[...]}\n', '{"keys":[{"key":"x"}]}\n', True),
        ("...\n  carol: encryptor sam\n", "Subject: x\n  carol: encryptor sam\n", True),
        ("...\n  carol: encryptor sam\n", "Subject: x\n  carol: refused\n", False),
    ],
)
def test_what_is_printed_is_compared(output: str, printed: str, fits: bool) -> None:
    assert page.Command(["hank"], "true", output).printed(printed) is fits


def test_steps_of_a_page(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        "```yaml\n# a, b: /etc/x.yaml\nhub: a\n```\n"
        "*The medium goes from a to b.*\n"
        "```console\nroot@a# first \\\n    line\nprinted\nroot@a,b# second\n```\n"
        "```sh\nroot@a# an example\n```\n"
    )
    assert list(page.steps(tmp_path / "page.md")) == [
        page.File(["a", "b"], "/etc/x.yaml", "# a, b: /etc/x.yaml\nhub: a\n"),
        page.Medium("b"),
        page.Command(["a"], "first \\\n    line", "printed\n"),
        page.Command(["a", "b"], "second", ""),
    ]


def test_nothing_is_made_outside_of_namespaces_of_its_own() -> None:
    with pytest.raises(AssertionError):
        hosts.Network({"hank": ()}).make()


def anchors(text: str) -> set[str]:
    """What links to headings of a page look like."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT))))
def test_every_link_leads_somewhere(link: str) -> None:
    file, _, anchor = link.partition("#")
    page_there = (page.PAGE.parent / file).resolve() if file else page.PAGE
    assert page_there.exists()
    assert not anchor or anchor in anchors(page_there.read_text())


def test_the_table_of_the_readme_has_every_page() -> None:
    readme = (page.PAGE.parents[1] / "README.md").read_text()
    pages = sorted(path.name for path in page.PAGE.parent.glob("*.md"))
    assert [name for name in pages if f"| [docs/{name}](docs/{name}) |" not in readme] == []


ONE, TWO = ("id-1", "key 1"), ("id-2", "key 2")


def test_keys_that_both_sites_hold() -> None:
    check_keys([ONE, ONE])
    check_keys([ONE, ONE, TWO, TWO])


@pytest.mark.parametrize(
    "keys", [[], [ONE], [ONE, ("id-1", "another")], [ONE, ONE, TWO], [ONE, ONE, ONE, TWO], [ONE, TWO]]
)
def test_keys_that_one_site_lacks_or_has_otherwise(keys: list[tuple[str, str]]) -> None:
    with pytest.raises(Failed, match=f"{len(keys)} keys were shown"):
        check_keys(keys)
