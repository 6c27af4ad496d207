"""Readers: one for each look of a value. Each goes over the paper and gives the likeliest value, or None.

A value's certainty is how well its label fits, less what speaks against it: a rival with as good a label, a place that
only suggests it. A value below `ENOUGH` is not given at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from typing import Any

from ...nodes import Choice, Number, Text
from . import entities, patterns
from .labels import Labelled, Names, likeness, line_at
from .looks import Wanted, fits
from .page import Line, Page, column
from .paper import MOST, Paper
from .words import ORGANISATION, fold, listed, tokens

__all__ = ["ENOUGH", "SELF_EVIDENT", "Found", "all_by_look", "read_leaf"]

ENOUGH = 0.45

_MOST_SAID = 20
"""Amounts with one label that are added up with others."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value in the user's shape and how sure it is, from 0 to 1."""

    value: Any
    sure: float


def read_leaf(paper: Paper, wanted: Wanted) -> Found | None:
    """The value of a leaf, or None where nothing is sure enough."""
    found = _READERS[wanted.look](paper, wanted)
    return found if found is not None and found.sure >= ENOUGH else None


def _settle(scored: Iterable[tuple[float, Any]]) -> Found | None:
    """The best value, less sure if another one has nearly as good a claim."""
    ranked = sorted(scored, key=lambda one: -one[0])
    if not ranked:
        return None
    sure, value = ranked[0]
    rival = next((other for other, different in ranked[1:] if different != value), 0.0)
    return Found(value, min(0.98, sure) * (0.8 if sure - rival < 0.04 else 0.93 if sure - rival < 0.15 else 1.0))


def _claims(paper: Paper, wanted: Wanted, values: Sequence[Any]) -> Iterator[tuple[Any, float]]:
    """Each of the values that stand in the text (they have `start` and `end`), with how well its labels fit."""
    places = [(line_at(paper.page, value.start + paper.offset), value) for value in values[:MOST]]
    like = cache(partial(likeness, wanted.names))
    for place, (line, value) in enumerate(places):
        start, end = value.start + paper.offset, value.end + paper.offset
        same = places[place - 1][0] == line if place else False
        before = places[place - 1][1].end + paper.offset if same else -1
        claim = max((near * like(label) for label, near in paper.contexts(start, end, before)), default=0.0)
        following = places[place + 1] if place + 1 < len(places) else None
        if (
            following is not None
            and following[0] == line
            and not re.search(r"[^\W\d_]{2}", paper.text[value.end : following[1].start])
        ):
            claim *= 0.6  # one of several in a row: the row's label speaks for none of them alone
        yield value, claim


# Amounts and numbers


def _money(paper: Paper, wanted: Wanted) -> Found | None:
    return _amount(paper, wanted, lambda amount: _plain_number(wanted, amount.value))


def _amount_as_written(paper: Paper, wanted: Wanted) -> Found | None:
    return _amount(paper, wanted, lambda amount: amount.text if fits(wanted.node, amount.text) else None)


def _amount(paper: Paper, wanted: Wanted, told: Callable[[patterns.Amount], Any]) -> Found | None:
    claims = [(amount, claim) for amount, claim in _claims(paper, wanted, paper.money) if amount.value is not None]
    loose = [(amount, 0.7 * claim) for amount, claim in _claims(paper, wanted, paper.amounts) if _plausible(amount)]
    if any("total" in name and "sub" not in name for name in wanted.names.own):
        claims = _borne_out(paper, claims)
    return _settle(
        (0.97 * claim, value)
        for amount, claim in [*claims, *loose]
        if claim >= 0.3 and (value := told(amount)) is not None
    )


def _plausible(amount: patterns.Amount) -> bool:
    """Whether a number without decimals may be an amount all the same: long ones are numbers of things."""
    return not amount.money and not amount.percent and amount.value is not None and abs(amount.value) < 1_000_000


