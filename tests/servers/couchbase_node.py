"""A Couchbase data node on the wire, for tests: the official SDK bootstraps against it and works with it.

It speaks the key-value protocol over a real socket: HELLO, SASL, cluster configuration, collections, documents with
CAS, flags and expiry, sub-document operations. One node, one bucket, no replicas, nothing on disk.

Faults are set from outside, on the running node: ``hang`` (nothing is answered; with ``apply=True`` requests take
effect and only their answers are held), ``resume``, ``cut`` (every connection is reset). A refused port is ``stop``
and a later ``start``, which takes the same port again.
"""

import asyncio
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Callable

from servers import couchbase_node_subdoc
from servers.couchbase_node_documents import MAX_KEY_BYTES, Document, Documents
from servers.couchbase_node_frames import (
    Failure,
    FrameInfo,
    Opcode,
    Request,
    Response,
    Status,
    split_collection,
    take_request,
)
from servers.couchbase_node_sasl import MECHANISMS, AuthenticationFailed, SaslExchange
from servers.couchbase_node_topology import ERROR_MAP, Topology

# What HELLO grants when asked, by number: TCP_NODELAY, mutation sequence numbers, extended attributes and errors,
# select bucket, JSON, unordered execution, requests with framing extras, durable writes, collections, preserve expiry.
FEATURES = {0x03, 0x04, 0x06, 0x07, 0x08, 0x0B, 0x0E, 0x10, 0x11, 0x12, 0x14}
MUTATION_SEQNO = 0x04
COLLECTIONS = 0x12


