"""Assembles ``feature-sidecar injector``: certificate, webhook, admin port, events, and what is looked at again."""

import asyncio
import contextlib
import signal
import socket
import ssl
import time
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from sidecar.address import TcpAddress
from sidecar.injector.admission import ALWAYS_EXCLUDED, AdmissionRules
from sidecar.injector.certificate_source import CertificateError, CertificateFiles, CertificateSource, OwnAuthority
from sidecar.injector.certificates import Pair, utc_now
from sidecar.injector.counters import InjectorCounters
from sidecar.injector.events import Events
from sidecar.injector.exposition import InjectorExposition
from sidecar.injector.kubernetes_api import SERVICE_ACCOUNT, ApiError, KubernetesApi
from sidecar.injector.operator_file import read_settings, stamp
from sidecar.injector.settings import SettingsError
from sidecar.injector.webhook import ServingTls, Webhook, admin_application, runner
from sidecar.listening_socket import listening_socket
from sidecar.logs import logger

NATIVE_SINCE = (1, 29)
LOOK_INTERVAL_S = 10.0  # at the certificate, the settings file and the cluster's version
FIRST_INTERVAL_S = 1.0  # until there is a certificate
_log = logger("injector")


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectorConfig:
    """What the injector runs with.

    Attributes:
        config: the operator's settings of the sidecar; None: the defaults.
        listen: where reviews come in, over TLS.
        admin: probes and metrics, plain HTTP.
        namespace: its own; None: as its service account tells.
        service: the Service that the API server calls it by.
        webhook_configuration: the MutatingWebhookConfiguration whose caBundle it keeps.
        secret: where its authority is kept.
        tls_directory: files to serve instead of an authority of its own.
        exclude: namespaces never injected, beside its own and Kubernetes'.
        deny: turn pods away that ask for the sidecar and cannot have it.
        shutdown_delay_s: how long reviews are answered after SIGTERM: until the Service has no more of them for us.
        service_account: where the pod's account is mounted.
    """

    config: str | None
    listen: TcpAddress
    admin: TcpAddress
    namespace: str | None
    service: str
    webhook_configuration: str
    secret: str
    tls_directory: str | None
    exclude: tuple[str, ...]
    deny: bool
    shutdown_delay_s: float = 5.0
    service_account: Path = SERVICE_ACCOUNT


