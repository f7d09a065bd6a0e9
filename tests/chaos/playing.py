"""Many simulations in a row, for one process; and the seeds that once failed."""

from pathlib import Path
from typing import NamedTuple

from chaos.judgement import judge
from chaos.simulation import Simulation

CORPUS = Path(__file__).with_name("corpus")


class Played(NamedTuple):
    """How it went.

    Attributes:
        failure: the first seed that broke a promise and how; None: none did.
        judged: answers that the oracle judged.
        met: how many simulations had which fault.
    """

    failure: str | None
    judged: int
    met: dict[str, int]


def play(first_seed: int, seeds: int) -> Played:
    """Play so many seeds from ``first_seed`` on, to the first that fails; that one is kept in the corpus."""
    judged = 0
    met: dict[str, int] = {}
    for seed in range(first_seed, first_seed + seeds):
        run = Simulation(seed)
        try:
            run.run()
            judge(run)
        except Exception as error:
            keep(seed, repr(error))
            return Played(f"Simulation({seed}), {run.fault.name}, load {run.load:g}: {error!r}", judged, met)
        judged += run.judged
        met[run.fault.name] = met.get(run.fault.name, 0) + 1
    return Played(None, judged, met)


def keep(seed: int, why: str) -> None:
    """Remember a seed that failed: it is played in every run from now on."""
    try:
        (CORPUS / f"{seed}.txt").write_text(f"{why}\n")
    except OSError:  # tests may stand in a folder that is not to be written; the seed was printed
        return


def kept_seeds() -> list[int]:
    """All that once failed."""
    return sorted(int(path.stem) for path in CORPUS.glob("*.txt"))
