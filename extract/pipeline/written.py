"""What stands in a pipeline's file, with the place of everything.

YAML 1.2 is read into `Written` values: each knows its line and column, and for each character of a text where it stands
in the file. Python values are read into the same, with their path (``steps[2].where``) for a place; so there is one
reader of pipelines for both. Nothing is constructed: no tags, no classes, no duplicate keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from ..jsontext import dump
from ..project import shown

__all__ = ["Place", "Written", "from_values", "from_yaml", "scalar"]

_LARGEST = 50_000
_LONGEST_NUMBER = 100
_CORE = "tag:yaml.org,2002:"
_ESCAPE_LENGTHS = {"x": 4, "u": 6, "U": 10}
_FIXES = (
    ("cannot start any token", "Indent with spaces, and put a value that begins with a special character into quotes."),
    ("mapping values are not allowed", "Put quotes around a value that holds `: `, and check the indentation."),
    ("expected <block end>", "Put quotes around the whole value, and check the indentation."),
    ("while scanning a quoted scalar", "Close the quotes."),
    ("undefined alias", "Put quotes around a value that begins with `*`."),
    ("could not find expected ':'", "A key needs a `:` after it."),
    ("expected a single document", "Write one pipeline a file."),
    ("but got ':'", "Put quotes around a value that holds `:`."),
    ("expected ',' or", "Close the bracket, and put commas between the items."),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, counted from 1, or a path in a Python value."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.line:
            return f"{self.file}:{self.line}:{self.column}"
        return f"{self.file}: {self.path}" if self.path else self.file


@dataclass(frozen=True)
class Written:
    """One value as written: None, bool, int, Decimal or str; a tuple of `Written`; or a dict of `Written` by key.

    `text` is a scalar as it stands there. `keys` gives the places of a mapping's keys. Where variables were filled in,
    `raw` is the text as it was written, `public` what may be shown, and `pieces` say which characters of `text` stand
    for which of `raw`; `unfilled` says that one of them has no value.
    """

    value: Any
    place: Place
    text: str = ""
    keys: Mapping[str, Place] = field(default_factory=dict)
    source: tuple[str, int, int] | None = field(default=None, repr=False, compare=False)
    raw: str | None = field(default=None, repr=False)
    public: str | None = field(default=None, repr=False)
    pieces: tuple[tuple[int, int, int, int], ...] = field(default=(), repr=False)
    unfilled: bool = field(default=False, repr=False)

    @property
    def shown(self) -> str:
        """The text as people may see it: what came from the environment may be a secret."""
        return self.text if self.public is None else self.public

    @property
    def quoted(self) -> bool:
        """Whether it stands in quotes, or in a block of lines."""
        return self.source is not None and self.source[0][self.source[1] : self.source[1] + 1] in ("'", '"', "|", ">")

    def at(self, offset: int) -> Place:
        """Where the character at `offset` of a text stands in the file."""
        offset = self._raw_offset(offset)
        if self.source is None:
            return Place(self.place.file, path=f"{self.place.path}, column {offset + 1}")
        text, start, end = self.source
        index = _aligned(self.text if self.raw is None else self.raw, text, start, end, offset)
        line_start = text.rfind("\n", 0, index) + 1
        return Place(self.place.file, text.count("\n", 0, index) + 1, index - line_start + 1)

    def _raw_offset(self, offset: int) -> int:
        """The character of the text as written that one of the filled text stands for: a variable's first."""
        shift = 0
        for start, end, raw_start, raw_end in self.pieces:
            if offset < start:
                break
            if offset < end:
                return raw_start
            shift = raw_end - end
        return offset + shift

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value

    def walk(self) -> Iterator[Written]:
        """This value and every value in it."""
        yield self
        inner = self.value.values() if isinstance(self.value, dict) else self.value
        for item in inner if isinstance(self.value, (dict, tuple)) else ():
            yield from item.walk()


def _aligned(value: str, text: str, start: int, end: int, offset: int) -> int:
    """The index in the file of a scalar's character: quotes, escapes, folded lines and indentation are stepped over."""
    i = start
    if text[start : start + 1] in ("'", '"'):
        quote, i = text[start], start + 1
    else:
        quote = ""
        if text[start : start + 1] in ("|", ">"):
            i = text.find("\n", start) + 1
    for position, char in enumerate(value):
        if char.isspace():
            if position == offset:
                return i
            while i < end and text[i].isspace() and not value[position + 1 : position + 2].isspace():
                i += 1
            i += value[position + 1 : position + 2].isspace()
            continue
        while i < end and text[i].isspace():
            i += 1
        if position == offset:
            return i
        i += _width(text, i, quote)
    return min(i, end)


def _width(text: str, i: int, quote: str) -> int:
    """How many characters of the file stand for one of the value."""
    if quote == '"' and text[i] == "\\":
        return _ESCAPE_LENGTHS.get(text[i + 1 : i + 2], 2)
    return 2 if quote == "'" and text[i : i + 2] == "''" else 1


