"""The rule reader: what it finds, what it leaves out, how sure it is; and that it knows no kind of document."""

from __future__ import annotations

import asyncio
import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from extract import compile
from extract.call import Call, Failed, Failure, Part, Reply, Shape, Usage
from extract.jsontext import dump
from extract.load import open_document
from extract.models.rules import Rules, fill
from extract.models.rules.page import LONGEST_LINE, LONGEST_TEXT, bounded
from extract.models.rules.patterns import amounts, dated, days, decimal_mark, iban_holds, number
from extract.models.rules.words import tokens
from extract.project import load_schema

ROOT = Path(__file__).parent.parent
RECEIPTS = ROOT / "examples" / "receipts"


def call(type: Any, text: str, **given: Any) -> Call:
    schema = compile(type)
    shape = Shape(schema.name, schema.full, {})
    return Call("rules", 1, "", (Part("text", "document", text=text),), shape, **given)


def read(type: Any, text: str, **given: Any) -> Any:
    return fill(call(type, text, **given))[0]


def one(kind: Any, text: str, name: str = "value", **given: Any) -> Any:
    """What a record with one field finds for it."""
    return read(create_model("Record", **{name: (kind, ...)}), text, **given).get(name)


# Words


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Rechnungs-Nr.", "invoice number"),
        ("Rechnungsdatum", "invoice date"),
        ("INV#", "invoice number"),
        ("invoice_number", "invoice number"),
        ("invoiceNumber", "invoice number"),
        ("Factuur datum", "invoice date"),
        ("TOTAL (INCLUSIVE OF GST)", "total incl"),
        ("MwSt. 19%", "tax"),
        ("Net à payer", "total payable"),
        ("G.S.T. No.", "tax number"),
    ],
)
def test_labels_and_names_of_one_meaning_are_the_same_tokens(written: str, meant: str) -> None:
    assert " ".join(tokens(written)) == meant


# Dates


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2018-12-28", "2018-12-28"),
        ("28/12/2017", "2017-12-28"),
        ("12/28/2017", "2017-12-28"),
        ("16 APR 2018", "2018-04-16"),
        ("05-JAN-2017", "2017-01-05"),
        ("August 3 , 2014", "2014-08-03"),
        ("3rd of August 2014", "2014-08-03"),
        ("7. Mai 2014", "2014-05-07"),
        ("02 Juillet 2015", "2015-07-02"),
        ("19 april 2014", "2014-04-19"),
        ("1º", None),
        ("30/02/2018", None),
        ("99/99/2018", None),
    ],
)
def test_dates_are_read_in_many_forms(written: str, iso: str | None) -> None:
    assert one(datetime.date, f"Date: {written}", "date") == iso


def test_a_date_that_may_mean_two_days_is_left_out() -> None:
    assert one(datetime.date, "Date: 02/03/2018", "date") is None


@pytest.mark.parametrize(("order", "iso"), [("dmy", "2018-03-02"), ("mdy", "2018-02-03"), ("DMY", "2018-03-02")])
def test_the_setting_decides_the_order_of_a_date(order: str, iso: str) -> None:
    assert one(datetime.date, "Date: 02/03/2018", "date", settings={"date_order": order}) == iso


def test_another_date_of_the_same_form_decides_with_less_certainty() -> None:
    class Record(BaseModel):
        date: datetime.date
        due_date: datetime.date | None = None

    text = "Date: 02/03/2018\nDue date: 30/03/2018"
    value, sure = fill(call(Record, text))
    assert value == {"date": "2018-03-02", "due_date": "2018-03-30"}
    assert sure["/date"] < sure["/due_date"]
    assert read(Record, "Date: 02/03/2018\nDue date: 30-03-2018") == {"due_date": "2018-03-30"}


def test_a_date_of_another_kind_is_not_taken_and_one_behind_a_number_is() -> None:
    assert one(datetime.date, "Due date: 30/03/2018", "date") is None
    assert one(datetime.date, "Order #50 30/03/2018 10:27", "date") == "2018-03-30"


def test_a_description_may_name_the_order() -> None:
    class Record(BaseModel):
        date: datetime.date = Field(description="The day, written mm/dd/yyyy")

    assert read(Record, "Date: 02/03/2018") == {"date": "2018-02-03"}


def test_a_string_keeps_its_date_as_it_is_written() -> None:
    assert one(str, "Date: 02/03/2018 10:30", "date") == "02/03/2018"


