"""The laws of reading: exact, or refused."""

from __future__ import annotations

from extract import nodes
from extract.parse import read

RECEIPT = nodes.Type(
    nodes.Record(
        fields=(
            nodes.Field(name="company", node=nodes.Text()),
            nodes.Field(name="total", node=nodes.Number()),
        )
    )
)


def test_valid_text_is_read_without_a_word() -> None:
    reading = read('{"company": "ACME", "total": 4.95}', RECEIPT)
    assert (reading.value, reading.events, reading.problems) == ({"company": "ACME", "total": 4.95}, (), ())


def test_a_fence_and_prose_around_are_left_out() -> None:
    reading = read('Here you are:\n```json\n{"company": "ACME", "total": 4.95}\n```\nAnything else?', RECEIPT)
    assert (reading.value, reading.problems) == ({"company": "ACME", "total": 4.95}, ())
