"""Long values of a ledger: what comes out is what went in, whatever dictionary it was packed by, and it is small."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.ledger.packing import Dictionary, Packer


def answer(number: int) -> bytes:
    lines = [{"description": f"part {number * 7 + i}", "quantity": i, "unit_price": f"{number}.{i}5"} for i in range(8)]
    return json.dumps({"text": json.dumps({"seller": f"Firm {number}", "lines": lines}), "mode": "strict"}).encode()


def packed_with(packer: Packer, values: list[bytes], at_once: int = 1) -> tuple[list[bytes], list[Dictionary]]:
    kept, made = [], []
    for start in range(0, len(values), at_once):
        packed, new = packer.pack("reply", values[start : start + at_once])
        kept += packed
        if new is not None:
            made.append(new)
            packer.adopt(new)
    return kept, made


@given(st.lists(st.binary(max_size=900), max_size=80), st.integers(1, 30))
def test_what_comes_out_is_what_went_in(values: list[bytes], at_once: int) -> None:
    plain = [b"{" + value for value in values]  # JSON never begins with the mark of a packed value
    packer = Packer()
    kept, made = packed_with(packer, plain, at_once)
    other = Packer({one.number: one.content for one in made}.__getitem__)
    assert [packer.unpack(one) for one in kept] == plain == [other.unpack(one) for one in kept]


@pytest.mark.parametrize("at_once", [1, 7, 30])
def test_answers_of_a_run_take_a_fifth_of_their_size(at_once: int) -> None:
    plain = [answer(number) for number in range(200)]
    kept, made = packed_with(Packer(), plain, at_once)
    assert sum(map(len, kept)) * 5 < sum(map(len, plain))
    assert [one.number for one in made] == [1, 2]


def test_several_are_packed_as_each_by_itself() -> None:
    plain, packer = [answer(number) for number in range(300)], Packer()
    packed_with(packer, plain[:200])
    assert packer.pack("reply", plain[200:])[0] == [packer.pack("reply", [one])[0][0] for one in plain[200:]]


def test_a_dictionary_that_is_safe_late_does_not_keep_the_next_one_from_being_made() -> None:
    packer = Packer()
    _, first = packer.pack("reply", [answer(number) for number in range(9)])
    _, second = packer.pack("reply", [answer(number) for number in range(9, 70)])
    assert first is not None
    assert second is not None
    packer.adopt(first)
    packer.adopt(second)
    assert packer.pack("reply", [answer(number) for number in range(70, 500)])[1] is None


def test_a_dictionary_that_was_not_adopted_is_not_used() -> None:
    packer = Packer()
    kept = [packer.pack("reply", [answer(number)])[0][0] for number in range(20)]
    assert [Packer().unpack(one) for one in kept] == [answer(number) for number in range(20)]


def test_a_ledger_that_is_opened_again_makes_no_more_dictionaries_than_before() -> None:
    _, made = packed_with(Packer(), [answer(number) for number in range(100)])
    again = Packer()
    for one in made:
        again.adopt(one)
    _, more = packed_with(again, [answer(number) for number in range(100)])
    assert (len(made), more) == (2, [])


def test_what_earlier_versions_wrote_is_read() -> None:
    assert Packer().unpack(b'{"text": "plain"}') == b'{"text": "plain"}'
