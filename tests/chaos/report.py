"""make chaos: breaks the origin in every way we know, and writes what that did into docs/resilience.md.

    python tests/chaos/report.py [--quick] [--parts flap,brownout] [--check]

Without options everything, about 20 minutes. --quick: all parts in a short form, under three; its figures are not worth
printing, so nothing is written. --check: exit with 1 where a promise does not hold. Each part replaces its own section.
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

from chaos import section as sections  # noqa: E402
from chaos.section import ORDER  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the short form; nothing is written")
    parser.add_argument("--parts", default=",".join(ORDER), help=f"of {', '.join(ORDER)}")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a promise does not hold")
    parser.add_argument("--page", type=Path, help="written instead of docs/resilience.md, also with --quick")
    options = parser.parse_args(arguments)
    names = options.parts.split(",")
    unknown = set(names) - set(ORDER)
    if unknown:
        parser.error(f"--parts: found {', '.join(sorted(unknown))}, expected some of {', '.join(ORDER)}")
    words = [f"--parts {options.parts}"] if names != list(ORDER) else []
    broken = []
    for name in names:
        part = importlib.import_module(f"chaos.parts.{name}")
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="sidecar-chaos-") as folder:
            section = part.measure(Path(folder), options.quick)
        broken += [
            f"{name}: {seen.promise}: {seen.seen}, not {seen.bar}" for seen in section.verdicts if not seen.holds
        ]
        if options.page is not None or not options.quick:
            sections.publish(name, section, " ".join(words), options.page or sections.PAGE)
        else:
            print(sections.render(name, section, "", None))
        print(f"{name}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
    for line in broken:
        print(f"does not hold: {line}", file=sys.stderr)
    return 1 if broken and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
