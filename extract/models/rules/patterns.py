"""Values that are known by their look: dates, times, amounts, e-mail and web addresses, telephone numbers, identifiers.

Each finder goes over a text and yields what it found with its place. A date whose day and month cannot be told apart
has no ISO reading of its own: `dated` gives it one when an order is set, or when the rest of the document shows which
it uses. An amount such as ``1.234`` is read by the decimal mark that the document uses elsewhere, and not at all
where it shows none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .words import fold

__all__ = [
    "EMAIL",
    "IBAN",
    "ISO_CODES",
    "PHONE",
    "SYMBOL",
    "TIME",
    "URL",
    "Amount",
    "Day",
    "amounts",
    "dated",
    "days",
    "decimal_mark",
    "iban_holds",
    "number",
    "telling",
]

EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,}"
)
URL = re.compile(
    r"\b(?:https?://|www\.)[^\s,;<>\"')]+[^\s,;<>\"').]|\b[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,6}\.(?:com|org|net|de|fr|nl|io|eu|uk)\b(?:/\S*)?",
    re.I,
)
PHONE = re.compile(r"(?<![\w.,/-])\+?\(?\d[\d ()./-]{5,18}\d(?![\w,])")
TIME = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?:\s*([AaPp])\.?[Mm]\b\.?)?(?![\d:])")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")

_MONTHS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier janv enero ene gennaio gen januari",
            "february feb februar fevrier fevr febrero febbraio februari",
            "march mar marz maerz mrz mars marzo maart mrt mac",
            "april apr avril avr abril abr aprile",
            "may mai mayo maggio mag mei",
            "june jun juni juin junio giugno giu",
            "july jul juli juillet juil julio luglio lug julai",
            "august aug aout agosto ago augustus ogos",
            "september sep sept septembre septiembre settembre set",
            "october oct oktober okt octobre octubre ottobre ott",
            "november nov novembre noviembre",
            "december dec dezember dez decembre diciembre dic dicembre disember dis",
        ),
        1,
    )
    for name in names.split()
}

_NUMERIC = re.compile(
    r"(?<![\d/.,])(?<![^\W\d_]-)(\d{1,4})\s?([/.-])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})(?![\d/]|[.,]\d|-\d{1,2}(?![\d./]))"
)
_DAY_FIRST = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|\.)?(?:\s?of)?\s{0,2}[-./,]?\s{0,2}([^\W\d_]{3,10})\.?\s?[-./,']?\s?(\d{4}|\d{2})(?!\d|:\d|[.,]\d)"
)
_MONTH_FIRST = re.compile(
    r"(?<![^\W\d_])([^\W\d_]{3,10})\.?\s?[-/]?\s?(\d{1,2})(?:st|nd|rd|th)?\s?[,/-]?\s?(\d{4})(?!\d)"
)


@dataclass(frozen=True, slots=True)
class Day:
    """A date as it stands in the text. `readings` are the ISO dates that it may mean, by order of its parts; `form` is
    what dates written in the same way share."""

    start: int
    end: int
    text: str
    readings: tuple[tuple[str, str], ...]
    form: str

    @property
    def iso(self) -> str | None:
        """Its one meaning, or None if it has several."""
        meanings = {iso for _, iso in self.readings}
        return meanings.pop() if len(meanings) == 1 else None


def days(text: str) -> list[Day]:
    """All dates of a text, in its order."""
    found = [*_numeric_days(text), *_named_days(text)]
    found.sort(key=lambda day: (day.start, -day.end))
    kept: list[Day] = []
    for day in found:
        if not kept or day.start >= kept[-1].end:
            kept.append(day)
    return kept


def _numeric_days(text: str) -> Iterator[Day]:
    for match in _NUMERIC.finditer(text):
        a, mark, b, c = match.groups()
        if len(a) == 3 or (len(a) == 4 and len(c) == 4):
            continue
        orders = {"ymd": (a, b, c)} if len(a) == 4 else {"dmy": (c, b, a), "mdy": (c, a, b)}
        if len(a) <= 2 and len(c) == 2:
            orders["ymd"] = (a, b, c)
        readings = tuple((order, iso) for order, parts in orders.items() if (iso := _iso(*parts)))
        if readings:
            yield Day(
                match.start(), match.end(), match.group(), readings, f"{mark}{len(c)}{'y' if len(a) == 4 else ''}"
            )


def _named_days(text: str) -> Iterator[Day]:
    for pattern, order in ((_DAY_FIRST, (2, 1, 0)), (_MONTH_FIRST, (2, 0, 1))):
        for match in pattern.finditer(text):
            year, month, day = (match.group(index + 1) for index in order)
            named = _MONTHS.get(fold(month))
            iso = _iso(year, str(named), day) if named else None
            if iso:
                yield Day(match.start(), match.end(), match.group(), (("named", iso),), "named")


def _iso(year: str, month: str, day: str) -> str | None:
    full = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 70 else 1900)
    try:
        return date(full, int(month), int(day)).isoformat() if full >= 1000 else None
    except ValueError:
        return None


def dated(day: Day, order: str | None, others: Iterable[Day]) -> tuple[str | None, float]:
    """The ISO date and how sure it is: 1 if it can mean nothing else or the order is set, 0.85
    for dots, which are written where the day comes first, 0.75 if the document's other
    dates of the same form decide, and (None, 0) if nothing does."""
    meanings = dict(day.readings)
    if order and order in meanings:
        return meanings[order], 1.0
    plain = {iso for name, iso in meanings.items() if name != "ymd"} or set(meanings.values())
    if len(plain) == 1:
        return plain.pop(), 1.0 if day.iso else 0.9
    if day.form.startswith(".") and "dmy" in meanings:
        return meanings["dmy"], 0.85  # where dates have dots, the day comes first
    shown = {name for other in others if other.form == day.form and (name := _only_order(other))}
    agreed = {meanings[name] for name in shown if name in meanings}
    return (agreed.pop(), 0.75) if len(shown) == 1 and agreed else (None, 0.0)


def telling(found: Iterable[Day]) -> list[Day]:
    """Of these dates, one for each form and order that they show: all that `dated` needs of them."""
    return list({(day.form, order): day for day in found if (order := _only_order(day))}.values())


def _only_order(day: Day) -> str | None:
    names = [name for name, _ in day.readings if name != "ymd"]
    return names[0] if len(names) == 1 else None


ISO_CODES = "EUR|USD|GBP|CHF|MYR|SGD|AUD|CAD|INR|JPY|SEK|NOK|DKK|PLN|CZK|HUF|HKD|CNY|NZD|ZAR|BRL|MXN|THB|IDR|PHP"
SYMBOL = rf"(?:US\$|A\$|S\$|HK\$|[$€£¥₹]|RM|{ISO_CODES}|Rs\.?|Fr\.|kr|zł)"
_AMOUNT = re.compile(
    rf"(?<![\w.,/:#-])(?P<open>\()?(?P<before>{SYMBOL})?\s{{0,2}}(?P<sign>[-−–+])?\s?(?P<late>{SYMBOL})?\s{{0,2}}"
    r"(?P<number>\d{1,3}(?:[,.'’ \u00a0\u2009\u202f]\d{3})+(?:[.,]\d{1,4})?|\d+(?:[.,]\d{1,4})?|[.,]\d{2})"
    rf"(?P<dash>,-)?(?P<minus>-(?!\d))?(?P<close>\))?(?:\s{{0,2}}(?P<after>{SYMBOL})(?![A-Za-z]))?(?![\d:]|[.,/-]\d|\s?[xX*]\s?\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number as it stands in the text. `start` and `end` hold the number and a currency that is written to it
    without a space; `money` says that it has a currency or two decimals; `percent` that a percent sign follows."""

    start: int
    end: int
    text: str
    value: Decimal | None
    money: bool
    percent: bool
    symbol: str