def _borne_out(paper: Paper, claims: list[tuple[patterns.Amount, float]]) -> list[tuple[patterns.Amount, float]]:
    """Claims to be a total, in the light of the other amounts: a total is what was paid less the change, or a sum
    with its tax and rounding; and hardly nothing. What was paid may differ from the printed total by rounding to
    coins."""
    settled = {
        paid - change for paid in _said(paper, "paid") for change in _said(paper, "change") if paid > change >= 0
    }
    parts = _said(paper, "tax") | _said(paper, "rounding") | _said(paper, "service")
    sums = {
        whole + part
        for whole in _said(paper, "total") | _said(paper, "sub", "total")
        for part in parts
        if part and whole
    }
    best: dict[Decimal, float] = {}
    for amount, claim in claims:
        if amount.value is not None:
            best[amount.value] = max(claim, best.get(amount.value, 0.0))

    @cache
    def near(value: Decimal) -> float:
        return max((claim for other, claim in best.items() if abs(other - value) <= Decimal("0.05")), default=0.0)

    out = []
    for amount, claim in claims:
        value = amount.value or Decimal(0)
        if value in settled:
            claim = max(claim, 0.4, near(value)) + 0.12
        elif value in sums and claim > 0.4:
            claim += 0.06
        out.append((amount, claim - 0.07 - 0.35 * (value == 0)))
    return out


def _said(paper: Paper, *label: str) -> set[Decimal]:
    """The first amounts that bear such a label."""
    wanted = Wanted(Names((label,)), Number(), "money")
    said: set[Decimal] = set()
    for amount, claim in _claims(paper, wanted, paper.money):
        if amount.value is not None and claim >= 0.55:
            said.add(amount.value)
        if len(said) == _MOST_SAID:
            break
    return said


def _plain_number(wanted: Wanted, value: Decimal | None) -> Any:
    if value is None or not fits(wanted.node, value):
        return None
    return int(value) if isinstance(wanted.node, Number) and wanted.node.integer else value


def _count(paper: Paper, wanted: Wanted) -> Found | None:
    claims = _claims(paper, wanted, paper.amounts)
    return _settle(
        (0.95 * claim, value) for amount, claim in claims if (value := _plain_number(wanted, amount.value)) is not None
    )


def _percent(paper: Paper, wanted: Wanted) -> Found | None:
    shown = [amount for amount in paper.amounts if amount.percent]
    if isinstance(wanted.node, Text):
        return _settle((claim, amount.text + "%") for amount, claim in _claims(paper, wanted, shown))
    claims = _claims(paper, wanted, shown)
    return _settle(
        (claim, value) for amount, claim in claims if (value := _plain_number(wanted, amount.value)) is not None
    )


# Dates and times


def _day_as_written(paper: Paper, wanted: Wanted) -> Found | None:
    return _day(paper, wanted, lambda day: (day.text, 1.0))


def _iso_day(paper: Paper, wanted: Wanted) -> Found | None:
    return _day(paper, wanted, lambda day: patterns.dated(day, wanted.order or paper.order, paper.telling))


def _day(paper: Paper, wanted: Wanted, told: Callable[[patterns.Day], tuple[Any, float]]) -> Found | None:
    """By its label; a field that is just a date takes the only one, or the first, without a label too."""
    plain = wanted.names.all <= {"date", "invoice", "receipt", "time", "name"}
    scored = []
    for place, (day, claim) in enumerate(_claims(paper, wanted, paper.days)):
        value, sure = told(day)
        if value is not None and plain:
            elsewhere = _belongs_elsewhere(paper, wanted, day)
            claim = 0.5 * claim if elsewhere else max(claim, 0.62 - 0.02 * min(place, 5))
        if value is not None and claim >= 0.3 and fits(wanted.node, value):
            scored.append((claim * sure * 0.97, value))
    if len({value for _, value in scored}) == 1 and len(scored) > 1:
        scored = [(claim + 0.1, value) for claim, value in scored]
    return _settle(scored)


def _belongs_elsewhere(paper: Paper, wanted: Wanted, day: patterns.Day) -> bool:
    """Whether the date's label says that it is another kind of date. The label of a number says nothing: the date only
    stands behind it."""
    others = {"due", "birth", "delivery", "end", "period", "start", "order"} - wanted.names.all - wanted.names.hints
    start = day.start + paper.offset
    labels = paper.contexts(start, start + len(day.text), -1)
    return any(near >= 0.75 and others & set(label) and "number" not in label for label, near in labels)


def _time(paper: Paper, wanted: Wanted, iso: bool = False) -> Found | None:
    spans = [_Spot(match.start(), match.end(), match) for match in patterns.TIME.finditer(paper.text)]
    scored = []
    for spot, claim in _claims(paper, wanted, spans):
        value = _clock(spot.match) if iso else spot.match.group()
        scored.append((max(claim, 0.6 if len(spans) == 1 else 0.3), value))
    return _settle(scored)


