from __future__ import annotations

import json
from typing import Any

import pytest

from infra_runtime.contributions import Alert, AlertSink, Contribution, Log, Metrics, Route, Variables
from infra_runtime.spec import Default


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("route", Route(path="/api/*", host="a.localhost", strip=True)),
        ("metrics", Metrics(port="http")),
        ("alert", Alert(name="Down", expression="up == 0", after=60.0)),
        ("alert-sink", AlertSink(port="http")),
        ("log", Log(format="json")),
        ("variables", Variables(defaults=(Default(name="A", value="b", unless=("C",)),), sensitive=("A",))),
        ("acme", {"any": ["data"]}),
    ],
)
def test_a_contribution_survives_json(key: str, value: Any) -> None:
    offer = Contribution(key=key, service="api", value=value)

    assert Contribution.from_json(json.loads(json.dumps(offer.to_json()))) == offer


def test_a_known_key_takes_only_its_shape() -> None:
    with pytest.raises(TypeError, match="the value of a contribution 'route' must be a Route, not"):
        Contribution(key="route", value={"path": "/"})


@pytest.mark.parametrize("shape", [Route, Metrics])
def test_a_path_begins_with_a_slash(shape: Any) -> None:
    with pytest.raises(ValueError, match="'x' should begin with /"):
        shape(path="x")


def test_only_metrics_and_receivers_of_alerts_refer_to_a_port() -> None:
    assert Contribution(key="alert-sink", value=AlertSink(port="api")).port == "api"
    assert Contribution(key="metrics", value=Metrics(port="http")).port == "http"
    assert Contribution(key="route", value=Route()).port == ""
