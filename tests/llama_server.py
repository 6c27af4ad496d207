"""llama.cpp's Python server as a process, with a model of chance (`tiny_llama`), for tests and benchmarks."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import IO

__all__ = ["INSTALL", "VARIABLE", "LlamaServer", "version_in"]

VARIABLE = "EXTRACT_LLAMA_PYTHON"
"""The environment variable that names a Python with the server in it."""
INSTALL = "pip install 'llama-cpp-python[server]' gguf"
"""What makes such a Python; the server is compiled on the way, which takes some minutes."""

_PATIENCE = 60.0
"""Seconds that it may take to start."""


def version_in(python: str) -> str:
    """The version of the server's package, or an empty text where this Python cannot run it."""
    code = "import gguf, llama_cpp.server, importlib.metadata as m; print(m.version('llama-cpp-python'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


class LlamaServer:
    """The server, in a ``with`` statement. `options` are its own, such as ``interrupt_requests="false"``."""

    def __init__(self, python: str, folder: Path, **options: str):
        self._python, self._folder, self._options = python, folder, options
        self._log: IO[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """All that it has written."""
        return (self._folder / "server.log").read_text(encoding="utf-8", errors="replace")

    @property
    def statuses(self) -> list[int]:
        """The statuses that it has answered chats with, in order."""
        return [int(one) for one in re.findall(r'POST /v1/chat/completions HTTP/1\.1" (\d+)', self.said)]

    def __enter__(self) -> LlamaServer:
        model = self._folder / "tiny.gguf"
        if not model.exists():
            writer = Path(__file__).with_name("tiny_llama.py")
            subprocess.run([self._python, str(writer), str(model)], check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = {"model": str(model), "host": "127.0.0.1", "port": str(port), "n_ctx": "8192", "n_threads": "1"}
        words = [word for name, value in (options | self._options).items() for word in (f"--{name}", value)]
        self._log = (self._folder / "server.log").open("w", encoding="utf-8")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [self._python, "-m", "llama_cpp.server", *words],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environ, "PYTHONUNBUFFERED": "1"},
        )
        self.base_url = f"http://127.0.0.1:{port}/v1"
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._log is not None:
            self._log.close()

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.runs:
            try:
                urllib.request.urlopen(f"{self.base_url}/models", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("The server did not start: " + self.said[-600:])
