"""The settings of ``serve``: one row each, from which the command line, environment, file and docs are made."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from policies.duration import format_duration, parse_duration
from policies.size import format_size, parse_size
from sidecar.address import TcpAddress, parse_address, parse_host_port
from sidecar.logs import FORMATS, LEVELS
from sidecar.secret import Secret

ORIGIN_SCHEMES = ("sqlite", "couchbase", "couchbases", "memory")
_MIB = 1 << 20


def _in_words(secret: Secret) -> str:
    return "(set)"


def _as_mode(mode: int) -> str:
    return f"{mode:04o}"


def _as_host_port(address: TcpAddress) -> str:
    return str(address).removeprefix("tcp://")


def _as_seconds(seconds: float) -> str:
    return format_duration(round(seconds * 1000))


class Setting(NamedTuple):
    """One setting.

    Attributes:
        name: as on the command line; ``SIDECAR_MAX_MEMORY`` and ``max_memory`` follow from it.
        metavar: what stands for its value in help texts.
        default: the value as text, None where there is none.
        parse: text to value; raises ValueError saying what was found and what is expected.
        help: one sentence.
        show: value to text; what `parse` reads, except for secrets.
        repeats: it may be given several times, and the value is a tuple.
        environment_only: a secret that must not stand on a command line or in a file.
    """

    name: str
    metavar: str
    default: str | None
    parse: Callable[[str], object]
    help: str
    show: Callable[[Any], str] = str
    repeats: bool = False
    environment_only: bool = False

    @property
    def attribute(self) -> str:
        """Its name in Config."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "SIDECAR_" + self.attribute.upper()


def _text(text: str) -> str:
    if not text:
        raise ValueError("found nothing, expected a text")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise ValueError(f"found {text!r}, expected a number from 1 to 1000000")
    return int(text)


def _mode(text: str) -> int:
    if not (3 <= len(text) <= 4 and all(c in "01234567" for c in text)):
        raise ValueError(f"found {text!r}, expected an octal file mode such as 0660")
    return int(text, 8)


def _size(at_least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        size = parse_size(text)
        if size < at_least:
            raise ValueError(f"found {text!r}, expected at least {format_size(at_least)}")
        return size

    return parse


def _seconds(text: str) -> float:
    return parse_duration(text) / 1000


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"found {text!r}, expected one of {', '.join(choices)}")
        return text

    return parse


def _origin(text: str) -> str:
    """An origin's URL. Credentials in it are refused, for URLs end up in logs and process lists; so what was found
    is not repeated in messages either.
    """
    parts = urlsplit(text)
    if parts.scheme not in ORIGIN_SCHEMES:
        raise ValueError(f"found another kind of URL, expected one of {', '.join(f'{s}://' for s in ORIGIN_SCHEMES)}")
    options = [name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if "@" in parts.netloc or any(word in name for name in options for word in ("password", "secret", "token")):
        raise ValueError("found credentials in the URL, expected SIDECAR_ORIGIN_USERNAME and SIDECAR_ORIGIN_PASSWORD")
    return text


def _secret(text: str) -> Secret:
    return Secret(_text(text).encode())


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "listen",
        "ADDRESS",
        "tcp://127.0.0.1:6379",
        parse_address,
        "Where Redis clients connect: tcp://host:port or unix:///path; may be repeated.",
        repeats=True,
    ),
    Setting(
        "admin",
        "HOST:PORT",
        "127.0.0.1:8379",
        parse_host_port,
        "Where /metrics, /healthz, the live page and the other admin endpoints answer; [::] is every address.",
        show=_as_host_port,
    ),
    Setting(
        "origin",
        "URL",
        "sqlite:///./features.db",
        _origin,
        "Where the data lives: sqlite:///path, couchbase(s)://host1,host2/BUCKET or memory://.",
    ),
    Setting("origin-username", "NAME", None, _text, "The user name for the origin."),
    Setting(
        "origin-password",
        "TEXT",
        None,
        _secret,
        "The password for the origin; only from the environment.",
        show=_in_words,
        environment_only=True,
    ),
    Setting(
        "origin-password-file",
        "FILE",
        None,
        _text,
        "A file that holds the password for the origin; read again when it changes.",
    ),
    Setting(
        "origin-certificate",
        "FILE",
        None,
        _text,
        "A client certificate (PEM) for the origin, in place of a user; read again when it changes.",
    ),
    Setting("origin-key", "FILE", None, _text, "The private key (PEM) of --origin-certificate."),
    Setting(
        "origin-ca",
        "FILE",
        None,
        _text,
        "The authorities (PEM) that may have signed the certificates of a couchbases:// cluster; none: the system's.",
    ),
    Setting("policy", "FILE", None, _text, "The policy file, read again when it changes; none: built-in defaults."),
    Setting(
        "max-memory",
        "SIZE",
        None,
        _size(1 * _MIB),
        "Bound of the memory tier; the smaller of 256MiB and 60% of the cgroup's limit unless set.",
        show=format_size,
    ),
    Setting("max-clients", "NUMBER", "10000", _count, "Client connections at one time."),
    Setting(
        "client-output-limit",
        "SIZE",
        "1MiB",
        _size(16 * 1024),
        "Replies that may wait for one client; past it and with no byte taken for 2s it is cut off.",
        show=format_size,
    ),
    Setting(
        "max-client-memory",
        "SIZE",
        "64MiB",
        _size(1 * _MIB),
        "Buffers of all clients together; past it the biggest client is cut off.",
        show=format_size,
    ),
    Setting(
        "requirepass-file",
        "FILE",
        None,
        _text,
        "A file that holds the password clients must give; read again when it changes.",
    ),
    Setting(
        "admin-token-file",
        "FILE",
        None,
        _text,
        "A file that holds the token of the admin port; read again when it changes.",
    ),
    Setting("snapshot", "FILE", None, _text, "Where to keep hot keys, and values, for a warm start."),
    Setting("unix-socket-mode", "MODE", "0660", _mode, "File mode of unix sockets.", show=_as_mode),
    Setting(
        "idle-timeout",
        "DURATION",
        "0s",
        _seconds,
        "Close clients that are silent this long; 0s: never.",
        show=_as_seconds,
    ),
    Setting(
        "drain-timeout",
        "DURATION",
        "1500ms",
        _seconds,
        "How long replies in progress may take after SIGTERM.",
        show=_as_seconds,
    ),
    Setting("log-level", "LEVEL", "info", _one_of(LEVELS), "debug, info, warning or error."),
    Setting("log-format", "FORMAT", "json", _one_of(FORMATS), "json or console."),
)
