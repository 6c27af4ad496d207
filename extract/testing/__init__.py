"""A fake OpenAI server, over real HTTP, to test pipelines and functions without a key and without the network.

    def test_my_pipeline(fake_openai):                     # the pytest fixture; it sets OPENAI_BASE_URL and
    OPENAI_API_KEY fake_openai.gold({"ACME Ltd": {"company": "ACME Ltd", "total": 4.95}}, schema=compile(Receipt))
        ...
        assert fake_openai.requests[0].body["model"] == "gpt-4o-mini"

    with FakeOpenAI(["first answer", Fault("rate_limit", retry_after=1), {"total": 4.95}]) as server:
        ...                                                # the same without pytest, at server.base_url

It answers from a script, from a function of the request, or from gold records; refuses what OpenAI refuses, with the
same status and code; streams; takes files and batches (`server.batches`); counts what it would have charged; and goes
wrong on request, by a script or by chance with a seed. What it does is decided by what it is asked, so that a test
gives the same result every time.
"""

from __future__ import annotations

from .batches import Fate
from .script import Answer, Fault, Request
from .server import FakeOpenAI

__all__ = ["Answer", "FakeOpenAI", "Fate", "Fault", "Request"]
