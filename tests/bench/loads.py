"""The loads of the hit benchmark, and the ratio to redis-server that each is to reach."""

from typing import NamedTuple


class Load(NamedTuple):
    """One load.

    Attributes:
        kind: what is asked, by its name in loadgen.
        goal: redis-server's CPU time per command / the sidecar's; None: no goal.
        depth: commands a connection has under way.
        unix: over the unix socket.
    """

    kind: str
    goal: float | None = None
    depth: int = 1
    connections: int = 50
    unix: bool = False

    def options(self) -> list[str]:
        """As loadgen takes them."""
        return ["--load", self.kind, "--depth", str(self.depth), "--connections", str(self.connections)]


LOADS = {
    "get1": Load("get", 1.2),
    "get16": Load("get", 3.0, 16),
    "get64": Load("get", 6.0, 64),
    "mget1": Load("mget", 6.3),
    "mget8": Load("mget", 9.5, 8),
    "hmget1": Load("hmget", 3.8),
    "hmget8": Load("hmget", 14, 8),
    "hmgetr8": Load("hmget-random", 12, 8),
    "hgetall1": Load("hgetall", 1.9),
    "hgetall8": Load("hgetall", 4.7, 8),
    "zipf16": Load("zipf", 2.2, 16),
    "mix16": Load("mix", 1.0, 16),
    "unix1": Load("get", 1.5, unix=True),
    "unix16": Load("get", 4.5, 16, unix=True),
    "get1_c1": Load("get", connections=1),
    "hmget1_c1": Load("hmget", connections=1),
    "unix1_c1": Load("get", connections=1, unix=True),
    "get1_c1000": Load("get", 1.2, connections=1000),
    "get16_c1000": Load("get", None, 16, connections=1000),
    "unix1_c1000": Load("get", connections=1000, unix=True),
}
