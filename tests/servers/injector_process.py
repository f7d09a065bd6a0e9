"""``feature-sidecar injector`` as a process of its own, in a cluster that is a fake API server over TLS."""

import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Any, Self

import aiohttp
from servers.kubernetes_api_server import TOKEN, KubernetesApiServer

from sidecar.injector.certificates import Pair, make_authority, make_serving, utc_now

START_S = 30.0  # a loaded machine with two cores, not a target


class InjectorProcess:
    """One injector, with ports that the system chose."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, *arguments: str, environment: dict[str, str] | None = None) -> Self:
        """Start it; ``until`` waits."""
        command = [
            sys.executable,
            "-Pm",
            "sidecar.cli",
            "injector",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--shutdown-delay",
            "0s",
        ]

        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            stderr=asyncio.subprocess.PIPE,
            env={**inherited, **(environment or {})},
        )
        return cls(process)

    async def _read(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"event": "text", "text": line.decode(errors="replace")})

    async def until(self, event: str, times: int = 1) -> dict[str, Any]:
        """The line of the log that tells of an event for the nth time."""
        async with asyncio.timeout(START_S):
            while True:
                found = [line for line in self.lines if line["event"] == event]
                if len(found) >= times:
                    return found[times - 1]
                if self.process.returncode is not None and self._reading.done():
                    raise RuntimeError(f"ended with {self.process.returncode}: {self.lines}")
                await asyncio.sleep(0.01)

    async def admin(self, path: str, port: int) -> tuple[int, str]:
        """Status and text of an answer of the admin port."""
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self.process.wait(), START_S)
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        await self._reading
        return code


class FakeCluster:
    """An API server over TLS, and what Kubernetes mounts into a pod for it."""

    def __init__(self, folder: Path, minor: str = "32") -> None:
        self.server = KubernetesApiServer(minor)
        self.account = folder / "account"
        self.account.mkdir()
        self._authority: Pair = make_authority(utc_now())
        (self.account / "ca.crt").write_bytes(self._authority.certificate)
        (self.account / "token").write_text(TOKEN)
        (self.account / "namespace").write_text("injectors")
        self.environment: dict[str, str] = {}

    async def start(self) -> None:
        """Serve."""
        pair = make_serving(self._authority, ["localhost"], utc_now())
        both = self.account.parent / "api.pem"
        both.write_bytes(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        url = await self.server.start(context)
        port = url.rpartition(":")[2]
        self.environment = {"KUBERNETES_SERVICE_HOST": "localhost", "KUBERNETES_SERVICE_PORT": port}

    async def injector(self, *arguments: str) -> InjectorProcess:
        """An injector in it."""
        where = ("--service-account", str(self.account))
        return await InjectorProcess.start(*where, *arguments, environment=self.environment)
