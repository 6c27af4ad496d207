"""How a model is reached: its endpoints, their keys and addresses, and whether data may go there.

What the caller gives comes first, then what the catalogue declares, then the environment. Everything is checked before
anything is sent: an address that is none, a key that is missing or cannot be one, a host that data may not go to.
Secrets are taken from the environment, put into the headers, and handed to whoever makes messages so that none shows
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from typing import Any
from urllib.parse import quote, urlsplit

from ..catalogue import ModelFacts
from ..endpoints import ANYWHERE, AZURE, OPENAI, Endpoint, Reach, filled
from ..errors import ModelError
from .allowance import Allowance
from .files import Files
from .openai import OpenAIModel, Station
from .transport import Direct, Through, Transport, proxy_for
from .wire import Wire

_PLAIN = 7
"""What is longer in a header's value is never shown: it may be a secret."""

__all__ = ["Access", "open_azure", "open_compatible", "open_openai"]


@dataclass(frozen=True)
class Access:
    """What the caller gave, and the environment that stands in for what was not given. `endpoints` are the catalogue's,
    `headers` go with each request (``${VARIABLE}`` in their values is filled in)."""

    environ: Mapping[str, str] = field(repr=False)
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    client: Any = None
    endpoints: tuple[Endpoint, ...] = ()
    reach: Reach = ANYWHERE
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def address(self, variable: str) -> str | None:
        """A web address, or None. Raises `ModelError` for what is none, and for one with a password in it."""
        address = self.base_url or self.environ.get(variable)
        return _checked(address, variable) if address else None

    def key(self, variable: str) -> str | None:
        return self.api_key or self.environ.get(variable) or None


def _checked(address: str, where: str) -> str:
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is none, a bracket that is not closed
        good = False
    if not good:
        raise ModelError(
            f"{where} is not a web address: {address.rpartition('@')[2]!r}.",
            fix="Write it whole, such as http://localhost:8000/v1.",
        )
    if parts.username or parts.password:
        raise ModelError(f"{where} has a password in it.", fix="Give the server's secret as its key instead.")
    if parts.query or parts.fragment:
        raise ModelError(
            f"{where} has something behind its path: {parts.query or parts.fragment!r}.",
            fix="Give the base address; of Azure the resource's own, with the version in OPENAI_API_VERSION.",
        )
    return address


def open_openai(facts: ModelFacts, access: Access) -> OpenAIModel:
    """``openai/<model>``. A key may be missing only where the address is another than OpenAI's own."""
    return _opened(facts, access, (Endpoint(access.address("OPENAI_BASE_URL") or OPENAI, "OPENAI_API_KEY"),))


def open_compatible(facts: ModelFacts, access: Access) -> OpenAIModel:
    """``compatible/<model>``: any server that speaks OpenAI's protocol, at OPENAI_BASE_URL or its endpoints."""
    address = access.address("OPENAI_BASE_URL")
    if address is None and access.client is None and not access.endpoints:
        raise _missing(facts.name, {"address": "OPENAI_BASE_URL"})
    return _opened(facts, access, (Endpoint(address or OPENAI, "OPENAI_API_KEY"),))


def open_azure(facts: ModelFacts, access: Access) -> OpenAIModel:
    """``azure/<deployment>``, by key or by the token in AZURE_OPENAI_AD_TOKEN."""
    key, token = access.key(AZURE), access.environ.get("AZURE_OPENAI_AD_TOKEN") or None
    address, version = access.address("AZURE_OPENAI_ENDPOINT"), access.environ.get("OPENAI_API_VERSION") or None
    needed = {
        "key": (AZURE, key or token),
        "address": ("AZURE_OPENAI_ENDPOINT", address),
        "API version": ("OPENAI_API_VERSION", version),
    }
    missing = {what: variable for what, (variable, value) in needed.items() if not value}
    if missing and access.client is None and not access.endpoints:
        raise _missing(facts.name, missing)
    return _opened(facts, access, (Endpoint(address or OPENAI, AZURE, api_version=version or "-"),))


def _opened(facts: ModelFacts, access: Access, usual: tuple[Endpoint, ...]) -> OpenAIModel:
    """The model at the caller's own client or address, else at the catalogue's endpoints, else at the usual one."""
    if access.client is not None:
        return OpenAIModel([_through(facts, access, usual[0])])
    own = access.base_url is not None or not access.endpoints
    return OpenAIModel([_station(facts, access, one) for one in (usual if own else access.endpoints)])


def _secret(value: str | None, name: str, variable: str) -> str | None:
    """A key or token that can be one."""
    if value is not None and not (value.isascii() and value.isprintable()):
        raise ModelError(f"The key for {name} holds characters that no key has.", fix=f"Check {variable}.")
    return value


def _through(facts: ModelFacts, access: Access, endpoint: Endpoint) -> Station:
    """A client of the caller's own knows its address, its keys and its proxy."""
    post = getattr(access.client, "post", None)
    if isinstance(access.client, type) or not iscoroutinefunction(post):
        kind = getattr(access.client, "__name__", type(access.client).__name__)
        raise ModelError(
            f"The client for {facts.name} is no asynchronous one: {kind}.",
            fix="Pass AsyncOpenAI(...) or AsyncAzureOpenAI(...).",
        )
    if access.headers:
        message = f"{facts.name} has a client of your own, and takes no `extra_headers` beside it."
        raise ModelError(message, fix="Give the client its headers: AsyncOpenAI(default_headers=...).")
    address = str(access.client.base_url)
    access.reach.check(facts.name, address)
    secrets = tuple(filter(None, (access.api_key, getattr(access.client, "api_key", None))))
    known = _wire(facts, replace(endpoint, url=address), secrets)
    path = f"/deployments/{known.model}/chat/completions" if endpoint.api_version else "/chat/completions"
    station = Station(known, address, Through(access.client, path), _modes(facts, endpoint))
    station.no_files = "it has a client of your own, which is used for single calls only"
    return station


