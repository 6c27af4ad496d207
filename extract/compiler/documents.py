"""Where the parts of a JSON Schema stand, and what a reference leads to.

A schema document may hold several resources (``$id``), anchors and dynamic anchors, and its draft decides which of
these keywords count. `Library` walks a document once and answers one question: which `Place` does this reference,
written here, mean? Reading what stands at a place is the work of `reading`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from ..errors import SchemaError
from ..pointer import join, split

__all__ = ["LISTS", "MAPS", "SINGLE", "Library", "Place"]

SINGLE = (
    "additionalProperties", "additionalItems", "items", "contains", "not", "if", "then", "else", "propertyNames",
    "unevaluatedItems", "unevaluatedProperties", "contentSchema",
)  # fmt: skip
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
MAPS = ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies")

_POSITIONS: dict[str, frozenset[str]] = {
    keyword: frozenset(kind for kind, words in (("one", SINGLE), ("list", LISTS), ("map", MAPS)) if keyword in words)
    for keyword in (*SINGLE, *LISTS, *MAPS)
}
"""Where subschemas stand: keywords of one, of a list, of a map of them."""

_NAMING = frozenset(
    ("$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$dynamicRef", "$recursiveRef")
)
"""What may change the base, the draft or the names at a place."""

_DRAFTS = (("draft-03", 3), ("draft-04", 4), ("draft-06", 6), ("draft-07", 7), ("2019-09", 2019), ("2020-12", 2020))


def draft_of(schema: Any, default: int) -> int:
    """The year or number of the draft that ``$schema`` names."""
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if named is None:
        return default
    return next((number for part, number in _DRAFTS if isinstance(named, str) and part in named), default)


@dataclass(frozen=True)
class Place:
    """A subschema: the document it stands in, its tokens there, the base URI and draft that hold for it, and what the
    dynamic anchors mean on the way that led here."""

    document: str
    tokens: tuple[str, ...]
    schema: Any = field(compare=False, repr=False)
    base: str = field(compare=False)
    draft: int = field(compare=False)
    dynamic: tuple[tuple[str, str], ...] = ()

    @cached_property
    def pointer(self) -> str:
        return join(*self.tokens)

    @property
    def key(self) -> str:
        """A name that no other place has."""
        scope = "".join(f"@{name}={where}" for name, where in self.dynamic) if self.dynamic else ""
        return f"{self.document}#{self.pointer}{scope}"


class Library:
    """The resources, anchors and places of a schema document and of the metaschemas it refers to."""

    def __init__(self, root: Any, default_draft: int = 2020):
        self.default_draft = default_draft
        self.documents: dict[str, Any] = {}
        self.resources: dict[str, Place] = {}
        self.anchors: dict[tuple[str, str], Place] = {}
        self.dynamic_anchors: dict[tuple[str, str], Place] = {}
        self.old_ids: dict[str, Place] = {}
        self.bases: dict[int, str] = {}
        self.drafts: dict[int, int] = {}
        self.dynamic = False
        self.root = self.entered(self._add("", root))

    def _add(self, name: str, root: Any) -> Place:
        self.documents[name] = root
        place = Place(name, (), root, name, draft_of(root, self.default_draft))
        self.resources.setdefault(name, place)
        self._walk(place)
        return replace(place, base=self.bases.get(id(root), name))

    def _walk(self, first: Place) -> None:
        stack = [first]
        while stack:
            place = stack.pop()
            if isinstance(place.schema, dict):
                place = self._register(place)
                stack.extend(self.children(place))

    def _register(self, place: Place) -> Place:
        schema = place.schema
        if _NAMING.isdisjoint(schema):
            self.bases[id(schema)], self.drafts[id(schema)] = place.base, place.draft
            return place
        draft = draft_of(schema, place.draft)
        if draft != place.draft:
            place = replace(place, draft=draft)
        if not (draft < 2019 and "$ref" in schema):
            place = self._register_names(place)
        old = schema.get("id")
        if isinstance(old, str) and draft != 4 and place.tokens:
            self.old_ids.setdefault(urljoin(place.base, old), place)
        elif isinstance(old, str) and draft != 4:
            self.old_ids.setdefault(old.rstrip("#"), place)
        self.bases[id(schema)], self.drafts[id(schema)] = place.base, draft
        self.dynamic = self.dynamic or "$dynamicRef" in schema or "$recursiveRef" in schema
        return place

    def _register_names(self, place: Place) -> Place:
        schema, draft = place.schema, place.draft
        own = schema.get("id" if draft <= 4 else "$id")
        if isinstance(own, str):
            uri, fragment = urldefrag(urljoin(place.base, own))
            if fragment and draft < 2019:
                self.anchors[(uri, fragment)] = place
            if uri != place.base or not fragment:
                place = replace(place, base=uri)
                self.resources[uri] = place
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(keyword), str) and draft >= 2019:
                self.anchors[(place.base, schema[keyword])] = place
        if isinstance(schema.get("$dynamicAnchor"), str) and draft >= 2020:
            self.dynamic_anchors[(place.base, schema["$dynamicAnchor"])] = place
        if schema.get("$recursiveAnchor") is True and draft == 2019:
            self.dynamic_anchors[(place.base, "")] = place
        return place

    def children(self, place: Place) -> Iterator[Place]:
        """The places of all subschemas directly under a place."""
        for keyword, value in place.schema.items():
            kinds = _POSITIONS.get(keyword)
            if kinds is None:
                continue
            if isinstance(value, dict) and "map" in kinds:
                for name, inner in value.items():
                    if isinstance(inner, (dict, bool)):
                        yield self._under(place, inner, keyword, name)
            elif isinstance(value, (dict, bool)) and "one" in kinds:
                yield self._under(place, value, keyword)
            elif isinstance(value, list) and "list" in kinds:
                for index, inner in enumerate(value):
                    yield self._under(place, inner, keyword, str(index))

    @staticmethod
    def _under(place: Place, schema: Any, *tokens: str) -> Place:
        return Place(place.document, place.tokens + tokens, schema, place.base, place.draft, place.dynamic)

    def step(self, place: Place, *tokens: str) -> Place:
        """The place some tokens further, with the base, the draft and the dynamic scope that hold there."""
        schema, base, draft = place.schema, place.base, place.draft
        for token in tokens:
            schema = _inside(schema, token)
            base = self.bases.get(id(schema), base) if isinstance(schema, dict) else base
            draft = self.drafts.get(id(schema), draft) if isinstance(schema, dict) else draft
        stepped = Place(place.document, place.tokens + tokens, schema, base, draft, place.dynamic)
        return stepped if base == place.base else self.entered(stepped)

    def entered(self, place: Place) -> Place:
        """The place with the dynamic anchors of its resource put under those that are already in scope."""
        if not self.dynamic:
            return place
        scope = dict(place.dynamic)
        for (base, name), target in self.dynamic_anchors.items():
            if base == place.base:
                scope.setdefault(name, target.key)
        return replace(place, dynamic=tuple(sorted(scope.items())))

    def follow(self, place: Place, reference: str) -> Place:
        """What ``$ref`` leads to from a place; raises where nothing is there."""
        uri, fragment = urldefrag(urljoin(place.base, reference))
        found = self._find(place, uri, unquote(fragment))
        if found is None:
            raise SchemaError(
                f"The reference {reference!r} leads nowhere.",
                where=place.pointer or "the schema",
                fix="Put what it names under $defs of this schema and refer to it as '#/$defs/Name'.",
            )
        return self.entered(replace(found, dynamic=place.dynamic))

    def follow_dynamic(self, place: Place, reference: str) -> Place:
        """What ``$dynamicRef`` or ``$recursiveRef`` leads to: the outermost anchor of that name on the way here."""
        target = self.follow(place, reference)
        fragment = urldefrag(reference)[1]
        named = (target.base, "" if reference == "#" else fragment)
        if named in self.dynamic_anchors and self.dynamic_anchors[named].key == replace(target, dynamic=()).key:
            outer = dict(place.dynamic).get(named[1])
            if outer is not None:
                found = next(one for one in self.dynamic_anchors.values() if one.key == outer)
                return self.entered(replace(found, dynamic=place.dynamic))
        return target

    def _find(self, place: Place, uri: str, fragment: str) -> Place | None:
        resource = self.resources.get(uri) or self.resources.get(uri.rstrip("/")) or self._metaschema(uri)
        if resource is None and uri == place.base:
            resource = self.root
        found = None if resource is None else self._at(resource, fragment)
        if found is None and (uri, fragment) in self.anchors:
            found = self.anchors[(uri, fragment)]
        if found is None:
            found = self._old(place, uri, fragment)
        return found

    def _old(self, place: Place, uri: str, fragment: str) -> Place | None:
        """Schemas that name no draft and still use ``id``, or a base of their own that nothing else uses."""
        full = f"{uri}#{fragment}" if fragment else uri
        if full in self.old_ids:
            return self.old_ids[full]
        holder = self.old_ids.get(uri)
        if holder is not None:
            return self._at(holder, fragment)
        return self._at(self.root, fragment) if uri in ("", self.root.base) else None

    def _at(self, resource: Place, fragment: str) -> Place | None:
        if not fragment:
            return resource
        if not fragment.startswith("/"):
            return self.anchors.get((resource.base, fragment))
        try:
            return self.step(resource, *split(fragment))
        except (KeyError, IndexError, TypeError, ValueError):
            return None

    def _metaschema(self, uri: str) -> Place | None:
        if "json-schema.org" not in uri:
            return None
        from jsonschema_specifications import REGISTRY

        held = REGISTRY.get(uri) or REGISTRY.get(uri + "#")
        if held is None:
            return None
        name = uri
        if name not in self.documents:
            self._add(name, held.contents)
        return self.resources[name]


def _inside(schema: Any, token: str) -> Any:
    return schema[int(token)] if isinstance(schema, list) else schema[token]
