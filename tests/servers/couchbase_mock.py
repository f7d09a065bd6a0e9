"""Couchbase's own mock of a server (Java, from Maven Central): a second implementation than ours to test against.

It is old, and dies of what it does not know: flexible framing (by which a request says "keep the expiry") makes it hang
up, and a look-up of text beyond ASCII overflows a buffer. So a proxy before it takes the framing away and answers
sub-document look-ups as a server does that has none. docs/couchbase.md lists what that leaves untested.
"""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

VERSION = "1.5.27"
URL = f"https://repo1.maven.org/maven2/com/couchbase/mock/CouchbaseMock/{VERSION}/CouchbaseMock-{VERSION}.jar"
SHA256 = "69aad2c1b3e538120bc89425682f27facfb219094645906a63c411b2c46a8b9c"
CACHE = Path(__file__).parents[2] / ".cache" / f"CouchbaseMock-{VERSION}.jar"
BUCKET, USER, PASSWORD = "features", "Administrator", b"password"
START_S = 60.0
DOWNLOAD_S = 60.0
_HEADER = struct.Struct(
    ">BBBBBBHIIQ"
)  # magic, opcode, framing bytes, key bytes, extras, datatype, vbucket or status, body
_REQUEST, _FLEXIBLE_REQUEST, _ANSWER = 0x80, 0x08, 0x81
_LOOKUP_IN, _UNKNOWN_COMMAND = 0xD0, 0x81


class MockMissing(RuntimeError):
    """No Java or no jar on this machine, with what to do."""


def find_jar() -> Path:
    """The jar, fetched once.

    Raises:
        MockMissing: it cannot be had.
    """
    given = os.environ.get("COUCHBASE_MOCK_JAR")
    if given:
        return Path(given)
    if not CACHE.exists():
        try:
            with urllib.request.urlopen(URL, timeout=DOWNLOAD_S) as answer:
                content = answer.read()
        except (urllib.error.URLError, TimeoutError) as exc:
            raise MockMissing(f"cannot fetch {URL} ({exc}): set COUCHBASE_MOCK_JAR to a copy of it") from exc
        if hashlib.sha256(content).hexdigest() != SHA256:
            raise MockMissing(f"{URL} is not the file it was: set COUCHBASE_MOCK_JAR to a copy of it")
        CACHE.parent.mkdir(exist_ok=True)
        part = CACHE.with_suffix(f".{os.getpid()}")
        part.write_bytes(content)
        part.rename(CACHE)
    return CACHE


class CouchbaseMock:
    """A running mock with one empty bucket; ``with`` ends it.

    Raises:
        MockMissing: no Java, or no jar.
    """

    def __init__(self, log: Path) -> None:
        java = shutil.which("java")
        if java is None:
            raise MockMissing("no java here: apt-get install default-jre-headless")
        jar = find_jar()
        with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
            listener.settimeout(START_S)
            options = ["-p", "0", "-h", "127.0.0.1", "-n", "1", "-v", "64", "-R", "0", "-c", "-b", f"{BUCKET}:"]
            monitor = f"127.0.0.1:{listener.getsockname()[1]}"
            self._process = subprocess.Popen(
                [java, "-jar", str(jar), *options, "--harakiri-monitor", monitor], stdout=output, stderr=output
            )
            try:
                self._control, _ = listener.accept()
                self._control.settimeout(START_S)
                self._answers = self._control.makefile("rb")
                self._rest_port = int(_until_nul(self._answers))
                self.port: int = self._command("get_mcports", bucket=BUCKET)[0]
            except BaseException:
                self._process.kill()
                raise

    def flush(self) -> None:
        """Remove every document."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._rest_port}/pools/default/buckets/{BUCKET}/controller/doFlush", method="POST"
        )
        credentials = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        credentials.add_password(None, request.full_url, USER, PASSWORD.decode())
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(credentials))
        opener.open(request, timeout=START_S).close()

    def close(self) -> None:
        """End it: it watches its control socket."""
        self._answers.close()
        self._control.close()
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _command(self, name: str, **payload: object) -> list[int]:
        self._control.sendall(json.dumps({"command": name, "payload": payload}).encode() + b"\n")
        answer = json.loads(self._answers.readline())
        if answer["status"] != "ok":
            raise RuntimeError(f"couchbase mock: {name}: {answer}")
        return answer["payload"]


class MockProxy:
    """A proxy to the mock for what it understands; ``async with`` ends it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> str:
        """The URL to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"couchbase://{host}:{port}/{BUCKET}"

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        for pump in (_requests(client, to_server, to_client), self._answers(server, to_client)):
            task = asyncio.ensure_future(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answers(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Answers as they come, but for the mock's own port, which the client would connect to next."""
        try:
            here = str(self._server.sockets[0].getsockname()[1]).encode()
            there = str(self._port).encode()
            while header := await server.readexactly(_HEADER.size):
                fields = list(_HEADER.unpack(header))
                body = await server.readexactly(fields[7])
                changed = body.replace(there, here) if b'"nodesExt"' in body else body
                fields[7] = len(changed)
                client.write(_HEADER.pack(*fields) + changed)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            client.close()


async def _requests(
    client: asyncio.StreamReader, server: asyncio.StreamWriter, to_client: asyncio.StreamWriter
) -> None:
    try:
        while header := await client.readexactly(_HEADER.size):
            fields = list(_HEADER.unpack(header))
            body = await client.readexactly(fields[7])
            if fields[0] == _FLEXIBLE_REQUEST:  # two lengths of one byte stand where the key's length was
                framing = fields[2]
                body = body[framing:]
                fields[0], fields[2], fields[7] = _REQUEST, 0, len(body)
            if fields[1] == _LOOKUP_IN:
                to_client.write(_HEADER.pack(_ANSWER, _LOOKUP_IN, 0, 0, 0, 0, _UNKNOWN_COMMAND, 0, *fields[8:]))
                continue
            server.write(_HEADER.pack(*fields) + body)
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        server.close()


def _until_nul(stream) -> bytes:
    text = b""
    while (byte := stream.read(1)) not in (b"\0", b""):
        text += byte
    return text
