"""Evidence: whatever stands in a text is found there whole, leads back to it exactly, and nothing else is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.document import Document, Page
from extract.evidence import locate
from extract.evidence.folding import Folded, evened, fold
from extract.evidence.written import days, read_days, read_numbers
from extract.extraction import Evidence
from extract.nodes import Anything, Array, Boolean, Choice, Field, Number, Record, Ref, Text, Type, Union

FREE = Type(Anything())


def spans(value: Any, text: str, type: Type = FREE) -> dict[str, tuple[str, str]]:
    """What is found, by pointer, with how; each place leads back to the text."""
    found = locate(value, type, Document(text=text))
    for one in found.values():
        assert text[one.start : one.end] == one.text
    return {pointer: (one.text, one.match) for pointer, one in found.items()}


def found(value: Any, text: str) -> tuple[str, str] | None:
    return spans({"x": value}, text).get("/x")


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("INV-7", "Invoice INV-7 of today", ("INV-7", "exact")),
        ("acme ltd.", "by ACME  Ltd. only", ("ACME  Ltd.", "normal")),
        ("Acme Ltd", "by Acme\nLtd, London", ("Acme\nLtd", "normal")),
        ("transformation", "a trans-\nformation of", ("trans-\nformation", "normal")),
        ("well-known", "the well-\n known man", ("well-\n known", "normal")),
        ("co\u00adoperate", "we cooperate", ("cooperate", "normal")),
        ('the "best"', "it is the \u201cbest\u201d of", ("the \u201cbest\u201d", "normal")),
        ("O'Neill", "by O\u2019Neill.", ("O\u2019Neill", "normal")),
        ("2017-2018", "in 2017\u20132018.", ("2017\u20132018", "normal")),
        ("ABC123", "code ＡＢＣ１２３ here", ("ＡＢＣ１２３", "normal")),
        ("first office", "the \ufb01rst o\ufb03ce.", ("\ufb01rst o\ufb03ce", "normal")),
        ("Strasse", "die Stra\u00dfe 5", ("Stra\u00dfe", "normal")),
        ("caf\u00e9", "au cafe\u0301 noir", ("cafe\u0301", "normal")),
        ("株式会社山田", "株式会社\n山田商店", ("株式会社\n山田", "normal")),
        ("12 High St, Leeds, LS1 4AB", "to\n12 High St\nLeeds\nLS1 4AB\n", ("12 High St\nLeeds\nLS1 4AB", "normal")),
        ("12 High St, Leeds", "12 HIGH ST.,\nLEEDS.", ("12 HIGH ST.,\nLEEDS", "normal")),
        ("RM 20.00", "TOTAL RM20.00", ("RM20.00", "normal")),
        (1234.5, "sum 1,234.50 due", ("1,234.50", "value")),
        (Decimal("1234.50"), "sum 1.234,50 EUR", ("1.234,50", "value")),
        (1234.5, "sum 1 234,50 EUR", ("1 234,50", "value")),
        (1234.5, "sum 1\u00a0234,50 EUR", ("1\u00a0234,50", "value")),
        (1234.5, "sum 1'234.50 CHF", ("1'234.50", "value")),
        (1234567, "Rs 12,34,567", ("12,34,567", "value")),
        (Decimal("4.95"), "TOTAL RM4.95", ("4.95", "exact")),
        (20.0, "TOTAL 20.00", ("20.00", "value")),
        (-5, "change -5.00", ("-5.00", "value")),
        (-5, "change (5.00)", ("(5.00)", "value")),
        (-5, "change 5.00-", ("5.00-", "value")),
        (-5, "change -$5.00", ("-$5.00", "value")),
        (5, "range 3\u20135 days", ("5", "exact")),
        (0.06, "GST 6%", ("6%", "value")),
        (1500000, "about $1.5 million", ("1.5 million", "value")),
        (0.5, "weighs .50 kg", (".50", "value")),
        (12, "12kg of rice", ("12", "exact")),
        (2018, "on 12/02/2018", ("2018", "exact")),
        (123456789, "n. １２３４５６７８９", ("１２３４５６７８９", "normal")),
        ("1234.50", "sum 1,234.50 due", ("1,234.50", "value")),
        ("2018-02-12", "on 2018-02-12.", ("2018-02-12", "exact")),
        ("2018-02-12", "DATE:12/02/2018 09:00", ("12/02/2018", "value")),
        ("2018-02-12", "on 12 Feb 2018,", ("12 Feb 2018", "value")),
        ("2018-02-12", "on February 12, 2018,", ("February 12, 2018", "value")),
        ("2018-02-12", "am 12.2.18 in", ("12.2.18", "value")),
        ("2013-06-05", "this 5th day of June, 2013 by", ("5th day of June, 2013", "value")),
        ("2018-02-12", "le 12 f\u00e9vrier 2018", ("12 f\u00e9vrier 2018", "value")),
        ("2018-02-12", "2018\u5e742\u670812\u65e5", ("2018\u5e742\u670812\u65e5", "value")),
        ("2018-01-18T10:27:03", "18/01/2018 10:27:03", ("18/01/2018 10:27:03", "value")),
        ("2018-01-18T22:27:00Z", "10:27 PM, 18 Jan 2018", ("10:27 PM, 18 Jan 2018", "value")),
        ("2018-01-18T00:00:00", "on 18/01/2018", ("18/01/2018", "value")),
        ("13:05:00", "at 1.05 or 1:05 pm", ("1:05 pm", "value")),
        ("DE89370400440532013000", "IBAN DE89 3704 0044 0532 0130 00.", ("DE89 3704 0044 0532 0130 00", "value")),
        ("0738672524", "TEL 07-386 72524", ("07-386 72524", "value")),
        ("https://www.acme.com/", "see WWW.ACME.COM for", ("WWW.ACME.COM", "value")),
        ("47400", "SS21/39, 47400 PETALING", ("47400", "exact")),
    ],
)  # fmt: skip
def test_a_value_is_found_in_its_spelling_or_in_another(value: Any, text: str, expected: tuple[str, str]) -> None:
    assert found(value, text) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "17 71 177"),
        (7, "INV17B7C"),
        ("7", "17"),
        (1, "11.00 or 2.1"),
        (Decimal("1.00"), "11.00"),
        ("1.00", "11.00"),
        ("1.00", "1.005"),
        (234.5, "1,234.50"),
        ("INV-1", "INV-12"),
        ("INV-1", "INV-1-2"),
        ("AB1", "AB1C"),
        ("INV-0017", "INV-0O17"),
        ("Ann", "Annual Joanne"),
        (1234.5, "12345 and 123.45"),
        (5, "-5.00"),
        (-5, "5.00"),
        (-7, "INV-7"),
        (12, "12:30:05 and 12/02/18"),
        ("2018-02-12", "12/03/2018 and 2018-12-02"),
        ("2018-02-30", "30.02.2018"),
        ("2018-01-18T10:27:03", "18/01/2018 11:27:03"),
        ("00070", "page 70"),
        ("the quick brown fox", "the quick red fox"),
        ("", "text"),
        (" ", "a b"),
        (None, "None null"),
        (True, "True true"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ({}, "{}"),
        ([], "[]"),
    ],
)
def test_what_does_not_stand_there_is_not_found(value: Any, text: str) -> None:
    assert found(value, text) is None


def test_a_text_without_characters_has_no_evidence() -> None:
    assert locate({"a": "b"}, FREE, Document()) == {}


def test_evidence_says_where_how_and_on_which_page() -> None:
    document = Document(text="one\ntwo\nTotal 5", pages=(Page(1, 0, 4), Page(2, 4, 15)))
    assert locate({"total": 5}, FREE, document) == {"/total": Evidence(14, 15, "5", 2, "exact")}


def test_pointers_are_escaped() -> None:
    assert spans({"a/b": {"c~d": "x1"}}, "x1") == {"/a~1b/c~0d": ("x1", "exact")}


RECEIPT = """\
ACME STORES
20 High Street
SUB TOTAL :  20.00
GRAND TOTAL :  20.00
CASH :  20.00
CHANGE :  0.00
"""


def starts(value: Any, text: str, type: Type = FREE) -> dict[str, int]:
    return {pointer: one.start for pointer, one in locate(value, type, Document(text=text)).items()}


def test_labels_tell_equal_values_apart() -> None:
    value = {"cash": 20.0, "total": 20.0, "subtotal": 20.0}
    assert starts(value, RECEIPT) == {
        "/cash": RECEIPT.index("20.00", RECEIPT.index("CASH")),
        "/total": RECEIPT.index("20.00", RECEIPT.index("GRAND")),
        "/subtotal": RECEIPT.index("20.00"),
    }


def test_aliases_and_titles_are_labels_too() -> None:
    fields = (
        Field(name="a", node=Number(title="Cash"), required=False),
        Field(name="b", node=Number(), aliases=("sub_total",)),
    )
    at = starts({"a": 20, "b": 20}, RECEIPT, Type(Record(fields=fields)))
    assert at == {"/a": RECEIPT.index("20.00", RECEIPT.index("CASH")), "/b": RECEIPT.index("20.00")}


TABLE = """\
Order 1 of 2018
1  Coffee   3.00   3.00
2  Tea      2.50   5.00
1  Coffee   3.00   3.00
3  Cake     1.00   3.00
Total             14.00
"""


def test_the_fields_of_an_item_are_found_together_and_no_two_items_share_a_place() -> None:
    items = [("Coffee", 1, 3, 3), ("Tea", 2, 2.5, 5), ("Coffee", 1, 3, 3), ("Cake", 3, 1, 3)]
    value = {"lines": [{"name": n, "quantity": q, "price": p, "amount": a} for n, q, p, a in items]}
    lines = [TABLE.index(start) for start in ("1  Coffee", "2  Tea", "1  Coffee   3.00   3.00\n3", "3  Cake", "Total ")]
    at = locate(value, FREE, Document(text=TABLE))
    assert len(at) == 16
    for pointer, one in at.items():
        item = int(pointer.split("/")[2])
        assert lines[item] <= one.start < lines[item + 1], pointer
    assert len({(one.start, one.end) for one in at.values()}) == 16


@given(st.lists(st.sampled_from(["red", "blue", "green"]), min_size=1, max_size=8))
def test_the_items_of_a_list_stand_in_its_order(colours: list[str]) -> None:
    at = starts({"colours": colours}, "Colours: " + ", ".join(colours))
    assert list(at.values()) == sorted(set(at.values()))
    assert len(at) == len(colours)


def test_items_share_a_place_only_if_there_is_no_other() -> None:
    text = "All in EUR\nCoffee 3\nTea 4"
    value = [{"name": "Coffee", "currency": "EUR"}, {"name": "Tea", "currency": "EUR"}]
    assert spans(value, text)["/1/currency"] == ("EUR", "exact")


def test_enums_are_found_by_case_by_words_and_by_name() -> None:
    choice = Choice(values=("credit_card", "C"), names=("CREDIT_CARD", "CASH_ONLY"))
    type = Type(Record(fields=(Field(name="a", node=choice), Field(name="b", node=choice))))
    text = "Paid by Credit Card, not cash only"
    assert spans({"a": "credit_card", "b": "C"}, text, type) == {
        "/a": ("Credit Card", "value"),
        "/b": ("cash only", "value"),
    }


def test_constants_have_no_evidence_and_unions_are_walked_by_their_branch() -> None:
    cat = Record(fields=(Field(name="kind", node=Choice(values=("cat",))), Field(name="name", node=Text())))
    dog = Record(fields=(Field(name="kind", node=Choice(values=("dog",))), Field(name="name", node=Text(title="dog"))))
    named = {"pet": Union(branches=(cat, dog), discriminator="kind"), "flag": Boolean()}
    type = Type(Array(items=Ref(name="pet")), named)
    assert spans([{"kind": "dog", "name": "Rex"}], "a dog Rex", type) == {"/0/name": ("Rex", "exact")}


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), max_size=12)


@given(words, words, st.text(max_size=30))
def test_every_place_leads_back_to_the_text(value: str, before: str, after: str) -> None:
    text = f"{before} {value} {after}"
    for one in locate({"x": value, "y": [value, value]}, FREE, Document(text=text)).values():
        assert text[one.start : one.end] == one.text
        assert fold(one.text, "joins") == fold(value, "joins") or one.match == "value"


@given(st.text(st.sampled_from("abcXYZ 019-"), min_size=1, max_size=12).map(str.strip).filter(bool), words)
def test_a_text_that_is_planted_is_found_as_it_is(value: str, before: str) -> None:
    text = f"{before}\n{value}\n"
    one = locate({"x": value}, FREE, Document(text=text))["/x"]
    assert one.match == "exact"
    assert one.text == value


amounts = st.decimals(min_value=0, max_value=10**9, places=2)


@given(amounts, st.sampled_from(["1,234.50", "1.234,50", "1 234,50", "1'234.50", "1234.50"]), st.booleans())
def test_an_amount_that_is_planted_is_found_in_every_spelling(amount: Decimal, form: str, negative: bool) -> None:
    group, mark = {"1,234.50": (",", "."), "1.234,50": (".", ","), "1 234,50": (" ", ","), "1'234.50": ("'", ".")}.get(
        form, ("", ".")
    )
    written = f"{amount:,.2f}".translate({ord(","): group, ord("."): mark})
    value = -amount if negative else amount
    text = f"To pay: {'-' if negative else ''}{written} by cheque 12345678.9"
    one = locate({"to_pay": value}, FREE, Document(text=text))["/to_pay"]
    assert one.text.lstrip("-") == written
    assert value in read_numbers(evened(one.text)) or -value == 0


forms = st.sampled_from(
    ["%d/%m/%Y", "%d.%m.%y", "%d %b %Y", "%d %B %Y", "%B %d, %Y", "%Y-%m-%d", "%d-%b-%y", "%Y/%m/%d", "%d. %B %Y"]
)


@given(st.dates(date(1951, 1, 1), date(2049, 12, 31)), forms)
def test_a_day_that_is_planted_is_found_in_every_spelling(day: date, form: str) -> None:
    written = day.strftime(form)
    one = locate({"x": day.isoformat()}, FREE, Document(text=f"No 17 of {written} at 10:30"))["/x"]
    assert one.text == written
    assert any(found.means(day.year, day.month, day.day) for found in days(evened(one.text)))


@given(st.text(max_size=80), st.sampled_from(["spaces", "joins", "codes"]), st.data())
def test_folding_leads_back_whatever_it_takes_away(text: str, depth: Any, data: st.DataObject) -> None:
    folded = Folded(text, depth)
    assert len(evened(text)) == len(text)
    if folded.text:
        start = data.draw(st.integers(0, len(folded.text) - 1))
        end = data.draw(st.integers(start + 1, len(folded.text)))
        span = folded.original(start, end)
        if span is not None:
            assert 0 <= span[0] <= span[1] <= len(text)
    assert folded.original(0, len(folded.text)) is not None or not folded.text


@given(st.text(max_size=60))
def test_reading_numbers_and_days_takes_any_text(text: str) -> None:
    even = evened(text)
    assert all(isinstance(value, Decimal) for value in read_numbers(even))
    assert all(len(day) == 3 for day in read_days(even))
