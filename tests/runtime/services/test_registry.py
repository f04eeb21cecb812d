from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from fakes.engine import spec_of
from infra_runtime.spec import WriteFile


def test_the_configuration_has_a_secret_and_no_clean_up_of_uploads() -> None:
    spec = spec_of("registry", delete=False, read_only=True)
    (text,) = [step.text for step in spec.prepare if isinstance(step, WriteFile)]
    document = json.loads(text)

    assert document["http"]["secret"] == "${secret.http}"
    assert document["storage"]["delete"] == {"enabled": False}
    assert document["storage"]["maintenance"] == {
        "readonly": {"enabled": True},
        "uploadpurging": {"enabled": False},
    }
    assert spec.container is not None
    (in_container,) = spec.container.files.values()
    assert "secret" not in in_container


@pytest.mark.real("registry")
def test_a_real_registry_has_metrics_and_refuses_changes_if_it_is_read_only(run) -> None:
    server = run("registry", read_only=True).registry

    assert (server.url, server.address) == (
        f"http://127.0.0.1:{server.port}",
        f"127.0.0.1:{server.port}",
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['metrics']}/metrics", timeout=60) as answer:
        assert b"registry_http_requests_total" in answer.read()
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(
            urllib.request.Request(f"{server.url}/v2/a/blobs/uploads/", b"", method="POST"), timeout=60
        )
    error.value.close()
    assert error.value.code == 405
