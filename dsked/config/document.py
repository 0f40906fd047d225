"""A YAML file read with the line of every place in it, so that an error can say where it is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dsked.config import config_file
from dsked.config.config_file import MAX_FILE_BYTES
from dsked.config.service import with_credential
from dsked.errors import ConfigurationError

#: A place inside a document: keys of mappings and indices of lists, from the root.
Place = tuple[str | int, ...]

#: Seven values per encryptor, and some 600 bytes of memory each.
MAX_VALUES = 1_000_000
#: A topology needs six. libyaml's own stack ends the process some hundred thousand further down.
MAX_NESTING = 32
#: Digits of a whole number: what is longer fits nothing here, and Python shows no number of 4,300 digits.
MAX_NUMBER_CHARACTERS = 40
#: What YAML takes for an alias or a list, and is meant as an address.
_UNQUOTED = re.compile(r":\s+(?:\*:|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]:)[0-9]")
_INTEGER_TAG = "tag:yaml.org,2002:int"
#: Of keys; YAML takes 7, yes and ~ for something else than text. The last is `<<`.
_KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def place_text(place: Place) -> str:
    """The place as people write it: `hubs[2].name`."""
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            word = (
                step if step.isprintable() else repr(step)
            )  # a key says what it likes, and not to a terminal
            text += f".{word}" if text else word
    return text


@dataclass(frozen=True)
class Document:
    """The plain data of a file, and the lines of its places."""

    path: Path
    data: object
    lines: dict[Place, int] = field(repr=False)  # from 1

    def written(self, place: Place) -> Place:
        """Where a place stands, for who speaks of it in other words than the file does."""
        return place

    def text(self, place: Place) -> str:
        """The place as people find it in the file."""
        return place_text(self.written(place))

    def error(self, place: Place, message: str) -> ConfigurationError:
        """`FILE:LINE: place: message`; the nearest place above where this one is not written."""
        return ConfigurationError(f"{self.where(place)}: {message}")

    def where(self, place: Place) -> str:
        """`FILE:LINE: place`."""
        place = known = self.written(place)
        while known and known not in self.lines:
            known = known[:-1]
        line = f"{self.path}:{self.lines.get(known, 1)}"
        return f"{line}: {place_text(place)}" if place else line

    def beside(self, place: Place, value: str) -> Path:
        """The path that is written at a place: relative ones start at the file's own directory.

        One that begins with $CREDENTIALS_DIRECTORY/ is what systemd has given the unit under that name.
        Raises ConfigurationError for what can be no path, and for the home of nobody.
        """
        if not value or not value.isprintable():
            raise self.error(place, f"{value!r} is no path of a file")
        try:
            return self.path.absolute().parent / Path(with_credential(value)).expanduser()
        except RuntimeError:
            raise self.error(place, f"{value}: there is no such user's home") from None


def load(path: Path) -> Document:
    """Reads one YAML document of mappings, lists and scalars.

    Raises ConfigurationError: unreadable, not UTF-8, not YAML, a key written twice, not a mapping.
    """
    text = _read(path)
    lines = _Lines(path)
    try:
        _check_extent(path, text)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise ConfigurationError(
                    f"{path}:1: the file is empty; 'hubs' and 'clients' are expected, or 'hub' or 'client'"
                )
            lines.walk(root, ())
            data = loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, text, error) from None
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise ConfigurationError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    except (ValueError, LookupError, AttributeError) as error:  # a date that is none; !!bool 1, !!int ''
        raise ConfigurationError(f"{path}: a value that YAML cannot read: {error}; quote it") from None
    return Document(path, data, lines.lines)


def _check_extent(path: Path, text: str) -> None:
    """Raises ConfigurationError, and reads no further, where it is too deep or too much to be composed."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if number > MAX_VALUES:
            raise ConfigurationError(f"{path}: more than {MAX_VALUES} values; is this a topology file?")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_NESTING:
                where = f"{path}:{event.start_mark.line + 1}" if event.start_mark else f"{path}"
                raise ConfigurationError(f"{where}: nested too deep; {MAX_NESTING} levels are the most")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _read(path: Path) -> str:
    try:
        raw = config_file.read(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{path}: larger than {MAX_FILE_BYTES} bytes; is this a topology file?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _syntax_error(path: Path, text: str, error: yaml.MarkedYAMLError) -> ConfigurationError:
    mark = error.problem_mark or error.context_mark
    where = f"{path}:{mark.line + 1}" if mark else f"{path}"
    lines = text.splitlines()
    hint = _hint(lines[mark.line]) if mark and mark.line < len(lines) else ""
    return ConfigurationError(f"{where}: not YAML: {error.problem or error.context}{hint}")


def _hint(line: str) -> str:
    """What is expected, where the line shows it."""
    if _UNQUOTED.search(line):
        return '; an address that begins with * or [ needs quotation marks: "*:7100", "[::]:7100"'
    return "; lines are indented with spaces, not with tabs" if line.lstrip(" ").startswith("\t") else ""


class _Lines:
    """Notes the line of every place; refuses keys written twice, and aliases.

    An alias gives one node two places, and a few of them make a file without end.
    """

    def __init__(self, path: Path) -> None:
        self.lines: dict[Place, int] = {}
        self._path = path
        self._nodes: set[int] = set()

    def walk(self, node: yaml.Node, place: Place) -> None:
        line = node.start_mark.line + 1
        if id(node) in self._nodes:
            raise self._error(line, place, "aliases (*name) are not supported; write the value again")
        self._nodes.add(id(node))
        self.lines.setdefault(place, line)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._key(key, place)
                self.walk(value, (*place, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.walk(value, (*place, index))
        elif node.tag == _INTEGER_TAG and len(node.value) > MAX_NUMBER_CHARACTERS:
            raise self._error(line, place, f"a number of {len(node.value)} characters; is it text? quote it")

    def _key(self, key: yaml.Node, place: Place) -> None:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise self._error(line, place, "a key is expected to be a word")
        if key.tag not in _KEY_TAGS:
            raise self._error(
                line, place, f"the key {key.value[:80]!r} is no text for YAML; quote it if it is meant"
            )
        inner = (*place, key.value)
        if inner in self.lines:
            raise self._error(line, inner, "written twice; remove one")
        self.lines[inner] = line

    def _error(self, line: int, place: Place, message: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path}:{line}: {place_text(place)}: {message}")
