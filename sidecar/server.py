"""Assembles the sidecar: every part is built here and given what it needs; nothing else knows them all."""

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

from policies import CompiledPolicy, PolicyError
from protocol import FAMILIES, FieldLists, Session
from sidecar.active_policy import ActivePolicy
from sidecar.admin import AdminServer
from sidecar.clock import SystemClock
from sidecar.commands._hot import HotCommands
from sidecar.commands.dispatch import Dispatcher
from sidecar.commands.services import Services
from sidecar.config import Config
from sidecar.descriptors import raise_descriptor_limit
from sidecar.fetch import build_miss_path
from sidecar.health import Health
from sidecar.logs import configure, logger
from sidecar.maintenance import (
    CLIENTS_INTERVAL_S,
    FILES_INTERVAL_S,
    MEMORY_INTERVAL_S,
    PREFETCH_INTERVAL_S,
    Periodic,
    maintain_memory,
)
from sidecar.memory import Store
from sidecar.metrics import Counters
from sidecar.metrics.exposition import Exposition
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.net._poller import Poller
from sidecar.net.listener import Listener, ListenError, prepare_client, refuse_client
from sidecar.origins import OriginSetupError, open_origin
from sidecar.prefetch import Prefetcher, TouchLog
from sidecar.secret import SecretFile, SecretFileError
from sidecar.snapshot import WarmStart

EXIT_OK, EXIT_FAILED = 0, 1
# Python's garbage collector stops everything. Hits make nothing for it, and requests leave no rings: their references
# are counted. By default (700, 10, 10) it looked at requests under way again and again: of 2,200 ms of CPU for 100,000
# SETs 380 ms, up to 30 at once; so, 150 ms, up to 4, and it looks at everything after half a million objects that stay.
COLLECT_AFTER = (5_000, 2, 50)
# What another thread may hold Python's lock for when the loop wants it: SQLite's reader at work on large documents, a
# policy being read. By default 5 ms, of which hits waited 5.2; so 0.3. CPU time per miss is the same.
SWITCH_INTERVAL_S = 0.0001
ADMIN_CLOSE_S = 0.2
SNAPSHOT_S = 0.4  # beyond the drain timeout: together 1.9 s of the 2 s that Kubernetes gives a native sidecar
_log = logger("server")