def _iso_time(paper: Paper, wanted: Wanted) -> Found | None:
    return _time(paper, wanted, iso=True)


def _iso_moment(paper: Paper, wanted: Wanted) -> Found | None:
    """A date with the time that stands beside it; without one there is no moment."""
    scored = []
    for day, claim in _claims(paper, wanted, paper.days):
        iso, sure = patterns.dated(day, wanted.order or paper.order, paper.telling)
        clock = patterns.TIME.match(paper.text, _skip(paper.text, day.end))
        if iso and clock:
            scored.append((max(claim, 0.6) * sure, f"{iso}T{_clock(clock)}"))
    return _settle(scored)


def _skip(text: str, at: int) -> int:
    lead = re.compile(r"[\s,T]*(?:at|um|time\s*:)?\s*", re.IGNORECASE).match(text, at)
    return lead.end() if lead else at


def _clock(match: re.Match[str]) -> str:
    hour, half = int(match.group(1)), (match.group(4) or "").lower()
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02d}:{match.group(2)}:{match.group(3) or '00'}"


# What is known by its look alone


@dataclass(frozen=True, slots=True)
class _Spot:
    start: int
    end: int
    match: re.Match[str]


def _by_look(expression: re.Pattern[str], alone: float) -> Callable[[Paper, Wanted], Found | None]:
    """A reader of what matches: by its label, or without one at certainty `alone` where only one value is there."""

    def read(paper: Paper, wanted: Wanted) -> Found | None:
        spots = [_Spot(match.start(), match.end(), match) for match in expression.finditer(paper.text)]
        only = len({spot.match.group() for spot in spots}) == 1
        scored = [
            (max(claim, alone if only else alone * 0.6), " ".join(spot.match.group().split()))
            for spot, claim in _claims(paper, wanted, spots)
            if fits(wanted.node, spot.match.group())
        ]
        return _settle(scored)

    return read


SELF_EVIDENT = {"email": patterns.EMAIL, "url": patterns.URL, "iban": patterns.IBAN}
"""Looks that no other value has."""


def all_by_look(paper: Paper, wanted: Wanted) -> list[Found]:
    """Each value of such a look, once, in the order of the page."""
    spots = (" ".join(match.group().split()) for match in SELF_EVIDENT[wanted.look].finditer(paper.text))
    return [Found(text, 0.85) for text in dict.fromkeys(spots) if fits(wanted.node, text)]


def _iban(paper: Paper, wanted: Wanted) -> Found | None:
    held = [match.group() for match in patterns.IBAN.finditer(paper.text) if patterns.iban_holds(match.group())]
    return _settle((0.95, text) for text in held if fits(wanted.node, text))


def _phone(paper: Paper, wanted: Wanted) -> Found | None:
    spots = [
        _Spot(match.start(), match.end(), match)
        for match in patterns.PHONE.finditer(paper.text)
        if _dials(match.group())
    ]
    scored = []
    for spot, claim in _claims(paper, wanted, spots):
        text = spot.match.group().strip(" -/.")
        text += ")" * (text.count("(") - text.count(")"))
        open_number = text.startswith(("+", "(0")) and "fax" not in wanted.names.all
        if fits(wanted.node, text):
            scored.append((max(claim, 0.5 if open_number and claim == 0 else 0.0), text))
    return _settle(scored)


def _dials(text: str) -> bool:
    return 7 <= sum(ch.isdigit() for ch in text) <= 15 and not patterns.days(text)


_CODES = {
    "€": "EUR",
    "£": "GBP",
    "RM": "MYR",
    "US$": "USD",
    "A$": "AUD",
    "S$": "SGD",
    "HK$": "HKD",
    "₹": "INR",
    "ZŁ": "PLN",
    "FR.": "CHF",
}
_ISO_CURRENCY = re.compile(rf"(?<![A-Za-z])({patterns.ISO_CODES})(?![A-Za-z])")


def _currency(paper: Paper, wanted: Wanted) -> Found | None:
    """The code that is written, or that a sign stands for; ``$`` and ``kr`` stand for too many."""
    codes = _currencies(paper)
    total = sum(codes.values())
    return (
        _settle((0.9 * count / total, code) for code, count in codes.items() if fits(wanted.node, code))
        if total
        else None
    )


