"""The console script `infra`, which handles Ctrl-C before it imports the other modules."""

from __future__ import annotations

from infra_cli import early_interrupt


def main() -> None:
    """Run `infra` with the arguments of the process, and exit with its exit code."""
    early_interrupt.install()
    try:
        from infra_cli.main import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()
