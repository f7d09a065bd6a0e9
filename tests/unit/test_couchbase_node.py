"""The wire-level Couchbase node against the official SDK, which is its specification's other reader."""

import asyncio
from datetime import timedelta

import pytest
from acouchbase.cluster import AsyncCluster
from couchbase.auth import PasswordAuthenticator
from couchbase.exceptions import (
    AuthenticationException,
    BucketNotFoundException,
    CasMismatchException,
    DocumentExistsException,
    DocumentNotFoundException,
    PathExistsException,
    ScopeNotFoundException,
)
from couchbase.options import ClusterOptions, ClusterTimeoutOptions
from couchbase.subdocument import exists, get, get_full, insert, remove, upsert
from couchbase.transcoder import RawBinaryTranscoder
from servers.couchbase_node import CouchbaseNode
from servers.couchbase_node_origin import eventually, running_node
from servers.couchbase_node_process import CouchbaseNodeProcess
from servers.couchbase_node_subdoc import parse_path


@pytest.fixture
async def node():
    async with running_node() as node:
        yield node


@pytest.fixture
async def collection(node):
    cluster = _cluster(node)
    bucket = cluster.bucket("features")
    await bucket.on_connect()
    yield bucket.default_collection()
    await cluster.close()


def _cluster(node: CouchbaseNode, password: str = "secret", **options: object) -> AsyncCluster:
    timeouts = ClusterTimeoutOptions(bootstrap_timeout=timedelta(seconds=5))
    authenticator = PasswordAuthenticator("sidecar", password)
    return AsyncCluster(
        f"couchbase://127.0.0.1:{node.port}", ClusterOptions(authenticator, timeout_options=timeouts, **options)
    )


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA512", "SCRAM-SHA256", "SCRAM-SHA1", "PLAIN"])
async def test_every_sasl_mechanism_lets_the_right_password_in_and_no_other(node, mechanism):
    """The SDK checks the server's proof too, so SCRAM has to be right on both sides."""
    cluster = _cluster(node, allowed_sasl_mechanisms=[mechanism])
    await cluster.on_connect()
    await cluster.close()
    with pytest.raises(AuthenticationException):
        await _cluster(node, password="wrong", allowed_sasl_mechanisms=[mechanism]).on_connect()


async def test_unknown_bucket_is_refused(node):
    """SELECT_BUCKET of a bucket that is not there ends the SDK's attempt at once."""
    cluster = _cluster(node)
    await cluster.on_connect()
    with pytest.raises(BucketNotFoundException):
        await cluster.bucket("other").on_connect()
    await cluster.close()


async def test_documents_have_the_semantics_of_insert_replace_remove_and_cas(collection):
    """Insert wants absence, replace and remove presence and the right CAS; each write has a CAS of its own."""
    with pytest.raises(DocumentNotFoundException):
        await collection.replace("k", 1)
    first = await collection.insert("k", {"a": 1})
    with pytest.raises(DocumentExistsException):
        await collection.insert("k", 2)
    second = await collection.replace("k", 3, cas=first.cas)
    assert second.cas != first.cas
    with pytest.raises(CasMismatchException):
        await collection.replace("k", 4, cas=first.cas)
    with pytest.raises(CasMismatchException):
        await collection.remove("k", cas=first.cas)
    assert (await collection.get("k")).value == 3
    await collection.remove("k", cas=second.cas)
    with pytest.raises(DocumentNotFoundException):
        await collection.get("k")


async def test_bytes_and_flags_come_back_as_they_were_stored(collection):
    """A body is not looked into, its flags are the client's."""
    await collection.upsert("k", b"\x00\xff", transcoder=RawBinaryTranscoder())
    found = await collection.get("k", transcoder=RawBinaryTranscoder())
    assert (found.value, found.flags >> 24) == (b"\x00\xff", 3)


