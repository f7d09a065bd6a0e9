from sidecar.memory._store import Store
from sidecar.metrics._counters import Counters

class HotCommands:
    def __init__(self, store: Store, counters: Counters) -> None: ...
