"""The laws of templates: fields go in as text, what is wrong is found before, nothing of Python can be reached."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import ExtractError
from extract.expressions import Fault
from extract.nodes import Anything, Array, Field, Number, Record, Text, Type, Union
from extract.templates import Template, examine_template

LINE = Record(fields=(Field(name="name", node=Text()), Field(name="items", node=Number())))
ROWS = Type(
    Record(
        fields=(
            Field(name="sender", node=Text()),
            Field(name="date", node=Text(format="date")),
            Field(name="body", node=Text()),
            Field(name="vendor", node=Record(fields=(Field(name="name", node=Text()),))),
            Field(name="lines", node=Array(items=LINE)),
            Field(name="note", node=Text(), required=False),
            Field(name="total", node=Union(branches=(Number(), Text(pattern=r"^\d+\.?\d*$"))), required=False),
            Field(name="odd name", node=Text(), required=False),
            Field(name="self", node=Text(), required=False),
            Field(name="other", node=Anything(), required=False),
            Field(name="_source", node=Text()),
        )
    )
)
ROW: dict[str, Any] = {
    "sender": "Ann",
    "date": "2024-05-01",
    "body": "hello",
    "vendor": {"name": "ACME"},
    "lines": [{"name": "a", "items": Decimal("1.50")}, {"name": "b", "items": None}],
    "_source": "m.csv#1",
}


NAMES = "Did you mean `name`? The fields here: name, items."
LOOP = "first, index, index0, last, length"


def filled(text: str, row: dict[str, Any] = ROW, type: Type | None = ROWS) -> str:
    template, faults = examine_template(text, type)
    assert faults == ()
    assert template is not None
    return template.render(row)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("From {{ sender }}.", "From Ann."),
        ("{{ vendor.name | upper }} {{ vendor['name'] }}", "ACME ACME"),
        ("{% for line in lines %}{{ loop.index }}:{{ line.name }}={{ line.items }};{% endfor %}", "1:a=1.50;2:b=;"),
        ("{{ lines[0].name }} of {{ lines | length }}", "a of 2"),
        ("{% if sender == 'Ann' and not vendor.name %}x{% else %}y{% endif %}", "y"),
        ("{{ vendor }}", '{"name": "ACME"}'),
        ("{{ _source }}\n", "m.csv#1\n"),
        ("{# a note #}read", "read"),
    ],
)
def test_fields_go_in_as_text(text: str, made: str) -> None:
    assert filled(text) == made


@given(st.text())
def test_a_text_without_signs_stays_as_it_is(text: str) -> None:
    plain = text.replace("{", "(")
    assert examine_template(plain, ROWS) == (Template(plain), ())
    assert Template(plain).render(ROW) == plain


@given(st.text())
def test_what_a_row_holds_is_never_read_as_a_template(text: str) -> None:
    for sender in (text, "{{ 7*7 }}", "{% for x in lines %}"):
        assert filled("{{ sender }}", {**ROW, "sender": sender}) == sender


def test_names_are_the_fields_that_are_read() -> None:
    template, _ = examine_template("{{ sender }}{% for l in lines %}{{ l.name }}{% endfor %}{{ sender }}", ROWS)
    assert template is not None
    assert (template.fixed, template.names) == (False, (("sender",), ("lines",), ("lines", "name")))


OUTSIDE = "Work it out before, with a `set` step."
PARTS = "There are `if` and `for` over a list."
SIGNS = 'Text with `{{` in it is a template; `{{ "{{" }}` stands for the signs themselves.'
FIELDS = "The fields here: sender, date, body, vendor, lines, note, total, odd name, self, other, _source."
WRONG = [
    ("Hi {{ sendr }}", 7, "There is no field `sendr`.", f"Did you mean `sender`? {FIELDS}"),
    ("sendr is {{ 'sendr' ~ sendr }}", 23, "There is no field `sendr`.", f"Did you mean `sender`? {FIELDS}"),
    ("\r\n{{\r\nsendr }}", 7, "There is no field `sendr`.", f"Did you mean `sender`? {FIELDS}"),
    (
        "{%- if sender -%}\n \n{{ sendr }}{% endif %}",
        24,
        "There is no field `sendr`.",
        f"Did you mean `sender`? {FIELDS}",
    ),
    (
        "{# sendr #}{% raw %}{{ sendr }}{% endraw %}{{ sendr }}",
        47,
        "There is no field `sendr`.",
        f"Did you mean `sender`? {FIELDS}",
    ),
    ("a\n  {{ vendor.nam }}", 8, "There is no field `nam` in `vendor`.", "Did you mean `name`? The fields here: name."),
    ("{% for l in lines %}{{ l.nme }}{% endfor %}", 24, "There is no field `nme` in `lines`.", NAMES),
    ("{% for l in lines | reverse %}{{ l.nme }}{% endfor %}", 34, "There is no field `nme` in `lines`.", NAMES),
    ("{{ (lines | first).nme }}", 13, "There is no field `nme` in `lines`.", NAMES),
    ("{{ lines[-1].nme }}", 4, "There is no field `nme` in `lines`.", NAMES),
    ("{{ lines | join(', ', attribute='nme') }}", 4, "There is no field `nme` in `lines`.", NAMES),
    (
        "{{ lines.name }}",
        4,
        "`lines` is a list, and `lines.name` names no item of it.",
        "Write `{% for one in lines %}`, or `lines[0]`.",
    ),
    ("{{ row }}", 4, "`row` is the whole row.", "Name one of its fields: `row['odd name']`."),
    ("{{ row[sender] }}", 4, "An item is named by a number or a text.", "Write `lines[0]`."),
    ("{{ lines[0:2] }}", 4, "An item is named by a number or a text.", "Write `lines[0]`."),
    ("{{ date.year }}", 4, "`date.year` is no field of the row.", OUTSIDE),
    ("{{ sender | uper }}", 13, "There is no filter `uper`.", "Did you mean `upper`?"),
    (
        "{{ sender is strange }}",
        11,
        "There is no test `strange`.",
        "The tests: defined, eq, even, false, ge, gt, in, le, lt, ne, none, odd, true, undefined.",
    ),
    ("{{ body }}", 4, "The document's text cannot stand in instructions.", "It goes to the model as the document."),
    (
        "{{ row['body'] }}",
        4,
        "The document's text cannot stand in instructions.",
        "It goes to the model as the document.",
    ),
    ("{{ sender.upper() }}", 4, "Nothing is called in a template.", OUTSIDE),
    ("x {{ 10 ** 9 }}", 6, "`pow` is not worked out in a template.", OUTSIDE),
    ("{% for i in range(10**9) %}{% endfor %}", 13, "Nothing is called in a template.", OUTSIDE),
    (
        "{% for l in total %}{% endfor %}",
        13,
        "`total` is no list: a `for` goes over a list of the row.",
        "Write `{% for line in lines %}`.",
    ),
    ("{% include 'x' %}", 4, "`include` is not a part of templates.", PARTS),
    ("{% import 'os' as o %}", 4, "`import` is not a part of templates.", PARTS),
    ("{% extends 'x' %}", 4, "`extends` is not a part of templates.", PARTS),
    ("{% macro m() %}{% endmacro %}", 4, "`macro` is not a part of templates.", PARTS),
    ("{% set a = 1 %}", 4, "`set` is not a part of templates.", PARTS),
    ("{{ cycler.__init__ }}", 4, "There is no field `cycler`.", FIELDS),
    ("{% foo %}", 4, "The instructions cannot be read: Encountered unknown tag 'foo'.", SIGNS),
    ("a {{ sender", 3, "The `{{` is not closed.", SIGNS),
    ("a {{ don't", 3, "The `{{` is not closed.", SIGNS),
    ("{% if sender %}", 4, "The `if` is not closed.", "Write `{% endif %}` after it."),
    ("{{ 'x }}", 4, 'The instructions cannot be read: unexpected char "\'".', SIGNS),
    ("{# x", 1, "The instructions cannot be read: Missing end of comment tag.", SIGNS),
    (
        "{{ sender name }}",
        11,
        "The instructions cannot be read: expected token 'end of print statement', got 'name'.",
        SIGNS,
    ),
    ("{% for l in lines %}{{ loop.cycle }}{% endfor %}", 24, "`loop` has no `cycle`.", f"It has {LOOP}."),
]


@pytest.mark.parametrize(("text", "column", "message", "fix"), WRONG)
def test_what_is_wrong_is_found_before(text: str, column: int, message: str, fix: str) -> None:
    template, faults = examine_template(text, ROWS, ("body",))
    assert template is None
    assert faults[0] == Fault(column, message, fix)


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 3000 + "sender" + ")" * 3000 + " }}",
        "{{ " + "not " * 3000 + "sender }}",
        "{% if sender %}" * 300 + "x" + "{% endif %}" * 300,
        "{% for l in lines %}" * 25 + "x" + "{% endfor %}" * 25,
    ],
)
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    fix = "Take brackets out."
    assert examine_template(text, ROWS) == (None, (Fault(1, "The instructions are nested too deeply.", fix),))


@given(st.text(alphabet="{}%#- \r\n'\"|.[]()a0iforelsnd", max_size=40))
def test_any_text_is_a_template_or_is_refused(text: str) -> None:
    """Nothing but faults comes of a text that is no template, and each of them is within it."""
    template, faults = examine_template(text, ROWS)
    assert (template is None) == bool(faults)
    assert all(1 <= fault.column <= len(text) + 1 for fault in faults)


def test_everything_wrong_is_found_at_once() -> None:
    _, faults = examine_template("{{ a }}{{ b | nope }}\n{{ vendor.c }}{% for x in total %}{% endfor %}", ROWS)
    assert [fault.column for fault in faults] == [4, 11, 15, 26, 49]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ note }}|{{ note | upper }}|{{ 'a' ~ note }}|{{ [note, sender] | join('-') }}", "||a|-Ann"),
        ("{{ note | default('none') }}{% if note %}x{% endif %}", "none"),
        ("{{ note is defined }} {{ sender is defined }}", "false true"),
        ("{% if note > 'a' or lines[1].items > 3 %}x{% else %}y{% endif %}", "y"),
        ("{% for x in note %}x{% else %}none{% endfor %}{{ note.name }}", "none"),
    ],
)
def test_null_is_nothing_and_so_is_a_field_that_is_left_out(text: str, made: str) -> None:
    type = Type(Record(fields=(*ROWS.root.fields[:5], Field(name="note", node=Anything(), required=False))))  # type: ignore[attr-defined]
    assert filled(text, {**ROW, "note": None}, type) == made
    assert filled(text, {name: value for name, value in ROW.items() if name != "note"}, type) == made


def test_a_field_within_lists_may_be_left_out() -> None:
    text = "{% for l in lines %}[{{ l.name }}{{ l.items }}]{% endfor %}"
    assert filled(text, {**ROW, "lines": [{"name": "a"}, {}]}) == "[a][]"


def test_comparisons_are_those_of_expressions() -> None:
    for total in (Decimal("7.3"), 7.3, "7.30"):
        row = {**ROW, "total": total}
        assert filled("{{ total == 7.3 }} {{ 7 < total <= 7.3 }} {{ total is gt 7.2 }}", row) == "true true true"
    assert filled("{{ date == '2024-05-01T00:00:00Z' }} {{ sender in ['Ann', 'Bob'] }}") == "true true"


def test_fields_may_have_any_name() -> None:
    row = {**ROW, "odd name": "o", "self": "me", "other": {"items": 1, "keys": 2, "get": 3}}
    assert filled("{{ row['odd name'] }} {{ self }} {{ row.sender }}", row) == "o me Ann"
    assert filled("{{ other.items }}{{ other.keys }}{{ other.get }}", row) == "123"


def test_items_that_are_not_there_are_said() -> None:
    said = "The instructions cannot be filled in: there is no item 5 in a list of 2."
    for text in ("{{ lines[5].name }}", "{{ lines[5].name | upper }}", "{% if lines[5].name == 'a' %}{% endif %}"):
        with pytest.raises(ExtractError) as raised:
            filled(text)
        assert str(raised.value) == said
    assert filled("{{ lines[5].name | default('-') }}") == "-"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("to", "'to' is undefined"),
        ("''.__class__", "there is no field `__class__`"),
        ("sender.__class__", "there is no field `__class__`"),
        ("vendor.__init__", "there is no field `__init__`"),
        ("vendor.get", "there is no field `get`"),
        ("lines.append", "there is no field `append`"),
        ("loop", "'loop' is undefined"),
        ("cycler.__init__", "'cycler' is undefined"),
        ("self.__init__", "there is no field `self`"),
        ("lines | sort(attribute='__class__')", "there is no field `__class__`"),
    ],
)
def test_nothing_of_python_can_be_reached(path: str, said: str) -> None:
    template, faults = examine_template(f"{{{{ {path} }}}}", None)
    assert template is not None, faults
    with pytest.raises(ExtractError) as raised:
        template.render(ROW)
    assert str(raised.value) == f"The instructions cannot be filled in: {said}."


MANY = {**ROW, "lines": [{"name": "n"}] * 900}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{% for l in lines %}{% for m in lines %}{% endfor %}{% endfor %}",
            "The instructions cannot be filled in: They go through more than 100,000 items.",
        ),
        (
            "{{ sender" + " | replace('n', 'nnnnnnnnnn')" * 12 + " }}",
            "The instructions cannot be filled in: A text in them is longer than 200,000 characters.",
        ),
        (
            "{{ note ~ note ~ note }}",
            "The instructions cannot be filled in: A text in them is longer than 200,000 characters.",
        ),
        (
            "{{ note }}{{ note }}{{ note }}",
            "The instructions for this row are longer than 200,000 characters.",
        ),
    ],
)
def test_instructions_have_an_end(text: str, said: str) -> None:
    with pytest.raises(ExtractError) as raised:
        filled(text, {**MANY, "note": "x" * 90_000})
    assert str(raised.value) == said
