"""The image, built and run by a real engine: small, without privileges, on a read-only root, quick to start."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from image.base import Image

ADDS_AT_MOST = 90_000_000  # bytes over its base
STARTS_WITHIN_MS = 1000
# As a pod's container: no network beside loopback, no capability, nothing writable that is not mounted
LOCKED = ("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def run(image: Image, *command: str, options: tuple[str, ...] = LOCKED, entry: str = "sh") -> str:
    """What a command prints in a container of its own."""
    return image.engine("run", "--rm", *options, f"--entrypoint={entry}", image.tag, *command).stdout


def wait(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def inspected(image: Image, name: str) -> dict:
    """What the engine knows of an image or a container."""
    return dict(json.loads(image.engine("inspect", name).stdout)[0])


def test_it_adds_less_than_its_budget_to_its_base(image: Image):
    """90 MB, so that it stays below 230 MB on the official slim Python image."""
    sizes = [inspected(image, name)["Size"] for name in (image.tag, image.base.image)]
    print(f"adds {(sizes[0] - sizes[1]) / 1e6:.1f} MB to {sizes[1] / 1e6:.1f} MB")
    assert 20_000_000 < sizes[0] - sizes[1] < ADDS_AT_MOST


def test_its_description_is_complete(image: Image):
    """OCI labels, a numeric user, a health check, the ports, and a signal that drains."""
    config = inspected(image, image.tag)["Config"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "feature-sidecar"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"] == "abc123"
    assert labels["org.opencontainers.image.version"] in run(image, "--version", entry="feature-sidecar")
    assert all(part.isdigit() and part != "0" for part in config["User"].split(":"))
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert set(config["ExposedPorts"]) == {"6379/tcp", "8379/tcp"}
    assert config["StopSignal"] == "SIGTERM"
    assert (config["Entrypoint"], config["Cmd"]) == (["feature-sidecar"], ["serve"])


def test_nothing_of_the_build_is_left(image: Image):
    """No compiler, no pip, no sources of native modules, no wheels, no package lists; nothing large and unused."""
    assert run(image, "-c", "command -v gcc cc strip pip pip3 || true") == ""
    find = "find /opt/feature-sidecar /src /dist /wheelhouse /root /tmp -type f"
    names = "-name '*.pyx' -o -name '*.c' -o -name '*.whl' -o -name '*.pyi'"
    assert run(image, "-c", f"{find} \\( {names} \\) 2>/dev/null || true") == ""
    code = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
    installed = set(json.loads(run(image, "-c", code, entry="python")))
    assert {"couchbase", "aiohttp", "feature-sidecar"} <= installed
    assert not {"pyarrow", "matplotlib", "Cython", "setuptools", "pip"} & installed


def test_every_module_can_be_imported(image: Image):
    """Stripping and pruning took nothing that is needed: each of our modules, and the SDK's."""
    code = (
        "import importlib, pkgutil, protocol, policies, sidecar, acouchbase.cluster, cryptography.x509\n"
        "names = [m.name for p in (protocol, policies, sidecar)"
        " for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.')]\n"
        "[importlib.import_module(name) for name in names]\n"
        "print(len(names))"
    )
    assert int(run(image, "-c", code, entry="python")) > 100


def test_no_bytecode_is_missing_for_the_start(image: Image):
    """Where the root is read-only each start would compile it anew."""
    code = (
        "import sys, os, sidecar.server, sidecar.injector.service\n"
        "print([n for n, m in sys.modules.items() if (f := getattr(m, '__cached__', None)) and not os.path.exists(f)"
        " and n != '__main__'])"
    )
    assert run(image, "-c", code, entry="python").strip() == "[]"


