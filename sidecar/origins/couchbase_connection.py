"""The connection to a Couchbase bucket: made in the background, tried again with growing pauses, never waited for.

The SDK's Cluster gives up for good when its bootstrap fails, so each attempt is a new one; once connected it mends
broken sockets itself. Calls into the SDK are never cancelled: a cancelled one's late result would raise in the loop.
"""

import asyncio
import random
from datetime import timedelta

from acouchbase.bucket import AsyncBucket
from acouchbase.cluster import AsyncCluster
from acouchbase.collection import AsyncCollection
from couchbase.exceptions import CouchbaseException, InvalidArgumentException
from couchbase.options import ClusterOptions, ClusterTimeoutOptions, KnownConfigProfiles
from couchbase.transcoder import Transcoder

from sidecar.logs import logger
from sidecar.origins.base import Cause, OriginTimeout, OriginUnavailable
from sidecar.origins.couchbase_batches import CouchbaseBatches
from sidecar.origins.couchbase_credentials import CouchbaseCredentials
from sidecar.origins.couchbase_errors import cause_of
from sidecar.origins.couchbase_probe import probe
from sidecar.origins.couchbase_url import CouchbaseUrl
from sidecar.origins.errors import OriginSetupError

_FIRST_PAUSE_S = 0.25
_PROBE_EVERY_S = 1.0
_CAPELLA_BOOTSTRAP_S = 30.0  # over the internet, with DNS SRV and a TLS handshake a node
_LET_GO_AFTER_S = 5.0  # of the connection that was replaced: longer than a call into it may take

_log = logger("couchbase")