def from_yaml(path: Path) -> Written:
    """The one YAML document of a file; raises PipelineError with line and column."""
    name = shown(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PipelineError("The file is not UTF-8.", f"{name}: byte {error.start + 1}", "Save it as UTF-8.") from None
    except OSError as error:
        raise PipelineError(f"The file cannot be read: {error.strerror}.", name) from None
    return _yaml(text.replace("\r\n", "\n"), name)


def _yaml(text: str, name: str) -> Written:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        node = YAML(typ="safe", pure=True).compose(text)
        if node is not None:
            return _Composed(text, name).written(node)
    except RecursionError:
        raise PipelineError("The YAML is nested too deeply.", name) from None
    except MarkedYAMLError as error:
        raise _unreadable(error, name) from None
    except (YAMLError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise PipelineError(f"The YAML cannot be read: {said}.", name) from None
    raise PipelineError("The pipeline is empty.", name, "Write `documents:` and `steps:` into it.")


def _unreadable(error: Any, name: str) -> PipelineError:
    mark = error.problem_mark or error.context_mark
    said = str(error.problem or error.context or "it is not YAML").strip()
    everything = f"{said} {error.context or ''}"
    fix = next((remedy for sign, remedy in _FIXES if sign in everything), None)
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    return PipelineError(f"The YAML cannot be read: {said.rstrip('.')}.", where, fix)


@dataclass
class _Composed:
    """Turns composed nodes into `Written`; `open` holds the nodes that are being read, to see one inside itself, and
    `count` says how many there were, since a few aliases can stand for billions of values."""

    text: str
    name: str
    open: list[int] = field(default_factory=list)
    count: int = 0

    def written(self, node: Any) -> Written:
        place = self.place(node)
        if id(node) in self.open:
            raise PipelineError("A value cannot hold itself.", str(place), "Take the `*` alias out.")
        self.count += 1
        if self.count > _LARGEST:
            raise PipelineError(f"The pipeline holds more than {_LARGEST} values.", str(place))
        self.open.append(id(node))
        made = self.of(node, place)
        self.open.pop()
        return made

    def of(self, node: Any, place: Place) -> Written:
        tag = str(node.tag)
        if not tag.startswith(_CORE) or tag.removeprefix(_CORE) not in _SCALARS.keys() | {"seq", "map"}:
            raise PipelineError("A pipeline has no tags.", str(place), "Take the word that begins with `!` out.")
        if isinstance(node.value, str):
            source = (self.text, node.start_mark.index, node.end_mark.index)
            return Written(_SCALARS[tag.removeprefix(_CORE)](node.value), place, node.value, source=source)
        if tag.endswith("seq"):
            return Written(tuple(self.written(item) for item in node.value), place)
        return self.mapping(node, place)

    def mapping(self, node: Any, place: Place) -> Written:
        values: dict[str, Written] = {}
        keys: dict[str, Place] = {}
        for key, value in node.value:
            at = self.place(key)
            if not isinstance(key.value, str):
                raise PipelineError("A key is a word, and this is not.", str(at), "Put quotes around the key.")
            if key.value in keys:
                first = keys[key.value]
                message = f"The key `{key.value}` stands here twice; it was first on line {first.line}."
                raise PipelineError(message, str(at), "Keep one of them.")
            keys[key.value] = at
            made = self.written(value)
            values[key.value] = made if made.text or made.value is not None else replace(made, place=at)
        return Written(values, place, keys=keys)

    def place(self, node: Any) -> Place:
        return Place(self.name, node.start_mark.line + 1, node.start_mark.column + 1)


def scalar(text: str) -> Any:
    """What YAML makes of a text without quotes, if that is a number, true or false; the text itself, whole, for the
    rest: what YAML would leave out of it (a comment, quotes, a tag) may be a part of a password."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > _LONGEST_NUMBER or text != text.strip():
        return text
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except YAMLError:
        return text
    tag = "" if node is None else str(node.tag).removeprefix(_CORE)
    return _SCALARS[tag](text) if tag in ("int", "float", "bool") and node.value == text else text


def _integer(text: str) -> Any:
    plain = text.replace("_", "")
    try:
        return int(plain, 10)
    except ValueError:
        return int(plain, 0)


def _decimal(text: str) -> Any:
    try:
        return Decimal(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    except InvalidOperation:
        return text


_SCALARS: dict[str, Any] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _decimal,
    "str": str,
    "timestamp": str,
    "merge": str,
    "value": str,
}


def from_values(value: Any, name: str = "pipeline", path: str = "") -> Written:
    """Python values as if they were written: dicts, lists and tuples, text, numbers, booleans, None, paths."""
    place = Place(name, path=path)
    if isinstance(value, Mapping):
        made = {str(key): from_values(item, name, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
        return Written(made, place, keys={key: item.place for key, item in made.items()})
    if isinstance(value, (list, tuple)):
        return Written(tuple(from_values(item, name, f"{path}[{i}]") for i, item in enumerate(value)), place)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Path):
        value = str(value)
    if value is None or isinstance(value, (bool, int, Decimal, str)):
        return Written(value, place, value if isinstance(value, str) else dump(value))
    if callable(value):  # a schema or a function, which only Python can give
        return Written(value, place, getattr(value, "__qualname__", repr(value)))
    message = f"A {type(value).__name__} cannot stand in a pipeline."
    raise PipelineError(message, str(place), "Pipelines hold dicts, lists, text, numbers, booleans and None.")
