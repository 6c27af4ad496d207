"""The laws of reading: exactly, or not at all."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_defects import DEFECTS, planted, type_of, written

from extract import nodes
from extract.errors import ReadingFailed
from extract.extraction import Problem
from extract.parse import Cut, Policy, Reader, read, read_cut, replay
from extract.parse.exact import exact
from extract.schema import compile

ANYTHING = nodes.Type(nodes.Anything())
SHOP = {
    "type": "object",
    "properties": {
        "company": {"type": "string"},
        "total": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["company", "total"],
    "additionalProperties": False,
}
RECEIPT = nodes.Type(
    nodes.Record(
        fields=(
            nodes.Field(name="company", node=nodes.Text()),
            nodes.Field(name="total", node=nodes.Number(), aliases=("amount",)),
            nodes.Field(name="kind", node=nodes.Choice(values=("CASH", "CARD")), required=False),
            nodes.Field(name="date", node=nodes.Text(format="date"), required=False),
            nodes.Field(name="paid", node=nodes.Boolean(), required=False),
            nodes.Field(name="tags", node=nodes.Array(items=nodes.Text()), required=False),
        )
    )
)
POLICIES: tuple[Policy, ...] = ("safe", "lenient", "strict")

words = st.sampled_from(
    [
        "total",
        "Acme Ltd",
        'he said "hi"',
        "12 Main St, Springfield",
        "a\nb",
        "it's",
        "C:\\dir",
        "http://x.y?a=1",
        "{a}",
        "",
        "end,",
        "né 😀",
    ]
)
leaves = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(-1e9, 1e9) | words | st.text(max_size=12)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
containers = values.filter(lambda value: isinstance(value, dict | list) and bool(value))


@given(values, st.randoms(use_true_random=False))
def test_valid_text_is_read_without_a_word(value: Any, rng: random.Random) -> None:
    text = written(value, rng)
    for policy in POLICIES:
        for type in (type_of(value), ANYTHING):
            reading = read(text, type, policy)
            assert (reading.value, reading.events, reading.problems, reading.complete) == (value, (), (), True)


@settings(max_examples=200, deadline=None, derandomize=True)  # benchmarks/read_fuzz.py looks further
@given(containers, st.sampled_from(sorted(set(DEFECTS) - {"inserted mark"})), st.randoms(use_true_random=False))
def test_what_is_planted_is_restored_or_refused(value: Any, name: str, rng: random.Random) -> None:
    broken = planted(written(value, rng), name, rng)
    if broken is None:
        return
    for type in (type_of(value), type_of(value, closed=False), ANYTHING):
        reading = read(broken, type)
        assert reading.problems or reading.value == value


@settings(max_examples=150, deadline=None)
@given(
    containers,
    st.sampled_from(sorted(DEFECTS)),
    st.sampled_from(["safe", "lenient"]),
    st.randoms(use_true_random=False),
)
def test_replaying_the_events_gives_the_value(value: Any, name: str, policy: Policy, rng: random.Random) -> None:
    broken = planted(written(value, rng), name, rng)
    if broken is None:
        return
    for type in (type_of(value), ANYTHING):
        reading = read(broken, type, policy)
        if not reading.problems:
            assert exact(replay(broken, reading.events)) == reading.value


@settings(deadline=None)
@given(containers, st.data())
def test_a_cut_text_is_never_read_as_complete(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    for type in (type_of(value), ANYTHING):
        assert read(cut, type, "safe").problems
        reading = read(cut, type, "lenient")
        assert reading.problems or not reading.complete


@settings(deadline=None)
@given(st.text(alphabet="{}[]\",:'`\\/*# \n0a.-nulltrue“”", max_size=60), st.sampled_from(POLICIES))
def test_nothing_in_a_text_raises(text: str, policy: Policy) -> None:
    for type in (ANYTHING, RECEIPT, nodes.Type(nodes.Text()), nodes.Type(nodes.Array(items=nodes.Number()))):
        reading = read(text, type, policy)
        assert isinstance(reading.problems, tuple)
        if not reading.problems:
            assert exact(replay(text, reading.events)) == reading.value
        read(text, type, partial=True)


@pytest.mark.parametrize("text", ["{“0”0}", "{'0'0}", '{"0"0}', "{“0” [1]}"])
def test_a_name_without_a_colon_replays_with_its_quotes(text: str) -> None:
    reading = read(text, ANYTHING, "safe")
    assert reading.problems == ()
    assert exact(replay(text, reading.events)) == reading.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12345678901234567.89", Decimal("12345678901234567.89")),
        ("1e400", Decimal("1e400")),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("9" * 5000, Decimal("9" * 5000)),
        ("0.1", 0.1),
        ("-0.30", -0.3),
    ],
)
def test_numbers_keep_all_their_digits(written: str, value: Any) -> None:
    for text in (f'{{"n": {written}}}', f'{{"n": {written},}}'):
        assert read(text, ANYTHING).value == {"n": value}


def test_a_doubled_name_has_two_readings_and_is_refused() -> None:
    reading = read('{"total": 1, "company": "x", "total": 2}', RECEIPT)
    assert [problem.message for problem in reading.problems] == [
        'The name "total" stands twice in one object, at character 29: \'{"total": 1, "company": "x", "total": 2}\''
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"company": "ACME", "total": 4.95}',
        'Here you are:\n```json\n{"company": "ACME", "total": 4.95}\n```\nAnything else?',
        "{company: 'ACME', total: 4.95,}",
        "{'company': 'ACME', 'total': 4.95}",
        '{"company": "ACME" "total": 4.95 // as printed\n}',
        '{"Company": "ACME", "TOTAL": "4.95"}',
        '{"company": "ACME", "amount": 4.95}',
        '<think>{"company": "?", "total": 0}</think>{"company": "ACME", "total": 4.95}',
        'A placeholder {name} in prose, and then {"company": "ACME", "total": 4.95}.',
    ],
)
def test_one_record_in_many_hands(text: str) -> None:
    reading = read(text, RECEIPT)
    assert (reading.value, reading.problems) == ({"company": "ACME", "total": 4.95}, ())


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('"3,14"', 'Expected a number, found the text "3,14"'),
        ('"3,000"', 'Expected a number, found the text "3,000"'),
        ('"1.234,56"', 'Expected a number, found the text "1.234,56"'),
        ('"50%"', 'Expected a number, found the text "50%"'),
        ("null", "Expected a number, found null"),
        ("[4.95]", "Expected a number, found the list [4.95]"),
    ],
)
def test_what_needs_a_guess_is_a_problem(written: str, message: str) -> None:
    for policy in POLICIES:
        reading = read(f'{{"company": "ACME", "total": {written}}}', RECEIPT, policy)
        assert reading.problems == (Problem("/total", message, "invalid", json.loads(written)),)
        assert reading.value == {"company": "ACME"}


@pytest.mark.parametrize(
    ("written", "value"),
    [('"1,234.50"', 1234.5), ('"12,345,678"', 12345678), ('"1_000"', 1000), ('" 7 "', 7), ('".5"', 0.5)],
)
def test_numbers_as_text_where_the_grouping_is_plain(written: str, value: Any) -> None:
    assert read(f'{{"company": "ACME", "total": {written}}}', RECEIPT).value == {"company": "ACME", "total": value}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"2024/1/5"', "2024-01-05"),
        ('"January 5, 2024"', "2024-01-05"),
        ('"25/01/2024"', "2024-01-25"),
        ('"05/01/2024"', None),
    ],
)
def test_dates_with_one_reading(written: str, value: str | None) -> None:
    reading = read(f'{{"company": "ACME", "total": 1, "date": {written}}}', RECEIPT)
    assert reading.value.get("date") == value
    assert bool(reading.problems) == (value is None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"company": "ACME", "total": 1, "tags": "new"}', {"company": "ACME", "total": 1, "tags": ["new"]}),
        ('[{"company": "ACME", "total": 1}]', {"company": "ACME", "total": 1}),
        ('{"receipt": {"company": "ACME", "total": 1}}', {"company": "ACME", "total": 1}),
        ('{"company": "ACME", "total": "$1,234.50"}', {"company": "ACME", "total": 1234.5}),
        ('{"company": "ACME", "total": 1, "paid": "yes"}', {"company": "ACME", "total": 1, "paid": True}),
        ('{"company": "ACME", "total": 1, "shop": "x"}', {"company": "ACME", "total": 1}),
        ('{"company": "ACME", "total": 1', {"company": "ACME", "total": 1}),
    ],
)
def test_what_only_the_lenient_policy_reads(text: str, value: Any) -> None:
    assert read(text, RECEIPT, "safe").problems
    reading = read(text, RECEIPT, "lenient")
    assert (reading.value, reading.problems) == (value, ())
    assert exact(replay(text, reading.events)) == value


def test_nothing_is_invented() -> None:
    for text in ('{"company": "ACME"}', '{"company": "ACME", "total": }', '{"company": "ACME", "total": null}'):
        reading = read(text, RECEIPT, "lenient")
        assert reading.value == {"company": "ACME"}
        assert {problem.pointer for problem in reading.problems} == {"/total"}


def test_the_strict_policy_mends_nothing() -> None:
    reading = read('{"company": "ACME", "total": 1,}', RECEIPT, "strict")
    assert reading.problems[0].kind == "reading"
    assert read('{"company": "ACME", "total": "1"}', RECEIPT, "strict").problems[0].message == (
        "The text is not a value of the schema as it stands (read.number)"
    )


def test_a_wrong_policy_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="policy is one of 'safe', 'lenient' and 'strict', not 'loose'"):
        read("{}", ANYTHING, "loose")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="policy is one of 'safe', 'lenient' and 'strict', not 'loose'"):
        Reader(ANYTHING, "loose")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape is 'user' or 'wire', not 'strict'"):
        compile(SHOP).reader("strict")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="An answer is read as a str, not as bytes: decode it first"):
        compile(SHOP).parse(b"{}")  # type: ignore[arg-type]


def test_several_answers_are_ambiguous() -> None:
    text = 'First {"company": "A", "total": 1}, then {"company": "B", "total": 2}.'
    assert read(text, RECEIPT).problems[0].message == "2 different values in the text fit."
    assert [event.rule for event in read(text, RECEIPT, "lenient").events if event.rule == "read.ambiguous"]


def test_depth_and_thinking_have_clear_ends() -> None:
    assert "nests" in read("[" * 100_000, ANYTHING).problems[0].message
    reading = read("<think>It could be {", RECEIPT)
    assert (reading.problems[0].message, reading.complete) == ("The text ends before its thinking does", False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":: 1}', {"a": 1}),
        ("{“a”: ‘b’}", {"a": "b"}),
        ('{"a" /* the first */ : 1}', {"a": 1}),
        ('{\\"a\\": \\"b\\"}', {"a": "b"}),
        ('As shown in [1], it is {"a": 1}.', {"a": 1}),
        ('{"a": """x "y" z"""}', {"a": 'x "y" z'}),
        ('{"a": "x"\n"b": "y"}', {"a": "x", "b": "y"}),
        ("\u00a0{'a': True,}\u00a0", {"a": True}),
        ('<answer>{"a": 1}</answer>', {"a": 1}),
    ],
)
def test_what_has_one_reading_is_read(text: str, value: Any) -> None:
    reading = read(text, ANYTHING)
    assert (reading.value, reading.problems, reading.complete) == (value, (), True)
    assert exact(replay(text, reading.events)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}}', {"a": 1}),
        ('{"a": 1}, {"a": 2}', [{"a": 1}, {"a": 2}]),
        ("```json\n[1]\n```\nand\n```json\n[2]\n```", [[1], [2]]),
        ('{"a": "12" pipe"}', {"a": '12" pipe'}),
        ('{"a": (1)}', {"a": 1}),
    ],
)
def test_what_nearly_always_means_one_thing_is_read_leniently(text: str, value: Any) -> None:
    assert read(text, ANYTHING).problems
    reading = read(text, ANYTHING, "lenient")
    assert (reading.value, reading.problems, reading.complete) == (value, (), True)
    assert exact(replay(text, reading.events)) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "x\'}',
        '{"a": "93}',
        '{"a": 93"}',
        '{"a": nul\'l}',
        '{"a": "x\\"}',
        '{"a": "C:\\path\\new"}',
        '{"a": {"b": 1, "c": 2}',
        "[1]]",
        "[[1, 2], [3, 4]",
        "[}{]",
        '[{"a": 1}][{"a": 2}]',
        "[&quot;a&quot;]",
        "[1;2]",
        '{"a" = 1}',
        '{"no"te": 1}',
    ],
)
def test_what_has_two_readings_is_refused(text: str) -> None:
    for policy in POLICIES:
        assert read(text, ANYTHING, policy).problems


def test_a_type_settles_what_its_text_leaves_open() -> None:
    rows = nodes.Type(nodes.Array(items=nodes.Array(items=nodes.Number())))
    reading = read("[[1, 2], [3, 4]", rows, "lenient")
    assert (reading.value, reading.problems, reading.complete) == ([[1, 2], [3, 4]], (), False)
    text = '{"company": "ACME", total": 4}'
    assert read(text, ANYTHING).problems
    assert read(text, RECEIPT).value == {"company": "ACME", "total": 4}


def test_a_number_without_its_quotes_is_no_text_where_it_may_be_a_number() -> None:
    either = nodes.Union(branches=(nodes.Text(), nodes.Number()))
    type = nodes.Type(nodes.Record(fields=(nodes.Field(name="n", node=either),)))
    for text in ('{"n": 034}', '{"n": "93}', '{"n": 1,234}'):
        for policy in POLICIES:
            assert read(text, type, policy).problems


def test_a_union_drops_nothing_to_make_one_branch_fit() -> None:
    one = nodes.Record(fields=(nodes.Field(name="a", node=nodes.Number()), nodes.Field(name="b", node=nodes.Number())))
    other = nodes.Record(fields=(nodes.Field(name="a", node=nodes.Number()),))
    type = nodes.Type(nodes.Array(items=nodes.Union(branches=(one, other))))
    assert read('[{"a": 1, "b": "x y"}]', type, "lenient").problems


def test_messages_say_where_and_show_the_text_around_it() -> None:
    with pytest.raises(ReadingFailed) as caught:
        compile(SHOP).parse('{"company": "ACME", "total": 4.95, "tags": ["a, "b"]}')
    error = caught.value
    assert str(error) == (
        "/tags/0: A quote is missing here, or one inside the text is not escaped, at character 44: "
        '\'...CME", "total": 4.95, "tags": ["a, "b"]}\''
        "\n  Ask again, or read it with policy='lenient'."
    )
    assert error.value == {"company": "ACME", "total": 4.95, "tags": ["a, "]}  # what can be salvaged
    assert [problem.pointer for problem in error.problems] == ["/tags/0"]


def test_a_cut_text_is_whole_for_nobody_who_did_not_ask() -> None:
    schema = compile(SHOP)
    text = '{"company": "ACME", "total": 4.9'
    for policy in ("safe", "strict"):
        with pytest.raises(ReadingFailed):
            schema.parse(text, policy)
    reading = schema.parse(text, "lenient")
    assert (reading.value, reading.complete) == ({"company": "ACME", "total": 4.9}, False)
    assert [event.rule for event in reading.events] == ["read.unclosed"]
    assert schema.parse(text, partial=True).value == {"company": "ACME"}


def _pieces(text: str, rng: random.Random) -> list[str]:
    out = []
    while text:
        size = rng.randint(1, 7)
        out.append(text[:size])
        text = text[size:]
    return out


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and _within(item, whole[name]) for name, item in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) <= len(whole) and all(map(_within, part, whole))
    if isinstance(part, str):
        return isinstance(whole, str) and whole.startswith(part)
    return part == whole


@settings(max_examples=60, deadline=None)
@given(containers, st.booleans(), st.randoms(use_true_random=False))
def test_a_stream_only_ever_grows_into_its_value(value: Any, typed: bool, rng: random.Random) -> None:
    reader = Reader(type_of(value) if typed else ANYTHING)
    for piece in _pieces(rng.choice(["", "```json\n", "Well: "]) + written(value, rng), rng):
        live = reader.feed(piece)
        assert live.value is None or _within(live.value, value)
    assert (live.value, live.complete) == (value, True)
    assert (reader.finish().value, reader.finish().problems) == (value, ())


@settings(max_examples=100, deadline=None)
@given(
    containers,
    st.sampled_from(["bare name", "trailing comma", "comment", "python literal", "single quotes", "plus sign", "cut"]),
    st.randoms(use_true_random=False),
)
def test_what_a_stream_mends_is_an_event_and_what_it_cannot_read_a_problem(
    value: Any, name: str, rng: random.Random
) -> None:
    broken = planted(written(value, rng), name, rng)
    if broken is None:
        return
    for type in (type_of(value), ANYTHING):
        reader = Reader(type)
        for piece in _pieces(broken, rng):
            reader.feed(piece)
            assert reader.value is None or _within(reader.value, value)
        reading = reader.so_far()
        assert reading == read(broken, type, partial=True)
        assert reading.complete or reading.problems or name == "cut"
        if reading.complete and not reading.problems:
            assert reading.value == value
            assert exact(replay(broken, reading.events)) == value


def test_numbers_and_choices_are_withheld_until_they_end() -> None:
    reader = Reader(RECEIPT)
    seen = []
    for piece in ('{"company": "AC', 'ME", "total": 12', '3, "kind": "CA', 'SH", "tags": ["a', '", "b"', "]}"):
        live = reader.feed(piece)
        seen.append((dict(live.value), live.closed))
    assert seen == [
        ({"company": "AC"}, ()),
        ({"company": "ACME"}, ()),
        ({"company": "ACME", "total": 123}, ()),
        ({"company": "ACME", "total": 123, "kind": "CASH", "tags": ["a", "b"]}, ()),
        ({"company": "ACME", "total": 123, "kind": "CASH", "tags": ["a", "b"]}, ("/tags/0",)),
        ({"company": "ACME", "total": 123, "kind": "CASH", "tags": ["a", "b"]}, ("/tags/1",)),
    ]


def test_a_name_in_a_stream_that_escapes_nothing_is_a_problem() -> None:
    found = compile({"additionalProperties": {"type": "integer"}}).read('{"a": 1, "b\\x": 1}', partial=True)
    assert found.value == {"a": 1}
    assert [problem.message for problem in found.problems] == [
        "From character 9 on the text cannot be read as it comes: a backslash stands in a name and escapes nothing"
    ]


def test_a_stream_that_contradicts_itself_is_a_problem() -> None:
    reader = Reader(RECEIPT, "lenient")
    live = reader.feed('{"company": "ACME", "total": 1}')
    assert live.complete
    reader.feed(' No, rather:\n```json\n{"company": "Other", "total": 2}\n```')
    assert [problem.message for problem in reader.finish().problems] == [
        "The end of the text contradicts what had been read of it"
    ]


# ---- answers that were cut off

WRITTEN = '{"company": "ACME", "total": 12.5, "tags": ["a", "b"], "paid": true}'
CUT: list[tuple[str, Any, tuple[str, ...], bool]] = [
    # up to where, what is certain, what was open, whether more of that was to come
    ('{"comp', {}, ("",), False),
    ('{"company": "ACME"', {}, ("",), False),
    ('{"company": "ACME",', {"company": "ACME"}, ("",), True),
    ('{"company": "ACME", "total": 12', {"company": "ACME"}, ("",), True),
    ('"tags": [', {"company": "ACME", "total": 12.5, "tags": []}, ("", "/tags"), False),
    ('["a", "b"', {"company": "ACME", "total": 12.5, "tags": ["a"]}, ("", "/tags"), True),
    ('["a", "b"]', {"company": "ACME", "total": 12.5, "tags": ["a", "b"]}, ("", "/tags"), False),
    ('"b"], "paid": true', {"company": "ACME", "total": 12.5, "tags": ["a", "b"]}, ("",), True),
    ('"b"], "pa', {"company": "ACME", "total": 12.5, "tags": ["a", "b"]}, ("",), True),
    ("true}", {"company": "ACME", "total": 12.5, "tags": ["a", "b"], "paid": True}, ("",), False),
]


@pytest.mark.parametrize(
    "around", ["", "Here it is:\n```json\n", "<think>{not} this</think>"], ids=["alone", "fence", "thought"]
)
@pytest.mark.parametrize(("end", "certain", "open_", "goes_on"), CUT, ids=[end for end, *_ in CUT])
def test_of_a_cut_answer_what_stands_before_a_comma_or_a_bracket_is_certain(
    end: str, certain: Any, open_: tuple[str, ...], goes_on: bool, around: str
) -> None:
    text = around + WRITTEN[: WRITTEN.index(end) + len(end)]
    found = read_cut(text, RECEIPT)
    assert found.cut is not None
    assert (found.value, found.cut.open, found.cut.goes_on, found.complete) == (certain, open_, goes_on, False)
    assert {one.kind for one in found.problems} <= {"missing"}
    assert [event.before for event in found.events] == ([around] if around else [])


@pytest.mark.parametrize(
    "text",
    [
        "", "I think so", '"text',
        '{"company": "he said "hi" and', '{"company": "ACME" "total": 1,', "{'company': 'A',",
        '{"company": "ACME",} {"company":', '{"company": "A"} or rather {"company": "B",', '{"company": ,', "[1, 2,,",
        '{"company": "A", "company": "B", ', "[" * 300,
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_not_json_as_far_as_it_goes_gives_nothing_certain(text: str) -> None:
    found = read_cut(text, RECEIPT)
    assert [one.kind for one in found.problems][:1] == ["reading"]
    assert not found.complete


def test_an_open_place_has_the_name_of_its_field() -> None:
    listed = nodes.Array(items=nodes.Record(fields=(nodes.Field(name="a", node=nodes.Array(items=nodes.Text())),)))
    kind = nodes.Type(nodes.Record(fields=(nodes.Field(name="lines", node=listed, aliases=("rows",)),)))
    found = read_cut('{"rows": [{"a": []}, {"A": ["x", "y', kind)
    assert found.value == {"lines": [{"a": []}, {"a": ["x"]}]}
    assert found.cut == Cut(("", "/lines", "/lines/1", "/lines/1/a"), "/lines/1/a/0", True)


def test_brackets_at_the_end_close_nothing() -> None:
    """There are providers that close what was cut off."""
    text = json.dumps({"value": [{"a": [1, {"b": "tex"}]}]})
    whole = ("", "/value", "/value/0", "/value/0/a", "/value/0/a/1")
    for end, last in ((text, "/value/0/a/1/b"), (text[:-1], "/value/0/a/1/b"), (text[:-4] + " ]\n}", "/value/0/a/1/b")):
        assert read_cut(end, ANYTHING).cut == Cut(whole, last)
    assert read_cut(text[:-1] + ', "c', ANYTHING).cut == Cut(("",), "/value", True)
    assert read_cut('{"a": []}', ANYTHING).cut == Cut(("", "/a"))


@given(
    st.recursive(st.none() | st.integers() | words, lambda one: st.lists(one) | st.dictionaries(words, one)), st.data()
)
def test_what_is_certain_of_a_cut_answer_stands_in_the_whole(value: Any, data: st.DataObject) -> None:
    text = json.dumps({"value": value})
    found = read_cut(text[: data.draw(st.integers(0, len(text)))], ANYTHING)
    if found.cut is not None:
        assert _begins({"value": value}, found.value, found.cut.open)


def _begins(whole: Any, part: Any, open_: tuple[str, ...], at: str = "") -> bool:
    """Whether a part is the beginning of a value: what is not open is there to its end."""
    if at not in open_:
        return bool(whole == part)
    if isinstance(whole, dict):
        names = list(whole)[: len(part)]
        steps = {name: at + "/" + name.replace("~", "~0").replace("/", "~1") for name in names}
        return list(part) == names and all(_begins(whole[name], part[name], open_, steps[name]) for name in names)
    return all(_begins(whole[i], one, open_, f"{at}/{i}") for i, one in enumerate(part))
