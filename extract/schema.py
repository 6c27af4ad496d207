"""The face of a compiled type.

`compile` turns a pydantic type or a JSON Schema into a `Schema`, once per type. A schema knows its full JSON Schema
and its strict wire form, carries values exactly from one to the other and back, reads text as its values, and accounts
for every rewrite. Values here are JSON values; instances of the user's type are made by `check`, after `decode`.
"""
