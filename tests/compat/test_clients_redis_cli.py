"""redis-cli and redis-benchmark, as people reach for them first."""

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.sidecar_process import SidecarProcess

RUN_S = 60.0


def tool(name: str) -> str:
    """Where it is; skipped where it is missing, except in CI."""
    found = shutil.which(name)
    if found is None:
        reason = f"no {name} here; install it: apt-get install redis-tools"
        if os.environ.get("CI"):
            raise RuntimeError(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SidecarProcess]:
    """Our process over SQLite with 200 keys that it has not in memory: written by redis-cli, then started again."""
    folder = tmp_path_factory.mktemp("cli")
    origin = f"sqlite:///{folder}/features.db"
    commands = [f"HSET h:{number} tier gold n {number}\nSET s:{number} {'x' * number}\n" for number in range(1, 101)]
    first = SidecarProcess(folder, origin=origin)
    try:
        loaded = cli(first, "--pipe", text="".join(commands))
    finally:
        assert first.stop() == 0, first.log()
    assert loaded.endswith("errors: 0, replies: 200\n")
    server = SidecarProcess(folder, origin=origin)
    yield server
    assert server.stop() == 0, server.log()


def cli(sidecar: SidecarProcess, *arguments: str, text: str = "") -> str:
    """What redis-cli prints; it must succeed and warn of nothing."""
    command = [tool("redis-cli"), "-p", str(sidecar.port), *arguments]
    ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    return ended.stdout


def benchmark(sidecar: SidecarProcess, *arguments: str) -> str:
    """What redis-benchmark prints; it stops at the first error reply."""
    command = [tool("redis-benchmark"), "-p", str(sidecar.port), "-q", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("protocol", [(), ("-3",)], ids=["RESP2", "RESP3"])
def test_one_command(sidecar: SidecarProcess, protocol: tuple[str, ...]) -> None:
    """The README's first line, on both protocols; `-e` makes an error the exit code."""
    shown = cli(sidecar, *protocol, "--no-raw", "HMGET", "h:42", "tier", "none", "n")
    assert shown == '1) "gold"\n2) (nil)\n3) "42"\n'
    assert (
        cli(sidecar, *protocol, "INCR", "h:42") == "ERR unknown command 'INCR', with args beginning with: 'h:42' \n\n"
    )


def test_a_map_is_shown_as_one(sidecar: SidecarProcess) -> None:
    """HGETALL on RESP3, and as JSON."""
    assert cli(sidecar, "-3", "--no-raw", "HGETALL", "h:7") == '1# "tier" => "gold"\n2# "n" => "7"\n'
    assert cli(sidecar, "--json", "HGETALL", "h:7") == '{"tier":"gold","n":"7"}\n'


def test_scan(sidecar: SidecarProcess) -> None:
    """`--scan` walks the origin, not only what is in memory."""
    found = cli(sidecar, "--scan", "--pattern", "h:*").split()
    assert sorted(found) == sorted(f"h:{number}" for number in range(1, 101))


def test_bigkeys(sidecar: SidecarProcess) -> None:
    """TYPE, STRLEN and HLEN of every key, within the count of DBSIZE."""
    shown = cli(sidecar, "--bigkeys")
    assert "Sampled 200 keys in the keyspace!" in shown
    assert "100 hashs with 200 fields (50.00% of keys, avg size 2.00)" in shown
    assert """Biggest string found '"s:100"' has 100 bytes""" in shown


def test_memkeys(sidecar: SidecarProcess) -> None:
    """Bytes held here: what --bigkeys or any read brought to memory."""
    cli(sidecar, text="".join(f"GET s:{number}\nHGETALL h:{number}\n" for number in range(1, 101)))
    shown = cli(sidecar, "--memkeys")
    assert "Sampled 200 keys in the keyspace!" in shown
    assert """Biggest string found '"s:100"' has """ in shown


def test_interactive(sidecar: SidecarProcess) -> None:
    """On a terminal redis-cli asks for COMMAND DOCS first; then commands, an error, help, and quit."""
    command = [tool("redis-cli"), "-p", str(sidecar.port)]
    terminal, end = pty.openpty()
    process = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env={**os.environ, "TERM": "dumb"})
    os.close(end)
    try:
        prompt = f"127.0.0.1:{sidecar.port}> "
        read_until(terminal, prompt)
        for line, answer in (
            ("HGET h:9 n", '"9"'),
            ("WATCH h:9", "(error) ERR unknown command 'WATCH', with args beginning with: 'h:9'"),
            ("help hmget", "Returns the values of"),
            ("HGET h:9 tier", '"gold"'),
        ):
            os.write(terminal, line.encode() + b"\n")
            assert answer in read_until(terminal, prompt), line
        os.write(terminal, b"quit\n")
        assert process.wait(RUN_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def read_until(terminal: int, prompt: str) -> str:
    """What the terminal shows up to and with the next prompt."""
    shown, deadline = b"", time.monotonic() + RUN_S
    while not shown.endswith(prompt.encode()):
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)
    return shown.decode(errors="replace").replace("\r", "")


@pytest.mark.parametrize("protocol", [(), ("-3",)], ids=["RESP2", "RESP3"])
def test_benchmark(sidecar: SidecarProcess, tmp_path: Path, protocol: tuple[str, ...]) -> None:
    """Its start (CONFIG GET save and appendonly), its own tests of what we support, and any command."""
    shown = benchmark(sidecar, *protocol, "-n", "500", "-P", "10", "-t", "ping,set,get,hset,mset")
    lines = [line.split("\r")[-1] for line in shown.splitlines() if "requests per second" in line]
    assert [line.split(":")[0] for line in lines] == [
        "PING_INLINE",
        "PING_MBULK",
        "SET",
        "GET",
        "HSET",
        "MSET (10 keys)",
    ]
    assert "requests per second" in benchmark(sidecar, *protocol, "-n", "500", "hmget", "h:42", "tier", "n")
