"""How a run of a pipeline is carried out: by which engine, how many refusals it stands, what its record is kept like,
and whether it takes answers of other runs.

None of this changes what a document is asked or what comes of it, so a run may go on with another of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from ..ledger import FOR_GOOD, UNTIL_ENDED, Cache, Synchronous, seconds_of
from ..limits import Engine
from .keys import CACHE, ENGINES, RECORD, SYNCHRONOUS
from .problems import Problems
from .written import Written

__all__ = ["Conduct", "Tolerance", "read_conduct"]

_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(kB|MB|GB|TB)\s*")
_POWERS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many inputs may be rejected: a number, or a share of all of them."""

    number: int = 0
    share: Decimal | None = None

    @classmethod
    def of(cls, said: str) -> Tolerance:
        """``20``, or ``5 %``. Raises PipelineError for anything else."""
        found = _SHARE.fullmatch(said)
        if found is not None and Decimal(found[1]) <= 100:
            return cls(share=Decimal(found[1]) / 100)
        if said.strip().isdecimal():
            return cls(int(said))
        message = f"`max_rejected` is a whole number or a share such as 5%, and this is {said.strip() or 'empty'}."
        raise PipelineError(message)

    def most(self, total: int) -> int:
        """The greatest number that is not too many."""
        return self.number if self.share is None else int(self.share * total)

    def __str__(self) -> str:
        return f"{self.number:,}" if self.share is None else f"{(100 * self.share).normalize():f} %"


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a pipeline says of its runs. `max_rejected` is None where any number is stood and told by the exit code;
    `retention` is `FOR_GOOD`, `UNTIL_ENDED`, or the seconds for which texts are kept after the end."""

    engine: Engine = "local"
    max_rejected: Tolerance | None = None
    synchronous: Synchronous = "normal"
    retention: str | float = FOR_GOOD
    cache: Cache | None = None


def read_conduct(problems: Problems, entries: Mapping[str, Written], root: Path) -> Conduct:
    """What stands at the top of a pipeline about its runs."""
    found: dict[str, Any] = {}
    if "engine" in entries:
        found["engine"] = problems.choice(entries["engine"], "engine", ENGINES) or "local"
    if "max_rejected" in entries:
        found["max_rejected"] = _tolerance(problems, entries["max_rejected"])
    if "record" in entries:
        found |= _record(problems, problems.keys(entries["record"], RECORD, "`record`"))
    if "cache" in entries:
        found["cache"] = _cache(problems, entries["cache"], root)
    return Conduct(**found)


def _tolerance(problems: Problems, written: Written) -> Tolerance | None:
    if isinstance(written.value, str):
        try:
            return Tolerance.of(written.value)
        except PipelineError as error:
            problems.add(written.place, error.message, "Write `max_rejected: 20` or `max_rejected: 5%`.")
            return None
    number = problems.number(written, "max_rejected", above=False, whole=True)
    return None if number is None else Tolerance(number)


def _record(problems: Problems, entries: Mapping[str, Written]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "synchronous" in entries:
        found["synchronous"] = problems.choice(entries["synchronous"], "synchronous", SYNCHRONOUS) or "normal"
    if "retention" in entries:
        said = problems.text(entries["retention"], "retention") or FOR_GOOD
        found["retention"] = said
        if said not in (FOR_GOOD, UNTIL_ENDED):
            found["retention"] = _seconds(problems, entries["retention"], "retention", (FOR_GOOD, UNTIL_ENDED))
    return found


def _cache(problems: Problems, written: Written, root: Path) -> Cache | None:
    entries = {"folder": written}
    if isinstance(written.value, dict):
        entries = problems.keys(written, CACHE, "`cache`")
        if "folder" not in entries:
            problems.add(written.place, "A cache needs a folder.", "Write `cache: cache`, or `cache: {folder: cache}`.")
            return None
    folder = problems.file(entries["folder"], "cache")
    options: dict[str, Any] = {}
    if "age" in entries:
        options["age"] = _seconds(problems, entries["age"], "age")
    if "size" in entries:
        options["size"] = _bytes(problems, entries["size"])
    return None if folder is None or None in options.values() else Cache(root / folder, **options)


def _seconds(problems: Problems, written: Written, what: str, words: tuple[str, ...] = ()) -> float | None:
    try:
        found = seconds_of(written.text)
    except ValueError:
        found = 0.0
    if found > 0:
        return found
    others = "".join(f", `{word}`" for word in words)
    problems.add(written.place, f"`{what}` is a time such as `30 days`{others}, and this is `{written.shown}`.")
    return None


def _bytes(problems: Problems, written: Written) -> int | None:
    found = _SIZE.fullmatch(written.text)
    size = 0 if found is None else int(Decimal(found[1]) * _POWERS[found[2]])
    if size > 0:
        return size
    problems.add(written.place, f"`size` is a size such as `500 MB` or `2 GB`, and this is `{written.shown}`.")
    return None
