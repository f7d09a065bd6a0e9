"""The commands inject, injector and wait, as a user runs them."""

import io
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from sidecar import cli

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: ranker
  annotations: {feature-sidecar.io/inject: "true"}
spec:
  containers: [{name: model, image: m}]
"""


def test_inject_prints_manifests_and_tells_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """stdout can be piped into kubectl."""
    (tmp_path / "pod.yaml").write_text(POD)
    assert cli.main(["inject", "-f", str(tmp_path / "pod.yaml"), "--image", "fs:9", "--set", "port=6400"]) == 0
    out, err = capsys.readouterr()
    container = yaml.safe_load(out)["spec"]["initContainers"][0]
    assert container["image"] == "fs:9"
    assert "tcp://127.0.0.1:6400" in container["args"]
    assert err == f"{tmp_path}/pod.yaml document 1 (Pod ranker): injected, native\n"


def test_inject_reads_stdin_and_makes_the_plain_form(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """- and --native=false."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(POD))
    assert cli.main(["inject", "-f", "-", "--native=false"]) == 0
    spec = yaml.safe_load(capsys.readouterr().out)["spec"]
    assert "initContainers" not in spec and len(spec["containers"]) == 2


def test_inject_takes_the_injectors_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The same file; flags go over it."""
    (tmp_path / "s.yaml").write_text("image: fs:1\nport: 6401\n")
    (tmp_path / "pod.yaml").write_text(POD)
    assert cli.main(["inject", "-f", str(tmp_path / "pod.yaml"), "--config", str(tmp_path / "s.yaml")]) == 0
    out = capsys.readouterr().out
    assert "fs:1" in out and "127.0.0.1:6401" in out


@pytest.mark.parametrize(
    ("arguments", "manifest", "code", "expected"),
    [
        (["--set", "port=80"], POD, 2, "feature-sidecar: --set port: found '80', expected a port"),
        (["--native", "maybe"], POD, 2, "feature-sidecar: --set native: found 'maybe', expected true or false"),
        ([], "a: {", 1, "line 1: not YAML"),
        ([], POD.replace("kind: Pod", "kind: Pod\nkind: Pod"), 1, "the key 'kind' stands twice"),
    ],
)
def test_inject_says_what_is_wrong_and_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], manifest: str, code: int, expected: str
):
    """1: the manifests; 2: the usage."""
    (tmp_path / "pod.yaml").write_text(manifest)
    assert cli.main(["inject", "-f", str(tmp_path / "pod.yaml"), *arguments]) == code
    out, err = capsys.readouterr()
    assert out == "" and expected in err


def test_inject_needs_a_file_that_is_there(capsys: pytest.CaptureFixture[str]):
    """The system's own words."""
    assert cli.main(["inject", "-f", "/nowhere.yaml"]) == 1
    assert "/nowhere.yaml" in capsys.readouterr().err


def test_inject_needs_none_of_the_injectors_libraries():
    """It comes with the base install: neither aiohttp nor cryptography is imported."""
    code = (
        "import io, sys; from sidecar import cli; "
        f"sys.stdin = io.StringIO({POD!r}); sys.stdout = io.StringIO(); code = cli.main(['inject', '-f', '-']); "
        "print(code, sorted({'aiohttp', 'cryptography'} & set(sys.modules)), file=sys.__stdout__)"
    )
    ended = subprocess.run([sys.executable, "-Pc", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "0 []\n"


def test_injector_says_which_extra_it_needs():
    """One line and not a traceback."""
    code = (
        "import sys; sys.modules['aiohttp'] = None; from sidecar import cli; "
        "sys.exit(cli.main(['injector', '--tls-directory', '/x']))"
    )
    ended = subprocess.run([sys.executable, "-Pc", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        "feature-sidecar: the injector needs more libraries: pip install 'feature-sidecar[injector]' "
        "(aiohttp is missing)\n"
    )


class Readiness(BaseHTTPRequestHandler):
    """Not ready for the first two requests."""

    asked = 0

    def do_GET(self) -> None:
        """Answer as /readyz."""
        type(self).asked += 1
        ready = self.asked > 2 and self.path == "/readyz"
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b"ready" if ready else b"warming up")

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def test_wait_waits_until_it_is_ready(capsys: pytest.CaptureFixture[str]):
    """For start scripts and for containers beside it."""
    with HTTPServer(("127.0.0.1", 0), Readiness) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert cli.main(["wait", "--admin", f"127.0.0.1:{server.server_port}", "--timeout", "60s"]) == 0
        assert Readiness.asked == 3
        server.shutdown()
    assert capsys.readouterr() == ("", "")


def test_wait_gives_up_in_time(capsys: pytest.CaptureFixture[str]):
    """Exit 1, with what was found last."""
    with HTTPServer(("127.0.0.1", 0), Readiness) as server:
        port = server.server_port
    assert cli.main(["wait", "--admin", f"127.0.0.1:{port}", "--timeout", "100ms"]) == 1
    assert f"tcp://127.0.0.1:{port}: not ready within 0.1s" in capsys.readouterr().err
    assert cli.main(["wait", "--timeout", "5"]) == 2
    assert "expected a duration" in capsys.readouterr().err
