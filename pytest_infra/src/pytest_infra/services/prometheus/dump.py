"""Write the state of the jobs, the alerts, and the samples of a test to the failure report, as JSON."""

from __future__ import annotations

from pathlib import Path

from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.prometheus.queries import Queries

#: The maximum number of series that are dumped.
SERIES = 200


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write a file with the last scrape of each job, the alerts, and the samples with the test's label."""
    queries = Queries(unit)
    targets = queries.request("/api/v1/targets", state="active")["activeTargets"]
    samples = queries.query(unit["selector"], wait=False)
    path = folder / f"{unit.id}.json"
    write_json(
        path,
        {
            "jobs": [
                {
                    "job": target["labels"]["job"],
                    "url": target["scrapeUrl"],
                    "state": target["health"],
                    "error": target["lastError"],
                    "last scrape": target["lastScrape"],
                }
                for target in targets
            ],
            "alerts": [
                {"state": alert["state"], "labels": alert["labels"], "since": alert["activeAt"]}
                for alert in queries.request("/api/v1/alerts")["alerts"]
            ],
            "samples": len(samples),
            "shown": [sample._asdict() for sample in samples[:SERIES]],
        },
    )
    return [path]
