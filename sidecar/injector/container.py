"""The sidecar's container, from its settings: native (an init container that keeps running) or plain."""

from decimal import Decimal
from typing import Any

from policies.size import format_size
from sidecar.injector.annotation_values import STATE_DIRECTORY
from sidecar.injector.quantity import Quantity, binary_megabytes
from sidecar.injector.settings import SidecarSettings

CONTAINER = "feature-sidecar"
SOCKET_VOLUME = "feature-sidecar-socket"
POLICY_VOLUME = "feature-sidecar-policy"
SECRET_VOLUME = "feature-sidecar-origin"
CERTIFICATE_VOLUME = "feature-sidecar-certificate"
AUTHORITIES_VOLUME = "feature-sidecar-ca"
STATE_VOLUME = "feature-sidecar-state"
SOCKET_DIRECTORY = "/run/feature-sidecar"
SOCKET = f"{SOCKET_DIRECTORY}/redis.sock"
ADMIN_PORT_NAME = "sidecar-admin"
_POLICY_DIRECTORY = "/etc/feature-sidecar/policy"
_SECRET_DIRECTORY = "/etc/feature-sidecar/origin"
_CERTIFICATE_DIRECTORY = "/etc/feature-sidecar/certificate"
_AUTHORITIES_DIRECTORY = "/etc/feature-sidecar/ca"
_DEFAULT_MAX_MEMORY = 256 << 20  # serve's own
# max-client-memory 64 MiB and 96 MiB of interpreter and libraries are needed (docs/operations.md), the rest is slack
_LIMIT_ABOVE_MEMORY = 256 << 20
_REQUEST_ABOVE_MEMORY = 128 << 20
_STOP_S = 3  # of the grace period: 1.5 s to drain, and the end of the process
_READY_WITHIN_S = 300  # a policy's warm-up is 10 s by default and may be longer; past this it is started anew


def sidecar_container(settings: SidecarSettings, *, native: bool, has_group: bool, grace_s: int) -> dict[str, Any]:
    """The container.

    Args:
        settings: what it runs with.
        native: whether it is an init container with ``restartPolicy: Always``.
        has_group: the pod has an fsGroup, so all its containers share a group.
        grace_s: the pod's termination grace period.
    """
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": [_literal(word) for word in _arguments(settings, has_group)],
    }
    environment = _environment(settings)
    if environment:
        container["env"] = environment
    container["ports"] = [{"name": ADMIN_PORT_NAME, "containerPort": settings.admin_port, "protocol": "TCP"}]
    container["resources"] = _resources(settings)
    mounts = _mounts(settings)
    if mounts:
        container["volumeMounts"] = mounts
    container |= _probes(settings.admin_port)
    if native:
        container["restartPolicy"] = "Always"
    else:
        container["lifecycle"] = _plain_lifecycle(settings, grace_s)
    container["securityContext"] = _security_context(settings)
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    return container


