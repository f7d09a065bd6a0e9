"""Memory per cached entry beside redis-server, and what an idle process costs.

    python tests/bench/memory.py [--data keys,rows,...] [--starts 5]

Anonymous memory of the process, all counted: it is read when the first 2% of the items are there, and again at the end,
after every item was read once more; that each of those reads was a hit is checked by the server's own count. The
sidecar's data lies in a SQLite file, so that what is measured is the cache and not its origin. It is measured twice:
filled by reads, as a cache beside a pipeline that writes to the origin is, and written to like the redis-server.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from dataset import HASHES, STRINGS, Client, DataSet, write_row
from options import parser as options_parser
from options import settled
from results import publish, table
from targets import Redis, Sidecar, Target, answers_ping

PASSES = 3  # until one is all hits: of a million keys one or two push another out, their buckets being full
LEFT_OUT = 0.02
LONG_VALUE = b"w" * 80  # over the 64 bytes up to which Redis keeps a hash as a listpack
SETTLE_S, QUICK_SETTLE_S = 2.0, 0.2  # for compaction to go on after the last read


def digits(number: int) -> bytes:
    """A number of 1 to 6 digits."""
    return b"%d" % (number * 7919 % 10 ** (1 + number % 6))


DATA: dict[str, tuple[DataSet, str, float]] = {  # name -> data, in words, goal of the ratio sidecar / redis
    "keys": (STRINGS, "24-byte key, 64-byte value", 0.63),
    "rows": (HASHES, "rows of 100 fields, 8-byte text", 0.60),
    "long": (
        HASHES._replace(write=lambda n: write_row(n, first_value=LONG_VALUE)),
        "the same, one value of 80 bytes",
        0.20,
    ),
    "numbers": (HASHES._replace(write=lambda n: write_row(n, values=digits)), "the same, 1-6 digits", 0.50),
}


class SidecarOverFile(Sidecar):
    """The sidecar with its data in a SQLite file: ``database``, or one of its own."""

    database: Path | None = None

    @property
    def origin(self) -> str:  # type: ignore[override]
        return f"sqlite://{self.database or self.folder / 'features.db'}"


def measure(target: Target, data: DataSet, settle_s: float, is_stored: bool) -> float:
    """Anonymous memory per entry of a server just started, of the entries after the first 2%."""
    try:
        with Client(target.port) as client:
            first = int(data.items * LEFT_OUT)
            before = 0
            for begin, end in ((0, first), (first, data.items)):
                if not is_stored:
                    client.store(data, begin, end)
                client.read(data, begin, end)  # fills what is not here, or not whole
                before = before or target.memory_bytes("RssAnon")
            for _ in range(PASSES):
                before_reads = client.info("stats", "keyspace_hits")
                client.read(data)
                answered = client.info("stats", "keyspace_hits") - before_reads
                if answered >= data.items:
                    break
            else:
                raise RuntimeError(f"{target.name}: {data.items} items read, {answered} hits")
            time.sleep(settle_s)
            return (target.memory_bytes("RssAnon") - before) / ((data.items - first) * data.entries)
    finally:
        target.stop()


def filled_by_reads(data: DataSet, settle_s: float) -> float:
    """The sidecar's figure where somebody else wrote the data to the origin."""
    with tempfile.TemporaryDirectory() as folder:

        class Filled(SidecarOverFile):
            database = Path(folder) / "features.db"

        writer = Filled()
        try:
            with Client(writer.port) as client:
                client.store(data)
        finally:
            writer.stop()
        return measure(Filled(), data, settle_s, is_stored=True)


def start_s(kind: type[Target], settle_s: float) -> tuple[float, float]:
    """Seconds from the start of the process until PING is answered, and its resident MB a while later."""
    target = Starting(kind)
    try:
        time.sleep(settle_s)
        return target.ready_s, target.target.memory_bytes("VmRSS") / 1e6
    finally:
        target.target.stop()


class Starting:
    """A target that is watched while it starts."""

    def __init__(self, kind: type[Target]) -> None:
        clock = time.monotonic

        class Timed(kind):  # type: ignore[misc,valid-type]
            def start(self) -> None:
                self.began = clock()
                super().start()

            def wait_until_ready(self) -> None:
                while not answers_ping(self.port):
                    if self.processes[0].poll() is not None or clock() - self.began > 20:
                        raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'log').read_text()}")
                    time.sleep(0.002)
                self.ready_s = clock() - self.began

        self.target = Timed()
        self.ready_s: float = self.target.ready_s


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--data", default=",".join(DATA), help=f"of {', '.join(DATA)}")
    parser.add_argument("--starts", type=int, help="how often the start is timed (5, if quick 2)")
    options = settled(parser.parse_args(), starts=(5, 2))
    settle_s = QUICK_SETTLE_S if options.quick else SETTLE_S
    rows = []
    for name in options.data.split(","):
        whole, words, goal = DATA[name]
        data = whole._replace(items=max(whole.batch, int(whole.items * options.share)))
        redis = measure(Redis(), data, settle_s, is_stored=False)
        filled = filled_by_reads(data, settle_s)
        written = measure(SidecarOverFile(), data, settle_s, is_stored=False)
        cells = [f"{redis:.1f}", f"{filled:.1f} (**{filled / redis:.2f}**)", f"{written:.1f} ({written / redis:.2f})"]
        rows.append([words, *cells, f"<= {goal:.2f}"])
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    head = ["data, bytes per entry", "redis", "sidecar, filled by reads", "sidecar, written", "goal"]
    publish("Memory", table(head, rows), options.results)
    if options.starts:
        starts = [start_s(SidecarOverFile, settle_s) for _ in range(options.starts)]
        ready, resident = (statistics.median(values) for values in zip(*starts, strict=True))
        rows = [["PING answered after", f"{ready:.2f} s", "< 0.7 s"], ["idle RSS", f"{resident:.0f} MB", "<= 55 MB"]]
        publish(
            "Start", f"With SQLite; medians of {options.starts}.\n\n" + table(["", "", "goal"], rows), options.results
        )


if __name__ == "__main__":
    main()
