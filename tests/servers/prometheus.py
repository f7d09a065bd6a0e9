"""A real Prometheus that scrapes what it is told, on a port of loopback."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from servers.free_port import free_port

START_S = 30.0
STOP_S = 10.0


class PrometheusProcess:
    """Running from its creation until ``stop``.

    Args:
        folder: its own, for configuration, data and log.
        targets: port on loopback -> labels of what is scraped there.
        interval_s: between scrapes.

    Raises:
        FileNotFoundError: Prometheus is not installed.
        RuntimeError: it did not start.
    """

    def __init__(self, folder: Path, targets: Mapping[int, dict[str, str]], interval_s: int = 1) -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise FileNotFoundError("prometheus is not installed: apt-get install prometheus")
        scraped = [{"targets": [f"127.0.0.1:{port}"], "labels": labels} for port, labels in targets.items()]
        every = {"scrape_interval": f"{interval_s}s", "scrape_timeout": f"{interval_s}s"}
        jobs = [{"job_name": "pods", "static_configs": scraped}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump({"global": every, "scrape_configs": jobs}))
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "prometheus.log"
        command = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with self._log.open("wb") as log:
            address = f"--web.listen-address={self.url.removeprefix('http://')}"
            self._process = subprocess.Popen([*command, address], stdout=log, stderr=log)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"Prometheus did not start:\n{self._log.read_text()}")

    def query_range(self, expression: str, begin: float, end: float, step_s: int = 1) -> list[dict[str, Any]]:
        """Series of an expression: dicts with ``metric`` (labels) and ``values`` ([time, text] pairs).

        Raises:
            ValueError: Prometheus refuses the expression.
        """
        arguments = urllib.parse.urlencode({"query": expression, "start": begin, "end": end, "step": step_s})
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{arguments}", timeout=30) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as exc:
            raise ValueError(f"{expression}: {exc.read().decode()}") from exc
        return list(answer["data"]["result"])

    def stop(self) -> None:
        """End it, by its handle."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