def sidecar_volumes(settings: SidecarSettings) -> list[dict[str, Any]]:
    """The volumes that it needs and that are not the pod's own."""
    volumes: list[dict[str, Any]] = []
    if settings.socket:
        # in memory: a socket's directory entry is all it holds, and nothing is written to the node's disk
        volumes.append({"name": SOCKET_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
    if settings.policy is not None:
        volumes.append({"name": POLICY_VOLUME, "configMap": {"name": settings.policy}})
    if settings.origin_secret is not None:
        volumes.append(_secret_volume(SECRET_VOLUME, settings.origin_secret))
    if settings.origin_certificate is not None:
        volumes.append(_secret_volume(CERTIFICATE_VOLUME, settings.origin_certificate))
    if settings.origin_ca is not None:
        volumes.append({"name": AUTHORITIES_VOLUME, "configMap": {"name": settings.origin_ca}})
    if _needs_state(settings) and settings.state_volume is None:
        volumes.append({"name": STATE_VOLUME, "emptyDir": {}})
    return volumes


def _secret_volume(name: str, secret: str) -> dict[str, Any]:
    """For any user of the one container that mounts it: without an fsGroup nothing else lets ours read it."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o444}}


def application_environment(settings: SidecarSettings) -> list[dict[str, str]]:
    """What the application's containers are told; empty unless asked for."""
    if settings.env == "tcp":
        address = f"127.0.0.1:{settings.port}"
        url, listen = f"redis://{address}/0", f"tcp://{address}"
    elif settings.env == "unix":
        url = listen = f"unix://{SOCKET}"
    else:
        return []
    return [{"name": "REDIS_URL", "value": url}, {"name": "FEATURE_SIDECAR_ADDR", "value": listen}]


def _arguments(settings: SidecarSettings, has_group: bool) -> list[str]:
    arguments = ["serve"]
    if settings.port:
        arguments += ["--listen", f"tcp://127.0.0.1:{settings.port}"]
    if settings.socket:
        mode = ("0660" if has_group else "0666") if settings.socket_mode == "auto" else settings.socket_mode
        arguments += ["--listen", f"unix://{SOCKET}", "--unix-socket-mode", mode]
    # the kubelet and Prometheus come to the pod's address; there only probes and metrics answer
    arguments += ["--admin", f"[::]:{settings.admin_port}", "--origin", settings.origin]
    if settings.policy is not None:
        arguments += ["--policy", f"{_POLICY_DIRECTORY}/{settings.policy_key}"]
    if settings.origin_secret is not None:
        arguments += ["--origin-password-file", f"{_SECRET_DIRECTORY}/password"]
    if settings.origin_certificate is not None:
        arguments += ["--origin-certificate", f"{_CERTIFICATE_DIRECTORY}/tls.crt"]
        arguments += ["--origin-key", f"{_CERTIFICATE_DIRECTORY}/tls.key"]
    if settings.origin_ca is not None:
        arguments += ["--origin-ca", f"{_AUTHORITIES_DIRECTORY}/ca.crt"]
    if settings.snapshot:
        arguments += ["--snapshot", f"{STATE_DIRECTORY}/snapshot"]
    if settings.max_memory is not None:
        arguments += ["--max-memory", format_size(settings.max_memory)]
    for flag in ("max-clients", "max-client-memory", "client-output-limit", "idle-timeout", "log-level", "log-format"):
        value = getattr(settings, flag.replace("-", "_"))
        if value is not None:
            arguments += [f"--{flag}", value]
    return arguments


def _literal(word: str) -> str:
    """Kubernetes replaces $(NAME) in arguments; a value of an annotation is to stay what it is."""
    return word.replace("$(", "$$(")


def _environment(settings: SidecarSettings) -> list[dict[str, Any]]:
    environment: list[dict[str, Any]] = []
    if settings.origin_secret is not None:
        reference = {"name": settings.origin_secret, "key": "username"}
        environment.append({"name": "SIDECAR_ORIGIN_USERNAME", "valueFrom": {"secretKeyRef": reference}})
    if _needs_state(settings):
        environment.append({"name": "TMPDIR", "value": STATE_DIRECTORY})  # SQLite's, for what it sorts
    return environment


def _mounts(settings: SidecarSettings) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = []
    if settings.socket:
        mounts.append({"name": SOCKET_VOLUME, "mountPath": SOCKET_DIRECTORY})
    # whole ConfigMaps and Secrets: a file mounted by subPath is never updated
    for value, volume, directory in (
        (settings.policy, POLICY_VOLUME, _POLICY_DIRECTORY),
        (settings.origin_secret, SECRET_VOLUME, _SECRET_DIRECTORY),
        (settings.origin_certificate, CERTIFICATE_VOLUME, _CERTIFICATE_DIRECTORY),
        (settings.origin_ca, AUTHORITIES_VOLUME, _AUTHORITIES_DIRECTORY),
    ):
        if value is not None:
            mounts.append({"name": volume, "mountPath": directory, "readOnly": True})
    if _needs_state(settings):
        mounts.append({"name": settings.state_volume or STATE_VOLUME, "mountPath": STATE_DIRECTORY})
    return mounts


def _needs_state(settings: SidecarSettings) -> bool:
    return settings.snapshot or settings.state_volume is not None or settings.origin.startswith("sqlite:")


def _resources(settings: SidecarSettings) -> dict[str, Any]:
    memory = settings.max_memory or _DEFAULT_MAX_MEMORY
    limit = settings.memory_limit or binary_megabytes(memory + _LIMIT_ABOVE_MEMORY)
    request = settings.memory_request or binary_megabytes(memory + _REQUEST_ABOVE_MEMORY)
    limits = {"memory": str(limit)}
    cpu = settings.cpu_request
    if settings.cpu_limit is not None:
        limits["cpu"] = str(settings.cpu_limit)
        cpu = _smaller(cpu, settings.cpu_limit)
    return {"requests": {"cpu": str(cpu), "memory": str(_smaller(request, limit))}, "limits": limits}


def memory_shortfall(settings: SidecarSettings) -> str | None:
    """A warning where the memory limit would have the sidecar killed before its own bounds are reached."""
    if settings.max_memory is None or settings.memory_limit is None:
        return None
    needed = settings.max_memory + (160 << 20)
    if settings.memory_limit.amount >= needed:
        return None
    return (
        f"memory-limit {settings.memory_limit} is less than max-memory + 160Mi ({binary_megabytes(needed)}): "
        "the sidecar may be killed for its memory"
    )


def _smaller(one: Quantity, other: Quantity) -> Quantity:
    """A request above its limit is refused by Kubernetes."""
    return min(one, other, key=_amount)


def _amount(quantity: Quantity) -> Decimal:
    return quantity.amount


def _probes(port: int) -> dict[str, Any]:
    """Neither follows the origin: its outage must not restart pods or empty a Service."""

    def probe(path: str, period_s: int, failures: int) -> dict[str, Any]:
        get = {"path": path, "port": port, "scheme": "HTTP"}
        return {"httpGet": get, "periodSeconds": period_s, "timeoutSeconds": 2, "failureThreshold": failures}

    return {
        "startupProbe": probe("/readyz", 1, _READY_WITHIN_S),
        "readinessProbe": probe("/readyz", 5, 2),
        "livenessProbe": probe("/healthz", 10, 3),
    }


def _plain_lifecycle(settings: SidecarSettings, grace_s: int) -> dict[str, Any]:
    """What the native form gives for nothing: ready before the application's containers start, and there until they
    are done. The kubelet starts containers in their order and waits for the postStart hook of each; preStop hooks of
    all containers run at once, so the sleep is what keeps this one.
    """
    wait = [
        "feature-sidecar",
        "wait",
        "--admin",
        f"127.0.0.1:{settings.admin_port}",
        "--timeout",
        f"{_READY_WITHIN_S}s",
    ]
    lifecycle: dict[str, Any] = {"postStart": {"exec": {"command": wait}}}
    sleep_s = min(settings.prestop_sleep, grace_s - _STOP_S)
    if sleep_s > 0:
        lifecycle["preStop"] = {"exec": {"command": ["sleep", str(sleep_s)]}}
    return lifecycle


def _security_context(settings: SidecarSettings) -> dict[str, Any]:
    """Pod Security `restricted`, said in full: the pod's own context may be laxer and would be inherited."""
    context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if settings.run_as_user is not None:
        context["runAsUser"] = settings.run_as_user
    if settings.run_as_group is not None:
        context["runAsGroup"] = settings.run_as_group
    return context
