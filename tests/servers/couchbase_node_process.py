"""The wire-level Couchbase node as a process of its own, for tests of a whole sidecar and for measurements.

Its control interface is its standard input, a command a line, each answered by a line ``ok``:
``hang``, ``hang apply``, ``resume``, ``cut``, ``stop``, ``start``, ``collection SCOPE NAME``, ``advertise PORT``. It
ends with its input.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from servers.couchbase_node import CouchbaseNode

_TESTS = Path(__file__).resolve().parent.parent


class CouchbaseNodeProcess:
    """A running node; ``with`` ends it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env=os.environ | {"PYTHONPATH": str(_TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._answer()

    def command(self, line: str) -> None:
        """Give a command and wait until it is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer != "ok":
            raise RuntimeError(f"couchbase node: {line}: {answer}")

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"couchbase node ended with status {self._process.wait()}")
        return line.strip()


async def _obey(node: CouchbaseNode, line: str) -> str:
    match line.split():
        case ["hang"]:
            node.hang()
        case ["hang", "apply"]:
            node.hang(apply=True)
        case ["resume"]:
            node.resume()
        case ["cut"]:
            node.cut()
        case ["stop"]:
            await node.stop()
        case ["start"]:
            await node.start()
        case ["collection", scope, name]:
            node.topology.add_collection(scope, name)
        case ["advertise", port]:
            node.topology.advertised_port = int(port)
        case _:
            return f"unknown command {line!r}"
    return "ok"


async def _serve() -> None:
    node = CouchbaseNode()
    await node.start()
    print(node.url, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(await _obey(node, line), flush=True)
    await node.stop()


if __name__ == "__main__":
    asyncio.run(_serve())
