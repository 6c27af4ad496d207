"""Real database servers for the tests: PostgreSQL and MariaDB, made in a folder of their own, started and thrown away.

They listen on this machine only, with a password, and write without waiting for the disk. Neither runs as root, so
where we are root they run as another user. `NotHere` says in a sentence why one cannot be started.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "correct:horse@battery"
SECONDS = 60


class NotHere(Exception):
    """Why the server cannot be started here."""


def program(name: str, *folders: str) -> str:
    """The path of a program; of several versions the newest."""
    found = shutil.which(name)
    for pattern in folders:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), key=lambda one: (len(str(one)), one), reverse=True):
            found = found or shutil.which(name, path=str(folder))
    if found is None:
        raise NotHere(f"there is no {name} on this machine")
    return found


def another_user(*names: str) -> str | None:
    """Who runs the server where we are root; None: we do."""
    if os.getuid() != 0:
        return None
    for name in names:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NotHere("the server does not run as root, and there is no other user")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def run(command: list[str], folder: Path, user: str | None) -> None:
    """Runs a program to its end, as the user; its words are in the error."""
    try:
        done = subprocess.run(command, cwd=folder, timeout=SECONDS, capture_output=True, text=True, **_as(user))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(f"{Path(command[0]).name} failed: {error}") from None
    if done.returncode:
        raise NotHere(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def _as(user: str | None) -> dict[str, Any]:
    return {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


@contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="extract-server-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[tuple[str, Path]]:
    """A running PostgreSQL: the start of its URLs, without the name of a database, and the folder of its socket."""
    initdb = program("initdb", "/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")
    pg_ctl = program("pg_ctl", "/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")
    user = another_user("postgres", "nobody")
    with _folder(user) as folder:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user is not None:
            shutil.chown(secret, user)
        made = [initdb, "-D", "data", "-U", "me", f"--pwfile={secret}", "--no-sync", "-E", "UTF8", "--locale=C"]
        run([*made, "--auth-local=trust", "--auth-host=scram-sha-256"], folder, user)
        port = free_port()
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n")
            file.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n")
        run([pg_ctl, "-D", "data", "-w", "-l", "log", "start"], folder, user)
        try:
            quoted = PASSWORD.replace(":", "%3A").replace("@", "%40")
            yield f"postgresql://me:{quoted}@127.0.0.1:{port}/", folder
        finally:
            run([pg_ctl, "-D", "data", "-m", "immediate", "stop"], folder, user)


@contextmanager
def mariadb() -> Iterator[str]:
    """A running MariaDB: the start of its URLs."""
    install = program("mariadb-install-db", "/usr/bin", "/usr/sbin")
    server = program("mariadbd", "/usr/sbin", "/usr/libexec")
    user = another_user("mysql", "nobody")
    with _folder(user) as folder:
        start = f"create database shop character set utf8mb4; create user me identified by '{PASSWORD}';"
        (folder / "start.sql").write_text(f"{start} grant all on *.* to me;\n".replace("; ", ";\n"))
        shutil.chown(folder / "start.sql", user or os.getuid())
        made = [install, "--no-defaults", f"--datadir={folder}/data", "--skip-test-db"]
        run([*made, "--auth-root-authentication-method=normal"], folder, user)
        port = free_port()
        options = [f"--datadir={folder}/data", f"--socket={folder}/s", f"--port={port}", "--bind-address=127.0.0.1"]
        quick = ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", f"--init-file={folder}/start.sql"]
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(
                [server, "--no-defaults", *options, *quick], cwd=folder, stdout=log, stderr=log, **_as(user)
            )
        try:
            _wait_for(running, port, folder / "log")
            quoted = PASSWORD.replace(":", "%3A").replace("@", "%40")
            yield f"mariadb://me:{quoted}@127.0.0.1:{port}/"
        finally:
            running.kill()
            running.wait(SECONDS)


def _wait_for(running: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(SECONDS * 10):
        if running.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise NotHere(f"mariadbd did not start: {log.read_text(errors='replace').strip()[-300:]}")