class CouchbaseConnection:
    """One bucket's connection.

    Attributes:
        batches: reads of many documents at once.
        cause: why there is none, as far as known; None: connected, or the first attempt is under way.
    """

    def __init__(
        self,
        url: CouchbaseUrl,
        credentials: CouchbaseCredentials,
        transcoder: Transcoder,
        bootstrap_timeout_s: float,
        longest_pause_s: float,
    ) -> None:
        self.cause: Cause | None = None
        self._url = url
        self._credentials = credentials
        self._transcoder = transcoder
        self._bootstrap_timeout_s = _CAPELLA_BOOTSTRAP_S if url.is_capella else bootstrap_timeout_s
        self._longest_pause_s = longest_pause_s
        self.batches = CouchbaseBatches(url.connection_string, url.bucket, self._options)
        self._cluster: AsyncCluster | None = None
        self._bucket: AsyncBucket | None = None
        self._others: dict[str, asyncio.Future[AsyncBucket]] = {}
        self._collections: dict[tuple[str, str, str], AsyncCollection] = {}
        self._changed = asyncio.Event()  # set, and replaced, whenever connected, cause or closed changes
        self._connecting: asyncio.Task[None] | None = None
        self._suspecting: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._wanted = self._used = 0  # which credentials: the newest, and those of the connection in place
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def start(self) -> None:
        """Begin to connect.

        Raises:
            OriginSetupError: the SDK does not take the URL's options.
        """
        try:
            first = self._new_cluster()
        except InvalidArgumentException as exc:
            raise OriginSetupError(f"origin: the Couchbase SDK refuses an option of the URL: {exc.message}") from exc
        self._connecting = asyncio.get_running_loop().create_task(self._connect(first))

    async def close(self) -> None:
        """Let go of the cluster; calls still under way end at once, as cancelled. An attempt ends by itself."""
        self._closed = True
        self._tell(Cause.CLOSED)
        await self.batches.close()
        for task in (self._connecting, self._suspecting, self._renewing):
            if task is not None:
                task.cancel()
        cluster, self._cluster, self._bucket = self._cluster, None, None
        self._collections.clear()
        if cluster is not None:
            await cluster.close()

    async def ready(self, remaining_s: float) -> None:
        """Return once connected.

        Raises:
            OriginUnavailable: it is known why there is no connection.
            OriginTimeout: the first attempt takes longer than ``remaining_s``.
        """
        try:
            async with asyncio.timeout(remaining_s):
                while self._bucket is None:
                    if self.cause is not None:
                        raise OriginUnavailable(self.cause)
                    await self._changed.wait()
        except TimeoutError:
            raise OriginTimeout from None

    @property
    def connected(self) -> bool:
        """A bucket is open; its sockets may be broken at the moment."""
        return self._bucket is not None

    async def collection(self, bucket: str, scope: str, name: str) -> AsyncCollection:
        """The SDK's handle. ``bucket`` empty: the URL's; another is opened when it is first asked for.

        Raises:
            OriginUnavailable: closed since ``ready``, or the bucket cannot be opened.
        """
        found = self._collections.get((bucket, scope, name))
        if found is None:
            cluster = self._cluster
            opened = await self._other_bucket(bucket) if bucket else self._bucket
            if opened is None:
                raise OriginUnavailable(Cause.CLOSED)
            found = opened.scope(scope).collection(name)
            if cluster is self._cluster:  # else the credentials were renewed meanwhile
                self._collections[bucket, scope, name] = found
        return found

    async def _other_bucket(self, name: str) -> AsyncBucket | None:
        """Open a bucket beside the URL's, once for all who ask; one that failed is tried again by the next."""
        if self._cluster is None:
            return None
        opening = self._others.get(name)
        if opening is None:
            opening = self._others[name] = asyncio.ensure_future(_open(self._cluster.bucket(name)))
            opening.add_done_callback(_see_exception)
        try:
            return await asyncio.shield(opening)
        except CouchbaseException as exc:
            if self._others.get(name) is opening:
                del self._others[name]
            raise OriginUnavailable(cause_of(exc)) from exc

    def works(self) -> None:
        """Something was answered: whatever was suspected is over."""
        if self.cause is not None and self.connected:
            self.cause = None

    def suspect(self) -> None:
        """Calls time out though connected: find out why, in the background, for the next error's text."""
        if self.connected and (self._suspecting is None or self._suspecting.done()):
            self._suspecting = asyncio.get_running_loop().create_task(self._find_cause())

    def renew(self) -> None:
        """The credentials changed: connect anew behind the connection in place, which serves until that has come up.

        While there is none yet this is done once the attempt under way, by the old ones, has succeeded.
        """
        self._wanted += 1
        if self._cluster is not None and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        """Until the connection in place is by the newest credentials."""
        pause_s = min(_FIRST_PAUSE_S, self._longest_pause_s)
        while self._used != self._wanted:
            wanted = self._wanted
            try:
                cluster = self._new_cluster()
                bootstrap = asyncio.ensure_future(self._bootstrap(cluster))
                bootstrap.add_done_callback(_see_exception)
                bucket = await asyncio.shield(bootstrap)
            except Exception as exc:
                cause = await self._explain(exc.with_traceback(None))
                _log.warning("new_credentials_refused", bucket=self._url.bucket, cause=cause.value)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(pause_s * 2, self._longest_pause_s)
                continue
            replaced, self._cluster, self._bucket, self._used = self._cluster, cluster, bucket, wanted
            self._others.clear()
            self._collections.clear()
            self.batches.open()
            _log.info("credentials_renewed", bucket=self._url.bucket)
            if replaced is not None:
                closing = asyncio.ensure_future(_close_later(replaced))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

    async def _find_cause(self) -> None:
        cause = await self._probe()
        if self.connected:
            self.cause = cause

    async def _connect(self, first: AsyncCluster) -> None:
        pause_s = min(_FIRST_PAUSE_S, self._longest_pause_s)
        cluster: AsyncCluster | None = first
        while (error := await self._attempt(cluster)) is not None:
            self._tell(await self._explain(error))
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, self._longest_pause_s)
            cluster = None
        if self._used != self._wanted:  # the credentials changed meanwhile
            self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def _attempt(self, cluster: AsyncCluster | None) -> Exception | None:
        """One bootstrap; the error, without the frames that would keep the dead cluster and its thread alive."""
        wanted = self._wanted if cluster is None else 0
        watch = asyncio.ensure_future(self._watch())
        try:
            cluster = cluster or self._new_cluster()
            bootstrap = asyncio.ensure_future(self._bootstrap(cluster))
            bootstrap.add_done_callback(_see_exception)  # nobody waits any more once the origin is closed
            self._bucket = await asyncio.shield(bootstrap)
        except Exception as exc:
            return exc.with_traceback(None)
        finally:
            watch.cancel()
        self._cluster, self._used = cluster, wanted
        self.batches.open()
        self._tell(None)
        return None

    async def _bootstrap(self, cluster: AsyncCluster) -> AsyncBucket:
        """Connect and open the bucket; goes on when the origin is closed meanwhile, to close what it opened."""
        await cluster.on_connect()
        try:
            bucket = await _open(cluster.bucket(self._url.bucket))
        except CouchbaseException:
            await cluster.close()
            raise
        if self._closed:
            await cluster.close()
        return bucket

    async def _watch(self) -> None:
        """While the SDK keeps trying, tell early what a plain connection shows, so that nobody waits in vain."""
        while True:
            cause = await self._probe()
            if cause is not None and not (cause is Cause.DNS and self._url.may_be_srv):
                self._tell(cause)
            await asyncio.sleep(_PROBE_EVERY_S)

    async def _explain(self, error: Exception) -> Cause:
        if isinstance(error, OriginSetupError):  # a file of a certificate, half-written
            return Cause.CERTIFICATE
        if not isinstance(error, CouchbaseException):
            _log.error("connecting_failed", exc_info=error)
            return Cause.UNREACHABLE
        cause = cause_of(error)
        if cause is Cause.TIMEOUT:
            return await self._probe() or Cause.TIMEOUT
        return cause

    async def _probe(self) -> Cause | None:
        try:
            return await probe(self._url.hosts, self._credentials.tls_context())
        except OriginSetupError:
            return Cause.CERTIFICATE

    def _tell(self, cause: Cause | None) -> None:
        if self._closed and cause is not Cause.CLOSED:
            return
        if cause is None:
            _log.info("connected", bucket=self._url.bucket)
        elif cause not in (self.cause, Cause.CLOSED):
            _log.warning("not_connected", bucket=self._url.bucket, cause=cause.value)
        self.cause = cause
        self._changed.set()
        self._changed = asyncio.Event()

    def _new_cluster(self) -> AsyncCluster:
        return AsyncCluster(self._url.connection_string, self._options())

    def _options(self) -> ClusterOptions:
        """Tracing, metrics and telemetry of the SDK off: they cost more than the call itself."""
        timeouts = ClusterTimeoutOptions(bootstrap_timeout=timedelta(seconds=self._bootstrap_timeout_s))
        options = ClusterOptions(
            self._credentials.authenticator(),
            timeout_options=timeouts,
            transcoder=self._transcoder,
            enable_tracing=False,
            enable_metrics=False,
            enable_orphan_reporting=False,
            enable_app_telemetry=False,
            enable_mutation_tokens=False,
        )
        if self._url.is_capella:
            options.apply_profile(KnownConfigProfiles.WanDevelopment)
        return options


async def _open(bucket: AsyncBucket) -> AsyncBucket:
    await bucket.on_connect()
    return bucket


async def _close_later(cluster: AsyncCluster) -> None:
    await asyncio.sleep(_LET_GO_AFTER_S)
    await cluster.close()


def _see_exception(task: asyncio.Future[AsyncBucket]) -> None:
    if not task.cancelled():
        task.exception()
