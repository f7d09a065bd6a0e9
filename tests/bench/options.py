"""The options that all benchmarks share: how much is measured, and where the results go."""

import argparse
from pathlib import Path

from results import RESULTS

QUICK_SHARE = 0.1


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the shared options; options whose default is None are given one by ``settled``."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--quick", action="store_true", help="a tenth of the data, short windows; leaves RESULTS.md alone"
    )
    made.add_argument("--share", type=share, help="how much of the data is used, above 0 and up to 1")
    made.add_argument(
        "--results", type=Path, help="the file whose section is replaced (default: RESULTS.md, unless --quick)"
    )
    return made


def share(text: str) -> float:
    """A share of the data."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected more than 0 and at most 1, such as 0.1")
    return value


def settled(options: argparse.Namespace, **defaults: tuple[object, object]) -> argparse.Namespace:
    """Fill in what was not given. ``defaults``: of each option, in a full run and in a quick one."""
    defaults |= {"share": (1.0, QUICK_SHARE), "results": (RESULTS, None)}
    for name, (full, quick) in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
    return options
