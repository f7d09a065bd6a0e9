"""A whole sidecar whose origin is broken and mended from outside, as tests and measurements drive it."""

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from servers.sidecar_process import SidecarProcess

WAIT_S = 20.0


class FaultySidecar(SidecarProcess):
    """See faulty_server.py.

    Args:
        meter: time the steps of its loop; it then runs on asyncio's own.
        core: where alone it may run.
    """

    def __init__(
        self, folder: Path, *arguments: str, meter: bool = False, core: int | None = None, **options: Any
    ) -> None:
        self._pinned = [] if core is None else ["taskset", "-c", str(core)]
        self._control_path = folder / "control"
        environment = {"CONTROL": str(self._control_path)} | ({"METER": "1"} if meter else {})
        super().__init__(folder, *arguments, environment=environment, **options)
        self._control = socket.socket(socket.AF_UNIX)
        self._control.settimeout(WAIT_S)
        until = time.monotonic() + WAIT_S
        while not self._control_path.exists():
            if time.monotonic() > until:
                raise RuntimeError(f"no control socket:\n{self.log()}")
            time.sleep(0.01)
        self._control.connect(str(self._control_path))
        self._answers = self._control.makefile("rb")

    def program(self) -> list[str]:
        isolated = ["-I"] if not os.environ.get("PYTHONPATH") else []
        return [*self._pinned, sys.executable, *isolated, str(Path(__file__).with_name("faulty_server.py"))]

    def faults(self, text: str = "") -> None:
        """Break the origin, or with nothing mend it."""
        answer = self._ask(f"faults {text}")
        if answer is not True:
            raise RuntimeError(answer)

    def calls(self) -> dict[str, int]:
        """What the origin was asked so far: calls and documents."""
        calls = self._ask("calls")
        return {name: calls.get(name, 0) for name in ("fetch_many", "reads", "write_many", "writes")}

    def steps(self) -> dict[str, Any]:
        """Steps of the loop since this was last asked."""
        return dict(self._ask("steps"))

    def cpu_s(self) -> float:
        """CPU time of the loop's thread: what hits are paid from; the origin's threads are not in it."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9

    def _ask(self, line: str) -> Any:
        self._control.sendall(line.encode() + b"\n")
        answer = json.loads(self._answers.readline())
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer
