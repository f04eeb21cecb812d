"""Run benchmarks one after another, each in its own process."""

from __future__ import annotations

import argparse
import subprocess
import sys

#: in the order of the page with the results; the benchmarks that need requirements.txt run only when named
ALL = ("cold_start", "attach", "idle_plugin", "owner_death", "recovery", "footprint", "crowd", "snapshots")


def main() -> None:
    """Run the benchmarks in the arguments of the command line, or all benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(ALL)}, api_check, cluster, dashboard, forwarding, isolation, kinds, peers, "
        "rewritings, scale",
    )
    parser.add_argument("--rounds", type=int, help="number of rounds; default: the number of each benchmark")
    options = parser.parse_args()
    rounds = ["--rounds", str(options.rounds)] if options.rounds else []
    failed = [
        name
        for name in options.names or ALL
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *rounds], check=False).returncode
    ]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