def amounts(text: str, mark: str | None) -> list[Amount]:
    """All numbers of a text that may be amounts; `mark` is the document's decimal mark where it is known."""
    found = []
    for match in _AMOUNT.finditer(text):
        digits = match.group("number")
        symbol = match.group("before") or match.group("late") or match.group("after") or ""
        value = number(digits, mark)
        if value is not None and (
            match.group("sign") in ("-", "−", "–")
            or match.group("minus")
            or (match.group("open") and match.group("close"))
        ):
            value = -value
        start, end = _tight(text, match)
        percent = text[match.end() : match.end() + 2].strip()[:1] == "%"
        money = bool(symbol) or bool(re.search(r"[.,]\d{2}$", digits))
        found.append(Amount(start, end, text[start:end], value, money and not percent, percent, symbol.upper()))
    return found


def _tight(text: str, match: re.Match[str]) -> tuple[int, int]:
    """From the sign or the currency that touches the number, to its end."""
    start, end = match.span("number")
    while start > match.start() and not text[start - 1].isspace() and text[start - 1] != "(":
        start -= 1
    return start, end


def number(digits: str, mark: str | None) -> Decimal | None:
    """The value of digits with separators, or None where a lone separator before three digits may be either kind."""
    marks = [ch for ch in digits if not ch.isdigit()]
    if not marks:
        return Decimal(digits)
    last = marks[-1]
    tail = digits.rpartition(last)[2]
    if last in "'’ \u00a0\u2009\u202f" or len(set(marks)) == 1 < len(marks):
        return Decimal(re.sub(r"\D", "", digits))
    if len(marks) == 1 and len(tail) == 3 and not digits.startswith(("0", last)):
        if mark is None:
            return None
        return Decimal(digits.replace(last, ".")) if last == mark else Decimal(digits.replace(last, ""))
    whole = re.sub(r"\D", "", digits.rpartition(last)[0])
    return Decimal(f"{whole or '0'}.{tail}")


def decimal_mark(text: str) -> str | None:
    """The mark before the cents in this document, if its numbers agree on one."""
    shown = re.findall(r"(?<![\d.,])\d+(?:[.,]\d{3})*([.,])\d{2}(?![\d.,]|\s?[/-])", text)
    if not shown:
        return None
    common = max(sorted(set(shown)), key=shown.count)
    return common if shown.count(common) >= 0.8 * len(shown) else None


def iban_holds(text: str) -> bool:
    """Whether the check digits of an IBAN are right (ISO 13616: the rearranged number is 1 modulo 97)."""
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(ch, 36)) for ch in plain[4:] + plain[:4])) % 97 == 1
