"""The effective configuration: flags over environment over file over default, checked as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sidecar import cgroup
from sidecar.address import Address, TcpAddress
from sidecar.flags import SETTINGS, Setting
from sidecar.secret import Secret, SecretFile

DEFAULT_MAX_MEMORY = 256 << 20
CGROUP_SHARE = 0.6  # of the container's limit: the rest is Python, buffers and the kernel's share
_CONFIG_VARIABLE = "SIDECAR_CONFIG"
_OWN_VARIABLES = {setting.variable for setting in SETTINGS} | {_CONFIG_VARIABLE}


class ConfigError(Exception):
    """The configuration cannot be used. One problem a line: where, what was found, what is expected."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What ``serve`` runs with. Names are the flags' names; sizes are bytes, durations seconds.

    Attributes:
        sources: for each setting, where its value came from.
        warnings: what an operator should be told at start.
    """

    listen: tuple[Address, ...]
    admin: TcpAddress
    origin: str
    origin_username: str | None
    origin_password: Secret | None
    origin_password_file: str | None
    origin_certificate: str | None
    origin_key: str | None
    origin_ca: str | None
    policy: str | None
    max_memory: int
    max_clients: int
    client_output_limit: int
    max_client_memory: int
    requirepass_file: str | None
    admin_token_file: str | None
    snapshot: str | None
    unix_socket_mode: int
    idle_timeout: float
    drain_timeout: float
    log_level: str
    log_format: str
    sources: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def shown(self) -> list[tuple[str, str, str]]:
        """(name, value as text, source) of every setting; secrets say only that they are set."""
        return [(s.name, _shown(s, getattr(self, s.attribute)), self.sources[s.attribute]) for s in SETTINGS]

    def origin_credentials(self) -> dict[str, Any]:
        """What an origin behind a login is given, only what is set; empty for origins that ask for none.

        Raises:
            SecretFileError: the password's file cannot be used.
        """
        if urlsplit(self.origin).scheme not in ("couchbase", "couchbases"):
            return {}
        password: Secret | SecretFile | None = self.origin_password
        if self.origin_password_file is not None:
            password = SecretFile(self.origin_password_file)
        given = {
            "username": self.origin_username,
            "password": password,
            "certificate": self.origin_certificate,
            "key": self.origin_key,
            "ca": self.origin_ca,
        }
        return {name: value for name, value in given.items() if value is not None}


def load(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Config:
    """Put the configuration together.

    Args:
        flags: attribute name -> text, or a list of texts for settings that repeat; None: not given. ``config``
            names the file.
        environment: usually os.environ.

    Raises:
        ConfigError: with every problem found, not only the first.
    """
    path = flags.get("config") or environment.get(_CONFIG_VARIABLE)
    from_file, problems = _read_file(path) if path else ({}, [])
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        texts, place, source = _find(setting, flags, environment, from_file)
        sources[setting.attribute] = source
        parsed = []
        for text in texts:
            try:
                parsed.append(setting.parse(text))
            except ValueError as exc:
                problems.append(f"{place}: {exc}")
        values[setting.attribute] = tuple(parsed) if setting.repeats else parsed[0] if parsed else None
    if values["max_memory"] is None:
        values["max_memory"], sources["max_memory"] = default_max_memory(cgroup.memory_limit_bytes())
    if not problems:
        problems = _check_together(values)
    if problems:
        raise ConfigError(problems)
    return Config(**values, sources=sources, warnings=_unknown_variables(environment))  # type: ignore[arg-type]


def default_max_memory(cgroup_limit: int | None) -> tuple[int, str]:
    """The memory bound where none is set, and in words where it comes from."""
    share = int(cgroup_limit * CGROUP_SHARE) if cgroup_limit is not None else DEFAULT_MAX_MEMORY
    if share < DEFAULT_MAX_MEMORY:
        return share, "default (60% of the cgroup's limit)"
    return DEFAULT_MAX_MEMORY, "default"


def _find(
    setting: Setting, flags: Mapping[str, Any], environment: Mapping[str, str], from_file: Mapping[str, "_FromFile"]
) -> tuple[list[str], str, str]:
    """The setting's texts, how to name the place in a message, and the source."""
    flag = flags.get(setting.attribute)
    if flag is not None:
        return (list(flag) if setting.repeats else [flag]), f"--{setting.name}", "flag"
    if setting.variable in environment:
        text = environment[setting.variable]
        return (text.replace(",", " ").split() if setting.repeats else [text]), setting.variable, "environment"
    if setting.name in from_file:
        found = from_file[setting.name]
        return found.texts, f"{found.place} {setting.name}", "file"
    return ([] if setting.default is None else [setting.default]), setting.name, "default"


