"""A live display: lines in the terminal that are redrawn several times a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from infra_runtime.errors import InfraError

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
REFRESHES_PER_SECOND = 10.0


@contextmanager
def live(lines: Callable[[], list[str]], *, keep: bool = False) -> Iterator[None]:
    """Print the lines that the function `lines` returns, repeatedly until the `with` block ends.

    If `keep` is true, the last lines stay on the screen. The function `lines` is called in another thread. If
    `lines` raises an `InfraError`, `ValueError` or `OSError`, the previous lines are printed again.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    text = Text()

    def draw() -> Text:
        nonlocal text
        # The supervisor can exit, and the main thread can close the connection, at any time.
        with suppress(InfraError, ValueError, OSError):
            text = Text.from_ansi("\n".join(lines()), no_wrap=True, overflow="ellipsis")
        return text

    console = Console(highlight=False)
    with Live(
        get_renderable=draw,
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=not keep,
    ):
        yield
