"""The one table of what can be set: pod annotations ``feature-sidecar.io/<name>`` and keys of the operator's file.

A pod's author may set what does not reach beyond that pod. Image, user and the rest of the security context are the
operator's: they have no annotation at all, so no value of one can bring them in.
"""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from policies.duration import parse_duration
from policies.size import format_size, parse_size
from sidecar.flags import SETTINGS
from sidecar.injector.quantity import Quantity, parse_quantity

PREFIX = "feature-sidecar.io/"
INJECT = PREFIX + "inject"  # the switch: an annotation or a label of a pod, a label of a namespace
STATUS = PREFIX + "status"  # set by us
VERSION = PREFIX + "version"  # set by us
INJECTED_LABEL = PREFIX + "injected"  # set by us, as a label: what a PodMonitor selects
OWN_ANNOTATIONS = frozenset({STATUS, VERSION})
STATE_DIRECTORY = "/var/lib/feature-sidecar"
_MAX_VALUE_CHARACTERS = 2048  # the longest sensible value is an origin's URL; annotations may be 256 KiB
_SERVE = {setting.name: setting for setting in SETTINGS}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_FILE_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_BOOLEANS = {"true": True, "enabled": True, "false": False, "disabled": False}


class Option(NamedTuple):
    """One thing that can be set.

    Attributes:
        name: after the prefix in an annotation, and as a key of the operator's file.
        form: what a value looks like, for the docs.
        default: as text; None: nothing unless set.
        parse: text to value; raises ValueError saying what was found and what is expected.
        help: one or two sentences.
        decides_data: it chooses what data the application sees, so a value that cannot be read refuses injection:
            with a default in its place the application would read wrong or no features and nobody would notice.
        operator_only: there is no annotation of it.
    """

    name: str
    form: str
    default: str | None
    parse: Callable[[str], object]
    help: str
    decides_data: bool = False
    operator_only: bool = False

    @property
    def attribute(self) -> str:
        """Its name in SidecarSettings."""
        return self.name.replace("-", "_")

    @property
    def annotation(self) -> str:
        """Its name on a pod."""
        return PREFIX + self.name


def parse_switch(text: str) -> bool:
    """Read a switch: true or false, enabled or disabled.

    Raises:
        ValueError: anything else.
    """
    if text not in _BOOLEANS:
        raise ValueError(f"found {text!r}, expected true or false")
    return _BOOLEANS[text]


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"found {text!r}, expected one of {', '.join(choices)}")
        return text

    return parse


def _native(text: str) -> bool | None:
    return None if text == "auto" else parse_switch(text)


def _environment(text: str) -> str:
    """YAML and habit say true and false."""
    return _choice("off", "tcp", "unix")({"true": "tcp", "false": "off"}.get(text, text))


def _object_name(text: str) -> str:
    if not _OBJECT_NAME.fullmatch(text):
        raise ValueError(f"found {text!r}, expected the name of an object, such as ranker-policy")
    return text


def _container_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"found {text!r}, expected a name of at most 63 letters, digits and -")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or len(names) > 64:
        raise ValueError(f"found {text!r}, expected names of containers separated by commas")
    return tuple(_container_name(name) for name in names)


def _file_key(text: str) -> str:
    if not _FILE_KEY.fullmatch(text) or text.startswith(".."):
        raise ValueError(f"found {text!r}, expected a key of the ConfigMap such as policy.yaml")
    return text


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1024 <= int(text[:6]) <= 65535):
        raise ValueError(f"found {text!r}, expected a port from 1024 to 65535")
    return int(text)


def _port_or_none(text: str) -> int:
    return 0 if text == "0" else _port(text)


def _socket_mode(text: str) -> str:
    if text == "auto":
        return text
    if not re.fullmatch("0?[0-7]{3}", text, re.ASCII):
        raise ValueError(f"found {text!r}, expected auto or an octal file mode such as 0660")
    return f"0{text[-3:]}"


