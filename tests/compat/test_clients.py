"""Real clients, unmodified and with their defaults, against one port: each in its own language.

Every program does the same, see clients/: it connects, asks which protocol the connection speaks, does an HMGET, a
pipeline of 100, the same in MULTI/EXEC and a command that is not supported, goes on after the error, and closes.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from compat.clients.program import RUN_S, Program
from compat.clients.programs import PROGRAMS
from compat.equivalence import parse
from compat.wire import Wire
from servers.sidecar_process import SidecarProcess


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SidecarProcess]:
    """Our process over SQLite, as it is started without flags: writes and misses take their time."""
    folder = tmp_path_factory.mktemp("clients")
    server = SidecarProcess(folder, origin=f"sqlite:///{folder}/features.db")
    yield server
    assert server.stop() == 0, server.log()


def prepare(program: Program) -> None:
    """Build it, or skip where that cannot be."""
    if program.toolchain is not None and (reason := program.toolchain.missing()):
        pytest.skip(reason)
    program.prepared()


def seed(sidecar: SidecarProcess, prefix: str) -> None:
    """What the programs read."""
    wire = Wire(sidecar.connect())
    try:
        row = [b"HSET", f"{prefix}:row".encode(), b"tier", b"gold", b"ctr_7d", b"0.01539"]
        assert wire.exchange([row, [b"SET", f"{prefix}:text".encode(), b"still here"]]) == [b":2\r\n", b"+OK\r\n"]
    finally:
        wire.close()


def arguments(sidecar: SidecarProcess, prefix: str, protocol: str) -> list[str]:
    """What every program takes."""
    return ["127.0.0.1", str(sidecar.port), prefix, protocol]


def outcome(running: subprocess.Popen[str]) -> dict:
    """What a program printed, once it ended well."""
    try:
        printed, errors = running.communicate(timeout=RUN_S)
    except subprocess.TimeoutExpired:
        running.kill()
        printed, errors = running.communicate()
    assert running.returncode == 0, f"{printed}\n{errors}"
    return json.loads(printed)


def written_and_read(new_fields: int) -> list[int | str]:
    """The replies to 50 pairs of HSET and HGET."""
    return [reply for number in range(50) for reply in (new_fields, str(number))]


def check(said: dict, resp: int) -> None:
    """Every reply, in its place and of its type."""
    assert said["resp"] == resp
    assert said["hmget"] == ["gold", "0.01539", None]
    assert said["pipeline"] == written_and_read(new_fields=1)
    assert said["transaction"] == written_and_read(new_fields=0)
    assert "unknown command 'incr" in said["error"].lower() and ":counter'" in said["error"]
    assert said["after"] == "still here"


def within(seconds: float, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds}s"
        time.sleep(0.01)


def connections(sidecar: SidecarProcess) -> int:
    """Clients that are connected by TCP."""
    wire = Wire(sidecar.connect())
    try:
        lines = parse(wire.one(b"CLIENT", b"LIST")).decode().splitlines()
    finally:
        wire.close()
    return sum(f"laddr=127.0.0.1:{sidecar.port} " in line for line in lines)


CASES = [
    pytest.param(program, protocol, id=f"{program.name} {protocol}", marks=[pytest.mark.slow] if program.slow else [])
    for program in PROGRAMS
    for protocol in ("default", "2", "3")
    if protocol != str(program.resp)  # that one is the default
]


@pytest.mark.parametrize(("program", "protocol"), CASES)
def test_client(sidecar: SidecarProcess, program: Program, protocol: str) -> None:
    """It reads, writes, pipelines and gets a useful error, on its default protocol and on the other one, and closes."""
    prepare(program)
    prefix = f"{program.name}:{protocol}".replace(" ", ":")
    seed(sidecar, prefix)
    said = outcome(program.start(arguments(sidecar, prefix, protocol)))
    check(said, program.resp if protocol == "default" else int(protocol))
    within(10, lambda: connections(sidecar) == 0)


def test_many_at_once_on_one_port(sidecar: SidecarProcess) -> None:
    """RESP2 and RESP3 clients side by side, none sees another's protocol or replies."""
    chosen = [program for program in PROGRAMS if not program.slow]
    running = []
    for program in chosen:
        prepare(program)
        for protocol in ("2", "3"):
            prefix = f"at:once:{program.name}:{protocol}".replace(" ", ":")
            seed(sidecar, prefix)
            running.append((program.start(arguments(sidecar, prefix, protocol)), int(protocol)))
    for process, resp in running:
        check(outcome(process), resp)
    assert {resp for _, resp in running} == {2, 3}


def test_the_page_lists_every_client_in_its_version() -> None:
    """docs/clients.md says what these tests run."""
    page = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
    for program in PROGRAMS:
        library, version = program.name.split()[:2]
        assert f"| {library} {version} " in page, program.name
