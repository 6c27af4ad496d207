"""No test reaches beyond this machine: a connection to any other address than the loopback fails the test."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

KEYS = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "GOOGLE_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY"),
)


@pytest.fixture(autouse=True)
def closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def refuse_others(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse_others)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a reader has, so that what is written does not end up in the repository."""
    for name in ("schemas", "pipelines", "examples"):
        shutil.copytree(Path(__file__).parent.parent / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
