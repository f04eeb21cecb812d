"""Write the alerts of a test, and the alerts that belong to no test, to the failure report, as JSON.

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
    """Write the alerts with the test's label, and those without a label `test`; return the file in a list."""
    alerts = json.loads(request(unit, f"{unit.url}/api/v2/alerts"))
    own_alerts = [alert for alert in alerts if alert["labels"].get("test") == unit.id]
    shared_alerts = [alert for alert in alerts if "test" not in alert["labels"]]
    path = folder / f"{unit.id}.json"
    write_json(
        path,
        {
            "alerts of the test": len(own_alerts),
            "shown": own_alerts[:ALERTS],
            "alerts without a test": len(shared_alerts),
            "shown without a test": shared_alerts[:ALERTS],
        },
    )
    return [path]
