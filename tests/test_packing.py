"""Long values of a ledger: what comes out is what went in, whatever dictionary it was packed by, and it is small."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from extract.ledger.packing import Dictionary, Packer


def answer(number: int) -> bytes:
    lines = [{"description": f"part {number * 7 + i}", "quantity": i, "unit_price": f"{number}.{i}5"} for i in range(8)]
    return json.dumps({"text": json.dumps({"seller": f"Firm {number}", "lines": lines}), "mode": "strict"}).encode()


def packed_with(packer: Packer, values: list[bytes]) -> tuple[list[bytes], list[Dictionary]]:
    kept, made = [], []
    for value in values:
        packed, new = packer.pack("reply", value)
        kept.append(packed)
        if new is not None:
            made.append(new)
            packer.adopt(new)
    return kept, made


@given(st.lists(st.binary(max_size=300), max_size=80))
def test_what_comes_out_is_what_went_in(values: list[bytes]) -> None:
    plain = [b"{" + value for value in values]  # JSON never begins with the mark of a packed value
    packer = Packer()
    kept, made = packed_with(packer, plain)
    other = Packer({one.number: one.content for one in made}.__getitem__)
    assert [packer.unpack(one) for one in kept] == plain == [other.unpack(one) for one in kept]


def test_answers_of_a_run_take_a_fifth_of_their_size() -> None:
    plain = [answer(number) for number in range(200)]
    kept, made = packed_with(Packer(), plain)
    assert sum(map(len, kept)) * 5 < sum(map(len, plain))
    assert [one.number for one in made] == [1, 2]


def test_a_dictionary_that_was_not_adopted_is_not_used() -> None:
    packer = Packer()
    kept = [packer.pack("reply", answer(number))[0] for number in range(20)]
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