@given(st.dates(datetime.date(1970, 1, 1), datetime.date(2069, 12, 31)), st.sampled_from(["dmy", "mdy", "ymd"]))
def test_with_its_order_every_date_is_read_back(day: datetime.date, order: str) -> None:
    form = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y", "ymd": "%Y/%m/%d"}[order]
    (found,) = days(day.strftime(form))
    assert dated(found, order, [found])[0] == day.isoformat()


# Amounts


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1'234.50", "1234.50"),
        ("1 234,50", "1234.50"),
        ("1\u00a0234,50", "1234.50"),
        ("1\u2009234\u2009567.50", "1234567.50"),
        ("1\u202f234", "1234"),
        ("4,95 €", "4.95"),
        ("RM 14.10", "14.10"),
        ("-RM0.02", "-0.02"),
        ("$8.20", "8.20"),
        ("12.00-", "-12.00"),
        ("(3.00)", "-3.00"),
        (".40", "0.40"),
        ("1,234,567.00", "1234567.00"),
    ],
)
def test_amounts_are_read_in_many_forms(written: str, value: str) -> None:
    assert one(Decimal, f"Total: {written}", "total") == Decimal(value)


def test_a_lone_mark_before_three_digits_is_read_by_the_documents_other_amounts() -> None:
    assert number("1.234", None) is None
    assert number("1.234", decimal_mark("0,50 und 2,75")) == 1234
    assert number("1.234", decimal_mark("0.50 and 2.75")) == Decimal("1.234")
    assert one(Decimal, "Total: EUR 1.234", "total") is None
    assert one(Decimal, "Price: EUR 0,50\nTotal: EUR 1.234", "total") == 1234


@given(st.decimals(Decimal("0.01"), Decimal("99999999.99"), places=2))
def test_every_amount_is_read_back(value: Decimal) -> None:
    english, german = f"{value:,}", f"{value:,}".replace(",", " ").replace(".", ",").replace(" ", ".")
    assert [amount.value for amount in amounts(english, ".")] == [value]
    assert [amount.value for amount in amounts(german, ",")] == [value]


def test_a_total_is_none_of_the_amounts_that_only_sound_like_it() -> None:
    text = """\
SUB TOTAL              100.00
TOTAL QTY: 4           100.00
TOTAL TAX                6.00
TOTAL (EXCLUDING GST)  100.00
TOTAL SAVINGS            3.00
TOTAL (INCLUSIVE GST)  106.00
CASH                   110.00
CHANGE                   4.00"""
    assert one(Decimal, text, "total") == 106


def test_a_total_is_borne_out_by_what_was_paid() -> None:
    assert one(Decimal, "NET TOTAL  8.02\nTOTAL ROUNDED  8.00\nCASH  10.00\nCHANGE  2.00", "total") == 8


def test_a_subtotal_is_not_the_total_and_the_total_not_a_subtotal() -> None:
    assert one(Decimal, "Subtotal  5.00", "total") is None
    assert one(Decimal, "Total  5.00", "subtotal") is None


def test_limits_of_the_schema_hold() -> None:
    record = create_model("Record", total=(Decimal, Field(ge=100)))
    assert read(record, "Total 5.00") == {}


# Other values that are known by their look or their label


@pytest.mark.parametrize(
    ("name", "kind", "text", "value"),
    [
        ("email", str, "write to otto@example.org or call", "otto@example.org"),
        ("website", str, "see www.example.org/shop for more", "www.example.org/shop"),
        ("phone", str, "TEL: 07-8263254 FAX: 07-8266888", "07-8263254"),
        ("fax", str, "TEL: 07-8263254 FAX: 07-8266888", "07-8266888"),
        ("iban", str, "IBAN NL91 ABNA 0417 1643 00", "NL91 ABNA 0417 1643 00"),
        ("iban", str, "IBAN NL92 ABNA 0417 1643 00", None),
        ("invoice_number", str, "Invoice No: 7", "7"),
        ("invoice_number", str, "INV NO.: 1207108  CASHIER: NICOLE", "1207108"),
        ("invoice_number", str, "Facture n°562044387 du 02 Juillet 2015", "562044387"),
        ("invoice_number", str, "Order No: 7", None),
        ("customer_number", str, "Kundennr.   47774", "47774"),
        ("currency", str, "Total 4,95 €", "EUR"),
        ("currency", str, "Total $4.95", None),
        ("time", datetime.time, "Time: 2:29 PM", "14:29:00"),
        ("age", int, "Name: Dana\nAge: 41", 41),
        ("pages", int, "Pages = 12", 12),
        ("tax_rate", float, "Tax rate: 19%", 19),
        ("title", str, "Title: The Quiet Harbour\nAuthor: D. Lane", "The Quiet Harbour"),
        ("author", str, "Title: The Quiet Harbour\nAuthor: D. Lane", "D. Lane"),
        ("blood_group", str, "Blood group  AB+", "AB+"),
        ("colour", str, "Shape: round", None),
        ("approved", bool, "Approved: yes", True),
        ("approved", bool, "[ ] approved", False),
        ("approved", bool, "not a word of it", None),
    ],
)
def test_a_field_is_found_by_its_label_or_by_its_look(name: str, kind: Any, text: str, value: Any) -> None:
    assert one(kind, text, name) == value


