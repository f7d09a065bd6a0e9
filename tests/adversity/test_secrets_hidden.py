"""Secrets never leave (F12): canaries set in every place a secret can be, looked for in everything that comes out."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from servers.free_port import free_port
from servers.sidecar_process import SidecarProcess

PASSWORD, TOKEN, ORIGIN_PASSWORD = "canary-password-1f3a", "canary-token-9b7c", "canary-origin-52de"
CANARIES = (PASSWORD, TOKEN, ORIGIN_PASSWORD)
COMMANDS = (
    *(
        "CLIENT LIST",
        "CLIENT INFO",
        "INFO ALL",
        "CONFIG GET *",
        "CONFIG GET requirepass",
        "SLOWLOG GET",
        "LATENCY LATEST",
    ),
    *("GET user:1", "HSET user:1 tier gold", "TTL user:1", "SCAN 0", "MEMORY USAGE user:1", "AUTH wrong", "NOSUCH x"),
)
ONCE = Retry(NoBackoff(), 0)  # redis-py takes a refused password for a lost connection, and tries again
ADMIN_PATHS = (
    "/",
    "/metrics",
    "/healthz",
    "/readyz",
    "/policy",
    "/config",
    "/overview",
    "/explain?key=user:1",
    "/none",
)


@pytest.fixture
def sidecar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SidecarProcess]:
    """A sidecar with every secret, over a Couchbase that is not there, so that its errors are heard too."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "token").write_text(TOKEN + "\n")
    monkeypatch.setenv("SIDECAR_ORIGIN_USERNAME", "reader")
    monkeypatch.setenv("SIDECAR_ORIGIN_PASSWORD", ORIGIN_PASSWORD)
    process = SidecarProcess(
        tmp_path,
        "--requirepass-file",
        str(tmp_path / "password"),
        "--admin-token-file",
        str(tmp_path / "token"),
        "--log-level",
        "debug",
        origin=f"couchbase://127.0.0.1:{free_port()}/features",
        policy="version: 1\ndefaults: {deadline: 50ms}\n",
    )
    yield process
    process.stop()


def everything_clients_see(sidecar: SidecarProcess) -> Iterator[str]:
    """Replies and errors of a client that first fails to authenticate and then does."""
    for attempt in (
        ["AUTH", "wrong"],
        ["AUTH", "default", "wrong"],
        ["HELLO", "3", "AUTH", "default", "wrong"],
        ["GET", "k"],
    ):
        with redis.Redis(unix_socket_path=str(sidecar.unix_socket), retry=ONCE, protocol=2) as client:
            with pytest.raises(redis.RedisError) as refused:
                client.execute_command(*attempt)
            yield str(refused.value)
    with redis.Redis(unix_socket_path=str(sidecar.unix_socket), retry=ONCE, password=PASSWORD) as client:
        assert client.ping()
        for command in COMMANDS:
            try:
                yield repr(client.execute_command(*command.split()))
            except redis.RedisError as exc:
                yield str(exc)


def everything_the_admin_port_says(sidecar: SidecarProcess) -> Iterator[str]:
    """Every page without the token, with a wrong one and with the right one."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {TOKEN}"}):
        for path in ADMIN_PATHS:
            request = urllib.request.Request(f"http://127.0.0.1:{sidecar.admin_port}{path}", headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    yield str(answer.headers) + answer.read().decode()
            except urllib.error.HTTPError as exc:
                yield str(exc.headers) + exc.read().decode()


def test_no_secret_comes_out_of_a_running_sidecar(sidecar: SidecarProcess):
    """Clients, admin pages, metrics, the process list and the log of a sidecar whose origin fails."""
    seen = [*everything_clients_see(sidecar), *everything_the_admin_port_says(sidecar)]
    seen.append(Path(f"/proc/{sidecar.process.pid}/cmdline").read_text())
    assert sidecar.stop() == 0
    seen.append(sidecar.log())
    assert any("UNAVAILABLE" in text or "TIMEOUT" in text for text in seen), "the origin's errors were not heard"
    assert any('"origin-password"' in text and "(set)" in text for text in seen), "/config was not read"
    assert any("cmd=client|list" in text for text in seen), "CLIENT LIST was not read"
    for text in seen:
        for canary in CANARIES:
            assert canary not in text


def test_a_refused_start_does_not_tell_secrets_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A URL with credentials, and a start that fails after the secrets were read."""
    (tmp_path / "password").write_text(PASSWORD)
    monkeypatch.setenv("SIDECAR_ORIGIN_PASSWORD", ORIGIN_PASSWORD)
    starts = (
        ("--origin", f"couchbase://reader:{PASSWORD}@127.0.0.1/b"),
        ("--origin", f"couchbase://127.0.0.1/b?password={PASSWORD}"),
        ("--origin", "couchbase://127.0.0.1/b", "--requirepass-file", str(tmp_path / "password")),
        ("--origin", "sqlite:////proc/none/f.db", "--requirepass-file", str(tmp_path / "password")),
    )
    for arguments in starts:
        command = [sys.executable, "-P", "-m", "sidecar.cli", "serve", "--listen", f"unix://{tmp_path}/s", *arguments]
        ended = subprocess.run(
            [*command, "--admin", "127.0.0.1:0"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
        )
        assert ended.returncode in (1, 2) and ended.stderr
        for canary in CANARIES:
            assert canary not in ended.stderr + ended.stdout
