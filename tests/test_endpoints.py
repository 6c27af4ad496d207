"""Where models are asked: endpoints in order, limits that are learnt, hosts that may not be asked, own models."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from extract import extract
from extract.call import Call, Part, Reply, Shape
from extract.catalogue import Catalogue
from extract.endpoints import Endpoint, Reach, filled
from extract.engines.calls import Calls
from extract.engines.hooks import Hook, Watch
from extract.errors import ModelError
from extract.ledger import Memory
from extract.limits import Limits, Traffic
from extract.models import Model, built_in_catalogue, known_models, open_model, reach_in
from extract.models.allowance import Allowance, seconds_in
from extract.models.cascade import open_cascade
from extract.settings import SETTINGS
from extract.testing import FakeOpenAI, Fault

KNOWN = built_in_catalogue()
MINI = "openai/gpt-4o-mini"
RECORD = {"word": "here"}
WIRE = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}


class Word(BaseModel):
    word: str


def a_call(text: str = "here", **settings: Any) -> Call:
    return Call(MINI, 1, "Read.", (Part("text", "document", text=text),), Shape("Word", WIRE, WIRE), settings=settings)


def at(*endpoints: Endpoint) -> Catalogue:
    return KNOWN | Catalogue({}, {MINI: endpoints})


def ask(model: Model, count: int = 1) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        return [await model.send(a_call(f"here {number}")) for number in range(count)]

    return asyncio.run(all_of_them())


# Several endpoints


@pytest.mark.parametrize("trouble", ["rate_limit", "server_error", "overloaded"])
def test_the_next_endpoint_is_asked_when_one_fails_and_no_answer_is_asked_for_twice(trouble: Any) -> None:
    with FakeOpenAI(lambda request: RECORD) as first, FakeOpenAI(lambda request: RECORD) as second:
        endpoints = (Endpoint(first.base_url, key="ONE"), Endpoint(second.base_url, key="TWO"))
        model = open_model(MINI, at(*endpoints), {"ONE": "key-one", "TWO": "key-two"})
        (reply,) = ask(model)
        assert (reply.endpoint, first.count, second.count) == (first.address[7:], 1, 0)
        first.faults(Fault(trouble, retry_after=60))
        (reply,) = ask(model)
        assert (reply.failure, reply.endpoint) == (None, second.address[7:])
        assert (first.count, second.count) == (2, 1)
        ask(model, 3)  # the first one rests
        assert (first.count, second.count, first.answered + second.answered) == (2, 4, 5)
        assert first.requests[0].headers["Authorization"] == "Bearer key-one"
        assert second.requests[0].headers["Authorization"] == "Bearer key-two"


def test_an_answer_that_was_lost_on_its_way_is_not_asked_for_elsewhere_unseen() -> None:
    """It may have been charged: that is counted and told first, and the next attempt goes to the next endpoint."""
    with FakeOpenAI(lambda request: RECORD) as first, FakeOpenAI(lambda request: RECORD) as second:
        model = open_model(MINI, at(Endpoint(first.base_url, key=""), Endpoint(second.base_url, key="")), {})
        first.faults("cut_body")
        (reply,) = ask(model)
        assert reply.failure is not None
        assert (reply.failure.sent, second.count) == (True, 0)
        (reply,) = ask(model)
        assert (reply.endpoint, first.count) == (second.address[7:], 1)


def test_an_endpoint_that_is_not_there_is_passed_over() -> None:
    with FakeOpenAI() as gone:
        nowhere = gone.base_url
    with FakeOpenAI(lambda request: RECORD) as server:
        model = open_model(MINI, at(Endpoint(nowhere, key=""), Endpoint(server.base_url, key="")), {})
        assert [reply.endpoint for reply in ask(model, 3)] == [server.address[7:]] * 3


def test_a_key_that_is_refused_is_no_outage() -> None:
    with FakeOpenAI(lambda request: RECORD, key="right") as first, FakeOpenAI(lambda request: RECORD) as second:
        endpoints = (Endpoint(first.base_url, key="KEY_ONE"), Endpoint(second.base_url, key=""))
        (reply,) = ask(open_model(MINI, at(*endpoints), {"KEY_ONE": "wrong"}))
        assert reply.failure is not None
        assert (reply.failure.kind, reply.failure.fix) == ("configuration", "Check KEY_ONE.")
        assert second.count == 0


def test_openai_and_azure_are_endpoints_of_one_model() -> None:
    with FakeOpenAI(faults=["server_error"] * 9) as first, FakeOpenAI(lambda request: RECORD) as azure:
        there = Endpoint(azure.address, key="AZURE", model="mini", api_version="2024-10-21")
        model = open_model(MINI, at(Endpoint(first.base_url, key=""), there), {"AZURE": "az-key"})
        (reply,) = ask(model)
        asked = azure.requests[0]
        assert reply.failure is None
        assert asked.path == "/openai/deployments/mini/chat/completions"
        assert (asked.query["api-version"], asked.headers["api-key"]) == ("2024-10-21", "az-key")


def test_what_the_caller_gives_comes_before_the_endpoints_of_the_catalogue() -> None:
    with FakeOpenAI(lambda request: RECORD) as server:
        model = open_model(MINI, at(Endpoint("http://127.0.0.1:9/v1", key="")), {}, base_url=server.base_url)
        assert ask(model)[0].failure is None


def test_every_endpoint_failing_is_the_failure_of_the_last() -> None:
    with FakeOpenAI(faults=["server_error"] * 4) as one, FakeOpenAI(faults=["overloaded"] * 4) as two:
        model = open_model(MINI, at(Endpoint(one.base_url, key=""), Endpoint(two.base_url, key="")), {})
        (reply,) = ask(model)
        assert reply.failure is not None
        assert (reply.failure.code, one.count, two.count) == ("overloaded", 1, 1)


def test_headers_are_filled_from_the_environment_and_are_never_shown() -> None:
    secret = "very-secret-tenant"
    headers = {"X-Tenant": "${TENANT}", "X-Plain": "yes"}
    with FakeOpenAI(faults=[Fault("server_error", message=f"bad tenant {secret}")]) as server:
        model = open_model(MINI, at(Endpoint(server.base_url, key="", headers=headers)), {"TENANT": secret})
        (reply,) = ask(model)
        assert server.requests[0].headers["X-Tenant"] == secret
        assert server.requests[0].headers["X-Plain"] == "yes"
        assert reply.failure is not None
        assert secret not in reply.failure.message
    with pytest.raises(ModelError, match="The header X-Tenant names the variable TENANT, which is not set"):
        open_model(MINI, at(Endpoint(server.base_url, key="", headers=headers)), {})
    assert filled("a${B}c", {"B": "-"}, "It") == "a-c"


# Rate limits


def test_a_server_s_limit_is_learnt_and_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket of 60 requests is empty after 60; the server would refuse the others, and is not asked too early."""
    with FakeOpenAI(lambda request: RECORD, requests_per_minute=600) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "some-key")
        server.meter._levels["requests"] = 12.0  # most of the minute is used up already

        @extract(limits=Limits(in_flight=8))
        def read(document) -> Word:  # type: ignore[no-untyped-def]
            """Read the word."""

        done = list(read.batch([f"document {number}" for number in range(30)]))
        assert [one.ok for one in done] == [True] * 30
        assert server.answered == 30
        assert server.meter.refused <= 8  # those that were under way when the level was not known yet