def test_a_field_is_found_by_its_alias_and_by_what_its_description_quotes() -> None:
    class Record(BaseModel):
        a: str = Field(alias="hullNumber")
        b: str = Field(description='What stands behind "Port of call"')

    assert read(Record, "Hull number: H-77\nPort of call: Bergen") == {"hullNumber": "H-77", "b": "Bergen"}


def test_choices_are_taken_from_their_label_or_from_their_only_word() -> None:
    kind = Literal["low", "normal", "high"]
    assert one(kind, "Priority: HIGH\nnormal wear", "priority") == "high"
    assert one(kind, "this is of high importance", "priority") == "high"
    assert one(kind, "not low and not high", "priority") is None


def test_a_pattern_holds_and_helps() -> None:
    kind = create_model("Record", tag=(str, Field(pattern=r"^[A-Z]{2}-\d{4}$")))
    assert read(kind, "the box XY-1234 arrived") == {"tag": "XY-1234"}
    assert read(kind, "the boxes XY-1234 and XY-1235 arrived") == {}


@pytest.mark.parametrize("text", ["NL91ABNA0417164300", "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"])
def test_an_iban_has_its_check_digits(text: str) -> None:
    assert iban_holds(text)
    assert not iban_holds(text[:-1] + str((int(text[-1]) + 1) % 10))


# Whoever wrote the paper


def test_the_name_at_the_head_and_the_address_under_it() -> None:
    class Card(BaseModel):
        company: str
        address: str

    head = "TAX INVOICE\n12345\nHARBOUR HOUSE\nTRADING LTD (812-X)\n"
    text = head + "NO. 4, DOCK ROAD,\n81620 WHITBY\nJOHOR\nTEL: 07-8263254\n"
    assert read(Card, text) == {
        "company": "HARBOUR HOUSE TRADING LTD",
        "address": "NO. 4, DOCK ROAD, 81620 WHITBY JOHOR",
    }


def test_a_name_and_an_address_on_one_line() -> None:
    class Letter(BaseModel):
        company: str
        address: str

    text = "Kestrel GmbH - Hafenstraße 12 - 20457 Hamburg\n\nObsthof Petersen\nDeichweg 3\n21129 Hamburg\n"
    assert read(Letter, text) == {"company": "Kestrel GmbH", "address": "Hafenstraße 12, 20457 Hamburg"}


def test_another_party_is_known_by_its_own_part_only() -> None:
    class Party(BaseModel):
        name: str
        address: str | None = None

    class Paper(BaseModel):
        seller: Party
        customer: Party | None = None

    head = """\
Tidewater Works Ltd        Bill to:
4 Dock Road                Alder Studio
Bath BA1 5LN               8 Mill Lane
"""
    assert read(Paper, head) == {
        "seller": {"name": "Tidewater Works Ltd", "address": "4 Dock Road Bath BA1 5LN"},
        "customer": {"name": "Alder Studio", "address": "8 Mill Lane"},
    }
    assert read(Paper, "Tidewater Works Ltd\n4 Dock Road\n").keys() == {"seller"}


# Tables


class Item(BaseModel):
    description: str
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None


class Listed(BaseModel):
    lines: list[Item] = []