def _currencies(paper: Paper) -> dict[str, int]:
    codes: dict[str, int] = {}
    signs = [_CODES.get(amount.symbol, "") for amount in paper.amounts]
    written = [match.group(1) for match in _ISO_CURRENCY.finditer(paper.text)]
    loose = [_CODES[sign] for sign in re.findall(r"[€£₹]|(?<![A-Z])RM(?![A-Za-z])", paper.text)]
    for code in [*filter(None, signs), *written, *loose]:
        codes[code] = codes.get(code, 0) + 1
    return codes


# Identifiers, names, addresses and other text: by label first


def _identifier(paper: Paper, wanted: Wanted) -> Found | None:
    """What stands behind the label and has a digit, up to where it is clearly over."""
    scored = []
    for pair in paper.pairs:
        claim = pair.near * likeness(wanted.names, pair.label)
        text = _code(pair.text)
        if claim >= 0.4 and text and fits(wanted.node, text):
            scored.append((claim * 0.97, text))
    scored.extend(_inline_identifiers(paper, wanted))
    return _settle(scored)


_CODED = re.compile(r"#?\s*((?:[A-Z]{1,4}[ ])?(?=[\w./-]*\d)[A-Za-z0-9][\w./-]*(?:[ ](?=\d)[\d]+)*)")


def _code(text: str) -> str:
    """The identifier that a text begins with, or the empty text."""
    match = _CODED.match(text)
    code = match.group(1).rstrip(".-/") if match else ""
    return "" if patterns.days(code) or re.fullmatch(r"\d+[.,]\d{2}", code) else code


_INLINE = re.compile(r"(?<!\S)(?:#|n[°ºo]\.?)?\s?((?:[A-Z]{2}\s)?[A-Z]{0,6}[-/]?\d[\w/.-]*)(?!\S)", re.IGNORECASE)


def _inline_identifiers(paper: Paper, wanted: Wanted) -> Iterator[tuple[float, str]]:
    """``Invoice 12345`` on a line, without a colon."""
    for line in paper.page.lines:
        for cell in line.cells:
            match = _INLINE.search(cell.text, 1)
            if match is None or ":" in cell.text[: match.start()]:
                continue
            claim = likeness(wanted.names, tokens(cell.text[: match.start(1)]))
            code = _code(cell.text[match.start(1) :])
            if claim >= 0.55 and len(code) >= 3 and fits(wanted.node, code):
                yield claim * 0.9, code


def _organisation(paper: Paper, wanted: Wanted) -> Found | None:
    scored = []
    for pair in paper.pairs:
        claim = pair.near * likeness(wanted.names, pair.label)
        name = entities.named_after(pair.text)
        if claim >= 0.5 and _is_name(name) and fits(wanted.node, name):
            scored.append((claim * (0.95 if ORGANISATION.search(name) else 0.8), name))
    if paper.part or "customer" not in wanted.names.all:
        head = paper.organisation
        if head is not None and fits(wanted.node, head.text):
            scored.append((head.sure, head.text))
    return _settle(scored)


def _is_name(text: str) -> bool:
    return (
        2 < len(text) <= 80
        and sum(ch.isalpha() for ch in text) > 0.5 * len(text)
        and not re.search(r"\d{5,}|[:=]", text)
    )


def _address(paper: Paper, wanted: Wanted) -> Found | None:
    """Behind its label with the lines that go on; otherwise under the name at the head of the page."""
    scored: list[tuple[float, Any]] = []
    for pair in paper.pairs:
        claim = pair.near * likeness(wanted.names, pair.label)
        if claim >= 0.5 and entities.address_like(pair.text) >= 0.3:
            scored.append((claim * 0.9, _whole_address(paper, pair)))
    if paper.part or "customer" not in wanted.names.all:
        head = paper.organisation
        span = (entities.address_below(head.below) if head is not None else None) or entities.address_below(paper.page)
        if head is not None and head.address:
            scored.append((head.sure, head.address))
        elif span is not None:
            scored.append((span.sure, span.text))
    return _settle((sure, text) for sure, text in scored if fits(wanted.node, text))


def _whole_address(paper: Paper, pair: Labelled) -> str:
    """The text behind the label, with the lines under it that go on with the address."""
    index = line_at(paper.page, pair.start)
    line = paper.page.lines[index]
    cell = next((cell for cell in line.cells if cell.start <= pair.start < cell.end), line.cells[0])
    first = Line(line.number, pair.text, pair.start, (cell,))
    span = entities.address_below(Page(paper.page.text, (first, *column(paper.page, index, cell).lines)), reach=1)
    return span.text if span is not None else pair.text