def test_a_rate_limit_holds_up_all_calls_and_not_only_the_one_that_met_it() -> None:
    with FakeOpenAI(lambda request: RECORD) as server:
        model = open_model(MINI, KNOWN, {"OPENAI_BASE_URL": server.base_url})
        server.faults(Fault("rate_limit", retry_after=0.2))
        (reply,) = ask(model)
        assert reply.failure is not None
        assert 0.1 < model.wait(a_call()) <= 0.2  # type: ignore[attr-defined]
        time.sleep(0.2)
        assert model.wait(a_call()) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_server_that_refuses_and_says_nothing_of_limits_is_asked_more_slowly(streamed: bool) -> None:
    with FakeOpenAI(lambda request: RECORD) as server:
        model = open_model(MINI, KNOWN, {"OPENAI_BASE_URL": server.base_url})

        async def ask_once() -> Reply:
            if not streamed:
                return await model.send(a_call())
            *_, reply = [item async for item in model.stream(a_call())]
            assert isinstance(reply, Reply)
            return reply

        async def ask_on() -> list[float]:
            apart = []
            for fault in (Fault("overloaded"), Fault("overloaded"), None):
                server.faults(*([fault] if fault else []))
                await ask_once()
                apart.append(model._stations[0].allowance._gap)  # type: ignore[attr-defined]
            return apart

        first, second, served = asyncio.run(ask_on())
        assert 0 < first < second
        assert 0 < served < second


