"""Reads what a model wrote as a value of a type: exactly, or not at all.

`read` takes a whole text, `Reader` takes it as it comes. Neither raises: what was changed is an event, what cannot be read
is a problem and is left out of the value. Nothing is invented, no item is dropped, no number rounded, and the time is
linear in the length of the text.
"""

from __future__ import annotations

from .answer import read
from .partial import Live, Reader
from .reading import Policy, Reading

__all__ = ["Live", "Policy", "Reader", "Reading", "read"]
