"""Where a model is asked, and where data may go, as values.

An `Endpoint` is one address of a model: OpenAI's, an Azure resource, a server of the user's own. It names environment
variables and never holds a secret. A model may have several, which are asked in their order. A `Reach` says to which
hosts requests may go at all, for those whose data must not leave: `offline` admits this machine only, `hosts` the named
ones. It is asked when a model is opened, before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from .call import Mode
from .errors import ModelError

__all__ = ["ANYWHERE", "AZURE", "OPENAI", "Endpoint", "Reach", "filled"]

OPENAI = "https://api.openai.com/v1"
"""The base address of OpenAI's own API."""


@dataclass(frozen=True)
class Endpoint:
    """One address of a model.

    `url` is the base address (``https://api.openai.com/v1``), of an Azure resource its root. `key` names the
    environment variable with the key (None: the provider's usual one; empty: none is sent). `model` is the model's name
    there, on Azure the deployment
    (empty: the catalogue's name); an `api_version` makes it an Azure endpoint. In the values of `headers`,
    ``${VARIABLE}`` stands for a variable of the environment. `modes` are those that it is known to take (empty: the
    model's); the two rates are the limits that are known beforehand, others are learnt from what the server says.
    """

    url: str
    key: str | None = None
    model: str = ""
    api_version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    modes: tuple[Mode, ...] = ()
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    @property
    def variable(self) -> str:
        """The environment variable that holds the key; empty where none is sent."""
        return self.key if self.key is not None else AZURE if self.api_version else "OPENAI_API_KEY"

    @property
    def host(self) -> str:
        """Host and port, as they may be shown."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


AZURE = "AZURE_OPENAI_API_KEY"
"""The variable that Azure's key is in, where an endpoint names none."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def filled(text: str, environ: Mapping[str, str], where: str) -> str:
    """The text with its variables put in. Raises `ModelError` for one that is not set."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in environ:
            raise ModelError(f"{where} names the variable {found[1]}, which is not set.", fix=f"Set {found[1]}.")
        return environ[found[1]]

    return _VARIABLE.sub(value, text)


@dataclass(frozen=True)
class Reach:
    """To which hosts requests may go. `hosts` are names or addresses, with a port where only that one is meant;
    ``*.example.com`` stands for all names below it. Empty and not `offline`: to all. `others` are further lists, each
    of which must admit a host as well. Raises `ModelError` for what is no host."""

    offline: bool = False
    hosts: tuple[str, ...] = ()
    others: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        for one in self.hosts:
            if not isinstance(one, str) or _parted(one) is None:
                fix = "Write a name such as llm.example.com, with a port if only that is meant, or *.example.com."
                raise ModelError(f"{one!r} is not a host.", fix=fix)

    @property
    def everywhere(self) -> bool:
        return not (self.offline or self.hosts)

    def check(self, name: str, url: str) -> None:
        """Raises `ModelError` if requests to `url` for the model `name` may not go out."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        if self.offline and not _is_here(host):
            raise ModelError(
                f"{name} is at {host}, and nothing may leave this machine (offline).",
                fix="Name a server on this machine, or the model rules, or allow the host instead of being offline.",
            )
        for hosts in (self.hosts, *self.others):
            if hosts and not any(_admits(one, host, port) for one in hosts):
                raise ModelError(
                    f"{name} is at {host}, and only {', '.join(hosts)} may be asked.",
                    fix="Name a model at one of these hosts, or add the host to them.",
                )

    def __and__(self, other: Reach) -> Reach:
        """What both allow."""
        first, *others = [one for one in (self.hosts, *self.others, other.hosts, *other.others) if one] or [()]
        return Reach(self.offline or other.offline, first, tuple(others))


ANYWHERE = Reach()


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _parted(allowed: str) -> tuple[str, int | None] | None:
    """The name and the port of a host as a user writes it; None for what is none."""
    bare = f"[{allowed}]" if allowed.count(":") > 1 and not allowed.startswith("[") else allowed
    try:
        parts = urlsplit(f"//{bare}")
        name, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    good = name and bare == parts.netloc and not set(name) & set("/ @?#") and "*" not in name.removeprefix("*.")
    return (name, port) if good else None


def _admits(allowed: str, host: str, port: int | None) -> bool:
    name, only = _parted(allowed) or ("", None)
    if only is not None and only != port:
        return False
    return host.endswith(name[1:]) and host != name[2:] if name.startswith("*.") else host == name
