"""Reads the values of annotations: text to value, each bounded.

Every function raises ValueError that says what was found and what is expected, or gives one that does.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from policies.duration import parse_duration
from policies.size import format_size, parse_size
from sidecar.flags import SETTINGS
from sidecar.injector.quantity import Quantity, parse_quantity

STATE_DIRECTORY = "/var/lib/feature-sidecar"
_SERVE = {setting.name: setting for setting in SETTINGS}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_FILE_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_BOOLEANS = {"true": True, "enabled": True, "false": False, "disabled": False}


def parse_switch(text: str) -> bool:
    """Read a switch: true or false, enabled or disabled.

    Raises:
        ValueError: anything else.
    """
    if text not in _BOOLEANS:
        raise ValueError(f"found {text!r}, expected true or false")
    return _BOOLEANS[text]


def one_of(*choices: str) -> Callable[[str], str]:
    """Reads one of a few words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"found {text!r}, expected one of {', '.join(choices)}")
        return text

    return parse


def parse_native(text: str) -> bool | None:
    """Read the form of the sidecar; None: as the cluster can."""
    return None if text == "auto" else parse_switch(text)


def parse_env(text: str) -> str:
    """YAML and habit say true and false."""
    return one_of("off", "tcp", "unix")({"true": "tcp", "false": "off"}.get(text, text))


def parse_object_name(text: str) -> str:
    """Read an object's name."""
    if not _OBJECT_NAME.fullmatch(text):
        raise ValueError(f"found {text!r}, expected the name of an object, such as ranker-policy")
    return text


def parse_container_name(text: str) -> str:
    """Read the name of a container or volume."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"found {text!r}, expected a name of at most 63 letters, digits and -")
    return text


def parse_container_names(text: str) -> tuple[str, ...]:
    """Read names, separated by commas."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or len(names) > 64:
        raise ValueError(f"found {text!r}, expected names of containers separated by commas")
    return tuple(parse_container_name(name) for name in names)


def parse_file_key(text: str) -> str:
    """Read a key of a ConfigMap."""
    if not _FILE_KEY.fullmatch(text) or text.startswith(".."):
        raise ValueError(f"found {text!r}, expected a key of the ConfigMap such as policy.yaml")
    return text


def parse_port(text: str) -> int:
    """Read a port that needs no privilege."""
    if not (text.isascii() and text.isdigit() and 1024 <= int(text[:6]) <= 65535):
        raise ValueError(f"found {text!r}, expected a port from 1024 to 65535")
    return int(text)


def parse_port_or_none(text: str) -> int:
    """Read a port, or 0 for none."""
    return 0 if text == "0" else parse_port(text)


def parse_socket_mode(text: str) -> str:
    """Read an octal file mode, or auto."""
    if text == "auto":
        return text
    if not re.fullmatch("0?[0-7]{3}", text, re.ASCII):
        raise ValueError(f"found {text!r}, expected auto or an octal file mode such as 0660")
    return f"0{text[-3:]}"


def quantity_between(least: str, most: str) -> Callable[[str], Quantity]:
    """Reads a quantity within bounds."""
    low, high = parse_quantity(least), parse_quantity(most)

    def parse(text: str) -> Quantity:
        found = parse_quantity(text)
        if not low.amount <= found.amount <= high.amount:
            raise ValueError(f"found {text!r}, expected {least} to {most}")
        return found

    return parse


def size_up_to(most: str) -> Callable[[str], int]:
    """Reads a size within bounds."""

    def parse(text: str) -> int:
        found = parse_size(text)
        if not 1 << 20 <= found <= parse_size(most):
            raise ValueError(f"found {text!r}, expected 1MiB to {format_size(parse_size(most))}")
        return found

    return parse


def as_serve(name: str) -> Callable[[str], str]:
    """What ``serve`` itself accepts; the text is passed on to it as it stands."""

    def parse(text: str) -> str:
        _SERVE[name].parse(text)
        return text

    return parse


def parse_origin(text: str) -> str:
    """Read the URL of an origin that a container with a read-only file system can use."""
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


def parse_seconds(text: str) -> int:
    """Read a duration of whole seconds."""
    found_ms = parse_duration(text)
    if found_ms % 1000 or not 0 <= found_ms <= 600_000:
        raise ValueError(f"found {text!r}, expected whole seconds from 0s to 10m")
    return found_ms // 1000


def parse_image(text: str) -> str:
    """Read the name of an image."""
    if not re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9._:/@]{0,511}", text, re.ASCII):
        raise ValueError(f"found {text!r}, expected an image such as registry.example/feature-sidecar:1.0")
    return text


def parse_user(text: str) -> int | None:
    """Read the number of a user or group that is not root; None: as the image says."""
    if text == "image":
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:11]) < 2**31):
        raise ValueError(f"found {text!r}, expected a number from 1 or image; root is refused")
    return int(text)
