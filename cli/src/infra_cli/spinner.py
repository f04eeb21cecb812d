"""A region of the terminal that is drawn again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from infra_runtime.errors import InfraError

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
TIMES_A_SECOND = 10.0


@contextmanager
def live(lines: Callable[[], list[str]], *, leave: bool = False) -> Iterator[None]:
    """Draw `lines()` until the block ends; with `leave` the last picture stays.

    `lines` is called from another thread. When it raises an `InfraError`, the last picture stands.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    picture = Text()

    def draw() -> Text:
        nonlocal picture
        # The supervisor may go at any time, and the connection be closed for us.
        with suppress(InfraError, ValueError, OSError):
            picture = Text.from_ansi("\n".join(lines()), no_wrap=True, overflow="ellipsis")
        return picture

    console = Console(highlight=False)
    with Live(get_renderable=draw, console=console, refresh_per_second=TIMES_A_SECOND, transient=not leave):
        yield
