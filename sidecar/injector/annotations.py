"""The one table of what can be set: pod annotations ``feature-sidecar.io/<name>`` and keys of the operator's file.

A pod's author may set what does not reach beyond that pod. Image, user and the rest of the security context are the
operator's: they have no annotation at all, so no value of one can bring them in.
"""

from collections.abc import Callable
from typing import NamedTuple

from sidecar.injector import annotation_values as values
from sidecar.injector.annotation_values import STATE_DIRECTORY

PREFIX = "feature-sidecar.io/"
INJECT = PREFIX + "inject"  # the switch: an annotation or a label of a pod, a label of a namespace
STATUS = PREFIX + "status"  # set by us
VERSION = PREFIX + "version"  # set by us
INJECTED_LABEL = PREFIX + "injected"  # set by us, as a label: what a PodMonitor selects
OWN_ANNOTATIONS = frozenset({STATUS, VERSION})
_MAX_VALUE_CHARACTERS = 2048  # the longest sensible value is an origin's URL; annotations may be 256 KiB


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


OPTIONS: tuple[Option, ...] = (
    Option(
        "native",
        "`auto`, `true` or `false`",
        "auto",
        values.parse_native,
        "A native sidecar (an init container that keeps running), or a plain container for clusters before 1.29. "
        "`auto` follows the cluster's version.",
    ),
    Option(
        "policy",
        "name of a ConfigMap",
        None,
        values.parse_object_name,
        "The policy, mounted and reloaded when it changes; unset: the built-in defaults.",
        decides_data=True,
    ),
    Option(
        "policy-key", "key of the ConfigMap", "policy.yaml", values.parse_file_key, "The file in it.", decides_data=True
    ),
    Option(
        "origin",
        "URL",
        f"sqlite:///{STATE_DIRECTORY}/features.db",
        values.parse_origin,
        "Where the data lives: `couchbase(s)://host1,host2/BUCKET`, `memory://`, or a SQLite file below "
        f"`{STATE_DIRECTORY}`.",
        decides_data=True,
    ),
    Option(
        "origin-secret",
        "name of a Secret",
        None,
        values.parse_object_name,
        "Credentials of the origin: keys `username` and `password`. A changed password is taken without a restart.",
        decides_data=True,
    ),
    Option(
        "origin-certificate",
        "name of a Secret",
        None,
        values.parse_object_name,
        "A client certificate for the origin, in place of a user: keys `tls.crt` and `tls.key`, as cert-manager makes "
        "them.",
        decides_data=True,
    ),
    Option(
        "origin-ca",
        "name of a ConfigMap",
        None,
        values.parse_object_name,
        "Authorities of a `couchbases://` cluster: key `ca.crt`; unset: the system's.",
        decides_data=True,
    ),
    Option(
        "state-volume",
        "name of a volume of the pod",
        None,
        values.parse_container_name,
        f"Mounted at `{STATE_DIRECTORY}`, for the SQLite file and the snapshot; unset: an emptyDir where one is "
        "needed.",
        decides_data=True,
    ),
    Option(
        "snapshot",
        "`true` or `false`",
        "false",
        values.parse_switch,
        f"Keep a snapshot of memory in `{STATE_DIRECTORY}`, for a warm start of the container.",
    ),
    Option(
        "port",
        "port, or `0`",
        "6379",
        values.parse_port_or_none,
        "Where Redis clients connect on loopback; 0: nowhere.",
    ),
    Option(
        "socket",
        "`true` or `false`",
        "true",
        values.parse_switch,
        "A unix socket in a volume that the application's containers mount: `/run/feature-sidecar/redis.sock`.",
    ),
    Option(
        "socket-mode",
        "`auto` or an octal mode",
        "auto",
        values.parse_socket_mode,
        "Its file mode. `auto`: 0660 where the pod has an `fsGroup`, which becomes its group; else 0666, which like "
        "loopback lets in who is in the pod and mounts the volume.",
    ),
    Option(
        "env",
        "`off`, `tcp` or `unix`",
        "off",
        values.parse_env,
        "Set `REDIS_URL` and `FEATURE_SIDECAR_ADDR` in the application's containers, to the port or to the socket; "
        "`true` is tcp. A variable that is there stays.",
    ),
    Option(
        "containers",
        "names, comma-separated",
        None,
        values.parse_container_names,
        "Which containers get the socket and the variables; unset: all but init containers.",
    ),
    Option(
        "admin-port",
        "port",
        "8379",
        values.parse_port,
        "Probes and metrics, on the pod's address; everything else there answers loopback only.",
    ),
    Option("cpu-request", "CPUs", "100m", values.quantity_between("1m", "64"), "Adds to the pod's own requests."),
    Option(
        "cpu-limit",
        "CPUs",
        None,
        values.quantity_between("10m", "64"),
        "Unset: none, for throttling makes hits slow while the node is idle.",
    ),
    Option(
        "memory-request",
        "bytes",
        None,
        values.quantity_between("32Mi", "1Ti"),
        "Unset: max-memory + 128Mi, at most the limit.",
    ),
    Option("memory-limit", "bytes", None, values.quantity_between("64Mi", "1Ti"), "Unset: max-memory + 256Mi."),
    Option(
        "max-memory",
        "size",
        None,
        values.size_up_to("512GiB"),
        "Bound of the memory tier; unset: the smaller of 256MiB and 60% of the memory limit.",
    ),
    Option("max-clients", "number", None, values.as_serve("max-clients"), "As the setting of `serve`."),
    Option("max-client-memory", "size", None, values.as_serve("max-client-memory"), "As the setting of `serve`."),
    Option("client-output-limit", "size", None, values.as_serve("client-output-limit"), "As the setting of `serve`."),
    Option("idle-timeout", "duration", None, values.as_serve("idle-timeout"), "As the setting of `serve`."),
    Option("log-level", "level", "info", values.as_serve("log-level"), "debug, info, warning or error."),
    Option("log-format", "format", "json", values.as_serve("log-format"), "json or console."),
    Option(
        "prestop-sleep",
        "duration",
        "5s",
        values.parse_seconds,
        "Plain form only: how long the sidecar outlives the beginning of the pod's end, at most 3s less than its "
        "grace period.",
    ),
    Option("image", "image", None, values.parse_image, "The sidecar's image.", operator_only=True),
    Option(
        "image-pull-policy",
        "policy",
        "IfNotPresent",
        values.one_of("Always", "IfNotPresent", "Never"),
        "When the image is pulled.",
        operator_only=True,
    ),
    Option(
        "image-pull-secret",
        "name of a Secret",
        None,
        values.parse_object_name,
        "Added to the pod's `imagePullSecrets`; it must be in the pod's namespace.",
        operator_only=True,
    ),
    Option(
        "run-as-user",
        "uid or `image`",
        "65532",
        values.parse_user,
        "The sidecar's user; `image`: the image's own, for platforms that assign one (OpenShift).",
        operator_only=True,
    ),
    Option("run-as-group", "gid or `image`", "65532", values.parse_user, "The sidecar's group.", operator_only=True),
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