def test_an_allowance_waits_for_what_is_known_and_for_nothing_else() -> None:
    unknown = Allowance()
    for _ in range(1000):
        unknown.take(0.0, 1e9)
    assert unknown.wait(0.0, 1e9) == 0
    known = Allowance(requests_per_minute=60)
    for _ in range(60):
        assert known.wait(0.0, 5) == 0
        known.take(0.0, 5)
    assert known.wait(0.0, 5) == pytest.approx(1.0)
    assert known.wait(0.5, 5) == pytest.approx(0.5)
    assert known.wait(1.0, 5) == 0


def test_an_answer_corrects_the_level_but_for_what_was_sent_since() -> None:
    def said(remaining: int) -> Mapping[str, str]:
        return {
            "x-ratelimit-limit-tokens": "6000",
            "x-ratelimit-remaining-tokens": str(remaining),
            "x-ratelimit-reset-tokens": f"{(6000 - remaining) / 100}s",
        }

    one = Allowance()
    first = one.take(0.0, 1000)
    late = one.take(0.0, 1000)
    one.learn(said(1500), first, now=1.0)
    # 1,500 were left, 100 came back in a second, 1,000 were sent since
    assert one.wait(1.0, 600) == 0
    assert one.wait(1.0, 1100) == pytest.approx(5.0)
    one.take(1.0, 500)
    one.learn(said(4000), first, now=1.0)  # the newest answer counts, and of those at one time the last
    one.learn(said(0), late, now=1.0)
    assert one.wait(1.0, 100) == pytest.approx(5.0)


