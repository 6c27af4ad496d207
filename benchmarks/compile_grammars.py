"""How many wire schemas the grammar engines compile: llguidance and xgrammar, which servers use.

Run it in an environment that has them (`pip install llguidance xgrammar`), over schemas one a line, gzipped or not,
each with the keys ``name`` and ``schema``:

    python -m benchmarks.compile_grammars --data schemas.jsonl.gz [--limit 300] [--worst 10]

An engine counts as taking a schema when it compiles its grammar without an error or a warning of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from extract.compiler import read_schema, wire_of


def rows(path: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def llguidance() -> Callable[[str], str]:
    import llguidance as engine

    def refusal(schema: str) -> str:
        try:
            grammar = engine.LLMatcher.grammar_from_json_schema(schema)
        except ValueError as wrong:
            return str(wrong)
        wrong = engine.LLMatcher.validate_grammar(grammar)
        return str(wrong) if wrong else ""

    return refusal


def xgrammar() -> Callable[[str], str]:
    import xgrammar as engine

    compiler = engine.GrammarCompiler(engine.TokenizerInfo([chr(code) for code in range(256)]), max_threads=1)

    def refusal(schema: str) -> str:
        try:
            compiler.compile_json_schema(schema, strict_mode=True)
        except RuntimeError as wrong:
            return str(wrong)
        return ""

    return refusal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--worst", type=int, default=10)
    asked = parser.parse_args()
    found = list(rows(asked.data))
    found = found[:: max(1, len(found) // asked.limit)]
    schemas = [(row["name"], json.dumps(wire_of(read_schema(row["schema"]), "keep").schema)) for row in found]
    for name, make in (("llguidance", llguidance), ("xgrammar", xgrammar)):
        refusal = make()
        refused = [(row, said) for row, text in schemas if (said := refusal(text))]
        share = 100 * (1 - len(refused) / len(schemas))
        print(f"{name:12} {share:6.2f} % of {len(schemas)} wire schemas compile")
        for said, count in Counter(said.strip()[-90:] for _, said in refused).most_common(asked.worst):
            print(f"    {count:4}  {said}")


if __name__ == "__main__":
    main()