class Injector:
    """One injector process."""

    def __init__(self, config: InjectorConfig, api: KubernetesApi | None) -> None:
        """Build every part; nothing listens yet.

        Args:
            config: what it runs with.
            api: the API server; None: there is none, so no events and no authority of its own.

        Raises:
            SettingsError: the operator's settings cannot be used.
            CertificateError: neither an API server nor a directory is given.
        """
        self._config = config
        self._api = api
        self._seen = stamp(config.config) if config.config else None
        settings = read_settings(config.config)
        self.counters = InjectorCounters()
        namespace = config.namespace or _own_namespace(config.service_account)
        excluded = ALWAYS_EXCLUDED | {namespace, *config.exclude}
        rules = AdmissionRules(settings, excluded=excluded, deny=config.deny)
        self._events = Events(api, self.counters, time.monotonic, socket.gethostname()) if api else None
        self.webhook = Webhook(rules, self.counters, self._events.tell if self._events else lambda *_: None)
        self._source = self._certificate_source(namespace)
        self._tls: ServingTls | None = None
        self._pair: Pair | None = None
        self._unready = "no certificate yet"
        self._stopping = asyncio.Event()
        self._runners: list[web.AppRunner] = []
        self.ports: dict[str, int] = {}

    def _certificate_source(self, namespace: str) -> CertificateSource:
        config = self._config
        if config.tls_directory is not None:
            return CertificateFiles(Path(config.tls_directory))
        if self._api is None:
            raise CertificateError("there is no API server to keep an authority with: give --tls-directory DIR")
        host = f"{config.service}.{namespace}.svc"
        hosts = [host, f"{host}.cluster.local", f"{config.service}.{namespace}"]
        return OwnAuthority(self._api, namespace, config.secret, config.webhook_configuration, hosts)

    def stop(self) -> None:
        """Answer what is under way and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until told to stop.

        Raises:
            OSError: an address cannot be had.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        exposition = InjectorExposition(self.counters, lambda: not self._unready, utc_now)
        tasks = [asyncio.ensure_future(self._events.run())] if self._events else []
        try:
            admin = admin_application(exposition, lambda: self._unready)
            self.ports["admin"] = await self._listen(admin, self._config.admin, None)
            while not self._stopping.is_set():
                await self.look()
                if self._tls is not None and "webhook" not in self.ports:
                    await self._serve(self._tls)
                await self._pause(LOOK_INTERVAL_S if "webhook" in self.ports else FIRST_INTERVAL_S)
            self._unready = "stopping"
            _log.info("stopping", after_s=self._config.shutdown_delay_s)
            await asyncio.sleep(self._config.shutdown_delay_s)
        finally:
            for task in tasks:
                task.cancel()
            for running in reversed(self._runners):
                await running.cleanup()
        _log.info("stopped")

    async def _serve(self, tls: ServingTls) -> None:
        application = self.webhook.application()
        self.ports["webhook"] = await self._listen(application, self._config.listen, tls.context)
        self._unready = ""
        _log.info("serving", listen=f"{self._config.listen.host}:{self.ports['webhook']}", admin=self.ports["admin"])

    async def _listen(self, application: web.Application, address: TcpAddress, tls: ssl.SSLContext | None) -> int:
        running = runner(application)
        await running.setup()
        self._runners.append(running)
        listening = listening_socket(address)
        await web.SockSite(running, listening, ssl_context=tls).start()
        return int(listening.getsockname()[1])

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def look(self) -> None:
        """Look at the certificate, the settings file and the cluster's version; what fails stays as it was."""
        try:
            pair = await self._source.current(utc_now())
            if pair != self._pair:
                if self._tls is None:
                    self._tls = ServingTls(pair)
                else:
                    self._tls.use(pair)
                self._pair = pair
                self.counters.certificate = pair.certificate
                _log.info("certificate_in_use")
        except (CertificateError, ssl.SSLError) as exc:
            self.counters.certificate_failures += 1
            _log.warning("certificate_failed", error=str(exc))
        self._look_at_settings()
        await self._look_at_version()

    def _look_at_settings(self) -> None:
        path = self._config.config
        if path is None or (seen := stamp(path)) == self._seen:
            return
        self._seen = seen
        try:
            settings = read_settings(path)
        except SettingsError as exc:
            self.counters.settings_failures += 1
            _log.error("settings_refused", error=str(exc))
            return
        self.webhook.rules = replace(self.webhook.rules, settings=settings)
        _log.info("settings_changed", file=path)

    async def _look_at_version(self) -> None:
        if self._api is None:
            return
        try:
            found = await self._api.get("/version")
            version = (int(str(found["major"]).rstrip("+")), int(str(found["minor"]).rstrip("+")))
        except (ApiError, KeyError, ValueError) as exc:
            _log.warning("cluster_version_unknown", error=str(exc))
            return
        native = version >= NATIVE_SINCE
        if native != self.webhook.rules.native_supported:
            self.webhook.rules = replace(self.webhook.rules, native_supported=native)
            _log.info("native_sidecars", supported=native, cluster=f"{version[0]}.{version[1]}")


def _own_namespace(account: Path) -> str:
    try:
        return (account / "namespace").read_text(encoding="ascii").strip()
    except OSError:
        return "feature-sidecar"


async def serve(config: InjectorConfig) -> None:
    """Run an injector until it is told to stop.

    Raises:
        SettingsError, CertificateError, ApiError, OSError: it cannot start.
    """
    try:
        api = KubernetesApi.in_cluster(account=config.service_account)
    except ApiError as exc:
        if config.tls_directory is None:
            raise
        _log.warning("no_api_server", effect="no events, and native sidecars are taken for granted", error=str(exc))
        await Injector(config, None).run()
        return
    async with api:
        await Injector(config, api).run()
