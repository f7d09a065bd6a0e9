"""Where the time of a hit goes: what the server does while a load runs, by sampling its CPU time.

    python tests/bench/profile_hits.py [--loads get1,get16,mget8] [--seconds 10]

The sampler is preloaded into the server and notes its program counter every few ms of CPU time; a share times the CPU
time per command is what a part costs. Kernel time shows at its system call. The empty server's CPU time under the same
load is the floor: what remains above it is ours.
"""

import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from dataset import data_of
from generators import LoadGenerator
from loads import LOADS
from options import parser as options_parser
from options import settled
from results import publish, table
from symbols import Place, Symbols
from targets import EmptyServer, Sidecar, compiled

SYSTEM_CALLS = {"send", "recv", "epoll_wait", "epoll_pwait"}
PARTS = {  # what is done -> by which native modules
    "parse": ("_parser", "_commands", "_decimal", "_window", "_inline", "_field_lists"),
    "look up": ("_store", "_lookups", "_row_lookups", "_index", "_rows", "_schemas", "_plans", "_tier", "_answers",
                "_arena", "_table", "_freshness"),
    "write to memory": ("_writes", "_eviction", "_ghosts"),
    "reply": ("_writer", "_slots", "_blocks"),
    "dispatch": ("_hot", "_counters"),
    "turn": ("_poller", "_output", "_pipeline", "_connection", "_socket_set", "_session"),
    "event loop": ("loop",),
}  # fmt: skip
PART_OF = {module: part for part, modules in PARTS.items() for module in modules}
TOP = 12


class Sampled(Sidecar):
    """A sidecar with the sampler in it."""

    def program(self) -> list[str]:
        self.samples_path = self.folder / "samples"
        library = self.folder / "sampler.so"
        source = Path(__file__).with_name("sampler.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        return ["env", f"LD_PRELOAD={library}", f"SAMPLES={self.samples_path}", *super().program()]

    def start_sampling(self) -> None:
        """From now on."""
        os.kill(self.processes[0].pid, signal.SIGUSR2)

    def places(self) -> Counter[Place]:
        """Stop, and tell how often each function was met."""
        symbols = Symbols(self.processes[0].pid)
        os.kill(self.processes[0].pid, signal.SIGUSR2)
        until = time.monotonic() + 5
        while not self.samples_path.exists():
            if time.monotonic() > until:
                raise RuntimeError("the sampler wrote nothing")
            time.sleep(0.01)
        time.sleep(0.1)  # it writes in one go
        data = self.samples_path.read_bytes()
        self.samples_path.unlink()
        return Counter(symbols.place(address) for (address,) in struct.iter_unpack("=Q", data))


def part_of(place: Place) -> str:
    """What a function's time is spent for."""
    name = place.function.lstrip("_")
    if name in SYSTEM_CALLS:
        return f"kernel: {name}"
    if place.module.startswith(("libpython", "python")):
        return "Python"
    return PART_OF.get(place.module, f"other: {place.module}")


class Profile(NamedTuple):
    """What was seen under one load.

    Attributes:
        cpu_us, floor_us: per command, of the sidecar and of the empty server.
    """

    name: str
    cpu_us: float
    floor_us: float
    places: Counter[Place]

    def parts(self) -> Counter[str]:
        """Samples by part."""
        parts: Counter[str] = Counter()
        for place, count in self.places.items():
            parts[part_of(place)] += count
        return parts

    def us(self, samples: int) -> float:
        """Of so many samples, per command."""
        return samples / self.places.total() * self.cpu_us


def summary(profiles: list[Profile]) -> str:
    """All loads by part, in us per command."""
    rows = []
    for profile in profiles:
        parts = profile.parts()
        kernel = sum(count for part, count in parts.items() if part.startswith("kernel"))
        named = [parts[part] for part in PARTS]
        rest = profile.places.total() - kernel - sum(named)
        figures = [f"{profile.us(samples):.3f}" for samples in (kernel, *named, rest)]
        above = profile.cpu_us - profile.floor_us
        rows.append([profile.name, f"{profile.cpu_us:.2f}", *figures, f"{profile.floor_us:.2f}", f"**{above:.2f}**"])
    head = ["load", "us per command", "kernel", *PARTS, "Python and the rest", "empty server", "above it"]
    return table(head, rows)


def section(profile: Profile) -> str:
    """The tables of one load."""
    total = profile.places.total()
    rows = [[part, f"{count / total:.1%}", f"{profile.us(count):.3f}"] for part, count in profile.parts().most_common()]
    functions = [
        [f"{place.module}: {place.function.rpartition('_pyx_f_')[2]}", f"{count / total:.1%}"]
        for place, count in profile.places.most_common(TOP)
    ]
    return (
        f"### {profile.name}\n\n{total} samples.\n\n{table(['part', 'share', 'us per command'], rows)}\n\n"
        f"{table(['function', 'share'], functions)}"
    )


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--loads", default="get1,get16,get64,mget8,hmget8,hgetall8,unix1,mix16")
    parser.add_argument("--seconds", type=float, help="of each load, twice (4, if quick 1)")
    options = settled(parser.parse_args(), seconds=(4, 1))
    data = data_of(options.share)
    profiles: list[Profile] = []
    with tempfile.TemporaryDirectory() as folder:
        generator = LoadGenerator(compiled("loadgen", Path(folder)), data)
        target = Sampled()
        try:
            target.load(data)
            floor = EmptyServer()
            try:
                for name in options.loads.split(","):
                    floor_us = generator.run(floor, LOADS[name], options.seconds, 1).cpu_us
                    target.start_sampling()
                    cpu_us = generator.run(target, LOADS[name], options.seconds, 1).cpu_us
                    places = target.places()
                    if not places:
                        raise RuntimeError(f"{name}: no samples; run it longer")
                    profiles.append(Profile(name, cpu_us, floor_us, places))
            finally:
                floor.stop()
        finally:
            target.stop()
    publish("Profile", "\n\n".join([summary(profiles), *map(section, profiles)]), options.results)


if __name__ == "__main__":
    main()
