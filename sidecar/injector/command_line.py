"""The commands ``inject``, ``injector`` and ``wait``: their flags, and running them."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from policies.duration import parse_duration
from sidecar.address import parse_host_port
from sidecar.logs import FORMATS, LEVELS

if TYPE_CHECKING:
    from sidecar.injector.service import InjectorConfig

OK, FAILED, USAGE = 0, 1, 2
_MISSING = "the injector needs more libraries: pip install 'feature-sidecar[injector]'"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the three commands."""
    inject = commands.add_parser(
        "inject",
        help="add the sidecar to manifests",
        description="Add the sidecar to the pods of manifests that ask for it with the annotation "
        "feature-sidecar.io/inject, and print all documents. docs/injection.md tells what is added.",
    )
    inject.add_argument("-f", "--filename", metavar="FILE", required=True, help="YAML or JSON; - reads stdin")
    _add_settings(inject)
    inject.add_argument("--native", metavar="BOOL", help="true: a native sidecar (the default); false: before 1.29")
    inject.add_argument("--force", action="store_true", help="also pods that do not ask; false is honoured still")
    inject.set_defaults(run=_inject)

    injector = commands.add_parser(
        "injector",
        help="the admission webhook that injects the sidecar",
        description="Serve the mutating admission webhook, over TLS. The Helm chart sets it up.",
    )
    _add_injector(injector)
    injector.set_defaults(run=_injector)

    wait = commands.add_parser(
        "wait",
        help="wait until a sidecar is ready",
        description="Wait until a sidecar on this machine answers /readyz: for start scripts, and for containers "
        "that start beside it. Exit 1 when the time is up.",
    )
    wait.add_argument("--admin", metavar="HOST:PORT", default="127.0.0.1:8379", help="default: %(default)s")
    wait.add_argument("--timeout", metavar="DURATION", default="60s", help="default: %(default)s")
    wait.set_defaults(run=_wait)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="settings of the sidecar, as the injector's; YAML")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        dest="assignments",
        action="append",
        default=[],
        help="one setting, over the file; docs/annotations.md lists them; may be repeated",
    )
    parser.add_argument("--image", metavar="IMAGE", help="the sidecar's image")


def _add_injector(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="settings of the sidecar; YAML, read again when it changes")
    parser.add_argument("--listen", metavar="HOST:PORT", default="[::]:8443", help="reviews (default: %(default)s)")
    parser.add_argument(
        "--admin", metavar="HOST:PORT", default="[::]:8379", help="probes and metrics (default: %(default)s)"
    )
    _add_cluster(parser)
    parser.add_argument(
        "--on-failure",
        choices=("admit", "deny"),
        default="admit",
        help="what becomes of pods that ask for the sidecar and cannot have it (default: %(default)s)",
    )
    parser.add_argument(
        "--shutdown-delay",
        metavar="DURATION",
        default="5s",
        help="go on answering after SIGTERM, until the Service knows of it (default: %(default)s)",
    )
    parser.add_argument("--log-level", metavar="LEVEL", choices=LEVELS, default="info", help="default: %(default)s")
    parser.add_argument("--log-format", metavar="FORMAT", choices=FORMATS, default="json", help="default: %(default)s")


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    """Where the injector stands in its cluster."""
    parser.add_argument("--namespace", metavar="NAME", help="its own namespace (default: of its service account)")
    name = "feature-sidecar-injector"
    parser.add_argument("--service", metavar="NAME", default=name, help="its Service (default: %(default)s)")
    parser.add_argument(
        "--webhook-configuration",
        metavar="NAME",
        default=name,
        help="the MutatingWebhookConfiguration whose caBundle it keeps (default: %(default)s)",
    )
    parser.add_argument(
        "--secret", metavar="NAME", default=f"{name}-tls", help="where it keeps its authority (default: %(default)s)"
    )
    parser.add_argument(
        "--tls-directory",
        metavar="DIR",
        help="serve tls.crt and tls.key of this directory, as cert-manager makes them, and keep no authority",
    )
    parser.add_argument(
        "--exclude-namespace",
        metavar="NAME",
        dest="exclude",
        action="append",
        default=[],
        help="never inject there, as in its own namespace and Kubernetes'; may be repeated",
    )
    parser.add_argument("--service-account", metavar="DIR", help=argparse.SUPPRESS)  # tests


def _inject(arguments: argparse.Namespace) -> int:
    from sidecar.injector.manifests import ManifestError, inject_manifests
    from sidecar.injector.operator_file import read_settings
    from sidecar.injector.settings import SettingsError

    assignments = list(arguments.assignments)
    if arguments.image is not None:
        assignments.append(f"image={arguments.image}")
    if arguments.native is not None:
        assignments.append(f"native={arguments.native}")
    try:
        settings = read_settings(arguments.config, assignments)
        text = _read(arguments.filename)
        result = inject_manifests(text, settings, file=arguments.filename, force=arguments.force)
    except SettingsError as exc:
        return _say(exc, USAGE)
    except (ManifestError, OSError, UnicodeDecodeError) as exc:
        return _say(exc, FAILED)
    for note in result.notes:
        print(note, file=sys.stderr)
    sys.stdout.write(result.text)
    return OK


def _read(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    with open(name, encoding="utf-8", newline="") as file:
        return file.read()


def _injector(arguments: argparse.Namespace) -> int:
    from sidecar import logs

    try:
        from sidecar.injector import service
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.split(".")[0] not in ("aiohttp", "cryptography"):
            raise
        return _say(f"{_MISSING} ({exc.name} is missing)", FAILED)
    from sidecar.injector.certificate_source import CertificateError
    from sidecar.injector.kubernetes_api import ApiError
    from sidecar.injector.settings import SettingsError

    try:
        config = _injector_config(arguments)
    except ValueError as exc:
        return _say(exc, USAGE)
    logs.configure(arguments.log_level, arguments.log_format)
    try:
        asyncio.run(service.serve(config))
    except SettingsError as exc:
        return _say(exc, USAGE)
    except (CertificateError, ApiError, OSError) as exc:
        return _say(exc, FAILED)
    return OK


def _injector_config(arguments: argparse.Namespace) -> "InjectorConfig":
    from pathlib import Path

    from sidecar.injector.kubernetes_api import SERVICE_ACCOUNT
    from sidecar.injector.service import InjectorConfig

    return InjectorConfig(
        config=arguments.config,
        listen=parse_host_port(arguments.listen),
        admin=parse_host_port(arguments.admin),
        namespace=arguments.namespace,
        service=arguments.service,
        webhook_configuration=arguments.webhook_configuration,
        secret=arguments.secret,
        tls_directory=arguments.tls_directory,
        exclude=tuple(arguments.exclude),
        deny=arguments.on_failure == "deny",
        shutdown_delay_s=parse_duration(arguments.shutdown_delay) / 1000,
        service_account=Path(arguments.service_account) if arguments.service_account else SERVICE_ACCOUNT,
    )


def _wait(arguments: argparse.Namespace) -> int:
    from sidecar.injector.waiting import wait_until_ready

    try:
        address, timeout_ms = parse_host_port(arguments.admin), parse_duration(arguments.timeout)
    except ValueError as exc:
        return _say(exc, USAGE)
    problem = wait_until_ready(address, timeout_ms / 1000)
    return _say(problem, FAILED) if problem else OK


def _say(problem: object, code: int) -> int:
    for line in str(problem).splitlines():
        print(f"feature-sidecar: {line}", file=sys.stderr)
    return code