class CouchbaseNode:
    """The node: its documents, its listener and its faults. Everything runs on the loop that started it."""

    def __init__(self, bucket: str = "features", now_s: Callable[[], int] = lambda: int(time.time())) -> None:
        self.users = {"sidecar": "secret"}
        self.topology = Topology(bucket)
        self.skew_s = 0  # added to the wall clock: lets a test pass an expiry without waiting
        self.documents = Documents(lambda: now_s() + self.skew_s)
        self.other_buckets: dict[str, Documents] = {}  # they share the first one's collections
        self.requests: Counter[str] = Counter()  # by opcode's name; "durable": those that asked for it
        self.connections: set[Connection] = set()
        self.hanging = False
        self.applying = False
        self.tls: ssl.SSLContext | None = None  # set before ``start``; a client's certificate logs it in
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens, or listened before ``stop``."""
        return self.topology.port

    @property
    def url(self) -> str:
        """An origin URL for this node's bucket."""
        scheme = "couchbase" if self.tls is None else "couchbases"
        return f"{scheme}://127.0.0.1:{self.port}/{self.topology.bucket}"

    async def start(self) -> None:
        """Listen on a free port of loopback; after a ``stop`` on the same one again."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, ssl=self.tls)
        self.topology.service = "kv" if self.tls is None else "kvSSL"
        self.topology.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Reset every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def asked(self) -> Counter[str]:
        """The requests about documents: those of logging in come whenever the SDK connects."""
        names = {opcode.name for opcode in _DOCUMENT}
        return Counter({name: count for name, count in self.requests.items() if name in names})

    def hang(self, *, apply: bool = False) -> None:
        """Answer nothing from now on. ``apply``: requests still take effect, their answers wait for ``resume``."""
        self.hanging, self.applying = True, apply

    def resume(self) -> None:
        """Answer again, beginning with what waited."""
        self.hanging = False
        for connection in list(self.connections):
            connection.work()

    def cut(self) -> None:
        """Reset every connection; answers held back by a hang are lost."""
        for connection in list(self.connections):
            connection.reset()


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, node: CouchbaseNode) -> None:
        self._node = node
        self._buffer = bytearray()
        self._held: list[bytes] = []
        self._features: set[int] = set()
        self._sasl = SaslExchange(node.users)
        self._authenticated = False
        self._bucket: str | None = None
        self._documents = node.documents
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        tls = transport.get_extra_info("ssl_object")
        self._authenticated = tls is not None and bool(tls.getpeercert())
        self._node.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._node.connections.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self.work()

    def reset(self) -> None:
        """Close with RST, so that the peer sees a broken connection and not an end of stream."""
        if self._transport is not None:
            linger = struct.pack("ii", 1, 0)
            peer = self._transport.get_extra_info("socket")
            if peer is not None:  # else TLS has let go of it already
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()

    def work(self) -> None:
        """Answer the complete requests, as far as the faults allow."""
        while not self._node.hanging or self._node.applying:
            request = take_request(self._buffer)
            if request is None:
                break
            self._held.append(self._answer(request).encode(request))
        if self._held and not self._node.hanging and self._transport is not None:
            self._transport.write(b"".join(self._held))
            self._held.clear()

    def _answer(self, request: Request) -> Response:
        try:
            opcode = Opcode(request.opcode)
        except ValueError:
            self._node.requests[f"{request.opcode:#x}"] += 1
            return Response(status=Status.UNKNOWN_COMMAND)
        self._node.requests[opcode.name] += 1
        if FrameInfo.DURABILITY in request.framing:
            self._node.requests["durable"] += 1
        try:
            if opcode in _SESSION:
                return _SESSION[opcode](self, request)
            if not self._authenticated:
                raise Failure(Status.NO_ACCESS)
            if opcode in _ABOUT:
                return _ABOUT[opcode](self, request)
            if self._bucket is None:
                raise Failure(Status.NO_BUCKET)
            return _DOCUMENT[opcode](self, *self._address(request.key), request)
        except Failure as failure:
            return Response(status=failure.status)

    # Session ------------------------------------------------------------------------------------------------------

    def _hello(self, request: Request) -> Response:
        asked = [number for (number,) in struct.iter_unpack(">H", request.value)]
        granted = [number for number in asked if number in FEATURES]
        self._features = set(granted)
        return Response(struct.pack(f">{len(granted)}H", *granted))

    def _sasl_list(self, request: Request) -> Response:
        return Response(" ".join([*MECHANISMS, "PLAIN"]).encode())

    def _sasl_auth(self, request: Request) -> Response:
        try:
            challenge = self._sasl.start(request.key.decode(), request.value)
        except AuthenticationFailed:
            raise Failure(Status.AUTH_ERROR) from None
        if challenge is not None:
            return Response(challenge, status=Status.AUTH_CONTINUE)
        self._authenticated = True
        return Response()

    def _sasl_step(self, request: Request) -> Response:
        try:
            proof = self._sasl.finish(request.value)
        except AuthenticationFailed:
            raise Failure(Status.AUTH_ERROR) from None
        self._authenticated = True
        return Response(proof)

    def _noop(self, request: Request) -> Response:
        return Response()

    def _select_bucket(self, request: Request) -> Response:
        name, node = request.key.decode(), self._node
        if name != node.topology.bucket and name not in node.other_buckets:
            raise Failure(Status.NO_ACCESS)  # what the real server says of a bucket that is not there, too
        self._bucket, self._documents = name, node.other_buckets.get(name, node.documents)
        return Response()

    def _cluster_config(self, request: Request) -> Response:
        return Response(self._node.topology.configuration(self._bucket), datatype=1)

    def _error_map(self, request: Request) -> Response:
        return Response(ERROR_MAP, datatype=1)

    def _manifest(self, request: Request) -> Response:
        return Response(self._node.topology.manifest(), datatype=1)

    def _collection_id(self, request: Request) -> Response:
        topology = self._node.topology
        number = topology.collection_id((request.value or request.key).decode())
        return Response(extras=struct.pack(">QI", topology.manifest_uid, number))

    # Documents ----------------------------------------------------------------------------------------------------

    def _address(self, key: bytes) -> tuple[int, bytes]:
        if COLLECTIONS not in self._features:
            return 0, key
        collection, key = split_collection(key)
        if collection not in self._node.topology.collections.values():
            raise Failure(Status.UNKNOWN_COLLECTION)
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise Failure(Status.INVALID)
        return collection, key

    def _get(self, collection: int, key: bytes, request: Request) -> Response:
        document = self._documents.require(collection, key)
        return Response(document.value, struct.pack(">I", document.flags), document.cas, datatype=document.datatype)

    def _upsert(self, collection: int, key: bytes, request: Request) -> Response:
        documents = self._documents
        old = documents.require(collection, key, request.cas) if request.cas else documents.get(collection, key)
        return self._store(collection, key, request, old)

    def _insert(self, collection: int, key: bytes, request: Request) -> Response:
        if self._documents.get(collection, key) is not None:
            raise Failure(Status.EXISTS)
        return self._store(collection, key, request, None)

    def _replace(self, collection: int, key: bytes, request: Request) -> Response:
        return self._store(collection, key, request, self._documents.require(collection, key, request.cas))

    def _store(self, collection: int, key: bytes, request: Request, old: Document | None) -> Response:
        flags, seconds = struct.unpack(">II", request.extras)
        expiry = self._documents.absolute_expiry(seconds)
        if not seconds and old is not None and FrameInfo.PRESERVE_EXPIRY in request.framing:
            expiry = old.expiry
        xattrs = old.xattrs if old is not None else {}
        document = Document(request.value, flags, expiry, xattrs=xattrs)
        return self._mutated(self._documents.store(collection, key, document))

    def _remove(self, collection: int, key: bytes, request: Request) -> Response:
        return self._mutated(self._documents.remove(collection, key, request.cas))

    def _touch(self, collection: int, key: bytes, request: Request) -> Response:
        document = self._documents.require(collection, key)
        (seconds,) = struct.unpack(">I", request.extras)
        document.expiry = self._documents.absolute_expiry(seconds)
        self._documents.touched(document)
        return Response(cas=document.cas)

    def _get_and_touch(self, collection: int, key: bytes, request: Request) -> Response:
        self._touch(collection, key, request)
        return self._get(collection, key, request)

    def _lookup_in(self, collection: int, key: bytes, request: Request) -> Response:
        return couchbase_node_subdoc.lookup(self._documents, collection, key, request)

    def _mutate_in(self, collection: int, key: bytes, request: Request) -> Response:
        keep_expiry = FrameInfo.PRESERVE_EXPIRY in request.framing
        result = couchbase_node_subdoc.mutate(self._documents, collection, key, request, keep_expiry)
        return result if isinstance(result, Response) else self._mutated(result)

    def _mutated(self, document: Document) -> Response:
        """A mutation's answer: the new CAS, and the mutation token where it was negotiated."""
        token = struct.pack(">QQ", 0x5EED, document.seqno) if MUTATION_SEQNO in self._features else b""
        return Response(extras=token, cas=document.cas)


_SESSION = {
    Opcode.HELLO: Connection._hello,
    Opcode.SASL_LIST_MECHS: Connection._sasl_list,
    Opcode.SASL_AUTH: Connection._sasl_auth,
    Opcode.SASL_STEP: Connection._sasl_step,
    Opcode.NOOP: Connection._noop,
}
_ABOUT = {
    Opcode.SELECT_BUCKET: Connection._select_bucket,
    Opcode.GET_CLUSTER_CONFIG: Connection._cluster_config,
    Opcode.GET_ERROR_MAP: Connection._error_map,
    Opcode.GET_COLLECTIONS_MANIFEST: Connection._manifest,
    Opcode.GET_COLLECTION_ID: Connection._collection_id,
}
_DOCUMENT = {
    Opcode.GET: Connection._get,
    Opcode.UPSERT: Connection._upsert,
    Opcode.INSERT: Connection._insert,
    Opcode.REPLACE: Connection._replace,
    Opcode.REMOVE: Connection._remove,
    Opcode.TOUCH: Connection._touch,
    Opcode.GET_AND_TOUCH: Connection._get_and_touch,
    Opcode.LOOKUP_IN: Connection._lookup_in,
    Opcode.MUTATE_IN: Connection._mutate_in,
}
