"""The sidecar over an origin that can be broken from outside; otherwise started like ``feature-sidecar``.

CONTROL names a unix socket. A line there is a command, answered by a line of JSON: ``faults latency=20ms errors=50%``
(see faulty_origin.py), ``calls`` (what the origin was asked so far), ``steps`` (the loop's steps since this was last
asked, with METER=1 only: the loop is then asyncio's own, whose callbacks can be timed one by one).
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from bench.metered_server import Meter  # noqa: E402

from chaos.faulty_origin import FaultyOrigin, parse_faults  # noqa: E402


def measure_steps() -> Meter:
    """Have every callback of the loop timed in CPU time of the loop's thread."""
    import time

    sys.modules["uvloop"] = None  # type: ignore[assignment]
    meter = Meter()
    run = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        began = time.thread_time_ns()
        run(handle)
        meter.note_step(handle, time.thread_time_ns() - began)

    asyncio.Handle._run = measured  # type: ignore[method-assign]
    return meter


class Control:
    """Answers the commands."""

    def __init__(self, meter: Meter | None) -> None:
        self.origin: FaultyOrigin | None = None
        self._meter = meter

    def wrap(self, open_origin: Any) -> Any:
        """``open_origin`` whose origin can be broken; the loop runs already when it is called."""

        def open_faulty(*args: Any, **options: Any) -> FaultyOrigin:
            self.origin = FaultyOrigin(open_origin(*args, **options), options["clock"])
            loop = asyncio.get_running_loop()
            self._listening = loop.create_task(asyncio.start_unix_server(self._serve, os.environ["CONTROL"]))
            return self.origin

        return open_faulty

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(self._obey(line.decode().strip())).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _obey(self, line: str) -> Any:
        command, _, rest = line.partition(" ")
        assert self.origin is not None
        if command == "faults":
            self.origin.faults = parse_faults(rest)
            return True
        if command == "calls":
            return self.origin.calls
        if command == "steps" and self._meter is not None:
            meter = self._meter
            seen: dict[str, Any] = {"steps": meter.steps, "longest_ms": meter.longest_ns / 1e6}
            seen |= {"longest": meter.longest_name, "over_limit": meter.over_limit}
            meter.clear()
            return seen
        return f"unknown command {line!r}"


def main() -> int:
    """Serve, as the command line says."""
    control = Control(measure_steps() if os.environ.get("METER") else None)
    from sidecar import cli, server

    server.open_origin = control.wrap(server.open_origin)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