def test_a_table_gives_a_record_for_each_row() -> None:
    text = """\
Pos.  Description            Qty   Unit price   Amount
1     Business cards, 250      2        31.00    62.00
      on recycled paper
2     Poster A2, matt         12         4.25    51.00
                               Subtotal         113.00
"""
    assert read(Listed, text)["lines"] == [
        {
            "description": "Business cards, 250",
            "quantity": 2,
            "unit_price": Decimal("31.00"),
            "amount": Decimal("62.00"),
        },
        {"description": "Poster A2, matt", "quantity": 12, "unit_price": Decimal("4.25"), "amount": Decimal("51.00")},
    ]


def test_lines_that_end_in_an_amount_are_records_without_a_header() -> None:
    value, sure = fill(call(Listed, "1 Clam chowder   $ 7.50\nBread  2 x 1.10   2.20\nTotal   $ 9.70\n"))
    assert value["lines"] == [
        {"description": "Clam chowder", "quantity": 1, "amount": Decimal("7.50")},
        {"description": "Bread", "quantity": 2, "unit_price": Decimal("1.10"), "amount": Decimal("2.20")},
    ]
    assert sure["/lines/0/amount"] == 0.55


def test_a_table_of_anything_is_read_by_its_own_columns() -> None:
    class Station(BaseModel):
        station: str
        rainfall: float
        days: int

    class Report(BaseModel):
        stations: list[Station]

    text = "Station     Rainfall   Days\nOban            81.5      14\nWick            40.2       9\n"
    assert read(Report, text)["stations"] == [
        {"station": "Oban", "rainfall": Decimal("81.5"), "days": 14},
        {"station": "Wick", "rainfall": Decimal("40.2"), "days": 9},
    ]


def test_lists_of_values_stand_behind_their_label_or_show_themselves() -> None:
    class Record(BaseModel):
        keywords: list[str] = []
        emails: list[str] = []

    text = "Keywords: harbour, tide; rope\na@example.org and b@example.org\n"
    assert read(Record, text) == {"keywords": ["harbour", "tide", "rope"], "emails": ["a@example.org", "b@example.org"]}


# Laws


class Node(BaseModel):
    name: str | None = None
    total: Decimal | None = None
    child: Node | None = None


def test_a_type_that_holds_itself_comes_to_an_end() -> None:
    read(Node, "Name: x\nChild:\nName: y\nChild:\nName: z\n")


TYPES = (
    load_schema("schemas/receipt.py:Receipt", ROOT),
    load_schema("schemas/invoice.py:Invoice", ROOT),
    load_schema("schemas/email.py:Email", ROOT),
)
LINES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            [
                "TOTAL 4.95",
                "Date: 01/02/2018",
                "ACME Ltd",
                "1 Dock Road",
                "Bill to:",
                "Qty  Price  Amount",
                "2  1.00  2.00",
                ":",
                "  ",
            ]
        ),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(LINES, st.sampled_from(TYPES))
def test_any_text_is_read_without_an_error_and_nothing_is_null(lines: list[str], type: Any) -> None:
    asked = call(type, "\n".join(lines))
    value, sure = fill(asked)
    assert fill(asked) == (value, sure)
    assert None not in leaves(value).values()
    assert set(sure) <= set(leaves(value))
    assert all(0 <= one <= 1 for one in sure.values())
    json.loads(dump(value))


