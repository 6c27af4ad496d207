"""How models see and count images: OpenAI's published examples, and laws over all sizes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.image_rules import DEAREST, DETAILS, Detail, ImageRule, Patches, Size, Tiles, rule_from_plain
from extract.models import built_in_catalogue

TILES, PATCHES = Tiles(85, 170), Patches(Decimal(1))
RULES: list[ImageRule] = [TILES, PATCHES, Tiles(70, 140, longest=1024), Patches(Decimal("2.46"), 10_000, 6000)]
SIDES = st.integers(1, 12_000)


@pytest.mark.parametrize(
    ("size", "seen", "tokens"),
    [
        ((1024, 1024), (768, 768), 85 + 4 * 170),  # the guide's examples
        ((2048, 4096), (768, 1536), 85 + 6 * 170),
        ((2049, 513), (2048, 513), 85 + 8 * 170),  # charged so, as users measured
        ((2050, 513), (2048, 512), 85 + 4 * 170),
        ((512, 512), (512, 512), 85 + 170),  # nothing is scaled up
        ((1, 5000), (1, 2048), 85 + 4 * 170),
    ],
)
def test_tiles_are_counted_as_published(size: Size, seen: Size, tokens: int) -> None:
    assert (TILES.seen(size), TILES.tokens(size)) == (seen, tokens)
    assert TILES.tokens(size, "low") == 85


@pytest.mark.parametrize(
    ("size", "seen", "tokens"),
    [
        ((1024, 1024), (1024, 1024), 1024),  # the guide's examples
        ((1800, 2400), (1056, 1408), 1452),
        ((4000, 1474), (2048, 755), 1536),  # charged so, as users measured
        ((1, 100_000), (1, 2048), 64),
    ],
)
def test_patches_are_counted_as_published(size: Size, seen: Size, tokens: int) -> None:
    assert (PATCHES.seen(size), PATCHES.tokens(size)) == (seen, tokens)
    assert Patches(Decimal("1.62")).tokens((1800, 2400)) == 2353  # 1452 * 1.62 = 2352.24
    assert PATCHES.tokens((4000, 4000), "low") == PATCHES.tokens(None, "low") == 256


@pytest.mark.parametrize("rule", RULES)
@given(width=SIDES, height=SIDES, detail=st.sampled_from(DETAILS))
def test_what_a_model_sees_is_seen_as_it_is_and_costs_the_same(
    rule: ImageRule, width: int, height: int, detail: Detail
) -> None:
    size = width, height
    seen = rule.seen(size, detail)
    assert seen[0] <= width
    assert seen[1] <= height
    assert rule.seen(seen, detail) == seen
    assert rule.tokens(seen, detail) == rule.tokens(size, detail) <= rule.tokens(None, detail)
    assert rule.tokens(size, "low") <= rule.tokens(size, "high") == rule.tokens(size, "auto")


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_plain_values_and_back(rule: ImageRule) -> None:
    assert rule_from_plain(rule.plain()) == rule


def test_rules_of_other_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="There is no rule") as caught:
        rule_from_plain({"kind": "x"})
    assert str(caught.value) == "There is no rule for images of the kind 'x'; there are tiles and patches."


def test_the_catalogue_has_the_published_rules() -> None:
    known = {name: facts.images for name, facts in built_in_catalogue().items() if facts.provider == "openai"}
    assert None not in known.values()
    assert known["openai/gpt-4o-mini"] == Tiles(2833, 5667) == DEAREST
    assert known["openai/gpt-4o"] == known["openai/gpt-4.1"] == Tiles(85, 170)
    assert known["openai/gpt-5"] == Tiles(70, 140)
    assert known["openai/gpt-4.1-mini"] == known["openai/gpt-5-mini"] == Patches(Decimal("1.62"))
    assert known["openai/gpt-4.1-nano"] == known["openai/gpt-5-nano"] == Patches(Decimal("2.46"))
    assert max(rule.tokens(None) for rule in known.values() if rule) == DEAREST.tokens(None)
