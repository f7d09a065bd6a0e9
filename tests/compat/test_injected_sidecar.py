"""The container that injection adds is run as it stands: its arguments, socket, probes, hooks and drain."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import redis
from pod_corpus import pod

from sidecar.injector.pod import inject
from sidecar.injector.settings import SidecarSettings

STOP_S = 20.0  # a loaded machine, not a target


@pytest.mark.parametrize(("group", "mode"), [({}, 0o666), ({"fsGroup": 2000}, 0o660)])
def test_the_injected_container_serves_and_stops(tmp_path: Path, group: dict[str, int], mode: int):
    """Only folders and ports are others, for a pod has its own. Its postStart hook waits until it is ready, its probes
    answer, clients come by the socket and by the port, and SIGTERM ends it with 0.
    """
    annotations = {"native": "false", "max-memory": "16MiB"}
    spec = inject(pod(annotations, securityContext=group), SidecarSettings.from_texts({})).pod["spec"]
    container = spec["containers"][0]
    folders = {mount["mountPath"]: tmp_path / mount["name"] for mount in container["volumeMounts"]}
    arguments = [word.replace(":6379", ":0").replace(":8379", ":0") for word in container["args"]]
    for mounted, folder in folders.items():
        folder.mkdir()
        arguments = [word.replace(mounted, str(folder)) for word in arguments]
    environment = {**os.environ, **{v["name"]: v["value"] for v in container["env"] if v["name"] != "TMPDIR"}}
    command = [sys.executable, "-Pm", "sidecar.cli"]
    process = subprocess.Popen([*command, *arguments], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        lines = iter(process.stderr)
        line = next((line for line in lines if '"serving"' in line), "")
        assert line, "it ended before it served"
        serving = json.loads(line)
        admin_port = serving["admin"].rpartition(":")[2]
        port = int(serving["listen"][0].rpartition(":")[2])
        wait = [w.replace("8379", admin_port) for w in container["lifecycle"]["postStart"]["exec"]["command"]]
        assert wait[0] == "feature-sidecar"
        subprocess.run([*command, *wait[1:]], check=True)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = container[probe]["httpGet"]["path"]
            with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}{path}") as answer:
                assert answer.status == 200
        socket = folders["/run/feature-sidecar"] / "redis.sock"
        assert stat.S_IMODE(socket.stat().st_mode) == mode
        with redis.Redis(unix_socket_path=str(socket)) as client:
            client.hset("user:1", "tier", "gold")
            assert client.hget("user:1", "tier") == b"gold"
        with redis.Redis(port=port) as client:
            assert client.hget("user:1", "tier") == b"gold"
        drain = urllib.request.Request(f"http://127.0.0.1:{admin_port}/drain", method="POST")
        assert urllib.request.urlopen(drain).status == 200
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/readyz")
    finally:
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, log = process.communicate(timeout=STOP_S)
    assert process.returncode == 0, log
    assert time.monotonic() - began < STOP_S
    assert '"level":"error"' not in log
