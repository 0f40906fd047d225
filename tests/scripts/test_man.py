"""The manual pages: whole, well-formed, and nothing in them is taken for a request of roff."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import man
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manual import of_markdown, roff

from dsked.cli.dskectl import dskectl
from dsked.cli.dsked import dsked

PAGES = ["dsked.8", "dskectl.1", "dsked.yaml.5"]
needs_readers = pytest.mark.skipif(
    not (shutil.which("groff") and shutil.which("mandoc")), reason="groff and mandoc are not installed"
)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return man.pages("2026-01-31")


def shown(page: str) -> str:
    """As a person reads it, on lines that are long enough."""
    ran = subprocess.run(
        ["groff", "-man", "-ww", "-Kutf8", "-Tutf8", "-P-cbou", "-rLL=1000n"],
        input=page, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stderr == ""
    return ran.stdout


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command, by the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, f"{path} {name}")


@needs_readers
@pytest.mark.parametrize("name", PAGES)
def test_groff_and_mandoc_have_nothing_to_say(pages: dict[str, str], name: str) -> None:
    assert "2026\N{HYPHEN}01" not in shown(pages[name])
    linted = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning"], input=pages[name], capture_output=True, text=True
    )
    assert (linted.stdout, linted.stderr) == ("", "")


@needs_readers
def test_every_command_and_every_option_is_there(pages: dict[str, str]) -> None:
    texts = {"dskectl": shown(pages["dskectl.1"]), "dsked": shown(pages["dsked.8"])}
    for program, root in (("dskectl", dskectl), ("dsked", dsked)):
        for path, command in commands(root, program):
            if not isinstance(command, click.Group) and path != program:
                last = path.split()[-1]
                assert f" {last} [OPTIONS]" in texts[program], path
            for parameter in command.params:
                for option in parameter.opts if isinstance(parameter, click.Option) else ():
                    assert re.search(rf" {re.escape(option)}[ ,\n]", texts[program]), (path, option)


@needs_readers
def test_what_apropos_shows(pages: dict[str, str]) -> None:
    for name in PAGES:
        lines = shown(pages[name]).splitlines()
        name_of = lines[lines.index("NAME") + 1].strip()
        assert name_of.startswith(f"{name.rpartition('.')[0]} - ")
        assert lines[-1].split()[:2] == ["dsked", man.__version__]


@needs_readers
def test_statuses_and_signals_are_those_of_the_guide(pages: dict[str, str]) -> None:
    text = shown(pages["dsked.8"])
    assert "3      the node is not running" in text
    assert "SIGTERM, SIGINT" in text


NASTY = [".SH x", "'br", "\\fBx\\n(.s", "--option=-1", "a 'b' \"c\" `d` ~e ^f", "...", "x\\", "§ é €"]


@needs_readers
def test_nothing_is_a_request_or_a_sign_of_a_typographer() -> None:
    page = roff.Page("x", 1, "2026-01-31", "1", ".so /etc/passwd")
    page.section("'hi \\n(.s")
    for text in NASTY:
        page.paragraph(roff.escaped(text))
        page.item(roff.bold(text), roff.italic(text))
        page.literal(text)
    lines = [line.strip() for line in shown(page.text()).splitlines()]
    assert "x - .so /etc/passwd" in lines
    assert "'HI \\N(.S" in lines
    for text in NASTY:
        assert lines.count(text) + sum(line == f"{text} {text}" for line in lines) >= 2, text


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=300))
@settings(max_examples=200)
def test_no_line_of_a_text_begins_like_a_request(text: str) -> None:
    page = roff.Page("x", 1, "2026-01-31", "1", "y")
    before = len(page.text().splitlines())
    page.paragraph(roff.escaped(text))
    page.literal(text)
    for line in page.text().splitlines()[before:]:
        assert line in (".PP", ".RS 4", ".nf", ".fi", ".RE") or line[:1] not in (".", "'")
        assert "\\" not in line.replace("\\e", "").replace("\\-", "").replace("\\(", "").replace("\\&", "")


@needs_readers
def test_a_document_with_all_that_markdown_has(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text(
        "# Title\n\nText with `--code`, *stress*, [a page](other.md) and [the web](https://e.org/x).\n\n"
        "## A section\n\n- one\n- two\n  over lines\n\n1. first\n2. second *stressed\n   over lines*\n\n"
        "### Below\n\n    $ typed -x\n\n"
        "| | one | two |\n|---|---|---|\n| size | small | large |\n\n"
        "| key | default | meaning |\n|---|---|---|\n| `port` | 7100 | a *port* |\n| `name` | | a name |\n"
    )
    page = roff.Page("x", 5, "2026-01-31", "1", "y")
    of_markdown.document(page, path)
    lines = [" ".join(line.split()) for line in shown(page.text()).splitlines()]
    for line in (
        "Text with --code, stress, a page and the web (https://e.org/x).",
        "A SECTION",
        "• one",
        "• two over lines",
        "2. second stressed over lines",
        "Below",
        "$ typed -x",
        "port default: 7100. a port",
        "name a name",
        "size one: small. two: large.",
    ):
        assert line in lines, (line, lines)


def test_a_document_without_what_is_asked_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text("# Title\n\n> quoted\n")
    with pytest.raises(ValueError, match="not enough values"):
        of_markdown.table(roff.Page("x", 1, "", "1", "y"), path, "key")


def test_the_script_writes_pages_and_completion(tmp_path: Path) -> None:
    script = Path(man.__file__)
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {f"man/{name}" for name in PAGES} | {
        f"completion/{shell}/{name.format(program)}"
        for shell, name in (("bash", "{}"), ("zsh", "_{}"), ("fish", "{}.fish"))
        for program in ("dskectl", "dsked")
    }
