"""How exactly tokens are counted and how fast; how far estimates lie above the truth, and what they take.

    python -m benchmarks.tokens [--texts FILE_OR_FOLDER ...] [--ranks o200k_base.tiktoken]

Without `--texts` the texts are Python's own library, this repository's documents, and numbers and keys that are made
up; with it also what is in those files: text in UTF-8, PDF, and JSON Lines, of which the field `text` is taken or the
whole object. With `--ranks`, the file of ranks that tiktoken downloads, counts are compared with tiktoken's; with
rs-bpe in the environment with that as well. Each time is the best of several.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import importlib
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from extract.call import Call, Part, Shape
from extract.errors import DocumentError
from extract.load import open_document
from extract.models import built_in_catalogue
from extract.tokenizer import count
from extract.tokens import count_call, estimate, estimate_call

ROOT = Path(__file__).parent.parent
PAGE = 5_000
"""Characters of a document on the hot path."""


def best(work: Callable[[], object], times: int = 5, each: int = 1) -> float:
    """Seconds for one, at best."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        for _ in range(each):
            work()
        found.append((time.perf_counter() - began) / each)
    return min(found)


# Texts


def kinds(given: list[Path]) -> dict[str, list[str]]:
    """Texts by what they are."""
    dice = random.Random(1)
    library = sorted(Path(json.__file__).parents[1].glob("*.py"))
    numbers = (str(dice.randint(0, 10 ** dice.randint(1, 12))) for _ in range(4000))
    amounts = [f"{dice.randint(0, 99_999)}.{dice.randint(0, 99):02}" for _ in range(2000)]
    rows = [f'{i},{one},"ACME Ltd",{dice.choice(["paid", "open"])},2024-03-17' for i, one in enumerate(amounts)]
    found = {
        "Python's library": [one.read_text("utf-8", "replace") for one in library],
        "this repository's Markdown": [one.read_text("utf-8") for one in sorted(ROOT.rglob("*.md"))],
        "digits": [" ".join(numbers)],
        "amounts": ["\n".join(f"{one}\t{dice.randint(1, 31)}/{dice.randint(1, 12)}/2024\t{one}" for one in amounts)],
        "CSV": ["\n".join(rows)],
        "base64": [base64.b64encode(dice.randbytes(40_000)).decode()],
        "hexadecimal": [dice.randbytes(30_000).hex()],
    }
    for path in given:
        for file in sorted(one for one in (path.rglob("*") if path.is_dir() else [path]) if one.is_file()):
            kind = f"{path.name}, {'.'.join(file.name.split('.')[1:])}" if path.is_dir() else file.name
            found.setdefault(kind, []).extend(texts_in(file))
    return {kind: texts for kind, texts in found.items() if "".join(texts).strip()}


def texts_in(file: Path) -> Iterator[str]:
    if ".jsonl" in file.name:
        lines = (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8")
        with lines:
            for line in lines:
                record = json.loads(line)
                yield record["text"] if "text" in record else line.strip()
        return
    try:
        yield open_document(file).text
    except DocumentError:
        return


def pieces(texts: list[str], number: int = 60) -> list[str]:
    """Pieces of 300 to 4,000 characters."""
    dice = random.Random(2)
    found = []
    for _ in range(number):
        text, length = dice.choice(texts), dice.randint(300, 4000)
        start = dice.randint(0, max(0, len(text) - length))
        found.append(text[start : start + length])
    return [one for one in found if one.strip()]


def strings(number: int) -> Iterator[str]:
    """Strings of characters that lie near each other, mixed: scripts, spaces, marks, emoji, names of special tokens."""
    dice = random.Random(3)
    ranges = [(0x20, 0x7F), (9, 14), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE80)]
    ranges += [
        (0x1100, 0x1200),
        (0x2000, 0x2070),
        (0x3000, 0x3100),
        (0x4E00, 0x9FA0),
        (0xAC00, 0xD7A0),
        (0xFE00, 0xFF00),
    ]
    ranges += [(0x1F300, 0x1FB00), (0x20000, 0x2A6D0), (0x30, 0x3A)]
    words = ["'s", "'T", "'re", "'LL", " ", "\r\n", "<|endoftext|>", "<|endofprompt|>", "<|im_start|>"]
    for _ in range(number):
        chosen = [dice.choice(ranges) for _ in range(dice.randint(1, 4))]
        yield "".join(
            dice.choice(words) if dice.random() < 0.1 else chr(dice.randrange(*dice.choice(chosen)))
            for _ in range(dice.randint(1, 80))
        )


