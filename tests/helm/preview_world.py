"""What the dashboard is drawn of: two sidecars of one SQLite file under load, some misfortune, and an injector."""

import json
import random
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import redis
from chaos.faulty_sidecar import FaultySidecar
from servers.free_port import free_port

from sidecar.address import TcpAddress
from sidecar.injector.certificates import make_authority, make_serving, utc_now
from sidecar.injector.waiting import wait_until_ready

POLICY = """\
version: 1
defaults: {ttl: 2s, stale_while_revalidate: 1s, stale_if_error: 1m}
snapshot: {every: 10s}
feature_views:
  - {name: user_profile, keys: "user:{user_id}", ttl: TTL, stale_while_revalidate: 2s}
  - {name: item_stats, keys: "item:{item_id}", ttl: 1s, stale_while_revalidate: 1s}
"""
START_S = 30.0
PODS = ("ranker-6d5f-a", "ranker-6d5f-b")


class World:
    """Everything that is scraped."""

    def __init__(self, folder: Path) -> None:
        self._random = random.Random(7)
        self._sidecars: list[FaultySidecar] = []
        for pod in PODS:
            (folder / pod).mkdir()
            policy = POLICY.replace("TTL", "3s")
            origin = f"sqlite:///{folder}/features.db"
            flags = ("--max-memory", "4MiB", "--snapshot", f"{folder}/{pod}/snapshot")
            self._sidecars.append(FaultySidecar(folder / pod, *flags, origin=origin, policy=policy))
        self._clients = [redis.Redis(port=sidecar.port) for sidecar in self._sidecars]
        self._start_injector(folder)

    def _start_injector(self, folder: Path) -> None:
        pair = make_serving(make_authority(utc_now()), ["localhost"], utc_now())
        (folder / "tls.crt").write_bytes(pair.certificate)
        (folder / "tls.key").write_bytes(pair.key)
        self._review_port, self._injector_port = free_port(), free_port()
        command = [sys.executable, "-m", "sidecar.cli", "injector", "--tls-directory", str(folder)]
        command += ["--listen", f"127.0.0.1:{self._review_port}", "--admin", f"127.0.0.1:{self._injector_port}"]
        self._injector = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if problem := wait_until_ready(TcpAddress("127.0.0.1", self._injector_port), START_S):
            self.stop()
            raise RuntimeError(problem)

    def targets(self) -> dict[int, dict[str, str]]:
        """Ports to scrape, with the labels that Kubernetes would give."""
        pods = {s.admin_port: {"namespace": "ml", "pod": pod} for s, pod in zip(self._sidecars, PODS, strict=True)}
        return {**pods, self._injector_port: {"namespace": "platform", "pod": "injector-a"}}

    def live(self, seconds: int) -> None:
        """Load at some hundred commands a second. The origin gets slow, then goes down, and is mended; later the policy
        changes, once well and once badly.
        """
        good = POLICY.replace("TTL", "6s")
        changes: list[tuple[float, Callable[[FaultySidecar], object]]] = [
            (0.25, lambda sidecar: sidecar.faults("latency=100ms jitter=100ms errors=5%")),
            (0.35, lambda sidecar: sidecar.faults("down")),
            (0.45, lambda sidecar: sidecar.faults()),
            (0.6, lambda sidecar: sidecar.policy_path.write_text(good)),
            (0.7, lambda sidecar: sidecar.policy_path.write_text("version: 2")),
            (0.75, lambda sidecar: sidecar.policy_path.write_text(good)),
        ]
        begin, turn = time.monotonic(), 0
        while (passed := time.monotonic() - begin) < seconds:
            turn += 1
            self._read_and_write()
            if turn % 50 == 0:
                self._review(asks=turn % 100 == 0)
            if changes and passed > changes[0][0] * seconds:
                _, change = changes.pop(0)
                for sidecar in self._sidecars:
                    change(sidecar)
            time.sleep(0.01)

    def _read_and_write(self) -> None:
        for client in self._clients:
            pipeline = client.pipeline(transaction=False)
            for _ in range(3):
                pipeline.hmget(f"user:{int(self._random.paretovariate(0.4)) % 5000}", ["tier", "ctr_7d", "gone"])
            pipeline.hgetall(f"item:{self._random.randrange(50)}")
            pipeline.get(f"no-view:{self._random.randrange(100)}")
            user = self._random.randrange(5000)
            pipeline.hset(f"user:{user}", mapping={"tier": "x" * 700, "ctr_7d": self._random.random()})
            pipeline.hset(f"item:{user % 50}", "price", user)
            pipeline.execute(raise_on_error=False)

    def _review(self, *, asks: bool) -> None:
        spec = {"hostNetwork": self._random.random() < 0.3, "containers": [{"name": "model", "image": "m"}]}
        labels = {"feature-sidecar.io/inject": "true"} if asks else {}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": labels}, "spec": spec}
        kind = {"group": "", "version": "v1", "kind": "Pod"}
        request = {"uid": "u", "operation": "CREATE", "namespace": "ml", "kind": kind, "object": pod}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        url = f"https://127.0.0.1:{self._review_port}/inject"
        headers = {"Content-Type": "application/json"}
        context = ssl._create_unverified_context()
        urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=10, context=context).close()

    def stop(self) -> None:
        """End every process, by its handle."""
        for sidecar in self._sidecars:
            sidecar.stop()
        self._injector.terminate()
        self._injector.wait(10)
