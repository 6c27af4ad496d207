"""Reads broken answers at random for a bounded time, and the worst that we can think of.

    python benchmarks/read_fuzz.py [--seconds 30] [--seed 1] [--kilobytes 100] [--show 0] [--only DEFECT]

Plants one defect after the other into known values (tests/planted_defects.py) and counts what is restored exactly,
refused, or read wrongly in silence, by defect and policy, in both shapes and with and without a type; checks that
replaying the events gives the value. Then times texts of one size that are made to be slow to read. Ends with status 1
if anything raised, a replay failed, the safe or the strict policy read anything wrongly, or a text took more than a
second. `--show` prints so many of the wrong ones for each defect.

What the lenient policy reads wrongly by its own promise: a text that was cut off between two members or items is
read up to there (`complete` is False; such readings are counted apart, as `cut`), since a closing bracket that a model
forgot looks the same. A mark inserted at random (not one of the ways in which models break JSON) can turn a literal
into a bare text, or be taken for a quote inside a text.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

from planted_defects import DEFECTS, planted, schema_of, type_of, written  # noqa: E402

from extract import nodes  # noqa: E402
from extract.jsontext import same  # noqa: E402
from extract.parse import Policy, Reader, Reading, read, replay  # noqa: E402
from extract.parse.exact import NotJson, exact  # noqa: E402
from extract.schema import compile  # noqa: E402

Read = Callable[[Policy], Reading]
POLICIES: tuple[Policy, ...] = ("safe", "lenient", "strict")
ODD = ("inserted mark",)  # no way in which models break JSON; what it hits may be JSON of something else

WORDS = [
    "total",
    "Acme Ltd",
    "a b",
    "x",
    "12 Main St, Oslo",
    'he said "hi"',
    '"quoted"',
    "line one\nline two",
    "it's",
    "C:\\dir",
    "C:\\new\\table",
    "http://x.y/z?a=1",
    "1,234.50",
    "2024-01-05",
    "true",
    "note: see [1], {a}",
    "",
    "end,",
    'ends "here"',
    'a "b", "c": d',
    "€5",
    "#tag",
    "// no",
    "/* no */",
    "emoji 😀",
    "trailing ",
    " leading",
    "None",
    'Say "yes", then go',
    "key: value",
    "```json",
    "```",
    '{"a": 1}',
    '{"a": "b", "c": [1,',
    "[1, 2",
    "}",
    "]",
    "},{",
    "],",
    ",",
    ":",
    '"',
    "'",
    "\\",
    "\t",
    "a\ttab",
    "\u2028",
    "null",
    "0",
    "-1.50",
    "1e5",
    "007",
    "...",
    "<think>",
    "</think>",
    "O'Brien's",
    "“smart”",
    "`code`",
    "a=b;c",
    "50%",
    "(see)",
    "x\\\\ny",
    "\\\\u0041",
    "Größe",
    '12" pipe',
    "--",
    "N/A",
    "yes",
]
NAMES = [
    "id", "name", "total", "lines", "a b", "note", "address", "x", "is_ok", "Größe", 'a"b', "k:v", "items", "it's",
    "", "a/b~c", "$ref", "1", "true", "x.y", "long-name", "{x}", "a,b",
]  # fmt: skip
WIRED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]},
        "b": {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
    },
}
UNTYPED = nodes.Type(nodes.Anything())


def made(rng: random.Random, depth: int = 0) -> Any:
    """A value like those of answers: records, lists of records, texts with everything in them."""
    draw = rng.random()
    if depth == 0 or (depth < 4 and draw < 0.35):
        if rng.random() < 0.6:
            return {name: made(rng, depth + 1) for name in rng.sample(NAMES, rng.randint(depth == 0, 4))}
        if rng.random() < 0.3:
            return [made(rng, depth + 1) for _ in range(rng.randint(depth == 0, 3))]
        names = rng.sample(NAMES[:9], rng.randint(1, 3))
        rows = range(rng.randint(1, 3))
        return [{name: rng.choice([rng.randint(0, 99), rng.choice(WORDS)]) for name in names} for _ in rows]
    numbers = [
        rng.randint(-5, 99999),
        rng.randint(10**17, 10**25),
        round(rng.uniform(-99, 9999), 2),
        rng.random() * 1e-9,
    ]
    return rng.choice([None, True, False, *numbers, *(rng.choice(WORDS) for _ in range(7))])


def ways(value: Any, broken: Callable[[str], str | None], text: str, wired: bool) -> Iterator[tuple[str, str, Read]]:
    """How a value is read: the broken text, in words, and the reading under a policy."""
    plain = broken(text)
    if plain is not None:
        types = {"typed": type_of(value), "open": type_of(value, closed=False), "untyped": UNTYPED}
        for name, type in types.items():
            yield plain, name, lambda policy, t=type: read(plain, t, policy)
    if wired:
        schema = compile(schema_of(value))
        sent = broken(json.dumps(schema.encode(value)))
        if sent is not None:
            yield sent, "wire", lambda policy: schema.read(sent, policy, "wire")


def fuzz(seconds: float, rng: random.Random, show: int, only: str | None) -> int:
    """Plants and reads for so long; gives how often something failed that must not."""
    counts: dict[tuple[str, Policy], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    failures = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        value = made(rng)
        text = written(value, rng)
        wired = rng.random() < 0.2
        for name in [only] if only else DEFECTS:
            for broken, way, reader in ways(value, lambda t, n=name: planted(t, n, rng), text, wired):
                for policy in POLICIES:
                    reading = reader(policy)
                    outcome = judged(reading, value)
                    counts[name, policy][outcome] += 1
                    if outcome == "wrong" and counts[name, policy][outcome] <= show:
                        print(f"wrong: {name}, {policy}, {way}: {broken!r}\n  read as {reading.value!r}")
                    if way != "wire" and not reading.problems and not replays(broken, reading):
                        failures += 1
                        print("replay differs:", policy, way, repr(broken))
    for name in DEFECTS:
        shown = (
            f"{policy}: " + " ".join(f"{counts[name, policy][k]:6} {k}" for k in ("exact", "refused", "cut", "wrong"))
            for policy in POLICIES[:2]
        )
        print(f"{name:30}", "   ".join(shown))
    failures += sum(counts[name, policy]["wrong"] for name, policy in counts if policy != "lenient" and name not in ODD)
    return failures


def judged(reading: Reading, value: Any) -> str:
    if reading.problems:
        return "refused"
    return "exact" if same(reading.value, value) else "wrong" if reading.complete else "cut"


def replays(text: str, reading: Reading) -> bool:
    try:
        return same(exact(replay(text, reading.events)), reading.value)
    except NotJson:
        return False


def worst(size: int) -> dict[str, str]:
    """Texts of a size that invite reading them over and over."""

    def of(piece: str, before: str = "", after: str = "") -> str:
        return before + piece * (size // len(piece)) + after

    return {
        "open brackets": of("["),
        "open objects": of('{"a":'),
        "open in prose": of("{ a "),
        "names in prose": of("{x} "),
        "brackets in prose": of("[x] "),
        "quotes": of('"'),
        "quotes in a text": of('a " ', '{"a": "', '"}'),
        "quotes and commas": of('", ', '{"a": "', '"}'),
        "quotes and colons": of('": ', '{"a": "', '"}'),
        "quotes and names": of('", "b ', '{"a": "'),
        "quotes and comments": of('" /* ', '{"a": "'),
        "quotes and lines": of('" // ', '{"a": "'),
        "quotes and blanks": of('"' + " " * 50, '{"a": "'),
        "quotes and closers": of('"}]', '{"a": "'),
        "backslashes": of("\\", '{"a": "', '"}'),
        "escapes": of('\\"', '{"a": "', '"}'),
        "single quotes": of("' ", "{'a': '", "'}"),
        "bare words": of("word ", "{a: ", "}"),
        "bare commas": of("w, ", "{a: ", "}"),
        "bare names": of("a: b, ", "{", "}"),
        "bare brackets": of("w[", "{a: ", "}"),
        "bare braces": of("w{}", "{a: ", "}"),
        "commas": of(",", "[1", "2]"),
        "blanks": of(" ", '{"a":', "1}"),
        "comments": of("/**/", "[", "1]"),
        "open comment": of("/*", "[1, "),
        "line comments": of("# x\n", "", "[1,]"),
        "digits": of("1", "[", ",]"),
        "digits and points": of("1.", "[", ",]"),
        "fences": of("```\n"),
        "fenced starts": of('```json\n{"a": '),
        "fenced answers": of('```json\n{"a": 1,}\n```\n'),
        "small answers": of('{"a": 1,} '),
        "thinking": of("<think>"),
        "thought": of("</think>"),
        "thoughts": of("<think>{</think>"),
        "missing commas": of("1 ", "[", "]"),
        "missing quotes": of('"a: 1, ', "{", "}"),
        "doubled names": of('"a":1,', "{", "}"),
        "wrong closers": of("[}", "{", "}"),
        "parentheses": of("(1,", "[", "]"),
        "elisions": of("1, ..., ", "[", "]"),
        "records": of('{"a": 1, "b": "x"}, ', "[", "]"),
        "smart quotes": of("“a” ", "{“a”: “", "”}"),
        "triple quotes": of('""" ', '{"a": """', '"""}'),
        "half objects": of('{"a":['),
        "answers in prose": of('so {"a": 1} or '),
        "answers side by side": of('{"a":1}'),
        "answers with commas": of('{"a":1}, '),
        "closers": of("}"),
        "an answer and closers": of("}", '{"a":1}'),
        "lists and closers": of("]", "[" * 90),
        "wrong closers in depth": of("}", "[" * 90),
        "colons": of(":", '{"a":', "1}"),
        "one long name": of("a", '{"'),
        "one long bare name": of("a", "{", ": 1}"),
        "names without an end": of('"a', "{"),
        "tags": of("<think>{"),
        "notes": of("as in [1] "),
        "exponents": of("1e5,", "[", "1]"),
        "long exponents": of("1.23456789012345678e5,", "[", "1]"),
        "one long number": of("1", "[", "]"),
        "doubled quotes": of('""'),
        "half names": of('a": 1, ', "{", "}"),
        "entities": of("&quot;", "[", "]"),
        "escaped whole": of('{\\"a\\": ', "", ""),
        "names of one object": "{" + ", ".join(f'"a{i}": {i}' for i in range(size // 14)) + ",}",
        "bare names of one object": "{" + ", ".join(f"a{i}: {i}" for i in range(size // 12)) + "}",
        "trailing commas": of("[1,],", "[", "]"),
        "comments in a list": of("1, // one\n", "[", "]"),
        "undeclared": of('"b": [1, {"c": 2}], ', '{"a": 1, ', "}"),
        "numbers as texts": of('{"a": "1,000"}, ', "[", "]"),
        "texts in texts": of('\\"{', '{"a": "', '"}'),
    }


def followed(reader: Reader, text: str) -> None:
    for at in range(0, len(text), 5):
        reader.feed(text[at : at + 5])


def hardest(size: int) -> float:
    """Reads every slow text in every way and gives the longest time, in seconds."""
    node = nodes.Record(fields=(nodes.Field(name="a", node=nodes.Union(branches=(nodes.Number(), nodes.Text()))),))
    types = {"untyped": UNTYPED, "typed": nodes.Type(node), "list": nodes.Type(nodes.Array(items=node))}
    schema = compile(WIRED)
    times = []

    def timed(work: Callable[[], Any], *what: str) -> None:
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began, *what))

    for name, text in worst(size).items():
        for kind, type in types.items():
            for policy in POLICIES:
                timed(lambda t=type, p=policy, x=text: read(x, t, p), name, kind, policy)
            timed(lambda t=type, x=text: read(x, t, partial=True), name, kind, "partial")
            timed(lambda t=type, x=text: followed(Reader(t), x), name, kind, "as a stream")
        for shape in ("user", "wire"):
            for policy in POLICIES:
                timed(lambda s=shape, p=policy, x=text: schema.read(x, p, s), name, shape, policy)
            timed(lambda s=shape, x=text: followed(schema.reader(s), x), name, shape, "as a stream")
    for taken in sorted(times, reverse=True)[:12]:
        print(f"{taken[0]:6.3f} s  {', '.join(taken[1:])}")
    return max(times)[0]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--kilobytes", type=int, default=100)
    options.add_argument("--show", type=int, default=0)
    options.add_argument("--only", choices=sorted(DEFECTS))
    chosen = options.parse_args()
    failures = fuzz(chosen.seconds, random.Random(chosen.seed), chosen.show, chosen.only) if chosen.seconds else 0
    return 1 if failures or hardest(chosen.kilobytes * 1000) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
