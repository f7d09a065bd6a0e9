"""What the node says about itself: cluster configuration, collections manifest, error map."""

from dataclasses import dataclass, field

import orjson
from servers.couchbase_node_frames import Failure, Status

VBUCKETS = 64  # the real server has 1024 (128 since 8.0); the SDK takes the map's length
CAPABILITIES = ["collections", "durableWrite", "cbhello", "touch", "cccp", "nodesExt", "xattr", "preserve_expiry"]
ERROR_MAP = orjson.dumps({"version": 2, "revision": 1, "errors": {}})


@dataclass(slots=True)
class Topology:
    """One node, one bucket, and its collections by ``scope.collection``.

    Attributes:
        advertised_port: where clients are told to connect, when something stands before the node; 0: to the node.
    """

    bucket: str
    port: int = 0
    advertised_port: int = 0
    service: str = "kv"  # kvSSL: the port speaks TLS
    collections: dict[str, int] = field(default_factory=lambda: {"_default._default": 0})

    def add_collection(self, scope: str, collection: str) -> None:
        """Create a collection. Its number is of two bytes as LEB128, as any but the first few are on a real server."""
        self.collections[f"{scope}.{collection}"] = 0x100 + len(self.collections)

    @property
    def port_told(self) -> int:
        """Where clients find the node."""
        return self.advertised_port or self.port

    def collection_id(self, path: str) -> int:
        """The number of ``scope.collection``."""
        if path in self.collections:
            return self.collections[path]
        scope = path.split(".")[0]
        known = any(name.startswith(scope + ".") for name in self.collections)
        raise Failure(Status.UNKNOWN_COLLECTION if known else Status.UNKNOWN_SCOPE)

    @property
    def manifest_uid(self) -> int:
        return len(self.collections)

    def configuration(self, bucket: str | None) -> bytes:
        """The JSON of get_cluster_config: of the cluster, or of the bucket with its vbucket map."""
        config: dict[str, object] = {
            "rev": 1,
            "revEpoch": 1,
            "clusterUUID": "feature-sidecar-test",
            "clusterName": "wire-node",
            "nodesExt": [{"services": {self.service: self.port_told}, "thisNode": True, "hostname": "$HOST"}],
            "clusterCapabilitiesVer": [1, 0],
            "clusterCapabilities": {},
        }
        if bucket is not None:
            config |= {
                "name": bucket,
                "uuid": "b0c4e7",
                "nodeLocator": "vbucket",
                "bucketType": "membase",
                "collectionsManifestUid": f"{self.manifest_uid:x}",
                "bucketCapabilitiesVer": "",
                "bucketCapabilities": CAPABILITIES,
                "vBucketServerMap": {
                    "hashAlgorithm": "CRC",
                    "numReplicas": 0,
                    "serverList": [f"$HOST:{self.port_told}"],
                    "vBucketMap": [[0]] * VBUCKETS,
                },
            }
        return orjson.dumps(config)

    def manifest(self) -> bytes:
        """The JSON of get_collections_manifest."""
        scopes: dict[str, list[dict[str, str]]] = {}
        for path, number in self.collections.items():
            scope, name = path.split(".")
            scopes.setdefault(scope, []).append({"name": name, "uid": f"{number:x}"})
        listed = [
            {"name": name, "uid": f"{at:x}", "collections": rows} for at, (name, rows) in enumerate(scopes.items())
        ]
        return orjson.dumps({"uid": f"{self.manifest_uid:x}", "scopes": listed})
