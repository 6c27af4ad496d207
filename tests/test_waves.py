"""Laws of files: nothing is lost or turned round, no limit is passed, and no file is smaller than it must be."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from extract.call import Failure, Reply
from extract.engines.waves import Joined, Line, affordable, cut, most_of
from extract.limits import Batching

amounts = st.tuples(*(st.integers(0, 9).map(Decimal) for _ in range(3)))
lines = st.lists(st.builds(Line, st.text("abc", max_size=3), st.integers(1, 50), st.integers(0, 50), amounts))
limits = st.builds(
    Batching, requests=st.integers(1, 5), bytes=st.integers(1, 120), tokens=st.none() | st.integers(1, 120)
)

DOWN = Reply(failure=Failure("transport", "Expired."))


def within(file: tuple[Line, ...], batching: Batching) -> bool:
    tokens = sum(line.tokens for line in file)
    return (
        len(file) <= batching.requests
        and sum(line.size for line in file) <= batching.bytes
        and (batching.tokens is None or tokens <= batching.tokens)
    )


@given(lines, limits)
def test_cutting_loses_nothing_and_keeps_the_order(several: list[Line], batching: Batching) -> None:
    assert list(chain(*cut(several, batching))) == several


@given(lines, limits)
def test_no_file_passes_a_limit_save_with_a_single_line(several: list[Line], batching: Batching) -> None:
    assert all(within(file, batching) or len(file) == 1 for file in cut(several, batching))


@given(lines, limits)
def test_no_file_is_closed_while_the_next_line_has_room(several: list[Line], batching: Batching) -> None:
    files = list(cut(several, batching))
    assert not any(within((*file, following[0]), batching) for file, following in pairwise(files))


@given(lines, st.tuples(*(st.none() | st.integers(0, 30).map(Decimal) for _ in range(3))))
def test_what_is_affordable_stays_within_each_budget_and_one_more_does_not(
    several: list[Line], left: tuple[Decimal | None, ...]
) -> None:
    def passes(count: int) -> bool:
        pairs = zip(most_of(several[:count]), left, strict=True)
        return any(limit is not None and amount > limit for amount, limit in pairs)

    count = affordable(several, left)
    assert not passes(count)
    assert count == len(several) or passes(count + 1)


found = st.lists(st.none() | st.tuples(st.sampled_from("abcxy"), st.sampled_from([Reply(text="{}"), DOWN])))


@given(found)
def test_what_comes_back_is_joined_by_id_and_all_of_it_is_accounted_for(came: list[tuple[str, Reply] | None]) -> None:
    joined = Joined({"a", "b", "c"})
    recorded = [one[0] for one in came if joined.take(one) is not None and one is not None]
    assert len(recorded) == len(set(recorded))
    paid = {key for key, reply in filter(None, came) if reply.paid and key in "abc"}
    assert set(recorded) == joined.answered == paid
    assert joined.answered | joined.failed.keys() | joined.missing == {"a", "b", "c"}
    assert not joined.answered & joined.failed.keys()
    assert joined.unknown == sum(one is not None and one[0] in "xy" for one in came)
    assert joined.broken == came.count(None)


def test_an_answer_outweighs_a_failure_that_came_before_it() -> None:
    joined = Joined({"a"})
    assert joined.take(("a", DOWN)) is None
    assert joined.take(("a", Reply(text="{}"))) == Reply(text="{}")
    assert joined.take(("a", Reply(text="other"))) is None
    assert (joined.failed, joined.doubled) == ({}, 1)
