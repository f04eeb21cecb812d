"""Write the alerts of a test and the alerts of all services to the failure report, as JSON.

Source: Alertmanager, `api/v2/openapi.yaml`.
"""

from __future__ import annotations

import json
from pathlib import Path

from pytest_infra.isolation.http_request import request
from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit

#: The maximum number of alerts that are dumped in each list.
ALERTS = 200


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write a file with the alerts with the test's label, and the alerts without a test's label."""
    alerts = json.loads(request(unit, f"{unit.url}/api/v2/alerts"))
    own = [alert for alert in alerts if alert["labels"].get("test") == unit.id]
    shared = [alert for alert in alerts if "test" not in alert["labels"]]
    path = folder / f"{unit.id}.json"
    write_json(
        path,
        {
            "alerts of the test": len(own),
            "shown": own[:ALERTS],
            "alerts without a test": len(shared),
            "shown without a test": shared[:ALERTS],
        },
    )
    return [path]