# Others that count


def others(ranks: Path | None) -> dict[str, Callable[[str], int]]:
    """Other counters that can be had."""
    found: dict[str, Callable[[str], int]] = {}
    if ranks is not None:
        tiktoken = importlib.import_module("tiktoken")
        public = importlib.import_module("tiktoken_ext.openai_public")
        pairs = (line.split() for line in ranks.read_bytes().splitlines() if line)
        known = {base64.b64decode(token): int(rank) for token, rank in pairs}
        public.load_tiktoken_bpe = lambda *_, **__: known  # nothing is fetched
        encoding = tiktoken.Encoding(**public.o200k_base())
        found["tiktoken"] = lambda text: len(encoding.encode_ordinary(text))
    try:
        rust = importlib.import_module("rs_bpe.bpe").openai.o200k_base()
        found["rs-bpe"] = rust.count
    except ImportError:
        pass
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, nargs="*", default=[])
    parser.add_argument("--ranks", type=Path)
    parser.add_argument("--strings", type=int, default=20_000, help="How many made-up strings are compared.")
    given = parser.parse_args()
    began = time.perf_counter()
    assert count("") == 0, "the library that counts is not there"
    print(f"reading the vocabulary, once in a process: {1000 * (time.perf_counter() - began):.0f} ms")
    texts = kinds(given.texts)
    speed([one for kind in texts.values() for one in kind])
    exactness(texts, others(given.ranks), given.strings)
    estimates(texts)
    hot_path("".join(texts["Python's library"])[:PAGE])


def speed(texts: list[str]) -> None:
    size = sum(len(one.encode()) for one in texts)
    seconds = best(lambda: [count(one) for one in texts], 3)
    print(f"counting {size / 1e6:.1f} MB in {len(texts)} texts, one thread: {size / 1e6 / seconds:.1f} MB/s")


def exactness(texts: dict[str, list[str]], counters: dict[str, Callable[[str], int]], number: int) -> None:
    whole = [one for kind in texts.values() for one in kind]
    for name, counter in counters.items():
        seconds = best(lambda: [counter(one) for one in whole], 1)  # noqa: B023  called at once
        size = sum(len(one.encode()) for one in whole) / 1e6
        differ = sum(count(one) != counter(one) for one in whole)
        made = sum(count(one) != counter(one) for one in strings(number))
        print(
            f"beside {name} ({size / seconds:.1f} MB/s): {differ} of {len(whole)} texts and {made} of {number} made-up"
            " strings are counted otherwise"
        )


def estimates(texts: dict[str, list[str]]) -> None:
    print("\nestimate / truth of pieces of 300 to 4,000 characters: lowest, median, highest; below 1")
    for kind, held in sorted(texts.items()):
        ratios = sorted(estimate(one) / (count(one) or 1) for one in pieces(held))
        below = 100 * sum(ratio < 1 for ratio in ratios) / len(ratios)
        print(f"  {kind:32} {ratios[0]:.2f} {median(ratios):.2f} {ratios[-1]:.2f} {below:3.0f} %")


def hot_path(text: str) -> None:
    facts = built_in_catalogue()["openai/gpt-4o-mini"]
    field = {"type": "string", "description": "What stands there."}
    shape = Shape("Record", {"type": "object"}, {"type": "object", "properties": {f"f{i}": field for i in range(12)}})
    call = Call(facts.name, 1, "Read the document.", (Part("text", "document", text=text),), shape)
    print(f"\na document of {PAGE:,} characters:")
    print(f"  estimate {1e6 * best(lambda: estimate(text), 20, 50):.0f} µs")
    print(f"  estimate_call {1e6 * best(lambda: estimate_call(call, facts), 20, 50):.0f} µs")
    print(f"  count_call {1e6 * best(lambda: count_call(call, facts), 20, 50):.0f} µs")


if __name__ == "__main__":
    main()
