"""The catalogue: names that are known, assumed and refused, prices that add up, and values that survive JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.call import Usage
from extract.catalogue import BRIDGED, MODES, Catalogue, ModelFacts, Price
from extract.errors import ModelError
from extract.models import built_in_catalogue
from extract.settings import OPENAI_PARAMETERS

KNOWN = built_in_catalogue()

usages = st.builds(
    lambda fresh, cached, output: Usage(input=fresh + cached, cached=cached, output=output),
    *[st.integers(0, 10**7)] * 3,
)
amounts = st.decimals(0, 100, places=4)
prices = st.builds(Price, amounts, amounts, st.none() | amounts)
prices = prices | st.builds(replace, prices, batch=prices)
facts = st.builds(
    ModelFacts,
    name=st.text(min_size=1).map("own/{}".format),
    provider=st.just("own"),
    context=st.none() | st.integers(1),
    inputs=st.lists(st.sampled_from(["text", "image", "file"]), unique=True).map(tuple),
    parameters=st.lists(st.text()).map(tuple),
    price=st.none() | prices,
)


def test_the_reference_model_is_known_with_all_its_facts() -> None:
    mini = KNOWN.facts("openai/gpt-4o-mini")
    assert (mini.context, mini.max_output, mini.inputs) == (128_000, 16_384, ("text", "image", "file"))
    assert (mini.modes, mini.tools, mini.logprobs, mini.asks_again) == (("strict",), True, True, True)
    assert mini.parameters == OPENAI_PARAMETERS
    assert mini.price == Price(
        input=Decimal("0.15"),
        output=Decimal("0.60"),
        cached=Decimal("0.075"),
        batch=Price(input=Decimal("0.075"), output=Decimal("0.30")),
    )
    assert mini.warning == ""


@pytest.mark.parametrize("name", KNOWN)
def test_every_fact_says_where_and_when_it_was_found(name: str) -> None:
    known = KNOWN[name]
    assert known.source
    assert known.price is not None
    assert known.name == name
    assert known.date or known.source == "built in"


@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name].price and KNOWN[name].provider == "openai"])
def test_batches_cost_half(name: str) -> None:
    price = KNOWN[name].price
    assert price is not None
    assert price.batch is not None
    assert (price.batch.input * 2, price.batch.output * 2) == (price.input, price.output)


def test_a_snapshot_has_the_facts_of_its_model() -> None:
    snapshot = KNOWN.facts("openai/gpt-4o-mini-2024-07-18")
    assert replace(snapshot, name="openai/gpt-4o-mini") == KNOWN.facts("openai/gpt-4o-mini")


def test_the_built_in_reader_costs_nothing_and_says_the_same_twice() -> None:
    rules = KNOWN.facts("rules")
    assert not rules.asks_again
    assert KNOWN.cost(rules, Usage(input=1000, output=1000)) == 0


REFUSED = {
    "openai/gpt-4o-mni": "There is no model openai/gpt-4o-mni in the catalogue.\n  Did you mean openai/gpt-4o-mini?",
    "openai/llama-3": "There is no model openai/llama-3 in the catalogue.\n"
    "  A model of another server is compatible/<name>.",
    "gpt-4o-mini": "'gpt-4o-mini' is not the name of a model: it names no provider.\n"
    "  Did you mean openai/gpt-4o-mini?",
    "rule": "'rule' is not the name of a model: it names no provider.\n  Did you mean rules?",
    "": "'' is not the name of a model: it names no provider.\n  Write provider/model, such as openai/gpt-4o-mini,"
    " azure/<deployment> or compatible/<name>, or write rules.",
    "azure/": "'azure/' names no model.\n  Write azure/<name>.",
    "opnai/gpt-4o": "opnai/gpt-4o has a provider that is not known: 'opnai'.\n  Did you mean openai/gpt-4o?",
    "anthropic/": "'anthropic/' names no model.\n  Write anthropic/<name>.",
    "antropic/claude": "antropic/claude has a provider that is not known: 'antropic'.\n"
    "  Did you mean anthropic/claude?",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_cannot_be_meant_is_refused_with_the_nearest_one(name: str) -> None:
    with pytest.raises(ModelError) as refused:
        KNOWN.facts(name)
    assert str(refused.value) == REFUSED[name]
    assert refused.value.kind == "configuration"


@pytest.mark.parametrize("provider", sorted(BRIDGED))
def test_a_name_on_a_bridged_provider_is_taken_on_trust_and_says_so(provider: str) -> None:
    assumed = KNOWN.facts(f"{provider}/any")
    assert (assumed.provider, assumed.price, assumed.modes) == (provider, None, ("tools",))
    assert assumed.parameters == BRIDGED[provider]
    assert assumed.warning == (
        f"{provider}/any is not in the catalogue: its price and its limits are not known, and it is not taken to hold"
        " to strict schemas: what it answers is checked here."
    )


def test_claude_haiku_is_given_the_context_that_its_price_goes_for() -> None:
    haiku = KNOWN.facts("anthropic/claude-haiku-5-5")
    assert (haiku.context, haiku.max_output, haiku.parameters) == (100_000, 128_000, ("max_tokens", "stop"))
    assert KNOWN.cost(haiku, Usage(input=10_000, cached=4_000, output=1_000)) == Decimal("0.00114")


@pytest.mark.parametrize("name", ["azure/receipts", "compatible/qwen", "compatible/gpt-4o-mini"])
def test_a_name_on_an_open_provider_is_taken_on_trust_and_says_so(name: str) -> None:
    assumed = KNOWN.facts(name)
    assert (assumed.price, assumed.context, assumed.modes) == (None, None, MODES)
    assert assumed.warning == (
        f"{name} is not in the catalogue: its price and its limits are not known, and it is taken to do what GPT-4o"
        " mini does, until it refuses."
    )
    assert KNOWN.cost(assumed, Usage(input=1)) is None


def test_a_deployment_that_is_called_like_its_model_has_its_facts() -> None:
    deployed = KNOWN.facts("azure/gpt-4o-mini")
    assert (deployed.provider, deployed.warning) == ("azure", "")
    assert deployed.price == KNOWN.facts("openai/gpt-4o-mini").price


def test_a_users_own_entry_comes_before_ours() -> None:
    own = Catalogue.from_plain({"openai/gpt-9": {"price": {"input": "1", "output": "2"}}, "rules": {}})
    both = KNOWN | own
    assert both.facts("openai/gpt-9").price == Price(Decimal(1), Decimal(2))
    assert both.facts("rules").price is None
    assert both.facts("openai/gpt-4o") == KNOWN.facts("openai/gpt-4o")


def test_what_a_call_costs() -> None:
    mini = KNOWN.facts("openai/gpt-4o-mini")
    usage = Usage(input=10_000, cached=4_000, output=1_000)
    assert KNOWN.cost(mini, usage) == Decimal("0.0018")  # 6,000 at 0.15, 4,000 at 0.075 and 1,000 at 0.60 a million
    assert KNOWN.cost(mini, usage, batch=True) == Decimal("0.00105")


@given(prices, usages, usages)
def test_costs_add_up(price: Price, one: Usage, other: Usage) -> None:
    assert price.of(one + other) == price.of(one) + price.of(other)


@given(st.lists(facts))
def test_a_catalogue_survives_json(known: list[ModelFacts]) -> None:
    catalogue = Catalogue({one.name: one for one in known})
    assert Catalogue.from_plain(json.loads(json.dumps(catalogue.plain()))) == catalogue


def test_the_built_in_catalogue_survives_json() -> None:
    assert Catalogue.from_plain(json.loads(json.dumps(KNOWN.plain()))) == KNOWN
