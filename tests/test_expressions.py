"""The laws of expressions: exact numbers, null, dates, lists; what is refused, and in which words."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import ExtractError
from extract.expressions import FUNCTION_NAMES, Fault, examine, parse
from extract.nodes import Anything, Array, Boolean, Choice, Field, Null, Number, Record, Ref, Text, Type, Union

LINE = Record(
    fields=(
        Field(name="name", node=Text()),
        Field(name="total", node=Number()),
        Field(name="taxes", node=Array(items=Number())),
    )
)
DECIMAL = Union(branches=(Number(), Text(pattern=r"^[+-]?0*\d*\.?\d*$")))
RECEIPT = Type(
    root=Record(
        fields=(
            Field(name="company", node=Text()),
            Field(name="date", node=Text(format="date")),
            Field(name="seen", node=Text(format="date-time"), required=False),
            Field(name="total", node=DECIMAL),
            Field(name="tax", node=Union(branches=(DECIMAL, Null()))),
            Field(name="kind", node=Choice(values=("invoice", "receipt"))),
            Field(name="paid", node=Boolean()),
            Field(name="odd name", node=Text()),
            Field(name="address", node=Ref(name="Address")),
            Field(name="lines", node=Array(items=Ref(name="Line"))),
            Field(name="notes", node=Array(items=Text())),
            Field(name="other", node=Anything()),
        )
    ),
    named={"Line": LINE, "Address": Record(fields=(Field(name="city", node=Text()),))},
)
ROW: dict[str, Any] = {
    "company": "ACME",
    "date": "2018-05-01",
    "seen": "2018-05-02T01:00:00+02:00",
    "total": Decimal("7.30"),
    "tax": None,
    "kind": "invoice",
    "paid": True,
    "odd name": "x",
    "address": {"city": "Oslo"},
    "lines": [
        {"name": "a", "total": 5.1, "taxes": [1, 2]},
        {"name": "b", "total": 2.2, "taxes": []},
        {"name": "c", "total": None, "taxes": [4]},
    ],
    "notes": ["late", "paid in cash"],
    "other": {"deep": [1]},
}

HOLD = [
    "total >= 0",
    "0 < total < 10",
    "total == 7.3",
    "0.1 + 0.2 == 0.3",
    "total * 3 == 21.9",
    "7 % -3 == -2 and 7.5 % -3 == -1.5",
    "10 / 4 == 2.5 and 10 / 5 == 2",
    "-total == -7.3 and +total == 7.3",
    "date.year == 2018 and date.month == 5 and date.day == 1",
    "date == '2018-05-01' and date < '2018-05-02' and date >= '2018-05-01'",
    "seen.hour == 1",
    "seen == '2018-05-01T23:00:00Z'",
    "seen > date and seen < '2018-05-02'",
    "company == 'ACME'",
    "'CM' in company and 'cm' not in company",
    "company in ['ACME', 'B'] and kind not in ('receipt',)",
    "'late' in notes",
    "tax is null and total is not null",
    "not (tax > 0) and not (tax <= 0) and not (tax != 1)",
    "paid",
    "paid == true and paid is not None",
    "row['odd name'] == 'x' and row['address']['city'] == 'Oslo'",
    "address.city == row.address.city",
    "sum(lines.total) == total",
    "sum(lines.total * 2) == 14.6",
    "sum(lines.taxes) == 7",
    "any(lines.total > 5) and not any(lines.total > 6)",
    "not all(lines.total > 0)",
    "all(lines.taxes >= 1)",
    "any(lines.total < total)",
    "count(lines) == 3 and count(lines.total) == 2 and count(lines.total > 3) == 1",
    "min(lines.total) == 2.2 and max(lines.total) == 5.1",
    "min(3, total, 9) == 3 and max('2018-05-03', date) == '2018-05-03'",
    "len(lines) == 3 and len(company) == 4",
    "lower(company) == 'acme' and upper('a') + 'b' == 'Ab' and strip(' x ') == 'x'",
    "startswith(company, 'AC') and endswith(company, 'ME') and contains(notes, 'late')",
    "round(2.5) == 3 and round(-2.5) == -3 and round(2.345, 2) == 2.35 and round(1250, -2) == 1300",
    "floor(2.7) == 2 and ceil(2.1) == 3 and abs(-1.50) == 1.5",
    "coalesce(tax, 0) == 0 and tax + 1 is null",
    "other.deep == [1] and other.missing is null",
    "1_000.50 == 1000.5",
    "total\n  >=\n  0",
]


@pytest.mark.parametrize("text", HOLD)
def test_what_holds(text: str) -> None:
    expression, faults = examine(text, RECEIPT, condition=True)
    assert faults == ()
    assert expression is not None
    assert expression.evaluate(ROW) is True
    assert parse(text).holds(ROW)


@pytest.mark.parametrize("sign", ["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
def test_a_comparison_with_null_is_false(sign: str) -> None:
    assert parse(f"tax {sign} other_field").evaluate({"tax": None, "other_field": [1]}) is False
    assert parse(f"other_field {sign} tax").evaluate({"tax": None, "other_field": 1}) is False


def test_what_is_empty_and_what_is_not_there() -> None:
    for lines, total in ([], 0), (None, None):
        row = {"lines": lines}
        assert parse("sum(lines.total)").evaluate(row) == total
        assert parse("count(lines)").evaluate(row) == 0
        assert parse("any(lines.total > 0)").evaluate(row) is False
        assert parse("all(lines.total > 0)").evaluate(row) is True
        assert parse("max(lines.total)").evaluate(row) is None


@given(
    st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=4, max_value=10**20, min_value=-(10**20))
)
def test_numbers_lose_no_digit(whole: int, decimal: Decimal) -> None:
    row = {"a": whole, "b": decimal}
    assert Fraction(parse("a * b").evaluate(row)) == Fraction(whole) * Fraction(decimal)
    assert parse("a + b - a").evaluate(row) == decimal
    assert parse(f"{decimal.copy_abs()}").evaluate({}) == decimal.copy_abs()


@given(st.text(max_size=30))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    """Whatever the text, there is an expression or one fault within it; nothing else is raised and nothing is run."""
    expression, faults = examine(text, RECEIPT)
    assert (expression is None) <= bool(faults)
    assert all(1 <= fault.column <= max(1, len(text)) + 1 for fault in faults)
    if expression is not None:
        expression.holds(ROW)


@given(
    st.lists(
        st.sampled_from([*"()[].,'+-*/%=<>", *HOLD, *FUNCTION_NAMES, "lines", " not ", " and ", "date", "1"]),
        max_size=6,
    )
)
def test_pieces_of_expressions_too(pieces: list[str]) -> None:
    expression, _ = examine("".join(pieces), RECEIPT, condition=True)
    if expression is not None:
        expression.holds(ROW)


def test_what_cannot_be_worked_out_does_not_hold() -> None:
    expression = parse("company + total == 1")
    assert expression.holds(ROW) is False
    with pytest.raises(ExtractError) as raised:
        expression.evaluate(ROW)
    assert str(raised.value) == (
        "`company + total == 1` cannot be worked out: A text and a number cannot be put together with `+`."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("total / 0", "A division by zero."),
        ("lines.total > 1", "`lines` is a list: `lines.total` needs sum, any, all, count, min or max."),
        ("company.year", "'ACME' is not a date and has no year."),
        ("company.town", "A text has no field `town`."),
        ("total < 'a'", "A number and a text have no order."),
        ("not company", "A text stands where true or false is needed."),
        ("sum(lines.name)", "`sum` adds numbers, and this is a text."),
        ("sum(total)", "`sum` reads a list, and none of total leads through one."),
        ("sum(lines.total + len(notes.x))", "`lines` and `notes` are two lists; one aggregate reads one list."),
        ("lower(total)", "`lower` takes a text, and this is a number."),
        ("1 in total", "A number cannot be looked for in a number."),
    ],
)
def test_what_makes_no_sense_for_a_row(text: str, message: str) -> None:
    with pytest.raises(ExtractError) as raised:
        parse(text).evaluate(ROW)
    assert str(raised.value) == f"`{text}` cannot be worked out: {message}"


REFUSED = [
    ("", 1, "The expression is empty.", "Write a condition, such as `total >= 0`."),
    ("total >", 7, "The expression ends too early.", None),
    ("(total", 1, "The expression cannot be read: '(' was never closed.", None),
    ("total total", 7, "The expression cannot be read from here on.", None),
    ("total = 1", 7, "`=` is not part of an expression.", "Write `==` to compare."),
    ("a && b", 3, "`&&` is not part of an expression.", "Write `and`."),
    ("a || b", 3, "`||` is not part of an expression.", "Write `or`."),
    ("!a", 1, "`!` is not part of an expression.", "Write `not`."),
    ("a <> b", 3, "`<>` is not part of an expression.", "Write `!=`."),
    ("a & b", 1, "Expressions have no `&`.", "Write `and`."),
    ("total ** 2", 1, "Expressions have no power.", "Write `x * x`."),
    ("a // 2", 1, "Expressions have no `//`.", "Write `round(x / y)` or `x % y`."),
    ("lambda: 1", 1, "Expressions have no functions of their own.", None),
    ("a := 1", 4, "`=` is not part of an expression.", "Write `==` to compare."),
    ("{'a': 1}", 1, "Expressions have no records of their own.", None),
    ("f'{a}'", 1, "Expressions have no f-strings.", "Join texts with `+`."),
    ("b'a'", 1, "This is not part of an expression.", None),
    ("1j", 1, "This is not part of an expression.", None),
    ("...", 1, "This is not part of an expression.", None),
    ("from == 'x'", 1, "`from` is a word of Python and cannot stand alone.", "If it is a field, write row['from']."),
    ("a.class == 1", 3, "`class` is a word of Python and cannot stand alone.", "If it is a field, write a['class']."),
    ("a > 0 # why", 7, "A comment cannot stand in an expression.", "Put it into the YAML."),
    ("tax == null", 8, "A comparison with null is always false.", "Write `tax is null`."),
    ("None != tax", 1, "A comparison with null is always false.", "Write `x is not null`."),
    ("total is 3", 10, "`is` is for null only.", "Write `==`."),
    ("company.lower()", 1, "Nothing has a method `lower` here.", "Write lower(company)."),
    ("company.title()", 1, "Nothing has a method `title` here.", None),
    ("lowr(company)", 1, "There is no function `lowr`.", "Did you mean `lower`?"),
    ("eval('1')", 1, "There is no function `eval`.", f"The functions are {', '.join(FUNCTION_NAMES)}."),
    ("(lower)(a)(b)", 1, "This is not part of an expression.", None),
    ("lower()", 1, "`lower` takes 1 argument, and 0 are given.", None),
    ("round(1, 2, 3)", 1, "`round` takes 1 to 2 arguments, and 3 are given.", None),
    ("coalesce(1)", 1, "`coalesce` takes 2 or more arguments, and 1 are given.", None),
    ("sum(a, b)", 1, "`sum` takes 1 argument, and 2 are given.", None),
    ("lower(*a)", 1, "`lower` takes plain arguments only.", None),
    ("sum(1)", 1, "`sum` reads a list, and there is no field in it.", "Name the list: `sum(lines.total)`."),
    ("sum(lower(a).b)", 5, "Only a field can have a field `b`.", None),
    (
        "lines[0].total",
        7,
        "Only a field's name can stand in brackets: row['odd name'].",
        "Read a list with sum, any, all, count, min or max; take single items with a `sql` step.",
    ),
    (
        "any(a > max(a.b))",
        9,
        "`max` cannot stand inside `any`: both read a list.",
        "Work the inner one out in a `set` step before.",
    ),
    (
        "[x for x in a]",
        1,
        "Expressions have no comprehensions.",
        "Read a list with sum, any, all, count, min or max: `sum(lines.total)`, `any(lines.total > 100)`.",
    ),
    (
        "1 if a else 2",
        1,
        "Expressions have no `if`.",
        "Use a `sql` step with `case when ... then ... else ... end`.",
    ),
    ("-" * 200 + "1", 101, "The expression is nested too deeply.", "Split it with a `set` step."),
    ("(" * 300 + "1" + ")" * 300, 1, "The expression is nested too deeply.", "Split it with a `set` step."),
    ("a" * 5000, 1, "The expression is 5000 characters long; at most 4000 are read.", None),
]


@pytest.mark.parametrize(("text", "column", "message", "fix"), REFUSED)
def test_what_is_refused(text: str, column: int, message: str, fix: str | None) -> None:
    assert examine(text) == (None, (Fault(column, message, fix),))
    with pytest.raises(ExtractError) as raised:
        parse(text)
    assert (raised.value.message, raised.value.where, raised.value.fix) == (message, f"column {column}", fix)


FIELDS = "company, date, seen, total, tax, kind, paid, odd name, address, lines, notes, other"

WRONG = [
    ("totl > 1", 1, "There is no field `totl`.", f"Did you mean `total`? The fields here: {FIELDS}."),
    ("'é' == company and zzz", 20, "There is no field `zzz`.", f"The fields here: {FIELDS}."),
    ("address.town == 'x'", 1, "There is no field `town` in `address`.", "The fields here: city."),
    (
        "sum(lines.totl)",
        5,
        "There is no field `totl` in `lines`.",
        "Did you mean `total`? The fields here: name, total, taxes.",
    ),
    ("company.x == 1", 1, "`company` is text and has no field `x`.", None),
    (
        "date.yaer == 1",
        1,
        "`date` is a date and has no field `yaer`.",
        "It has year, month, day, hour, minute, second.",
    ),
    ("date > 'May'", 8, "'May' is not a date.", "Write it as 'YYYY-MM-DD', or compare a part: `date.year == 2018`."),
    (
        "date > '2018-02-30'",
        8,
        "'2018-02-30' is not a date.",
        "Write it as 'YYYY-MM-DD', or compare a part: `date.year == 2018`.",
    ),
    ("date == 2018", 9, "A date is compared with a number.", None),
    ("total == '3'", 10, "A number is compared with text.", "Write the number without quotes."),
    ("company == 3", 12, "Text is compared with a number.", "Write the text in quotes."),
    ("company in ['a', 3]", 18, "Text is compared with a number.", "Write the text in quotes."),
    ("kind == 'recipt'", 9, "`kind` is never 'recipt'.", "Did you mean 'receipt'? It is one of 'invoice', 'receipt'."),
    ("kind in ['bill']", 10, "`kind` is never 'bill'.", "It is one of 'invoice', 'receipt'."),
    ("paid > 1", 1, "This is true or false, and `>` needs a number, a text or a date.", None),
    ("1 in total", 6, "This is a number; `in` looks into a list or a text.", None),
    ("company + len(lines) == 1", 1, "Text and a number cannot be added.", None),
    ("company * 2 == 1", 1, "This is text, where a number is needed.", None),
    (
        "total and paid",
        1,
        "This is a number, where true or false is needed.",
        "Compare it with something, such as `total > 0`.",
    ),
    (
        "not company",
        5,
        "This is text, where true or false is needed.",
        "Compare it with something, such as `total > 0`.",
    ),
    (
        "total + 1",
        1,
        "A condition is needed here, and this gives a number.",
        "Compare it with something, such as `total > 0`.",
    ),
    ("lower(total) == 'a'", 7, "`lower` takes text, and this is a number.", None),
    ("any(lines.total)", 5, "`any` takes true or false, and this is a number.", "Compare it: `any(lines.total > 0)`."),
    ("sum(lines.name) > 1", 5, "`sum` takes a number, and this is text.", None),
    ("sum(total) > 1", 5, "`sum` reads a list, and `total` does not lead through one.", None),
    (
        "any(lines.name == notes)",
        1,
        "`lines` and `notes` are two lists; one aggregate reads one list.",
        None,
    ),
    (
        "lines.total > 1",
        1,
        "`lines` is a list, and `lines.total` is many values.",
        "Write sum(lines.total), any(...), all(...), count, min or max.",
    ),
]


@pytest.mark.parametrize(("text", "column", "message", "fix"), WRONG)
def test_what_the_schema_does_not_allow(text: str, column: int, message: str, fix: str | None) -> None:
    _, faults = examine(text, RECEIPT, condition=True)
    assert faults == (Fault(column, message, fix),)


def test_all_faults_at_once() -> None:
    _, faults = examine("totl > 1 and company > 1 and date.yaer == 1", RECEIPT)
    assert [fault.column for fault in faults] == [1, 24, 30]


def test_names_and_pointers() -> None:
    text = "sum(lines.total) == total and date.year > 2000 and row['odd name'] == address.city and total > 0"
    expression, _ = examine(text, RECEIPT)
    assert expression is not None
    assert expression.names == (("lines", "total"), ("total",), ("date",), ("odd name",), ("address", "city"))
    assert expression.pointers == ("/lines", "/total", "/date", "/odd name", "/address/city")
    assert parse("date.year > 2000").names == (("date", "year"),)


def test_texts_of_decimals_are_numbers_where_the_schema_says_so() -> None:
    expression = parse("total * 2 == 14.6").bind(RECEIPT)
    assert expression.holds({"total": "7.30"})
    assert not expression.holds({"total": "seven"})
    assert not parse("total * 2 == 14.6").holds({"total": "7.30"})


def test_expressions_are_values() -> None:
    assert parse("a > 1") == parse("a > 1")
    assert hash(parse("a > 1")) == hash(parse("a > 1"))
    assert repr(parse("a > 1")) == "Expression(text='a > 1')"
