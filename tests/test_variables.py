"""Variables in a pipeline: filled from what was given, the file and the environment; secrets are never shown."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from extract.pipeline.variables import filled, secrets
from extract.pipeline.written import Written, from_values, from_yaml


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Written:
    Path("p.yaml").write_text(text)
    return from_yaml(Path("p.yaml"))


def good(text: str, given: Mapping[str, str] | None = None, **environment: str) -> Written:
    made, faults = filled(read(text), given or {}, environment)
    assert faults == []
    return made


def wrong(text: str, given: Mapping[str, str] | None = None, **environment: str) -> list[tuple[str, str, str | None]]:
    _, faults = filled(read(text), given or {}, environment)
    return [(str(place), message, fix) for place, message, fix in faults]


def test_values_come_from_what_was_given_then_the_file_then_the_environment() -> None:
    text = "variables: {a: 1, b: 2}\nx: ${a} ${b} ${c}\n"
    assert good(text, {"a": "9"}, b="7", c="5").value["x"].value == "9 2 5"


def test_a_whole_value_is_read_as_yaml_reads_it() -> None:
    text = "n: ${N}\nd: ${D}\nb: ${B}\nq: '${N}'\nt: x${N}\nw: ${W}\nz: ${Z}\n"
    made = good(text, {"N": "5", "D": "0.10", "B": "true", "W": "a: b", "Z": "null"})
    values = {name: item.value for name, item in made.value.items()}
    assert values == {"n": 5, "d": Decimal("0.10"), "b": True, "q": "5", "t": "x5", "w": "a: b", "z": "null"}


@pytest.mark.parametrize(
    "text",
    [
        "pa #ss",
        "'x'",
        '"q"',
        " x ",
        "!!int abc",
        "!!bool no",
        "&a 5",
        "5 # five",
        "|\n x",
        "a\nb",
        "[" * 3000,
        "\x00",
        "5 ",
    ],
)
def test_a_text_stays_whole_whatever_yaml_would_make_of_it(text: str) -> None:
    assert good("x: ${N}\n", N=text).value["x"].value == text


def test_the_value_of_a_variable_names_no_other() -> None:
    assert wrong("variables: {a: '${B}', c: 1}\nx: ${a}${c}\n", B="secret") == [
        (
            "p.yaml:1:17",
            "The value of a variable cannot name another one.",
            "Take `a` out of `variables`, and give it with --set a=value.",
        )
    ]
    assert good("variables: {a: 'b $${c}'}\nx: ${a}\n").value["x"].value == "b ${c}"


def test_signs_can_stand_for_themselves_and_blocks_are_filled() -> None:
    made = good("a: $${x} ${N}\nsteps:\n  - say: |\n      Read ${N}\n      and ${N}.\n", {"N": "it"})
    assert made.value["a"].value == "${x} it"
    assert made.value["steps"].value[0].value["say"].value == "Read it\nand it.\n"


def test_headers_are_filled_when_a_model_is_opened() -> None:
    assert good("settings: {extra_headers: {x: '${KEY}'}}\n").plain() == {
        "settings": {"extra_headers": {"x": "${KEY}"}}
    }


def test_what_comes_from_the_environment_is_not_shown() -> None:
    made = good("to: postgresql://me:${PW}@${HOST}/db\n", {"HOST": "here"}, PW="secret").value["to"]
    assert made.value == "postgresql://me:secret@here/db"
    assert made.shown == "postgresql://me:${PW}@here/db"
    assert "secret" not in repr(made.public)


def test_places_lead_back_to_the_file() -> None:
    made = good('x: "a ${N} b"\ny: |\n  one ${N}\n  two\n', {"N": "long text"})
    x, y = made.value["x"], made.value["y"]
    assert [str(x.at(x.text.index(sign))) for sign in ("a", "long", "text", "b")] == [
        "p.yaml:1:5",
        "p.yaml:1:7",
        "p.yaml:1:7",
        "p.yaml:1:12",
    ]
    assert [str(y.at(y.text.index(sign))) for sign in ("one", "long", "two")] == [
        "p.yaml:3:3",
        "p.yaml:3:7",
        "p.yaml:4:3",
    ]


def test_everything_wrong_is_said_at_once() -> None:
    text = (
        "variables: {month: 5, currency: null, never: 1, 'a b': 1, l: [1]}\nx: ${mnth} ${currency} ${ n }\ny: ${HOME}\n"
    )
    assert wrong(text, {"zzz": "1"}, HOME="h") == [
        ("p.yaml:1:49", "`a b` is no name for a variable.", "Write letters, digits and `_`, a letter first."),
        ("p.yaml:1:62", "The value of a variable is one text or number, and this is a list.", None),
        (
            "p.yaml:2:4",
            "The variable `mnth` has no value.",
            "Did you mean `month`? Give it with --set mnth=value, or set it in the environment.",
        ),
        ("p.yaml:2:12", "The variable `currency` has no value.", "Give it with --set currency=value."),
        (
            "p.yaml:2:24",
            "`${` begins the name of a variable, and none follows.",
            "Write ${NAME}, or $${ for the signs themselves.",
        ),
        ("p.yaml", "Nothing in the file asks for the variable `zzz`.", "Its variables: HOME, currency, mnth."),
        ("p.yaml:1:13", "Nothing asks for the variable `month`.", "Take it out."),
        ("p.yaml:1:39", "Nothing asks for the variable `never`.", "Take it out."),
    ]
    assert wrong("variables: 5\n") == [
        (
            "p.yaml:1:12",
            "`variables` is a mapping of names to values, and this is a number.",
            "Write `variables: {month: 2024-05}`.",
        )
    ]


def test_python_values_are_filled_as_well() -> None:
    made, faults = filled(from_values({"x": ["${N}", {"y": "a${N}"}]}), {"N": "5"}, {})
    assert (made.plain(), faults) == ({"x": [5, {"y": "a5"}]}, [])
    _, faults = filled(from_values({"x": ["${M}"]}), {}, {})
    assert str(faults[0][0]) == "pipeline: x[0], column 1"


def test_what_only_looks_like_a_secret_is_none() -> None:
    text = "a: sk-learn-is-a-library-of-python\nb: http://localhost:8080?x=a@b\nc: write to http://a:b and c@d\n"
    assert list(secrets(read(text))) == []


def test_secrets_are_seen() -> None:
    text = "a: sk-abcdefghij0123456789\nb: postgresql://me:pw@h/db\nc: postgresql://me:${PW}@h/db\nd: https://h/x:y@z\n"
    fix = "Write ${NAME} in its place, and set NAME in the environment."
    assert [(str(place), message, how) for place, message, how in secrets(read(text))] == [
        ("p.yaml:1:4", "A key stands in the file, for everybody to see.", fix),
        ("p.yaml:2:14", "A password stands in the file, for everybody to see.", fix),
    ]
