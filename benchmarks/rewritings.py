"""Random rewritings and changes of composed schemas, and unions of many alternatives, in the API check.

A rewriting without an effect must not give a harmful finding. A change whose effect an example value proves
must give a harmful finding. Each round checks 1,000 rewritings and 1,000 changes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.rounds import count, headline
from infra_openapi import Report, compare, parse

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fakes import composed, harmful

EACH, BRANCHES = 1000, (70, 400, 1000)


def main() -> None:
    """Check the random schemas and measure the unions, and print the results."""
    rounds = count(__doc__, 10)
    headline("Random composed schemas, and unions of many alternatives", ("jsonschema",))
    alarms, checked = _alarms(rounds * EACH)
    print(f"{checked:,} rewritings: {len(alarms)} false alarms {alarms[:10]}")
    misses, checked = _misses(rounds * EACH)
    print(f"{checked:,} harmful changes: {len(misses)} misses {misses[:10]}")
    for size in BRANCHES:
        start = time.process_time()
        report = _compared(_events(size, "id"), _events(size, "id", "more"))
        print(f"{size} alternatives: {time.process_time() - start:.2f} s, {report.verdict}")


def _compared(before: dict[str, Any], after: dict[str, Any]) -> Report:
    return compare(parse(before), parse(after))


def _alarms(number: int) -> tuple[list[int], int]:
    """Return the seeds of rewritings with a breaking finding, and the number of rewritings."""
    seeds = []
    for seed in range(number):
        case = composed.rewriting(Random(seed))
        reports = _compared(case.before, case.after), _compared(case.after, case.before)
        if any(report.breaking for report in reports):
            seeds.append(seed)
    return seeds, number


def _misses(number: int) -> tuple[list[int], int]:
    """Return the seeds of harmful changes without a breaking finding or a warning, and their number."""
    seeds, checked = [], 0
    for seed in range(number):
        case = harmful.harmful(Random(seed))
        if case is not None:
            checked += 1
            requests = _compared(case.before, case.after), "request"
            responses = _compared(case.after, case.before), "response"
            for report, direction in (requests, responses):
                levels = {finding.level for finding in report.findings if finding.direction == direction}
                seeds += [seed] if levels <= {"info"} else []
    return seeds, checked


def _events(size: int, *required: str) -> dict[str, Any]:
    """Return a document that sends one of many events; the last event has these required properties."""
    schemas: dict[str, Any] = {}
    for number in range(size):
        properties: dict[str, Any] = {"kind": {"enum": [f"event {number}"]}, "id": {"type": "string"}}
        names = ["kind", *(required if number == size - 1 else ("id",))]
        schemas[f"Event{number}"] = {"type": "object", "required": names, "properties": properties}
    schemas["Root"] = {"oneOf": [composed.ref(name) for name in schemas]}
    return composed.document(schemas, received=False)


if __name__ == "__main__":
    main()
