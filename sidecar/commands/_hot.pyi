from sidecar.memory._store import Store
from sidecar.metrics._counters import Counters
from sidecar.prefetch._touches import TouchLog

class HotCommands:
    def __init__(self, store: Store, counters: Counters, touches: TouchLog | None = None) -> None: ...
