"""The pytest plugin that this package brings along: one fixture, `fake_openai`.

Every pytest session on a machine that has the package loads this module, so it imports nothing but pytest; the server
is imported by the first test that asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import FakeOpenAI

__all__ = ["fake_openai"]


@pytest.fixture
def fake_openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """A running `extract.testing.FakeOpenAI`; OPENAI_BASE_URL and OPENAI_API_KEY lead to it for the time of the
    test."""
    from .testing import FakeOpenAI

    with FakeOpenAI() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # a proxy of the house would not find it
        yield server
