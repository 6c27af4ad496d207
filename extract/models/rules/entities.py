"""Names of organisations and addresses, known by their look and their place.

Whoever wrote a paper puts the own name at its head, and the address under it. A name is a line of words near the top
that is no heading, label, number or address; a legal form such as ``Ltd`` or ``GmbH`` speaks for it. An address is a
run of lines with a house number, a word for a road or a place, or a postcode among them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .page import Cell, Line, Page, column
from .patterns import EMAIL, TIME, URL, days
from .words import LABELS, ORGANISATION, TITLES, tokens, words

__all__ = ["Span", "address_below", "address_like", "named_after", "organisation"]


@dataclass(frozen=True, slots=True)
class Span:
    """A text with its place, how sure it is, what stands below it in its column, and
    of a name the address that stands beside it."""

    text: str
    start: int
    end: int
    sure: float
    below: Page
    address: str = ""


_REGISTRATION = re.compile(
    r"\s*[\[(](?:[^()\[\]]*\d[^()\[\]]*)[\])]\s*\.?$|\s+(?:co|reg|gst|roc)\.?\s*(?:no|id|reg)\b.*$", re.IGNORECASE
)
_ROAD = re.compile(
    r"\b(?:jalan|jln|jl|lorong|lrg|lebuh(?:raya)?|persiaran|street|str?|road|rd|avenue|ave|av|lane|ln|drive|dr|boulevard|blvd|way|"
    r"square|sq|court|highway|hwy|parkway|terrace|strasse|straße|gasse|platz|allee|weg|ring|ufer|rue|quai|place|chemin|impasse|via|viale|"
    r"piazza|corso|calle|avda|avenida|plaza|paseo|rua|praca|straat|laan|plein|gracht|kade|level|floor|lot|block|blk|unit|suite|"
    r"building|bangunan|menara|wisma|kompleks|complex|mall|plaza|taman|tmn|bandar|kampung|kg|seksyen|section|kawasan|"
    r"industrial|perindustrian|park|centre|center|p\.?o\.?\s?box|postfach|batu)\b|(?:str\.|straße|strasse|weg|platz|gasse|allee|straat|laan|plein)\s+\d",
    re.IGNORECASE,
)
_POSTCODE = re.compile(
    r"(?<![\d-])\d{5}(?:-\d{4})?(?![\d-])|(?<!\d)\d{4}\s?[A-Z]{2}\b(?!\w)|\b[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}\b|\b[A-Z]{2}\s\d{5}\b|"
    r"\b(?:[A-Z]{1,2}-)?\d{4,6}\s+[A-ZÄÖÜÉ][^\W\d]+|\b[A-Z]\d[A-Z]\s?\d[A-Z]\d\b|[^\W\d_]{3}\s\d{6}$"
)
_HOUSE = re.compile(
    r"^(?:no|nº|n°|lot|unit|#|ground|g)\b[\s.:#,]*[\w-]*\d|^\d{1,4}[A-Za-z]?(?:[-/,&]\s?\d+[A-Za-z]?)*[,\s]+[^\W\d_]{2}|[^\W\d_]{3}\.?\s\d{1,4}[a-z]?$|^[A-Z]{1,2}\d*(?:-[A-Z]+)?-\d+",
    re.IGNORECASE,
)
_REACH = re.compile(
    r"\b(?:tel|fax|phone|telephone|mobile|email|e-mail|hotline|h/p|whatsapps?)\b|@|www\.|https?:", re.IGNORECASE
)
_NUMBERED = re.compile(
    r"\b(?:gst|vat|tax|sst|ust|tva|btw|iva|reg|roc|co|company|registration|invoice|receipt|bill|siret|kvk|id)\b[\w\s./-]{0,22}?\s*[:#]"
    r"|\b(?:gst|vat|tax|reg|roc|ust|tva|btw|co|company)[\s.-]*(?:reg|id|no|nr|idnr)\b",
    re.IGNORECASE,
)
_HOURS = re.compile(r"\d\s?(?:hrs|uhr|h)\b|\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\s?-", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]")


_FORM = r"(?:sdn\.?\s*bhd|bhd|s/b|ltd|limited|inc|gmbh|llc|plc|corp|co|kg|ag|b\.?v|s\.?a\.?r?\.?l?|pte|pty|pvt)\b\.?"
_A_FORM = re.compile(_FORM, re.IGNORECASE)
_ENDS_IN_FORM = re.compile(rf"\b{_FORM}\W*$", re.IGNORECASE)


def _is_bare_form(text: str) -> bool:
    """Whether it is legal forms alone, such as ``(M) Sdn Bhd``."""
    rest, forms = _A_FORM.subn("", text)
    return forms > 0 and not re.search(r"\w", re.sub(r"\(\w+\)", "", rest))


def _is_title(text: str) -> bool:
    """Whether all its words are words of headings."""
    said = [word for word in words(text) if not word.isdigit()]
    return bool(said) and all(word in TITLES or word.removesuffix("s") in TITLES for word in said)


def _is_other(text: str) -> bool:
    """A line that tells how to reach somebody, a number, a time, or what kind of paper this is: no name and no
    address."""
    return bool(
        _REACH.search(text)
        or _HOURS.search(text)
        or EMAIL.search(text)
        or URL.search(text)
        or _NUMBERED.search(text)
        or TIME.search(text)
        or days(text)
    ) or _is_title(text)


def address_like(text: str) -> float:
    """How much a line looks like a part of an address, from 0 to 1."""
    if (
        _is_other(text)
        or not _LETTERS.search(text)
        or _ENDS_IN_FORM.search(text)
        or (text[0] == "(" and text[-1] == ")")
    ):
        return 0.0
    score = 0.45 * bool(_POSTCODE.search(text)) + 0.4 * bool(_ROAD.search(text)) + 0.35 * bool(_HOUSE.search(text))
    score += 0.15 * text.rstrip().endswith(",") + 0.1 * (text.count(",") > 0)
    return min(1.0, score)


def organisation(page: Page) -> Span | None:
    """The name at the head of the page: the likeliest of its first lines, with the lines that carry it on."""
    best: Span | None = None
    rank = 0
    for index, line in enumerate(page.lines[:30]):
        rank += bool(line.text)
        if rank > 12:
            break
        for cell in line.cells:
            sender = _sender_line(page, index, cell)
            if sender is not None:
                return sender
            sure = _name_like(cell.text, rank)
            if sure > 0.3 and (best is None or sure > best.sure + 0.08):
                best = _whole_name(page, index, cell, sure)
    return best if best is None else _borne_out(best)


def _borne_out(name: Span) -> Span:
    """A name without a word of organisations is less sure if no address follows it."""
    if ORGANISATION.search(name.text) or address_below(name.below, reach=4) is not None:
        return name
    return replace(name, sure=name.sure - 0.2)


def _sender_line(page: Page, index: int, cell: Cell) -> Span | None:
    """A name with its address on one line, as above the window of an envelope."""
    name, *rest = re.split(r"\s+[-–—·•∙|*]\s+", cell.text)
    if len(rest) < 2 or not _POSTCODE.search(rest[-1]) or address_like(name) >= 0.35 or not _LETTERS.search(name):
        return None
    return Span(
        name.strip(), cell.start, cell.end, 0.9, column(page, index, cell), ", ".join(part.strip() for part in rest)
    )


def _name_like(text: str, rank: int) -> float:
    name = _bare(text)
    letters = len(_LETTERS.findall(name))
    if letters < 3 or len(name) > 70 or name.startswith(("&", "(")) or "number" in tokens(name):
        return 0.0
    form = ORGANISATION.search(name)
    if _is_other(name) or (not form and (_is_other(text) or text.endswith(",") or address_like(name) >= 0.35)):
        return 0.0
    if re.search(r"\d{4,}|[:=%]|\d[.,]\d\d\b", name) or letters < 0.5 * len(name.replace(" ", "")):
        return 0.0
    capitals = [word[0].isupper() for word in name.split() if word[0].isalpha()]
    if not ORGANISATION.sub("", name).strip(" .&") or (not form and 2 * sum(capitals) < len(capitals)):
        return 0.0
    sure = 0.72 - 0.06 * (rank - 1)
    if form:
        sure += 0.25 if form.end() >= len(name) - 2 or len(form.group()) > 3 else 0.1
    return min(0.97, sure)


def _bare(text: str) -> str:
    """A name without the registration number behind it and a running number before it."""
    return _HEADING.sub("", re.sub(r"^#\d+\s+", "", _REGISTRATION.sub("", text.rstrip(" ,")))).strip(" -*.:,")


_HEADING = re.compile(
    r"\s+(?:tax\s+)?(?:invoice|receipt|rechnung|quittung|facture|factuur|fattura|factura)s?$", re.IGNORECASE
)


def _whole_name(page: Page, index: int, cell: Cell, sure: float) -> Span:
    """The name in a cell, without a registration number, and with what carries it on under it."""
    below = column(page, index, cell)
    text, end, after = cell.text, cell.end, 0
    while after < min(2, len(below.lines)) and _goes_on(text, below.lines[after]):
        end = below.lines[after].end
        text += " " + below.lines[after].text
        after += 1
    kept = _HEADING.sub("", _REGISTRATION.sub("", re.sub(r"^#\d+\s+", "", text).rstrip(" ,"))).strip(" -*:,")
    return Span(" ".join(kept.split()), cell.start, end, sure, Page(page.text, below.lines[after:]))


def _goes_on(text: str, following: Line) -> bool:
    if not following.text or _is_other(following.text):
        return False
    if text.count("(") > text.count(")") and ")" in following.text:
        return True
    rest = _REGISTRATION.sub("", following.text)
    if _is_bare_form(rest) or not ORGANISATION.sub("", rest).strip(" .&"):
        return bool(rest.strip())
    opens = rest.startswith(("&", "(")) or ORGANISATION.match(rest)
    if opens and (_ENDS_IN_FORM.search(rest) or rest.count("(") > rest.count(")")) and not _ENDS_IN_FORM.search(text):
        return True
    if _ENDS_IN_FORM.search(text.rstrip(" ,")):
        return False
    return text.rstrip().endswith(("&", ",", "-", " AND", " OF")) and address_like(following.text) < 0.3


def named_after(text: str) -> str:
    """A name from the text behind its label."""
    return _REGISTRATION.sub("", text).strip(" ,;:-*")


def address_below(page: Page, reach: int = 8) -> Span | None:
    """The first address in the lines: from its first likely line to its last, through what stands between."""
    begin = last = -1
    best = 0.0
    for index, line in enumerate(page.lines[: reach + 4]):
        like = address_like(line.text)
        if begin < 0 and like >= 0.35 and index < reach:
            begin = last = index
            best = like
        elif begin >= 0 and (like >= 0.35 or _carries_on(page, index, like)):
            last = index
            best = max(best, like)
        elif begin >= 0:
            break
    if begin < 0:
        return None
    text = " ".join(" ".join(line.text.split()) for line in page.lines[begin : last + 1])
    head, colon, rest = text.partition(":")
    if colon and "address" in tokens(head):
        text = rest.strip()
    coded = bool(_POSTCODE.search(text))
    sure = min(0.9, 0.35 + 0.25 * coded + 0.15 * (last > begin) + 0.15 * best)
    return Span(text, page.lines[begin].start, page.lines[last].end, sure, Page(page.text, page.lines[last + 1 :]))


def _carries_on(page: Page, index: int, like: float) -> bool:
    """Whether a line that does not look like an address by itself goes on with the one above."""
    text, above = page.lines[index].text, page.lines[index - 1].text
    if (
        not text
        or not _LETTERS.search(text)
        or _is_other(text)
        or text.startswith(("*", "-"))
        or re.search(r"[:=]", text)
    ):
        return False
    if text.startswith("(") and text.endswith(")"):
        return False
    if above.rstrip().endswith(",") or like > 0.1 or re.search(r"(?<!\d)\d{4,6}$", above):
        return True
    following = page.lines[index + 1].text if index + 1 < len(page.lines) else ""
    if address_like(following) >= 0.45:
        return True
    words_only = len(text.split()) <= 4 and not any(ch.isdigit() for ch in text)
    return words_only and bool(_POSTCODE.search(above) or text.endswith(".")) and not _known(text)


def _known(text: str) -> bool:
    """Whether the line has words of labels: then it is no name of a place."""
    return bool(set(tokens(text)) & LABELS)