class Server:
    """One sidecar process. Its attributes are what the admin port and the metrics read (see AdminServices)."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        """Build every part; nothing listens and nothing is connected yet.

        Raises:
            PolicyError, OriginSetupError, SecretFileError: what the operator gave cannot be used.
        """
        self.config = config
        self.loop = loop
        self.clock = SystemClock()
        self.started_at = time.time()
        self.families = FAMILIES
        self.health = Health()
        self.admin_token = SecretFile(config.admin_token_file) if config.admin_token_file else None
        self._password = SecretFile(config.requirepass_file) if config.requirepass_file else None
        self.policy = ActivePolicy(config.policy)
        self.policy_status = self.policy.status
        self.counters = Counters()
        self.store = Store(config.max_memory, self.policy.current.table, self.counters)
        self._build_miss_path()
        self._build_client_side()
        self._build_warm_start()
        self.exposition = Exposition(self)
        self.admin = AdminServer(self)
        self._listeners: list[Listener] = []
        self._periodic: list[Periodic] = []
        self._stopping: asyncio.Event = asyncio.Event()
        self._next_client = 0
        self._read_policy_again: Callable[[], object] = lambda: None

    def _build_miss_path(self) -> None:
        config = self.config
        self.origin = open_origin(
            config.origin,
            clock=self.clock,
            dtype_of=lambda key, field: self.policy.current.dtype(key, field),
            documents=lambda key: self.policy.current.document(key),
            **config.origin_credentials(),
        )
        self.misses = MissPathCounters(self.origin.name)
        path = build_miss_path(self.loop, self.clock, self.store, self.origin, self.policy, self.counters, self.misses)
        self.reads, self.writes = path.reads, path.writes
        self._end_of_turn = path.departure.now  # all misses leave as one fetch_many, all writes as one write_many
        self.policy.on_change(self._policy_changed)

    def _build_client_side(self) -> None:
        lists = FieldLists()
        self._lists = lists
        touches = TouchLog()
        self.poller = Poller(self.loop, HotCommands(self.store, self.counters, touches), lists)
        self.prefetcher = Prefetcher(self.clock, self.store, self.reads, self.policy, touches, self.misses)
        self.poller.output_limit_bytes = self.config.client_output_limit
        self.poller.client_memory_limit_bytes = self.config.max_client_memory
        self.clients = self.poller.connections
        services = Services(
            store=self.store,
            reads=self.reads,
            writes=self.writes,
            origin=self.origin,
            policy=self.policy,
            clock=self.clock,
            counters=self.counters,
            config=self.config,
            clients=self.clients,
            loop=self.loop,
            started_at=self.loop.time(),
            password=lambda: self._password.reveal() if self._password else None,
            connections_received=lambda: self._next_client,
            touches=touches,
        )
        self.poller.dispatcher = Dispatcher(services)
        self.poller.locks = services.locks
        self.poller.end_of_turn = self._end_of_turn
        self.poller.revalidate = self.reads.revalidate
        self.poller.prefetch = self.prefetcher.take
        self.poller.on_connect = self._admit
        self.poller.on_error = self._report

    def _build_warm_start(self) -> None:
        self.warm_start = WarmStart(
            self.config.snapshot,
            self.config.origin,
            self.clock,
            self.store,
            self.policy,
            self.reads.speculate,
            self.health,
        )
        self.snapshot_status = self.warm_start.status

    def _admit(self, listener: int, fd: int) -> Session | None:
        """A session for a new client, or None after telling it that there are too many."""
        if len(self.clients) + len(self.poller.lingering) >= self._max_clients or self.health.draining:
            refuse_client(fd)
            return None
        peer, local = prepare_client(fd)
        self._next_client += 1
        session = Session(self._next_client, lists=self._lists, needs_password=self._password is not None)
        session.peer, session.local = peer, local
        session.connected_at = self.loop.time()
        return session

    async def run(self) -> int:
        """Serve until told to stop; returns the exit code."""
        await self.origin.start()
        self._watch_signals()
        self._max_clients = raise_descriptor_limit(self.config.max_clients)
        try:
            for address in self.config.listen:
                listener = Listener(address, self.config.unix_socket_mode)
                self._listeners.append(listener)
            await self.warm_start.take_over()  # clients that connect now are accepted when it is done
            admin_port = await self.admin.start(self.config.admin)
        except (ListenError, OSError) as exc:
            _log.error("cannot_listen", error=str(exc))
            await self._close()
            return EXIT_FAILED
        for listener in self._listeners:
            self.poller.listen(listener.fileno())
        self._start_periodic()
        self.health.accepting = self.health.policy_loaded = True
        self.warm_start.serve()
        gc.collect()
        gc.freeze()  # what was built at start is never garbage: collections need not look at it again
        gc.set_threshold(*COLLECT_AFTER)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        _log.info(
            "serving",
            listen=[str(listener.address) for listener in self._listeners],
            admin=f"{self.config.admin.host}:{admin_port}",
            origin=self.origin.name,
        )
        await self._stopping.wait()
        stop_by_s = self.loop.time() + self.config.drain_timeout + SNAPSHOT_S
        await self._drain_clients()
        await self._close(stop_by_s)
        _log.info("stopped")
        return EXIT_OK

    def _start_periodic(self) -> None:
        files = self._check_files()
        for interval_s, call in (
            (MEMORY_INTERVAL_S, partial(maintain_memory, self.store, self.clock)),
            (PREFETCH_INTERVAL_S, self.prefetcher.tick),
            (CLIENTS_INTERVAL_S, lambda: self.poller.sweep(int(self.config.idle_timeout * 1e9))),
            (FILES_INTERVAL_S, files),
        ):
            self._periodic.append(Periodic(self.loop, interval_s, call, self._report))

    def _check_files(self) -> Callable[[], None]:
        """What looks whether the policy or a secret changed."""
        watcher = self.policy.watcher(self.loop)
        secrets = [secret for secret in (self._password, self.admin_token) if secret is not None]

        def check() -> None:
            if watcher is not None:
                watcher.check()
            for secret in secrets:
                try:
                    if secret.refresh():
                        _log.info("secret_changed", file=secret.path)
                except SecretFileError as exc:
                    _log.error("secret_refused", error=str(exc))
            try:
                if self.origin.refresh_credentials():
                    _log.info("origin_credentials_changed")
            except (SecretFileError, OriginSetupError) as exc:
                _log.error("origin_credentials_refused", error=str(exc))

        if watcher is not None:
            self._read_policy_again = partial(watcher.check, force=True)
        return check

    def _policy_changed(self, previous: CompiledPolicy, new: CompiledPolicy) -> None:
        self.store.use_table(new.table)
        moved = new.moved_since(previous)
        if moved is not None:
            self.reads.invalidate_where(moved)
        self.prefetcher.policy_changed()

    def _watch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.quit)
        self.loop.add_signal_handler(signal.SIGHUP, lambda: self._read_policy_again())

    def drain(self) -> None:
        """Turn new clients away from now on: /readyz fails, so that no traffic is sent here any more."""
        if not self.health.draining:
            self.health.draining = True
            _log.info("draining")

    def quit(self) -> None:
        """Stop: replies in progress are finished within the drain timeout."""
        self.drain()
        self._stopping.set()

    async def _drain_clients(self) -> None:
        """Answer what was asked, then close; what is not done in time is cut off."""
        for listener in self._listeners:
            self.poller.unlisten(listener.fileno())
            listener.close()
        self.poller.drain()
        until = self.loop.time() + self.config.drain_timeout
        while (self.clients or self.poller.still_sending()) and self.loop.time() < until:
            await asyncio.sleep(0.005)
        if self.clients:
            _log.warning("drain_timed_out", clients=len(self.clients))

    async def _close(self, stop_by_s: float | None = None) -> None:
        """Let go of everything.

        Args:
            stop_by_s: clients were served; the snapshot is to be written by then, of the loop's time.
        """
        for periodic in self._periodic:
            periodic.close()
        for listener in self._listeners:
            listener.close()
        self.poller.close()
        await self.admin.close()
        if stop_by_s is not None:
            self.writes.stop()
            await self.warm_start.close(stop_by_s)
        await self.origin.close()

    def _report(self, error: BaseException) -> None:
        """An exception that nobody expected: a bug of ours, or the system running out of something."""
        if isinstance(error, OSError):
            _log.warning("system_error", error=str(error))
        else:
            _log.error("internal_error", exc_info=error)


def main(config: Config) -> int:
    """Run a sidecar in this process until it is told to stop; returns the exit code."""
    configure(config.log_level, config.log_format)
    for warning in config.warnings:
        _log.warning("configuration", warning=warning)
    try:
        import uvloop
    except ImportError:  # not on this platform: asyncio's own loop costs little more, for client sockets are ours
        return asyncio.run(_run(config))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(config))


async def _run(config: Config) -> int:
    try:
        return await Server(config, asyncio.get_running_loop()).run()
    except (PolicyError, OriginSetupError, SecretFileError) as exc:  # building raises them, and the origin's start
        print(exc, file=sys.stderr)
        return EXIT_FAILED