async def test_expiry_is_set_kept_cleared_and_ends_the_document(node, collection):
    """A plain mutation clears the expiry, preserve_expiry keeps it, touch changes it; at its time it is gone."""
    await collection.upsert("k", 1, expiry=timedelta(seconds=100))
    expiry = (await collection.get("k", with_expiry=True)).expiry_time
    assert expiry is not None
    await collection.upsert("k", 2, preserve_expiry=True)
    assert (await collection.get("k", with_expiry=True)).expiry_time == expiry
    await collection.upsert("k", 3)
    assert (await collection.get("k", with_expiry=True)).expiry_time is None
    await collection.touch("k", timedelta(seconds=50))
    assert (await collection.get_and_touch("k", timedelta(seconds=20))).value == 3
    node.skew_s += 30
    with pytest.raises(DocumentNotFoundException):
        await collection.get("k")


async def test_collections_are_separate_and_unknown_ones_are_refused(node):
    """The same key in two collections is two documents; a scope that is not there fails at once."""
    node.topology.add_collection("shop", "users")
    cluster = _cluster(node)
    bucket = cluster.bucket("features")
    await bucket.on_connect()
    users, default = bucket.scope("shop").collection("users"), bucket.default_collection()
    await users.upsert("k", 1)
    await default.upsert("k", 2)
    assert ((await users.get("k")).value, (await default.get("k")).value) == (1, 2)
    with pytest.raises(ScopeNotFoundException):
        await bucket.scope("nowhere").collection("users").get("k")
    await cluster.close()


async def test_sub_document_operations_change_what_they_name_and_nothing_else(node, collection):
    """Other members keep their very text; a failing path leaves the whole document as it was."""
    await collection.upsert("k", {"a": 1})
    node.documents.by_key[0, b"k"].value = b'{ "price": 1.10, "deep":{"x":[1,2]} }'
    with pytest.raises(PathExistsException):
        await collection.mutate_in("k", [upsert("new", 1), insert("price", 2)])
    await collection.mutate_in("k", [upsert("deep.y", "z"), insert("`a.b`", True), remove("deep.x")])
    assert node.documents.by_key[0, b"k"].value == b'{"price":1.10,"deep":{"y":"z"},"a.b":true}'
    found = await collection.lookup_in(
        "k", [get("deep.y"), exists("none"), get("$document.CAS", xattr=True), get_full()]
    )
    assert found.content_as[str](0) == "z"
    assert not found.exists(1)
    assert int(found.content_as[str](2), 16) == found.cas
    assert found.content_as[dict](3)["a.b"] is True


async def test_a_hang_that_applies_keeps_the_effect_and_holds_the_answer(node, collection):
    """What makes a timed-out write ambiguous: it took effect, and nobody was told until the node resumes."""
    node.hang(apply=True)
    task = asyncio.ensure_future(collection.upsert("k", 7))
    await eventually(lambda: (0, b"k") in node.documents.by_key)
    assert not task.done()
    node.resume()
    await task


async def test_cut_connections_are_made_anew_by_the_sdk(node, collection):
    """After a reset the SDK comes back by itself and reads on."""
    await collection.upsert("k", 1)
    before = node.requests["HELLO"]
    node.cut()
    assert (await collection.get("k")).value == 1
    assert node.requests["HELLO"] > before


def test_the_node_runs_as_a_process_and_obeys_its_input():
    """Commands on its input are done when answered; an unknown one is told; closing the input ends it."""
    with CouchbaseNodeProcess() as node:
        assert node.url.startswith("couchbase://127.0.0.1:")
        node.command("hang apply")
        node.command("resume")
        with pytest.raises(RuntimeError, match="unknown command"):
            node.command("explode")


@pytest.mark.parametrize(
    ("path", "components"),
    [("a", ["a"]), ("a.b", ["a", "b"]), ("a[0].b[-1]", ["a", 0, "b", -1]), ("`a.``b`.c", ["a.`b", "c"]), ("", [])],
)
def test_paths_are_cut_into_names_and_indexes(path, components):
    """Backticks quote a name, doubled they stand for themselves."""
    assert parse_path(path) == components
