"""Measure the dashboard in Chromium with 100 services and 10,000 log lines per second.

The figures are the idle memory and processor time of its process, the time until a page is painted, the time
from the kill of a service until the page shows its state, and the memory while a page follows the lines.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import infra_runtime as infra
from benchmarks.footprint import MIB, family, memory, processor
from benchmarks.rounds import Measures, count, headline, rounds, table
from benchmarks.stage import project, stage
from infra_cli.web_pages import address_of
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.engines.local.stack import Stack

#: services, lines per second, the services that write them, and lines that are written at once
SERVICES, LINES, WRITERS, BATCH = 100, 10_000, 10, 500
#: seconds of the idle time and of the load in a round
WHILE = 10.0
#: milliseconds for a condition in the browser
PATIENCE = 120_000
PAINTED = {"Services": "/", "Logs": "/logs", "Metrics": "/charts", "Graph": "/graph"}
#: returns the time at which the page shows that a service is no longer ready
_WATCH = """(name) => new Promise((resolve) => {
  const row = document.getElementById(`service-${name}`);
  const check = () => { if (!row.textContent.includes("ready")) resolve(Date.now() / 1000); };
  new MutationObserver(check).observe(row, { subtree: true, childList: true, characterData: true });
})"""
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def main() -> None:
    """Measure the rounds, and print the tables."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is missing; this benchmark measures pages in it")
    round_count = count(__doc__, 3)
    title = f"Dashboard: {SERVICES} services, {LINES} lines per second; load {os.getloadavg()[0]:.1f}"
    headline(title, ("playwright", "starlette", "uvicorn"))
    settings = 'command = ["sleep", "infinity"]\nrestart = "never"\n'
    text = "".join(f"[services.s{number:03}]\n{settings}" for number in range(SERVICES))
    use = ", ".join(f'"s{number:03}"' for number in range(SERVICES))
    with (
        stage() as folder,
        infra.start(
            directory=project(folder, "crowd", infra_toml=f'use = ["dashboard", {use}]\n{text}'),
            data=folder / "data",
            environment="test",
        ) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE)
        log_in(page, stack)
        victims = iter(range(SERVICES))
        results = rounds((lambda: measured(page, stack, next(victims)),), round_count, warm=False)
        browser.close()
        for unit, scale, digits in (("MiB", MIB, 1), ("%", 100, 2), ("ms", 1000, 0), ("rows", 1, 0)):
            own_unit = {name: spread for name, spread in results.items() if name.endswith(f" [{unit}]")}
            table(own_unit, unit=unit, scale=scale, digits=digits)


def log_in(page: Page, stack: Stack) -> None:
    client = Client.connect(Paths(str(stack.data)))
    try:
        page.goto(address_of(client, "dashboard", "admin"))
    finally:
        client.close()
    page.wait_for_url(re.compile(r":\d+/$"))


def measured(page: Page, stack: Stack, victim: int) -> Measures:
    """Measure one round."""
    pids = family(stack.status().services["dashboard"].pid)
    page.goto("about:blank")
    time.sleep(1)
    result = {f"idle, {name}": value for name, value in used(pids).items()}
    for name, path in PAINTED.items():
        page.goto(f"{stack.dashboard.url}{path}")
        result[f"first paint of {name} [ms]"] = painted(page)
    result["state change [ms]"] = change(page, stack, f"s{victim:03}")
    page.goto(f"{stack.dashboard.url}/logs")
    page.locator("#log").wait_for()
    with writing(Path(stack.data, "logs")):
        result |= {f"10,000 lines/s, {name}": value for name, value in used(pids).items()}
        result["rows in the log view [rows]"] = page.locator("#log .line").count()
        result["heap of the page [MiB]"] = page.evaluate("performance.memory.usedJSHeapSize")
    return result


def painted(page: Page) -> float:
    """Return the seconds from the request for a page until its first paint."""
    # `wait_for_function` compiles its argument in the page, which the policy of the page forbids.
    while not (milliseconds := page.evaluate(_PAINT)):
        time.sleep(0.05)
    return float(milliseconds) / 1000


def used(pids: list[int]) -> Measures:
    """Return the memory of processes, and their share of a core during `WHILE` seconds."""
    earlier_time = processor(pids)
    time.sleep(WHILE)
    return {"RSS [MiB]": memory(pids, "Rss"), "processor [%]": (processor(pids) - earlier_time) / WHILE}


def change(page: Page, stack: Stack, name: str) -> float:
    """Kill a service, and return the seconds until the page shows that it is not ready."""
    page.goto(f"{stack.dashboard.url}/")
    page.locator(f"#service-{name} .state").wait_for()
    time.sleep(1)  # the stream of the page is open
    page.evaluate(f"window.seen = ({_WATCH})('{name}'); null")
    killed = time.time()
    os.kill(stack.status().services[name].pid, signal.SIGKILL)
    return float(page.evaluate("window.seen")) - killed


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Append `LINES` lines per second to the logs of `WRITERS` services."""
    ended = threading.Event()

    def write() -> None:
        number, start_time = 0, time.monotonic()
        while not ended.wait(max(start_time + number / LINES - time.monotonic(), 0.0)):
            path = folder / f"s{SERVICES - 1 - number // BATCH % WRITERS:03}.log"
            lines = (f"INFO request {number + offset} was answered in 12 ms\n" for offset in range(BATCH))
            with path.open("a", encoding="ascii") as file:
                file.write("".join(lines))
            number += BATCH

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


if __name__ == "__main__":
    main()