def _quantity(least: str, most: str) -> Callable[[str], Quantity]:
    low, high = parse_quantity(least), parse_quantity(most)

    def parse(text: str) -> Quantity:
        found = parse_quantity(text)
        if not low.amount <= found.amount <= high.amount:
            raise ValueError(f"found {text!r}, expected {least} to {most}")
        return found

    return parse


def _size(most: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        found = parse_size(text)
        if not 1 << 20 <= found <= parse_size(most):
            raise ValueError(f"found {text!r}, expected 1MiB to {format_size(parse_size(most))}")
        return found

    return parse


def _as_serve(name: str) -> Callable[[str], str]:
    """What ``serve`` itself accepts; the text is passed on to it as it stands."""

    def parse(text: str) -> str:
        _SERVE[name].parse(text)
        return text

    return parse


def _origin(text: str) -> str:
    _SERVE["origin"].parse(text)
    parts = urlsplit(text)
    inside = parts.path.startswith(f"/{STATE_DIRECTORY}/") and ".." not in parts.path
    if parts.scheme == "sqlite" and not inside:
        raise ValueError(
            f"found a file elsewhere, expected one such as sqlite:///{STATE_DIRECTORY}/features.db: "
            "the rest of the file system is read-only"
        )
    if not text.isprintable() or " " in text:
        raise ValueError("found a space or a control character in the URL")
    return text


def _seconds(text: str) -> int:
    found_ms = parse_duration(text)
    if found_ms % 1000 or not 0 <= found_ms <= 600_000:
        raise ValueError(f"found {text!r}, expected whole seconds from 0s to 10m")
    return found_ms // 1000


def _image(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9._:/@]{0,511}", text, re.ASCII):
        raise ValueError(f"found {text!r}, expected an image such as registry.example/feature-sidecar:1.0")
    return text


def _user(text: str) -> int | None:
    if text == "image":
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:11]) < 2**31):
        raise ValueError(f"found {text!r}, expected a number from 1 or image; root is refused")
    return int(text)


