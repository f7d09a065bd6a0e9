"""AUTH and CLIENT KILL against the running process."""

import pytest
import redis
from compat.wire import Wire
from redis.backoff import NoBackoff
from redis.retry import Retry
from servers.sidecar_process import SidecarProcess

NOAUTH = b"-NOAUTH Authentication required.\r\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory):
    """A sidecar that asks for a password."""
    folder = tmp_path_factory.mktemp("guarded")
    secret = folder / "password"
    secret.write_text("hunter2\n")
    server = SidecarProcess(folder, "--requirepass-file", str(secret))
    yield server
    assert server.stop() == 0


def test_nothing_is_answered_before_auth(guarded: SidecarProcess) -> None:
    """On the hot path too: a key that is in memory stays hidden."""
    insider, stranger = Wire(guarded.connect()), Wire(guarded.connect())
    assert insider.one(b"AUTH", b"hunter2") == b"+OK\r\n"
    assert insider.one(b"SET", b"k", b"v") == b"+OK\r\n"
    assert insider.one(b"GET", b"k") == b"$1\r\nv\r\n"
    for command in ([b"GET", b"k"], [b"PING"], [b"SET", b"k", b"w"], [b"INFO"], [b"CLIENT", b"LIST"], [b"MULTI"]):
        assert stranger.one(*command) == NOAUTH, command
    assert stranger.one(b"AUTH", b"wrong").startswith(b"-WRONGPASS")
    assert stranger.one(b"HELLO", b"3", b"AUTH", b"default", b"hunter2").startswith(b"%7")
    assert stranger.one(b"GET", b"k") == b"$1\r\nv\r\n"
    assert stranger.one(b"RESET") == b"+RESET\r\n"
    assert stranger.one(b"GET", b"k") == NOAUTH
    insider.close()
    stranger.close()


def test_redis_py_brings_its_password(guarded: SidecarProcess) -> None:
    """HELLO 3 AUTH and plain AUTH."""
    for protocol in (2, 3):
        with redis.Redis(port=guarded.port, password="hunter2", protocol=protocol) as client:
            assert client.ping()
        stranger = redis.Redis(port=guarded.port, password="wrong", protocol=protocol, retry=Retry(NoBackoff(), 0))
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_client_kill_closes_the_other_and_answers_the_one_that_asked(sidecar: SidecarProcess) -> None:
    """A connection that kills itself still reads its reply."""
    one, other = Wire(sidecar.connect()), Wire(sidecar.connect())
    number = other.one(b"CLIENT", b"ID")[1:-2]
    assert b" id=%b " % number in b" " + one.one(b"CLIENT", b"LIST").replace(b"\n", b" ")
    assert one.one(b"CLIENT", b"KILL", b"ID", number) == b":1\r\n"
    assert other.read_reply() == b""
    assert one.one(b"CLIENT", b"KILL", b"ID", number) == b":0\r\n"
    own = one.one(b"CLIENT", b"ID")[1:-2]
    assert one.one(b"CLIENT", b"KILL", b"ID", own, b"SKIPME", b"no") == b":1\r\n"
    assert one.read_reply() == b""
    one.close()
    other.close()


def test_quit_answers_what_was_asked_before_it_and_nothing_after(sidecar: SidecarProcess) -> None:
    """SET, QUIT, SET in one pipeline: the second SET is not run."""
    wire = Wire(sidecar.connect())
    wire.send(b"SET quit:k 1\r\nGET quit:k\r\nQUIT\r\nSET quit:k 2\r\n")
    received = b""
    while data := wire.client.recv(1000):
        received += data
    assert received == b"+OK\r\n$1\r\n1\r\n+OK\r\n"
    wire.close()
    again = Wire(sidecar.connect())
    assert again.one(b"GET", b"quit:k") == b"$1\r\n1\r\n"
    again.close()