def _station(facts: ModelFacts, access: Access, endpoint: Endpoint) -> Station:
    url = _checked(endpoint.url, f"The address of {facts.name}").rstrip("/")
    access.reach.check(facts.name, url)
    if facts.provider == "azure" and not endpoint.api_version:
        fix = "Give its `api_version`, such as 2024-10-21."
        raise ModelError(f"The endpoint of {facts.name} at {endpoint.host} has no API version.", fix=fix)
    if "/openai/deployments/" in url:
        fix = "Give the resource's own address, such as https://mine.openai.azure.com."
        raise ModelError(f"The address of {facts.name} is that of a deployment: {url}.", fix=fix)
    key = _secret(access.key(endpoint.variable), facts.name, endpoint.variable) if endpoint.variable else None
    headers, secrets = _headers(facts, access, endpoint, key)
    known = _wire(facts, endpoint, secrets)
    if endpoint.api_version:
        at = f"{url}/openai/deployments/{quote(known.model, safe='')}/chat/completions"
        at += f"?api-version={quote(endpoint.api_version, safe='')}"
    else:
        at = f"{url}/chat/completions"
    allowance = Allowance(endpoint.requests_per_minute, endpoint.tokens_per_minute)
    proxy = None if access.reach.offline else proxy_for(url)
    if proxy is not None:
        access.reach.check(f"The proxy for {facts.name}", proxy)
    transport: Transport = Direct(at, headers, proxy)
    files = None if endpoint.api_version else Files(url, headers, proxy)
    station = Station(known, url, transport, _modes(facts, endpoint), allowance, files)
    if endpoint.api_version:
        station.no_files = "Azure's batches are not built yet"
    return station


def _headers(
    facts: ModelFacts, access: Access, endpoint: Endpoint, key: str | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The headers of each request, and what of them nobody may see."""
    given = {**endpoint.headers, **access.headers}
    own = {name: filled(value, access.environ, f"The header {name}") for name, value in given.items()}
    for name, value in own.items():
        if not (value.isascii() and value.isprintable()):
            raise ModelError(f"The header {name} holds characters that no header has.", fix="Check its value.")
    secrets = [key] if key else []
    # what a server quotes may be a part of a header, such as the token without the word before it
    secrets += [part for value in own.values() for part in (value, *value.split()) if len(part) > _PLAIN]
    headers: dict[str, str] = {}
    if endpoint.api_version:
        token = access.environ.get("AZURE_OPENAI_AD_TOKEN") or None if key is None else None
        token = _secret(token, facts.name, "AZURE_OPENAI_AD_TOKEN")
        headers = {"api-key": key} if key else {"Authorization": f"Bearer {token}"} if token else {}
        secrets += [token] if token else []
    elif key:
        headers = {"Authorization": f"Bearer {key}"}
    if urlsplit(endpoint.url).hostname == urlsplit(OPENAI).hostname:
        accounts = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
        headers |= {name: access.environ[one] for name, one in accounts.items() if access.environ.get(one)}
    named = {name.lower() for name in own}
    if not headers and "authorization" not in named and _of_openai(endpoint):
        variable = endpoint.variable or "OPENAI_API_KEY"
        variable += " or AZURE_OPENAI_AD_TOKEN" if endpoint.api_version else ""
        raise _missing(facts.name, {"key": variable})
    return {**{name: value for name, value in headers.items() if name.lower() not in named}, **own}, tuple(secrets)


def _of_openai(endpoint: Endpoint) -> bool:
    """Whether it is OpenAI's own API or Azure: they take no request without a key, and any schema that they allow."""
    return bool(endpoint.api_version) or urlsplit(endpoint.url).hostname == urlsplit(OPENAI).hostname


def _wire(facts: ModelFacts, endpoint: Endpoint, secrets: tuple[str, ...]) -> Wire:
    variables = "AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION" if endpoint.api_version else "OPENAI_BASE_URL"
    wire = Wire(facts, endpoint.model or facts.name.partition("/")[2], mode=_modes(facts, endpoint)[0], secrets=secrets)
    wire = replace(wire, key_variable=endpoint.variable or wire.key_variable, address_variables=variables)
    return replace(wire, careful=not _of_openai(endpoint))


def _modes(facts: ModelFacts, endpoint: Endpoint) -> tuple[Any, ...]:
    return endpoint.modes or facts.modes


def _missing(name: str, missing: Mapping[str, str]) -> ModelError:
    """One sentence for everything that is not set, and the way out that needs none of it."""
    whats, variables = _listed(list(missing)), _listed(list(missing.values()))
    verb = "is" if len(missing) == 1 else "are"
    return ModelError(
        f"No {whats} for {name}: {variables} {verb} not set.",
        fix=f"Set {variables}, or use --model rules, which needs no key and no network.",
    )


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
