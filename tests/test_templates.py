"""The laws of templates: fields go in as text, what is wrong is found before, nothing of Python can be reached."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import ExtractError
from extract.nodes import Array, Field, Number, Record, Text, Type
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


WRONG = [
    (
        "Hi {{ sendr }}",
        7,
        "There is no field `sendr`.",
        "Did you mean `sender`? The fields here: sender, date, body, vendor, lines, _source.",
    ),
    ("a\n  {{ vendor.nam }}", 8, "There is no field `nam` in `vendor`.", "Did you mean `name`? The fields here: name."),
    (
        "{% for l in lines %}{{ l.nme }}{% endfor %}",
        24,
        "There is no field `nme` in `lines`.",
        "Did you mean `name`? The fields here: name, items.",
    ),
    (
        "{{ lines.name }}",
        4,
        "`lines` is a list, and `lines.name` names no item of it.",
        "Write `{% for one in lines %}`, or `lines[0]`.",
    ),
    ("{{ date.year }}", 4, "`date.year` is no field of the row.", "Work it out before, with a `set` step."),
    ("{{ sender | uper }}", 13, "There is no filter `uper`.", "Did you mean `upper`?"),
    ("{{ sender is strange }}", 14, "There is no test `strange`.", None),
    (
        "{{ body }}",
        4,
        "The document's text cannot stand in instructions.",
        "It goes to the model as the document.",
    ),
    ("{{ sender.upper() }}", 1, "Nothing is called in a template.", "Work it out before, with a `set` step."),
    ("x {{ 10 ** 9 }}", 3, "`pow` is not worked out in a template.", "Work it out before, with a `set` step."),
    ("{% for i in range(9) %}{% endfor %}", 1, "Nothing is called in a template.", None),
    ("{% include 'x' %}", 4, "`include` is not a part of templates.", "There are `if` and `for` over a field."),
    ("{% set a = 1 %}", 1, "`assign` is not a part of templates.", "There are `if` and `for` over a field."),
    ("{{ ''.__class__ }}", 1, None, None),
    ("{{ sender", 1, None, 'Text with `{{` in it is a template; `{{ "{{" }}` stands for the signs themselves.'),
    ("{% for l in lines %}{{ loop.cycle }}{% endfor %}", 24, "`loop` has no `cycle`.", None),
]


@pytest.mark.parametrize(("text", "column", "message", "fix"), WRONG)
def test_what_is_wrong_is_found_before(text: str, column: int, message: str | None, fix: str | None) -> None:
    template, faults = examine_template(text, ROWS, ("body",))
    if message is None and fix is None:  # nothing is there to be reached
        assert template is not None
        with pytest.raises(ExtractError):
            template.render(ROW)
        return
    assert template is None
    assert (faults[0].column, faults[0].message if message else None) == (column, message)
    assert fix is None or faults[0].fix == fix


def test_everything_wrong_is_found_at_once() -> None:
    _, faults = examine_template("{{ a }}{{ b | nope }}\n{{ vendor.c }}", ROWS)
    assert [fault.column for fault in faults] == [4, 15, 11, 26]


def test_a_field_that_a_row_does_not_have_is_said() -> None:
    with pytest.raises(ExtractError, match="The instructions cannot be filled in: 'to' is undefined"):
        filled("{{ to }}", ROW, None)


@pytest.mark.parametrize(
    "path", ["sender.__class__", "vendor.__init__", "lines.append", "vendor.get", "loop", "cycler"]
)
def test_nothing_of_python_can_be_reached(path: str) -> None:
    template, _ = examine_template(f"{{{{ {path} }}}}", None)
    assert template is not None
    with pytest.raises(ExtractError):
        template.render({**ROW, "vendor": {"name": "x"}})


def test_instructions_have_an_end() -> None:
    with pytest.raises(ExtractError, match="longer than 200,000 characters"):
        filled(
            "{% for l in lines %}{% for m in lines %}{{ sender }}{% endfor %}{% endfor %}", {**ROW, "lines": [1] * 900}
        )
