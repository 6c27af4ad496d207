"""Plants one defect into the JSON text of a known value, as models do, and makes the type of a value.

Used by the laws of reading and by the fuzzer: what is planted must be restored exactly or refused. A planted text
that is valid JSON of another value shows no defect, so nobody could restore it; `planted` gives None for it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from extract import nodes

__all__ = ["DEFECTS", "planted", "schema_of", "type_of", "written"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}\[\],:]')

Tokens = list[tuple[int, int, str]]
Defect = Callable[[str, Tokens, random.Random], str | None]


def type_of(value: Any, closed: bool = True) -> nodes.Type:
    """A type that the value belongs to: every property required, lists by the kinds of their items."""
    return nodes.Type(_node(value, closed))


def _node(value: Any, closed: bool) -> nodes.Node:
    if value is None:
        return nodes.Union(branches=(nodes.Text(), nodes.Null()))
    if isinstance(value, bool):
        return nodes.Boolean()
    if isinstance(value, int | float):
        return nodes.Number(integer=isinstance(value, int))
    if isinstance(value, str):
        return nodes.Text()
    if isinstance(value, list):
        kinds = {repr(node := _node(item, closed)): node for item in value}
        items = tuple(kinds.values())
        return nodes.Array(
            items=items[0] if len(items) == 1 else nodes.Union(branches=items) if items else nodes.Text()
        )
    fields = tuple(nodes.Field(name=name, node=_node(item, closed)) for name, item in value.items())
    return nodes.Record(fields=fields, extras=None if closed else nodes.Anything())


def schema_of(value: Any) -> dict[str, Any]:
    """The same as a JSON Schema."""
    if value is None:
        return {"type": ["string", "null"]}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "integer" if isinstance(value, int) else "number"}
    if isinstance(value, str):
        return {"type": "string"}
    if isinstance(value, list):
        kinds = list({json.dumps(made): made for made in map(schema_of, value)}.values())
        return {"type": "array", "items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}}
    properties = {name: schema_of(item) for name, item in value.items()}
    return {"type": "object", "properties": properties, "required": list(value), "additionalProperties": False}


def written(value: Any, rng: random.Random) -> str:
    """The JSON text of a value in one of the usual styles."""
    style = rng.choice([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
    return json.dumps(value, **style)


def planted(text: str, name: str, rng: random.Random) -> str | None:
    """The text with the defect, or None where it has no place for it or the defect does not show."""
    tokens = [(m.start(), m.end(), m[0]) for m in _TOKEN.finditer(text)]
    broken = DEFECTS[name](text, tokens, rng)
    if broken is None or broken == text:
        return None
    try:
        json.loads(broken)
    except ValueError:
        return broken
    return None


def _pick(tokens: Tokens, rng: random.Random, wanted: Callable[[str], bool]) -> tuple[int, int, str] | None:
    found = [token for token in tokens if wanted(token[2])]
    return rng.choice(found) if found else None


def _replace(wanted: Callable[[str], bool], new: Callable[[str], str | None]) -> Defect:
    def defect(text: str, tokens: Tokens, rng: random.Random) -> str | None:
        token = _pick(tokens, rng, wanted)
        if token is None or (made := new(token[2])) is None:
            return None
        return text[: token[0]] + made + text[token[1] :]

    return defect


def _string(token: str) -> bool:
    return token[0] == '"' and len(token) > 2


def _names(tokens: Tokens) -> set[int]:
    return {start for (start, _, _), (_, _, after) in pairwise(tokens) if after == ":"}


def _on_strings(names: bool, new: Callable[[str], str | None]) -> Defect:
    def defect(text: str, tokens: Tokens, rng: random.Random) -> str | None:
        at = _names(tokens)
        return _replace(_string, new)(text, [t for t in tokens if (t[0] in at) == names], rng)

    return defect


def _single(token: str) -> str | None:
    return None if "'" in token or "\\" in token else f"'{token[1:-1]}'"


def _bare(token: str) -> str | None:
    if token[1:-1] in ("True", "False", "None"):
        return None  # these are values without their quotes
    return token[1:-1] if re.fullmatch(r"[A-Za-z_]\w*( [A-Za-z_]\w*)*", token[1:-1]) else None


def _unescape_one(token: str) -> str | None:
    return token.replace('\\"', '"', 1) if '\\"' in token else None


def _trailing_comma(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    ends = [b for a, b in pairwise(tokens) if b[2] in "}]" and a[2] not in "{[,"]
    if not ends:
        return None
    at = rng.choice(ends)[0]
    return text[:at].rstrip() + "," + text[len(text[:at].rstrip()) :]


def _comment(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    at = rng.choice(tokens)[0]
    return text[:at] + rng.choice(['// a note, with "quotes"\n', "/* a {note} */ ", "# one: more\n"]) + text[at:]


def _last_closer(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    return text.rstrip()[:-1] if text.rstrip()[-1:] in ("}", "]") else None


def _cut(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    return text[: rng.randrange(1, len(text))] if len(text) > 2 and text[0] in "{[" else None


def _around(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    before = rng.choice(
        ["Here is the answer for {name}:\n", "Sure! (see [1] and {x})\n\n", "Result: ", '<think>{"a": 1}?</think>\n']
    )
    after = rng.choice(["", "\n\nLet me know if {this} helps.", " is the answer."])
    return before + text + after


def _fence(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    return (
        rng.choice(["```json\n", "```\n", "Answer:\n```JSON\n", "~~~\n"]) + text + rng.choice(["\n```", "\n```\nDone."])
    )


def _python(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    return repr(json.loads(text))


def _structural(token: str) -> bool:
    return token in ("{", "}", "[", "]", ",", ":")


def _inserted(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice("\"{}[],:'`\\") + text[at:]


def _deleted(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    at = rng.randrange(len(text))
    return text[:at] + text[at + 1 :] if text[at] in '"{}[],:\\' else None


def _last(token: str, other: str) -> str | None:
    return token[:-1] + other if token[-2] != "\\" else None


def _behind(marks: str) -> Defect:
    return lambda text, tokens, rng: text + rng.choice(marks) if tokens[0][2] in ("{", "[") else None


def _before(marks: str) -> Defect:
    return lambda text, tokens, rng: rng.choice(marks) + text if tokens[0][2] in ("{", "[") else None


def _swapped(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    """Two marks that stand side by side in the wrong order."""
    pairs = [(a, b) for a, b in pairwise(tokens) if a[1] == b[0] and _structural(a[2]) and _structural(b[2])]
    if not pairs:
        return None
    (start, _, first), (_, end, second) = rng.choice(pairs)
    return text[:start] + second + first + text[end:]


def _parentheses(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    """One list in parentheses."""
    open_: list[int] = []
    lists = []
    for i, (_, _, token) in enumerate(tokens):
        if token in ("[", "{"):
            open_.append(i)
        elif token in ("]", "}"):
            start = open_.pop()
            lists += [(tokens[start][0], tokens[i][0])] if token == "]" else []
    if not lists:
        return None
    start, end = rng.choice(lists)
    return f"{text[:start]}({text[start + 1 : end]}){text[end + 1 :]}"


def _wrapped(*around: tuple[str, str]) -> Defect:
    def defect(text: str, tokens: Tokens, rng: random.Random) -> str | None:
        before, after = rng.choice(around)
        return before + text + after

    return defect


def _cut_in_a_fence(text: str, tokens: Tokens, rng: random.Random) -> str | None:
    cut = _cut(text, tokens, rng)
    return None if cut is None else f"```json\n{cut}\n```"


def _everywhere(old: str, new: str) -> Defect:
    return lambda text, tokens, rng: text.replace(old, new)


def _raw(text: str, letter: str, mark: str) -> str:
    """The text with a mark for its escape; an escaped backslash before the letter is none."""
    return re.sub(r"\\(.)", lambda found: mark if found[1] == letter else found[0], text)


def _number(token: str) -> bool:
    return token[0].isdigit()


DEFECTS: dict[str, Defect] = {
    "doubled colon": _replace(lambda t: t == ":", lambda t: "::"),
    "equals sign": _replace(lambda t: t == ":", lambda t: " = "),
    "arrow": _replace(lambda t: t == ":", lambda t: " => "),
    "semicolon": _replace(lambda t: t == ",", lambda t: ";"),
    "comma for colon": _replace(lambda t: t == ":", lambda t: ","),
    "colon for comma": _replace(lambda t: t == ",", lambda t: ":"),
    "doubled opening quote": _replace(_string, lambda t: '"' + t),
    "doubled closing quote": _replace(_string, lambda t: t + '"'),
    "other closing quote": _replace(_string, lambda t: _last(t, "'")),
    "other opening quote": _replace(_string, lambda t: "'" + t[1:]),
    "backticks": _replace(_string, lambda t: f"`{t[1:-1]}`"),
    "triple quotes": _replace(_string, lambda t: f'""{t}""'),
    "single smart quotes": _replace(_string, lambda t: f"‘{t[1:-1]}’"),
    "escaped quotes around": _replace(_string, lambda t: f'\\"{t[1:-1]}\\"'),
    "half a backslash": _replace(lambda t: "\\\\" in t, lambda t: t.replace("\\\\", "\\", 1)),
    "backslash before an apostrophe": _replace(lambda t: "'" in t, lambda t: t.replace("'", "\\'")),
    "raw tab": _replace(lambda t: "\\t" in t, lambda t: _raw(t, "t", "\t")),
    "loud literal": _replace(lambda t: t in ("true", "false", "null"), str.upper),
    "plus sign": _replace(_number, lambda t: "+" + t),
    "point without a digit": _replace(lambda t: t.isdigit(), lambda t: t + "."),
    "zero in front": _replace(_number, lambda t: "0" + t),
    "parentheses": _parentheses,
    "swapped marks": _swapped,
    "closer too many": _behind("}])"),
    "opener too many": _before("{[("),
    "escaped as a whole": lambda text, tokens, rng: json.dumps(text)[1:-1],
    "entities": _everywhere('"', "&quot;"),
    "assignment": _wrapped(("result = ", ";"), ("const answer = ", ";"), ("json ", ""), ("return ", "")),
    "marks around": _wrapped(("**", "**"), ("\ufeff", ""), ("> ", ""), ("<answer>", "</answer>"), ("\u00a0", "\u00a0")),
    "thinking": _wrapped(
        ('<think>{"a": [1, }</think>', ""), ("<thinking>\nperhaps {x}\n</thinking>\n\n", ""), ("<think>", "")
    ),
    "cut in a fence": _cut_in_a_fence,
    "no line break escaped": lambda text, tokens, rng: _raw(text, "n", "\n"),
    "trailing comma": _trailing_comma,
    "doubled comma": _replace(lambda t: t == ",", lambda t: ",,"),
    "missing comma": _replace(lambda t: t == ",", lambda t: ""),
    "missing colon": _replace(lambda t: t == ":", lambda t: ""),
    "missing opening quote": _replace(_string, lambda t: t[1:]),
    "missing closing quote": _replace(_string, lambda t: t[:-1]),
    "bare name": _on_strings(True, _bare),
    "bare text": _on_strings(False, _bare),
    "single quotes": _replace(_string, _single),
    "smart quotes": _replace(_string, lambda t: f"“{t[1:-1]}”"),
    "python literal": _replace(
        lambda t: t in ("true", "false", "null"), lambda t: {"true": "True", "false": "False", "null": "None"}[t]
    ),
    "python": _python,
    "comment": _comment,
    "one quote not escaped": _replace(lambda t: '\\"' in t, _unescape_one),
    "quotes not escaped": _replace(lambda t: '\\"' in t, lambda t: t.replace('\\"', '"')),
    "raw line break": _replace(lambda t: "\\n" in t, lambda t: _raw(t, "n", "\n")),
    "missing closer": _replace(lambda t: t in ("}", "]"), lambda t: ""),
    "missing opener": _replace(lambda t: t in ("{", "["), lambda t: ""),
    "wrong closer": _replace(lambda t: t in ("}", "]"), lambda t: {"}": "]", "]": "}"}[t]),
    "missing last closer": _last_closer,
    "cut": _cut,
    "prose": _around,
    "fence": _fence,
    "inserted mark": _inserted,
    "deleted mark": _deleted,
}
