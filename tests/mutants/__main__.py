"""`python -m tests.mutants [NAME…]`: try the changes of these names, or all of them. Exit code 1 where one is not caught."""

import argparse
import sys
from collections.abc import Sequence

from tests import children
from tests.mutants.catalogue import MUTANTS
from tests.mutants.runner import run


def main(given: Sequence[str] | None = None) -> int:
    """As the exit code of the process."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--jobs", type=int, default=2, help="changes that are tried at the same time (2)")
    asked = parser.parse_args(given)
    by_name = {one.name: one for one in MUTANTS}
    if unknown := [name for name in asked.names if name not in by_name]:
        parser.error(f"no change is called {', '.join(unknown)}; there are {', '.join(by_name)}")
    children.ignore_for_ourselves_only()
    chosen = [by_name[name] for name in asked.names] or list(MUTANTS)
    try:
        return run(chosen, lambda text: print(text, flush=True), max(1, asked.jobs))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