OPTIONS: tuple[Option, ...] = (
    Option(
        "native",
        "`auto`, `true` or `false`",
        "auto",
        _native,
        "A native sidecar (an init container that keeps running), or a plain container for clusters before 1.29. "
        "`auto` follows the cluster's version.",
    ),
    Option(
        "policy",
        "name of a ConfigMap",
        None,
        _object_name,
        "The policy, mounted and reloaded when it changes; unset: the built-in defaults.",
        decides_data=True,
    ),
    Option("policy-key", "key of the ConfigMap", "policy.yaml", _file_key, "The file in it.", decides_data=True),
    Option(
        "origin",
        "URL",
        f"sqlite:///{STATE_DIRECTORY}/features.db",
        _origin,
        "Where the data lives: `couchbase(s)://host1,host2/BUCKET`, `memory://`, or a SQLite file below "
        f"`{STATE_DIRECTORY}`.",
        decides_data=True,
    ),
    Option(
        "origin-secret",
        "name of a Secret",
        None,
        _object_name,
        "Credentials of the origin: keys `username` and `password`. A changed password is taken without a restart.",
        decides_data=True,
    ),
    Option(
        "origin-certificate",
        "name of a Secret",
        None,
        _object_name,
        "A client certificate for the origin, in place of a user: keys `tls.crt` and `tls.key`, as cert-manager makes "
        "them.",
        decides_data=True,
    ),
    Option(
        "origin-ca",
        "name of a ConfigMap",
        None,
        _object_name,
        "Authorities of a `couchbases://` cluster: key `ca.crt`; unset: the system's.",
        decides_data=True,
    ),
    Option(
        "state-volume",
        "name of a volume of the pod",
        None,
        _container_name,
        f"Mounted at `{STATE_DIRECTORY}`, for the SQLite file and the snapshot; unset: an emptyDir where one is "
        "needed.",
        decides_data=True,
    ),
    Option(
        "snapshot",
        "`true` or `false`",
        "false",
        parse_switch,
        f"Keep a snapshot of memory in `{STATE_DIRECTORY}`, for a warm start of the container.",
    ),
    Option("port", "port, or `0`", "6379", _port_or_none, "Where Redis clients connect on loopback; 0: nowhere."),
    Option(
        "socket",
        "`true` or `false`",
        "true",
        parse_switch,
        "A unix socket in a volume that the application's containers mount: `/run/feature-sidecar/redis.sock`.",
    ),
    Option(
        "socket-mode",
        "`auto` or an octal mode",
        "auto",
        _socket_mode,
        "Its file mode. `auto`: 0660 where the pod has an `fsGroup`, which becomes its group; else 0666, which like "
        "loopback lets in who is in the pod and mounts the volume.",
    ),
    Option(
        "env",
        "`off`, `tcp` or `unix`",
        "off",
        _environment,
        "Set `REDIS_URL` and `FEATURE_SIDECAR_ADDR` in the application's containers, to the port or to the socket; "
        "`true` is tcp. A variable that is there stays.",
    ),
    Option(
        "containers",
        "names, comma-separated",
        None,
        _names,
        "Which containers get the socket and the variables; unset: all but init containers.",
    ),
    Option(
        "admin-port",
        "port",
        "8379",
        _port,
        "Probes and metrics, on the pod's address; everything else there answers loopback only.",
    ),
    Option("cpu-request", "CPUs", "100m", _quantity("1m", "64"), "Adds to the pod's own requests."),
    Option(
        "cpu-limit",
        "CPUs",
        None,
        _quantity("10m", "64"),
        "Unset: none, for throttling makes hits slow while the node is idle.",
    ),
    Option(
        "memory-request",
        "bytes",
        None,
        _quantity("32Mi", "1Ti"),
        "Unset: max-memory + 128Mi, at most the limit.",
    ),
    Option("memory-limit", "bytes", None, _quantity("64Mi", "1Ti"), "Unset: max-memory + 256Mi."),
    Option(
        "max-memory",
        "size",
        None,
        _size("512GiB"),
        "Bound of the memory tier; unset: the smaller of 256MiB and 60% of the memory limit.",
    ),
    Option("max-clients", "number", None, _as_serve("max-clients"), "As the setting of `serve`."),
    Option("max-client-memory", "size", None, _as_serve("max-client-memory"), "As the setting of `serve`."),
    Option("client-output-limit", "size", None, _as_serve("client-output-limit"), "As the setting of `serve`."),
    Option("idle-timeout", "duration", None, _as_serve("idle-timeout"), "As the setting of `serve`."),
    Option("log-level", "level", "info", _as_serve("log-level"), "debug, info, warning or error."),
    Option("log-format", "format", "json", _as_serve("log-format"), "json or console."),
    Option(
        "prestop-sleep",
        "duration",
        "5s",
        _seconds,
        "Plain form only: how long the sidecar outlives the beginning of the pod's end, at most 3s less than its "
        "grace period.",
    ),
    Option("image", "image", None, _image, "The sidecar's image.", operator_only=True),
    Option(
        "image-pull-policy",
        "policy",
        "IfNotPresent",
        _choice("Always", "IfNotPresent", "Never"),
        "When the image is pulled.",
        operator_only=True,
    ),
    Option(
        "image-pull-secret",
        "name of a Secret",
        None,
        _object_name,
        "Added to the pod's `imagePullSecrets`; it must be in the pod's namespace.",
        operator_only=True,
    ),
    Option(
        "run-as-user",
        "uid or `image`",
        "65532",
        _user,
        "The sidecar's user; `image`: the image's own, for platforms that assign one (OpenShift).",
        operator_only=True,
    ),
    Option("run-as-group", "gid or `image`", "65532", _user, "The sidecar's group.", operator_only=True),
)
BY_NAME = {option.name: option for option in OPTIONS}


def parse_value(option: Option, value: object) -> object:
    """The value of an option, from text.

    Raises:
        ValueError: says what was found and what is expected.
    """
    if not isinstance(value, str):
        raise ValueError(f"found a {type(value).__name__}, expected a text")
    if len(value) > _MAX_VALUE_CHARACTERS:
        raise ValueError(f"found {len(value)} characters, expected at most {_MAX_VALUE_CHARACTERS}")
    return option.parse(value)