def leaves(value: Any, pointer: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {at: leaf for name, inner in value.items() for at, leaf in leaves(inner, f"{pointer}/{name}").items()}
    if isinstance(value, list):
        return {at: leaf for i, inner in enumerate(value) for at, leaf in leaves(inner, f"{pointer}/{i}").items()}
    return {pointer: value}


def test_nothing_is_found_in_nothing() -> None:
    assert [read(type, "lorem ipsum") for type in TYPES] == [{}, {}, {}]


@pytest.mark.parametrize("line", (RECEIPTS / "gold.jsonl").read_text(encoding="utf-8").splitlines())
def test_the_receipts_of_the_examples_are_read_as_they_are(line: str) -> None:
    gold = json.loads(line, parse_float=Decimal)
    text = open_document(ROOT / gold.pop("_source")).text
    assert read(TYPES[0], text) == {name: value for name, value in gold.items() if value is not None}


def test_the_torn_receipt_has_no_total() -> None:
    text = (RECEIPTS / "11-scan-without-total.txt").read_text(encoding="utf-8")
    assert "total" not in read(TYPES[0], text)


# The model


def asked(text: str = "Total: 4.950", **given: Any) -> Reply:
    record = create_model("Record", total=(Decimal, ...))
    return asyncio.run(Rules().send(call(record, text, **given)))


def test_a_reply_is_json_in_the_users_shape_with_a_certainty_for_each_leaf() -> None:
    assert asked("Total: 14.10") == Reply(
        text='{"total": 14.10}', mode="json_schema", usage=Usage(), confidence={"/total": 0.902}, model="rules"
    )


def test_what_failed_changes_nothing() -> None:
    assert asked(failed=(Failed("/total", 1, "too small"),)) == asked()


def test_a_document_without_text_is_refused() -> None:
    shape = Shape("Record", {"type": "object"}, {})
    scan = Call("rules", 1, "", (Part("image", "scan", digest="00", media_type="image/png"),), shape)
    reply = asyncio.run(Rules().send(scan))
    assert reply == Reply(
        refusal="The rule reader reads text, and this document has none.", mode="json_schema", model="rules"
    )


def test_an_order_that_is_none_is_refused() -> None:
    assert asked(settings={"date_order": "day first"}).failure == Failure(
        "configuration",
        "The setting date_order is 'day first', which is no order of dates.",
        fix="Set it to DMY, MDY or YMD.",
    )


def test_a_stream_is_one_piece_and_the_reply() -> None:
    async def streamed() -> list[str | Reply]:
        record = create_model("Record", total=(Decimal, ...))
        return [piece async for piece in Rules().stream(call(record, "Total: 4.95"))]

    text, reply = asyncio.run(streamed())
    assert isinstance(reply, Reply)
    assert text == reply.text == '{"total": 4.95}'


# Texts that would hold up a reader


class Everything(BaseModel):
    company: str
    address: str
    date: datetime.date
    total: Decimal
    invoice_number: str
    email: str
    phone: str
    lines: list[Item]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "a@" * 200_000,
        "a." * 200_000,
        "1" * 400_000,
        "1 " * 200_000,
        "a:b:" * 100_000,
        ("(" + "1" * 900 + "\n") * 100,
        "\n" * 400_000,
        "(co) co." * 100,
    ],
    ids=["letters", "at", "dots", "digits", "numbers", "colons", "brackets", "blank", "forms"],
)
def test_a_text_made_to_hold_up_the_reader_gives_nothing_and_ends(text: str) -> None:
    assert read(Everything, text) == {}


def test_a_name_with_many_legal_forms_under_it_ends() -> None:
    assert one(str, "ACME Trading\n" + "co." * 60 + "x", "company") == "ACME Trading"


def test_many_short_lines_are_read_once_for_all_fields() -> None:
    text = "Total: 4.95 on 2018-01-02 ACME Ltd\n" * 30_000
    assert read(Everything, text) == {"date": "2018-01-02", "total": Decimal("4.95")}


def test_a_word_longer_than_a_line_is_left_out_and_what_stands_around_it_is_read() -> None:
    text = "Date: 2018-01-02\nData: " + "QUJD" * 5_000 + "\nTotal: 4.95"
    assert one(Decimal, text, "total") == Decimal("4.95")
    assert one(datetime.date, text, "date") == "2018-01-02"


def test_a_long_line_is_read_in_parts_that_cut_no_word_and_no_number() -> None:
    line = "We thank you for 1 234 orders. " * 80 + "Write to jo@acme.com"
    parts = bounded(line).split("\n")
    assert " ".join(parts) == line
    assert all(len(part) <= LONGEST_LINE for part in parts)
    assert {part.rsplit(" ", 1)[-1] for part in parts[:-1]} == {"orders."}
    assert one(str, line, "email") == "jo@acme.com"


def test_what_is_behind_the_bound_is_not_read() -> None:
    filler = "These words say nothing at all.\n" * (LONGEST_TEXT // 32 + 1)
    assert one(Decimal, "Total: 4.95\n" + filler, "total") == Decimal("4.95")
    assert one(Decimal, filler + "Total: 4.95\n", "total") is None
    assert len(bounded("1 2 " * LONGEST_TEXT)) <= LONGEST_TEXT


@given(st.text(st.sampled_from("a1 .;\n"), max_size=4_000))
@settings(max_examples=50, deadline=None)
def test_bounded_lines_are_parts_of_the_text_in_its_order(text: str) -> None:
    at = 0
    for line in bounded(text).split("\n"):
        assert len(line) <= LONGEST_LINE
        at = text.index(line, at) + len(line)