@dataclass(frozen=True, slots=True)
class _FromFile:
    texts: list[str]
    place: str


def _read_file(path: str) -> tuple[dict[str, _FromFile], list[str]]:
    """The settings of a YAML file with their lines, and what is wrong with its shape.

    Scalars are kept as the text that stands there: ``0660`` is a mode and not the number 432.
    """
    import yaml  # only where a file is given

    try:
        with open(path, encoding="utf-8") as file:
            root = yaml.compose(file, Loader=yaml.SafeLoader)
    except OSError as exc:
        return {}, [f"{path}: cannot be read: {exc.strerror}"]
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else path
        return {}, [f"{place}: not YAML: {getattr(exc, 'problem', None) or 'not UTF-8'}"]
    if root is None:
        return {}, []
    if not isinstance(root, yaml.MappingNode):
        place = f"{path}:{root.start_mark.line + 1}"
        return {}, [f"{place}: found a {root.id}, expected settings such as max-memory: 64MiB"]
    known = {setting.name: setting for setting in SETTINGS}
    found, problems = {}, []
    for name_node, value in root.value:
        place, name = f"{path}:{name_node.start_mark.line + 1}", str(name_node.value)
        setting = known.get(name)
        if setting is None or setting.environment_only:
            why = "is only read from the environment" if setting else "is not a setting"
            problems.append(f"{place} {name}: {why}; `feature-sidecar config` lists the settings")
        elif name in found:
            problems.append(f"{place} {name}: stands twice")
        elif isinstance(value, yaml.ScalarNode):
            found[name] = _FromFile([value.value], place)
        elif setting.repeats and isinstance(value, yaml.SequenceNode):
            found[name] = _FromFile([str(item.value) for item in value.value], place)
        else:
            problems.append(f"{place} {name}: found a {value.id}, expected one value")
    return found, problems


def _check_together(values: Mapping[str, Any]) -> list[str]:
    """What can only be judged over several settings."""
    problems = []
    if not values["listen"]:
        problems.append("listen: found no address, expected at least one such as tcp://127.0.0.1:6379")
    open_to_all = [str(address) for address in values["listen"] if not address.is_loopback]
    if open_to_all and values["requirepass_file"] is None:
        problems.append(
            f"listen: found {', '.join(open_to_all)} and no password, expected --requirepass-file FILE "
            "or an address of loopback such as tcp://127.0.0.1:6379"
        )
    if values["origin_password"] is not None and values["origin_password_file"] is not None:
        problems.append("origin-password: found both the password and a file of it, expected one of them")
    if (values["origin_certificate"] is None) != (values["origin_key"] is None):
        problems.append("origin-certificate: found one of certificate and key, expected both or none")
    return problems


def _unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Kubernetes sets SIDECAR_PORT and the like for a Service of that name, so these are no errors."""
    unknown = sorted(name for name in environment if name.startswith("SIDECAR_") and name not in _OWN_VARIABLES)
    return (f"not settings, ignored: {', '.join(unknown)}",) if unknown else ()


def _shown(setting: Setting, value: Any) -> str:
    if value is None:
        return "-"
    if setting.repeats:
        return ", ".join(setting.show(item) for item in value)
    return setting.show(value)