def test_it_serves_without_privileges_on_a_read_only_root(image: Image, folder_of_image_user: Path):
    """As injected: a SQLite file on a volume, a unix socket on another, and a client in a second container."""
    mounts = (f"--volume={folder_of_image_user}:/run/feature-sidecar",)
    state = ("--tmpfs=/var/lib/feature-sidecar:uid=65532",)
    listen = ("--listen", "tcp://127.0.0.1:6379", "--listen", "unix:///run/feature-sidecar/redis.sock")
    with image.engine.running(image.tag, "serve", *listen, options=(*LOCKED, *mounts, *state)) as container:
        code = (
            "import redis\n"
            "r = redis.Redis(unix_socket_path='/run/feature-sidecar/redis.sock', decode_responses=True)\n"
            "r.hset('user:42', mapping={'tier': 'gold'})\n"
            "print(r.hmget('user:42', ['tier', 'none']))"
        )
        wait(lambda: (folder_of_image_user / "redis.sock").exists(), "no socket")
        assert run(image, "-c", code, options=(*LOCKED, *mounts), entry="python") == "['gold', None]\n"
        uid = image.engine(
            "exec", container, "sh", "-c", "id -u; cat /proc/1/status | grep -E 'CapEff|NoNewPrivs'"
        ).stdout
        assert uid.split() == ["65532", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
        began = time.monotonic()
        image.engine("stop", "--time=10", container)
        assert time.monotonic() - began < 8
        assert inspected(image, container)["State"]["ExitCode"] == 0


@pytest.mark.parametrize("user", ["1234", "1000680000:0"])
def test_it_serves_as_any_user(image: Image, user: str):
    """Platforms that choose the uid: only the memory origin here, for the volume decides about SQLite."""
    options = (*LOCKED, f"--user={user}")
    with image.engine.running(image.tag, "serve", "--origin", "memory://", options=options) as container:
        wait(lambda: health(image, container) == 0, "never healthy")


def health(image: Image, container: str) -> int:
    """The exit code of the image's own health check."""
    return image.engine("exec", container, "python", "-Im", "sidecar.healthcheck", check=False).returncode


def test_it_listens_within_a_second(image: Image):
    """From the start of the process to the first PONG, the best of five: other work of this machine aside."""
    code = (
        "import socket, subprocess, time\n"
        "began = time.monotonic()\n"
        "p = subprocess.Popen(['feature-sidecar', 'serve', '--origin', 'memory://'], stderr=subprocess.DEVNULL)\n"
        "while True:\n"
        "    try:\n"
        "        with socket.create_connection(('127.0.0.1', 6379)) as s:\n"
        "            s.sendall(b'PING\\r\\n'); s.recv(7); break\n"
        "    except OSError: time.sleep(0.002)\n"
        "print((time.monotonic() - began) * 1000)\n"
        "p.terminate(); p.wait()"
    )
    took_ms = sorted(float(run(image, "-c", code, entry="python")) for _ in range(5))
    print(f"listens after {took_ms[0]:.0f} to {took_ms[-1]:.0f} ms")
    assert took_ms[0] < STARTS_WITHIN_MS


def test_the_engine_sees_its_health(image: Image):
    """The HEALTHCHECK turns to healthy, and the address of SIDECAR_ADMIN is the one it asks."""
    options = (*LOCKED, "--health-interval=1s", "--env=SIDECAR_ADMIN=127.0.0.1:9000")
    with image.engine.running(image.tag, "serve", "--origin", "memory://", options=options) as container:
        wait(lambda: inspected(image, container)["State"]["Health"]["Status"] == "healthy", "never healthy")
    with image.engine.running(image.tag, "serve", "--origin", "memory://", options=LOCKED) as container:
        wait(lambda: health(image, container) == 0, "never healthy")
        wrong = image.engine(
            "exec", "--env=SIDECAR_ADMIN=127.0.0.1:1", container, "python", "-Im", "sidecar.healthcheck", check=False
        )
        assert wrong.returncode == 1
        assert "no answer from 127.0.0.1:1" in wrong.stderr


def test_the_memory_budget_follows_the_containers_limit(image: Image):
    """60% of it, below the default of 256 MiB."""
    options = (*LOCKED, "--memory=200m")
    with image.engine.running(image.tag, "serve", "--origin", "memory://", options=options) as container:
        wait(lambda: health(image, container) == 0, "never healthy")
        code = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8379/metrics').read().decode())"
        metrics = image.engine("exec", container, "python", "-c", code).stdout
        (line,) = [line for line in metrics.splitlines() if line.startswith("feature_sidecar_memory_limit_bytes ")]
        assert float(line.split()[1]) == pytest.approx(0.6 * 200 * 2**20, rel=0.01)


def test_the_injector_starts_from_the_same_image(image: Image):
    """Its libraries are in it; without a cluster it says what it misses."""
    result = image.engine("run", "--rm", *LOCKED, image.tag, "injector", check=False)
    assert result.returncode == 1
    assert "KUBERNETES_SERVICE_HOST is not set" in result.stderr
