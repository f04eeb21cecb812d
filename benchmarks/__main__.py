"""Run benchmarks one after another, each in a process of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys

#: in the order of the page that reports them; those that want requirements.txt are run by name
ALL = ("cold_start", "attach", "idle_plugin", "owner_death", "recovery", "footprint", "crowd", "snapshots")


def main() -> None:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(ALL)}, isolation, peers")
    parser.add_argument("--rounds", type=int, help="default: each its own")
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
