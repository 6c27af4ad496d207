"""Settings: one table of what each may be, told in the same words wherever they were written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from extract.catalogue import ModelFacts
from extract.errors import ModelError
from extract.models import built_in_catalogue
from extract.models.cascade import check_accepted
from extract.settings import SETTINGS, apart, check_settings, on_the_wire, refusal, wrong

GOOD: dict[str, list[Any]] = {
    "date_order": ["DMY", "mdy"],
    "extra_body": [{}, {"top_k": 5}],
    "extra_headers": [{"X-A": "1"}],
    "frequency_penalty": [-2, 0, 2, 0.5, Decimal("1.5")],
    "image_detail": ["auto", "low", "high"],
    "logit_bias": [{}, {"50256": -100}, {50256: 1.5}],
    "logprobs": [True, False],
    "max_completion_tokens": [1, 100_000],
    "max_tokens": [1],
    "presence_penalty": [-2, 2],
    "reasoning_effort": ["minimal", "high"],
    "seed": [0, -5, 2**63 - 1],
    "stop": ["END", ["a", "b", "c", "d"]],
    "temperature": [0, 2, 0.7],
    "top_k": [1],
    "top_logprobs": [0, 20],
    "top_p": [0, 1],
}
BAD: dict[str, list[Any]] = {
    "date_order": ["day first", 1],
    "extra_body": ["x", None],
    "extra_headers": [{"X-A": 1}, {"X-A": "a\nb"}, []],
    "frequency_penalty": [-2.1, "0", True],
    "image_detail": ["ultra", 1],
    "logit_bias": [{"token": 1}, {"1": 101}, {str(n): 1 for n in range(301)}, []],
    "logprobs": [1, "yes"],
    "max_completion_tokens": [0, 1.5, True],
    "max_tokens": [0, "many"],
    "presence_penalty": [3],
    "reasoning_effort": ["hard"],
    "seed": [1.5, 2**63],
    "stop": [[], ["a"] * 5, 3, [""]],
    "temperature": [-0.1, 2.1, None, float("nan")],
    "top_k": [0],
    "top_logprobs": [21, -1, True],
    "top_p": [1.01],
}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_what_it_may_be(name: str) -> None:
    assert [wrong(name, value) for value in GOOD[name]] == [None] * len(GOOD[name])
    for value in BAD[name]:
        said = wrong(name, value)
        assert said is not None
        assert said[0].startswith(f"`{name}` is {SETTINGS[name].meant}, and this is ")


SAID = {
    "temprature": "There is no setting `temprature`.\n  Did you mean `temperature`?",
    "tools": "The setting `tools` is made from the schema and cannot be given.",
    "tool_choice": "The setting `tool_choice` is made from the schema and cannot be given.",
    "response_format": "The setting `response_format` is made from the schema and cannot be given.",
    "timeout": "`timeout` is not a setting of a call.\n"
    "  The seconds for one attempt are a limit: `limits: {timeout: 60}`, or Limits(timeout=60).",
    "api_key": "`api_key` is not a setting of a call.\n"
    "  Keys are given in the environment (OPENAI_API_KEY), never in a file.",
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_no_setting_is_refused_by_name(name: str) -> None:
    with pytest.raises(ModelError) as refused:
        check_settings({name: 1})
    assert str(refused.value) == SAID[name]


def test_settings_that_need_or_exclude_each_other() -> None:
    with pytest.raises(ModelError, match="`top_logprobs` needs `logprobs`"):
        check_settings({"top_logprobs": 3})
    check_settings({"top_logprobs": 3, "logprobs": True})
    with pytest.raises(ModelError, match="mean the same, and both are given"):
        check_settings({"max_tokens": 3, "max_completion_tokens": 3})
    with pytest.raises(ModelError, match="`extra_body` holds `messages`"):
        check_settings({"extra_body": {"messages": []}})


def test_names_are_those_that_the_model_wants() -> None:
    assert on_the_wire("max_tokens", ("max_completion_tokens",)) == "max_completion_tokens"
    assert on_the_wire("max_completion_tokens", ("max_tokens",)) == "max_tokens"
    assert on_the_wire("temperature", ("seed",)) is None
    assert refusal({"temperature": 1}, "m", ("seed",)) == ("m takes no setting `temperature`.", "It takes seed.")
    assert refusal({"extra_body": {}, "date_order": "DMY"}, "m", ("seed",)) is None
    assert apart({"seed": 1, "extra_headers": {"a": "b"}}) == ({"seed": 1}, {"a": "b"})


def test_a_model_is_asked_for_no_more_than_it_can_say() -> None:
    mini = built_in_catalogue().facts("openai/gpt-4o-mini")
    with pytest.raises(ModelError) as refused:
        check_accepted({"max_tokens": 20_000}, [mini])
    assert str(refused.value) == (
        "openai/gpt-4o-mini: `max_tokens` is 20,000, and openai/gpt-4o-mini says at most 16,384 tokens.\n"
        "  Set it lower, or leave it out."
    )
    check_accepted({"temperature": 1}, [ModelFacts("own", "own")])  # of a model of the user's own nothing is known
