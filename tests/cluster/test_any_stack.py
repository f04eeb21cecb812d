"""The real API server accepts the resources of any valid stack file, as a dry run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fakes.any_stack import stacks
from fakes.deployed import Shop
from infra_runtime.config.resolve import resolve
from infra_runtime.engines.kubernetes import Kubernetes
from infra_runtime.engines.kubernetes.cluster import ENVIRONMENTS

pytestmark = [pytest.mark.real("kubectl", "kubernetes"), pytest.mark.usefixtures("definitions")]


@pytest.fixture
def in_namespace(shop: Shop) -> Shop:
    """Return a project whose namespace exists."""
    shop.cluster.kubectl("create", "namespace", shop.namespace)
    return shop


@settings(
    max_examples=max(settings().max_examples // 10, 5),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],  # each example takes about a second
)
@given(services=stacks(), environment=st.sampled_from(ENVIRONMENTS))
def test_the_server_accepts_every_stack(
    in_namespace: Shop, services: dict[str, Any], environment: str
) -> None:
    resolved = resolve(
        (),
        directory=in_namespace.infra.root,
        environment=environment,
        executables=False,
        variables_required=False,
        overrides={"use": [*services], "services": services},
    )
    engine = Kubernetes(project="shop", namespace=in_namespace.namespace)
    resources = [resource for _, resource in engine.model(resolved.plan).values()]
    answer = in_namespace.cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--output=name", "--filename=-",
        document={"apiVersion": "v1", "kind": "List", "items": resources},
    )  # fmt: skip

    assert len(answer.split()) == len(resources)
