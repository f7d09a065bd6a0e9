"""Batches of reads by the SDK's ``get_multi``, which only its blocking API has: in a few threads, by a cluster of its
own.

Measured against as many gathered ``get`` of the asynchronous API, which wakes the loop once for each document: CPU of
this process per document in batches of 1: 103 us (96), of 4: 31 (51), of 10: 16 (38), of 100: 8 (31); the whole batch
of 100 took 1.2 ms (4.5). So batches of 4 and more go this way, while a thread is free: a cluster that hangs holds the
threads for no longer than a deadline, and what finds none goes the other way. It costs 4 MB, 3 threads and a
connection a node.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, TypeVar

from couchbase.cluster import Cluster
from couchbase.collection import Collection
from couchbase.exceptions import CouchbaseException
from couchbase.options import ClusterOptions, GetMultiOptions
from couchbase.result import GetResult

from sidecar.logs import logger

SMALLEST = 4
_THREADS = 4
_PAUSE_S = 5.0  # between attempts to connect; reads go the other way meanwhile

_log = logger("couchbase")

Place = tuple[str, str, str]  # bucket, scope, collection
Outcome = Mapping[str, GetResult | CouchbaseException]
Result = TypeVar("Result")
_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class CouchbaseBatches:
    """Gets many documents of one collection at once.

    Args:
        connection_string: the SDK's.
        bucket: the URL's, which stands for an empty one.
        options: made anew for each attempt to connect, by the credentials as they are then.
    """

    def __init__(self, connection_string: str, bucket: str, options: Callable[[], ClusterOptions]) -> None:
        self._connection_string = connection_string
        self._bucket = bucket
        self._options = options
        self._cluster: Cluster | None = None
        self._collections: dict[Place, Collection] = {}
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._busy = 0
        self._threads = 0
        self._generation = 0  # of the credentials; an attempt by older ones is dropped
        self._closed = threading.Event()

    def open(self) -> None:
        """Connect, or connect anew by other credentials, in the background; the cluster in place serves until then."""
        self._generation += 1
        threading.Thread(
            target=self._connect, args=(self._generation,), name="couchbase-batches-connect", daemon=True
        ).start()

    async def close(self) -> None:
        """Let go of the cluster; jobs under way end by their own timeouts, in threads that nobody waits for."""
        self._closed.set()
        for _ in range(self._threads):
            self._jobs.put(None)
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            await asyncio.to_thread(cluster.close)

    def take(self, documents: int) -> bool:
        """Whether ``get`` is the better way for so many, and open now: it then has a thread, and must be called."""
        if documents < SMALLEST or self._cluster is None or self._busy >= _THREADS:
            return False
        self._busy += 1
        return True

    async def get(
        self, place: Place, names: list[str], time_left: timedelta, judge: Callable[[Outcome], Result]
    ) -> Result:
        """Read documents, and in the thread that did make of them what is wanted. Only after ``take``.

        Args:
            judge: given each document's result, or its error; must not touch the loop.

        Raises:
            CouchbaseException: nothing could be asked, the bucket cannot be opened for one.
        """

        def job() -> Result:
            collection = self._collection(place)
            found = collection.get_multi(names, GetMultiOptions(timeout=time_left))
            return judge({**found.results, **found.exceptions})

        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        try:
            if self._busy > self._threads:
                threading.Thread(target=self._work, name="couchbase-batches", daemon=True).start()
                self._threads += 1
            self._jobs.put((job, loop, answer))
            return await answer
        finally:
            self._busy -= 1

    def _collection(self, place: Place) -> Collection:
        """In a thread: opening a bucket blocks."""
        known = self._collections  # a new one comes with a new cluster
        found = known.get(place)
        if found is None:
            cluster = self._cluster
            if cluster is None:
                raise RuntimeError("the cluster was closed")
            bucket, scope, name = place
            found = cluster.bucket(bucket or self._bucket).scope(scope).collection(name)
            known[place] = found
        return found

    def _connect(self, generation: int) -> None:
        """In a thread of its own: the blocking API's cluster is made by waiting for it."""
        while not self._closed.is_set() and generation == self._generation:
            try:
                cluster = Cluster(self._connection_string, self._options())
                cluster.bucket(self._bucket)
            except CouchbaseException as exc:
                if self._closed.is_set():
                    return
                _log.warning("no_batches", bucket=self._bucket, error=type(exc).__name__)
                self._closed.wait(_PAUSE_S)
                continue
            if self._closed.is_set() or generation != self._generation:
                cluster.close()
                return
            replaced, self._cluster = self._cluster, cluster
            self._collections = {}
            if replaced is not None:
                self._closed.wait(_PAUSE_S)  # jobs under way have it
                replaced.close()
            return

    def _work(self) -> None:
        while (waiting := self._jobs.get()) is not None:
            job, loop, answer = waiting
            result: Any = None
            error: Exception | None = None
            try:
                result = job()
            except Exception as exc:  # whoever asked must learn of it, and the thread lives on
                error = exc
            try:
                loop.call_soon_threadsafe(_settle, answer, result, error)
            except RuntimeError:  # the loop has closed: nobody waits any more
                return


def _settle(answer: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
