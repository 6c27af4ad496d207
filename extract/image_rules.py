"""How a model looks at an image: in which size it sees it, and how many tokens that is.

Providers scale an image down before a model sees it, and charge by the size that is left. OpenAI publishes two rules,
and they are here as values: `Tiles` counts squares of 512 pixels, `Patches` squares of 32. Both answer two questions
about a size in pixels, `seen` and `tokens`; whoever sends an image can scale it down to the size that is `seen` without
the model losing anything by it. Which rule a model has stands in the catalogue.

Source: OpenAI's guide "Images and vision" (developers.openai.com/api/docs/guides/images-vision), sections "Model sizing
behavior" and "Calculating costs", by a public copy that names GPT-5.6, read on 2026-11-28. Two things that it leaves
open are taken from measurements that users published: sides are rounded to the nearest pixel (gpt-4.1 charged 2049 by
513 as eight tiles and 2050 by 513 as four), and the limit of the longer side comes before that of the patches
(gpt-4.1-mini charged 4000 by 1474 as 1,536 patches).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from math import ceil, floor, sqrt
from typing import Any, Literal, get_args

__all__ = ["DEAREST", "DETAILS", "Detail", "ImageRule", "Patches", "Size", "Tiles", "rule_from_plain"]

Size = tuple[int, int]
"""Width and height in pixels."""

Detail = Literal["auto", "low", "high"]
"""How closely the model is asked to look. ``low`` is a small picture for little money; ``auto`` leaves it to the
provider and is counted as ``high``."""

DETAILS: tuple[Detail, ...] = get_args(Detail)

_LOW = 512
"""At low detail a model sees an image within a square of so many pixels."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The image is scaled into a square of `longest`, then down to `shortest` on its shorter side; it costs `base`
    tokens, and `tile` for each square of `side` pixels that is begun. At low detail it costs `base` alone."""

    base: int
    tile: int
    longest: int = 2048
    shortest: int = 768
    side: int = 512

    def seen(self, size: Size, detail: Detail = "auto") -> Size:
        """The size that the model sees of an image of this size; never a larger one."""
        if detail == "low":
            return _within(size, _LOW)
        if self.longest * min(size) > self.shortest * max(size):  # the shorter side asks for more than the longer one
            return _scaled(size, self.shortest, min(size))
        return _within(size, self.longest)

    def tokens(self, size: Size | None, detail: Detail = "auto") -> int:
        """The tokens of an image of this size; of one whose size is not known, the most that there can be."""
        if detail == "low":
            return self.base
        return self.base + self.tile * _squares(self.seen(size) if size else (self.longest, self.shortest), self.side)

    def plain(self) -> dict[str, Any]:
        """JSON values; `rule_from_plain` is the inverse."""
        return {"kind": "tiles", **_told(self)}


@dataclass(frozen=True, slots=True)
class Patches:
    """The image is scaled into a square of `longest`, then down until no more than `budget` squares of `side` pixels
    cover it; each of them costs `multiplier` tokens. At low detail it is scaled into 512 by 512, and what that costs
    is not published: its patches are counted."""

    multiplier: Decimal
    budget: int = 1536
    longest: int = 2048
    side: int = 32

    def seen(self, size: Size, detail: Detail = "auto") -> Size:
        """The size that the model sees of an image of this size; never a larger one."""
        width, height = size = _within(size, _LOW if detail == "low" else self.longest)
        if _squares(size, self.side) <= self.budget:
            return size
        shrink = sqrt(self.side**2 * self.budget / (width * height))
        across, down = width * shrink / self.side, height * shrink / self.side
        shrink *= min(max(1, floor(across)) / across, max(1, floor(down)) / down)
        return max(1, round(width * shrink)), max(1, round(height * shrink))

    def tokens(self, size: Size | None, detail: Detail = "auto") -> int:
        """The tokens of an image of this size; of one whose size is not known, the most that there can be."""
        box = _LOW if detail == "low" else self.longest
        squares = _squares((box, box) if size is None else self.seen(size, detail), self.side)
        return ceil(min(squares, self.budget) * self.multiplier)

    def plain(self) -> dict[str, Any]:
        """JSON values; `rule_from_plain` is the inverse."""
        return {"kind": "patches", **_told(self), "multiplier": str(self.multiplier)}


ImageRule = Tiles | Patches

DEAREST = Tiles(2833, 5667)
"""The rule of gpt-4o-mini, under which an image has the most tokens: for models whose rule is not known."""


def rule_from_plain(plain: Mapping[str, Any]) -> ImageRule:
    """The rule in JSON values. Raises `ValueError` for a kind that does not exist."""
    given = {name: value for name, value in plain.items() if name != "kind"}
    if plain["kind"] == "tiles":
        return Tiles(**given)
    if plain["kind"] == "patches":
        return Patches(**{**given, "multiplier": Decimal(given["multiplier"])})
    raise ValueError(f"There is no rule for images of the kind {plain['kind']!r}; there are tiles and patches.")


def _told(rule: Tiles | Patches) -> dict[str, Any]:
    return {one.name: getattr(rule, one.name) for one in fields(rule)}


def _within(size: Size, longest: int) -> Size:
    return size if max(size) <= longest else _scaled(size, longest, max(size))


def _scaled(size: Size, to: int, of: int) -> Size:
    """The size in the proportion of `to` to `of`, in whole pixels; never larger than it was."""
    if to >= of:
        return size
    return max(1, round(size[0] * to / of)), max(1, round(size[1] * to / of))


def _squares(size: Size, side: int) -> int:
    """The squares of `side` pixels that cover an image."""
    return ceil(size[0] / side) * ceil(size[1] / side)