def _text(paper: Paper, wanted: Wanted) -> Found | None:
    """What stands behind the label, as it is written; with a pattern, what in it matches."""
    scored = []
    for pair in paper.pairs:
        claim = pair.near * likeness(wanted.names, pair.label)
        if claim >= 0.5 and pair.text and fits(wanted.node, pair.text):
            scored.append((claim * 0.92, pair.text))
    return _settle(scored) or _by_pattern(paper, wanted)


def _by_pattern(paper: Paper, wanted: Wanted) -> Found | None:
    """The only word of the text that has the look that the schema demands."""
    if not isinstance(wanted.node, Text) or not wanted.node.pattern or not re.search(r"\\d|\[0-9", wanted.node.pattern):
        return None
    held = {word for word in (raw.strip(".,;:()") for raw in paper.text.split()) if word and fits(wanted.node, word)}
    return Found(held.pop(), 0.6) if len(held) == 1 else None


# Choices and flags


def _choice(paper: Paper, wanted: Wanted) -> Found | None:
    """The value that the label names, otherwise the only one of them that the text has as a word."""
    node = wanted.node
    if not isinstance(node, Choice):
        return None
    spelled = _spellings(node)
    scored = []
    for pair in paper.pairs:
        claim = pair.near * likeness(wanted.names, pair.label)
        said = [(len(word), value) for word, value in spelled if _has_word(fold(pair.text), word)]
        if claim >= 0.5 and said:
            scored.append((claim * 0.95, max(said, key=lambda one: one[0])[1]))
    if scored:
        return _settle(scored)
    if "currency" in wanted.names.all:
        codes = _currencies(paper)
        return _settle(
            (0.9 * codes[code] / sum(codes.values()), value) for code in codes for value in node.values if value == code
        )
    whole = fold(paper.text)
    present: list[Any] = []
    for word, value in spelled:
        if len(word) > 2 and _has_word(whole, word) and value not in present:
            present.append(value)
    return Found(present[0], 0.55) if len(present) == 1 else None


def _spellings(node: Choice) -> list[tuple[str, Any]]:
    named = zip(node.names, node.values, strict=False)
    both = [*((str(value), value) for value in node.values if value is not None), *named]
    return [(fold(word.replace("_", " ")), value) for word, value in both]


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


_YES = listed("yes y true x ✓ ✔ ☑ ☒ ja oui si sí on checked paid")
_NO = listed("no n false nein non off unchecked unpaid ☐ nee")


def _flag(paper: Paper, wanted: Wanted) -> Found | None:
    """``Label: yes``, or a box that is ticked before or behind the label."""
    scored: list[tuple[float, Any]] = []
    for pair in paper.pairs:
        claim = pair.near * likeness(wanted.names, pair.label)
        said = fold(pair.text).strip(" .[]()")
        if claim >= 0.5 and (said in _YES or said in _NO):
            scored.append((claim * 0.95, said in _YES))
    for line in paper.page.lines:
        scored.extend(_boxes(line, wanted))
    return _settle(scored)


_BOX = re.compile(r"(☐|☑|☒|✓|✔|\[[ xX✓]?\])\s*([^☐☑☒✓✔\[]+)")


def _boxes(line: Line, wanted: Wanted) -> Iterator[tuple[float, bool]]:
    for box, label in _BOX.findall(line.text):
        claim = likeness(wanted.names, tokens(label))
        if claim >= 0.6:
            yield claim * 0.9, box not in ("☐", "[ ]", "[]")


_READERS: dict[str, Callable[[Paper, Wanted], Found | None]] = {
    "address": _address,
    "amount": _amount_as_written,
    "choice": _choice,
    "count": _count,
    "currency": _currency,
    "date": _day_as_written,
    "email": _by_look(patterns.EMAIL, 0.85),
    "flag": _flag,
    "iban": _iban,
    "identifier": _identifier,
    "ipv4": _by_look(re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"), 0.8),
    "isodate": _iso_day,
    "isodatetime": _iso_moment,
    "isotime": _iso_time,
    "money": _money,
    "organisation": _organisation,
    "percent": _percent,
    "phone": _phone,
    "place": _text,
    "text": _text,
    "time": _time,
    "url": _by_look(patterns.URL, 0.75),
    "uuid": _by_look(re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), 0.9),
}
"""The reader of each look."""