@given(st.integers(0, 10), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_durations_are_read(hours: int, minutes: int, seconds: int, millis: int) -> None:
    whole = hours * 3600 + minutes * 60 + seconds
    assert seconds_in(f"{hours}h{minutes}m{seconds}s") == whole
    assert seconds_in(f"{minutes}m{seconds}.{millis:03}s") == pytest.approx(minutes * 60 + seconds + millis / 1000)
    assert seconds_in(f"{millis}ms") == pytest.approx(millis / 1000)
    assert seconds_in(str(seconds)) == seconds
    assert seconds_in(f"{seconds} parsecs") is None


# Where data may go

REFUSED = {
    "offline": (
        Reach(offline=True),
        "openai/gpt-4o-mini is at api.openai.com, and nothing may leave this machine (offline).\n"
        "  Name a server on this machine, or the model rules, or allow the host instead of being offline.",
    ),
    "hosts": (
        Reach(hosts=("llm.example.com", "*.intern")),
        "openai/gpt-4o-mini is at api.openai.com, and only llm.example.com, *.intern may be asked.\n"
        "  Name a model at one of these hosts, or add the host to them.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_host_that_data_may_not_go_to_is_refused_before_anything_is_sent(case: str) -> None:
    reach, message = REFUSED[case]
    with pytest.raises(ModelError) as refused:
        open_model(MINI, KNOWN, {"OPENAI_API_KEY": "some-key"}, reach=reach)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("hosts", "url", "goes"),
    [
        (("example.com",), "https://example.com/v1", True),
        (("example.com",), "https://example.com:8443/v1", True),
        (("example.com:443",), "https://example.com:8443/v1", False),
        (("example.com:8443",), "https://example.com:8443/v1", True),
        (("example.com",), "https://evil-example.com/v1", False),
        (("*.example.com",), "https://a.b.example.com/v1", True),
        (("*.example.com",), "https://example.com/v1", False),
        (("Example.COM",), "https://example.com/v1", True),
        (("10.0.0.5",), "http://10.0.0.5:8000/v1", True),
    ],
)
def test_hosts_are_names_with_ports_and_patterns(hosts: tuple[str, ...], url: str, goes: bool) -> None:
    if goes:
        Reach(hosts=hosts).check("a/model", url)
    else:
        with pytest.raises(ModelError):
            Reach(hosts=hosts).check("a/model", url)


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://[::1]:80/v1"])
def test_this_machine_is_not_outside(url: str) -> None:
    Reach(offline=True).check("a/model", url)


def test_offline_works_and_follows_no_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiohttp import web

    elsewhere: list[str] = []

    async def serve() -> Reply:
        async def away(request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{second}/v1/chat/completions"})

        async def there(request: web.Request) -> web.Response:
            elsewhere.append(await request.text())
            return web.json_response({})

        ports, runners = [], []
        for handler in (away, there):
            app = web.Application()
            app.router.add_route("*", "/{any:.*}", handler)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            runners.append(runner)
            ports.append(runner.addresses[0][1])
        first, second = ports
        model = open_model(MINI, KNOWN, {"OPENAI_BASE_URL": f"http://127.0.0.1:{first}/v1"}, reach=Reach(offline=True))
        try:
            return await model.send(a_call())
        finally:
            await model.close()
            for runner in runners:
                await runner.cleanup()

    reply = asyncio.run(serve())
    assert reply.failure is not None
    assert (reply.failure.kind, reply.failure.status, elsewhere) == ("configuration", 307, [])


def test_the_environment_can_only_narrow_where_data_goes() -> None:
    assert reach_in({}) == Reach()
    assert reach_in({"EXTRACT_OFFLINE": "1"}).offline
    assert reach_in({"EXTRACT_HOSTS": "a.example, b.example"}).hosts == ("a.example", "b.example")
    both = Reach(hosts=("a.example", "*.c.example")) & Reach(hosts=("b.example", "x.c.example"))
    both.check("a/model", "http://x.c.example")
    for outside in ("http://a.example", "http://b.example", "http://y.c.example"):
        with pytest.raises(ModelError):
            both.check("a/model", outside)
    with pytest.raises(ModelError):
        (Reach(hosts=("a.example",)) & Reach(hosts=("b.example",))).check("a/model", "http://a.example")
    with pytest.raises(ModelError) as wrong:
        reach_in({"EXTRACT_OFFLINE": "maybe"})
    assert str(wrong.value) == "EXTRACT_OFFLINE is 1 or 0, and not 'maybe'.\n  Set it to 1 to send nothing outside."


def test_a_function_may_be_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "some-key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    @extract(offline=True)
    def read(document) -> Word:  # type: ignore[no-untyped-def]
        """Read the word."""

    with pytest.raises(ModelError, match="nothing may leave this machine"):
        read("here")


# The user's own models

OWN = """\
compatible/qwen:
  context: 32768
  modes: [json_schema]
  price: {input: 0.1, output: 0.2}
  endpoints:
    - {url: http://localhost:8000/v1, key: ""}
openai/next-model: {same_as: openai/gpt-4o, max_output: 99}
openai/gpt-4o-mini:
  endpoints:
    - {url: https://api.openai.com/v1, requests_per_minute: 500}
    - {url: https://mine.openai.azure.com, api_version: 2024-10-21, model: mini, key: AZURE}
azure/receipts: {same_as: openai/gpt-4o-mini}
"""


def test_a_file_declares_models_and_their_endpoints(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(OWN)
    known = known_models({}, tmp_path)
    qwen = known.facts("compatible/qwen")
    assert (qwen.context, qwen.modes, qwen.warning, str(qwen.price and qwen.price.output)) == (
        32768,
        ("json_schema",),
        "",
        "0.2",
    )
    assert "temperature" in qwen.parameters
    assert known.facts("openai/next-model").max_output == 99
    assert known.facts("openai/next-model").context == 128_000
    assert known.facts("azure/receipts").price == KNOWN.facts(MINI).price
    assert known.facts(MINI).context == KNOWN.facts(MINI).context
    azure = known.endpoints[MINI][1]
    assert (azure.api_version, azure.model, azure.key) == ("2024-10-21", "mini", "AZURE")
    (tmp_path / "models.yaml").write_text("compatible/other: {context: 5}\n")  # it is read anew
    assert known_models({}, tmp_path).facts("compatible/other").context == 5


WRONG = {
    "openai/x: {contxt: 1}": "1:12: There is no fact `contxt`.\n  Did you mean `context`?",
    "openai/x: {context: many}": "1:12: `context` is not right: Input should be a valid integer, unable to parse string"
    " as an integer.",
    "x: {context: 1}": "1:1: 'x' is not the name of a model: it names no provider that is known.\n"
    "  Write compatible/x, or one of openai, azure, compatible.",
    "foo/x: {context: 1}": "1:1: 'foo/x' is not the name of a model: it names no provider that is known.\n"
    "  Write compatible/x, or one of openai, azure, compatible.",
    "openai/x: {price: {input: -1, output: 1}}": "1:20: `input` is not right: Input should be greater than or equal to"
    " 0.",
    "openai/x: {modes: []}": "1:12: `modes` is not right: Tuple should have at least 1 item after validation, not 0.",
    "openai/x: {images: {kind: foo}}": "1:12: `images` is not right: it is no rule of counting images, such as"
    " {kind: tiles, base: 85, tile: 170}.",
    "openai/x: {same_as: openai/y}\nopenai/y: {same_as: openai/x}": "1:12: `same_as` of openai/x leads back to"
    " openai/x.\n  Say the facts of one of them.",
    "openai/x: {endpoints: [{url: 'http://a', key: sk-secret-1}]}": "1:42: `key` is not right: it names the environment"
    " variable that holds the key, such as MY_KEY; a key is in no file.",
    "openai/x: {parameters: [temperatur]}": "1:12: `parameters` is not right: there is no setting 'temperatur'; there"
    " are " + ", ".join(SETTINGS) + ".",
    "openai/x:\n  endpoints:\n    - {key: A}": "3:7: `url` is missing.",
    "openai/x:\n  modes: [strct]": "2:11: `modes` is not right: Input should be 'strict', 'tools', 'json_schema',"
    " 'json_object', 'json' or 'text'.",
    "azure/x: {same_as: openai/gpt-4o-mn}": "1:11: `same_as` of azure/x names no model: openai/gpt-4o-mn.\n"
    "  Did you mean openai/gpt-4o-mini?",
    "a: [": "1:5: This is not YAML: expected the node content, but found '<stream end>'.\n"
    "  Check the indentation and quotes.",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_is_not_right_says_where(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ModelError) as wrong:
        known_models({"EXTRACT_MODELS": str(path)})
    assert str(wrong.value) == f"{path}:{WRONG[text]}"


def test_a_file_may_be_empty_and_have_days_without_quotes(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("# nothing yet\n")
    assert known_models({}, tmp_path).facts(MINI) == KNOWN.facts(MINI)
    (tmp_path / "models.yaml").write_text("openai/x: {date: 2026-03-21}\n")
    assert known_models({}, tmp_path).facts("openai/x").date == "2026-03-21"
    (tmp_path / "models.yaml").write_text("openai/x: " + "[" * 3000)
    with pytest.raises(ModelError):
        known_models({}, tmp_path)


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as wrong:
        known_models({"EXTRACT_MODELS": str(tmp_path / "none.yaml")})
    assert str(wrong.value) == f"{tmp_path / 'none.yaml'}: There is no such file of models.\n  Check EXTRACT_MODELS."
    assert known_models({}, tmp_path) is KNOWN


ADDRESSES = ["http://localhost:abc/v1", "http://localhost:99999/v1", "http://127.0.0.1:-1/", "http://[::1", "ftp://a/b"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_none_is_said(address: str) -> None:
    with pytest.raises(ModelError) as wrong:
        open_model("compatible/x", KNOWN, {"OPENAI_BASE_URL": address})
    assert str(wrong.value) == (
        f"OPENAI_BASE_URL is not a web address: {address!r}.\n  Write it whole, such as http://localhost:8000/v1."
    )


@pytest.mark.parametrize("host", ["https://api.x.com", "", " x.com", "a/b", "[::1", "host:abc", "*", 5])
def test_a_host_that_is_none_is_said(host: Any) -> None:
    with pytest.raises(ModelError, match="is not a host"):
        Reach(hosts=(host,))


def test_hosts_may_be_addresses_of_the_sixth_version_and_end_in_a_point() -> None:
    Reach(hosts=("::1",)).check("a/model", "http://[::1]:80/v1")
    Reach(hosts=("example.com.",)).check("a/model", "http://example.com/v1")
    Reach(hosts=("example.com:443",)).check("a/model", "https://example.com./v1")


def test_an_azure_endpoint_is_given_azures_key_and_never_openais() -> None:
    endpoint = Endpoint("http://127.0.0.1:9", model="d", api_version="2024-10-21")
    known = KNOWN | Catalogue({}, {"azure/d": (endpoint,)})
    with pytest.raises(ModelError) as missing:
        open_model("azure/d", known, {"OPENAI_API_KEY": "sk-openai"})
    assert str(missing.value).startswith(
        "No key for azure/d: AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN is not set."
    )
    with pytest.raises(ModelError, match="has no API version"):
        open_model("azure/d", KNOWN | Catalogue({}, {"azure/d": (Endpoint("http://127.0.0.1:9"),)}), {})


def test_a_part_of_a_header_is_a_secret_as_well() -> None:
    said = "Incorrect token: tok_SECRETTOKEN_998877"
    with FakeOpenAI(faults=[Fault("server_error", message=said)]) as server:
        headers = {"Authorization": "Bearer ${TOKEN}"}
        environ = {"TOKEN": "tok_SECRETTOKEN_998877"}
        (reply,) = ask(open_model(MINI, at(Endpoint(server.base_url, key="", headers=headers)), environ))
        assert reply.failure is not None
        assert "SECRET" not in reply.failure.message


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_is_a_host_as_well(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    environ = {"OPENAI_BASE_URL": "http://llm.example.com/v1"}
    with pytest.raises(ModelError, match=r"^The proxy for openai/gpt-4o-mini is at 127\.0\.0\.1, and only llm"):
        open_model(MINI, KNOWN, environ, reach=Reach(hosts=("llm.example.com",)))
    with FakeOpenAI(lambda request: RECORD) as server:  # offline, no proxy is used
        model = open_model(MINI, KNOWN, {"OPENAI_BASE_URL": server.base_url}, reach=Reach(offline=True))
        assert ask(model)[0].failure is None


def test_documents_are_sent_in_their_order_and_a_big_one_does_not_starve() -> None:
    """The limit is nearly reached when they come: they are sent in the order in which they were asked."""
    with FakeOpenAI(lambda request: RECORD, tokens_per_minute=12_000) as server:
        server.meter._levels["tokens"] = 1_000.0
        model = open_model(MINI, KNOWN, {"OPENAI_BASE_URL": server.base_url})
        calls = Calls({MINI: model}, Memory(), Traffic(Limits(in_flight=2)))
        facts, watch = KNOWN.facts(MINI), Watch(Hook())
        names = ["small0", "big", *(f"small{number}" for number in range(1, 8))]

        async def all_of_them() -> None:
            await calls.reply(a_call("first"), facts, watch)
            texts = [name + (" x" * 1500 if name == "big" else "") for name in names]
            await asyncio.gather(*(calls.reply(a_call(text), facts, watch) for text in texts))
            await model.close()

        asyncio.run(all_of_them())
        sent = [request.document.split("===\n")[1].split()[0] for request in server.requests]
        kept = list(dict.fromkeys(sent[1:]))
        assert [names.index(name) for name in kept] == sorted(range(9), key=lambda at: at)


# Settings on the wire


def test_extra_fields_and_headers_go_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOpenAI(lambda request: RECORD, modes=("strict",)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("TENANT", "seven")
        settings = {"extra_body": {"top_k": 5}, "extra_headers": {"X-Tenant": "${TENANT}"}, "seed": 3}

        @extract(model="compatible/qwen", settings=settings)
        def read(document) -> Word:  # type: ignore[no-untyped-def]
            """Read the word."""

        assert read("here").word == "here"
        body, headers = server.requests[0].body, server.requests[0].headers
        assert (body["top_k"], body["seed"], headers["X-Tenant"]) == (5, 3, "seven")
        assert "extra_headers" not in json.dumps(body)


def test_a_header_makes_no_other_call() -> None:
    @extract(settings={"extra_headers": {"X-A": "1"}, "seed": 1})
    def one(document) -> Word:  # type: ignore[no-untyped-def]
        """Read."""

    @extract(settings={"seed": 1})
    def other(document) -> Word:  # type: ignore[no-untyped-def]
        """Read."""

    assert one.task == other.task


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Host", "X Y", "X:", ""])
def test_headers_that_say_how_a_request_is_carried_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="`extra_headers` is an object of texts"):
        extract(settings={"extra_headers": {name: "1"}})(_read)


def _read(document) -> Word:  # type: ignore[no-untyped-def,empty-body]
    """Read."""


def test_a_bridged_model_in_a_cascade_is_checked_before_the_first_is_paid() -> None:
    settings = {"image_detail": "low"}
    with pytest.raises(ModelError, match=r"^anthropic/claude-haiku-5-5: .* takes no setting `image_detail`\."):
        open_cascade([MINI, "anthropic/claude-haiku-5-5"], KNOWN, {"OPENAI_API_KEY": "some-key"}, settings=settings)


def test_endpoints_of_a_bridged_model_are_refused_and_not_ignored() -> None:
    known = KNOWN | Catalogue({}, {"mistral/x": (Endpoint("http://127.0.0.1:9", key="K"),)})
    with pytest.raises(ModelError) as refused:
        open_model("mistral/x", known, {"MISTRAL_API_KEY": "k" * 8})
    assert str(refused.value) == (
        "`endpoints` of mistral/x are not taken: it is asked through the provider's own package.\n"
        "  Set MISTRAL_BASE_URL to the address, and MISTRAL_API_KEY to the key."
    )
