"""PostGIS in the packages of Debian, which have about 240 MB when unpacked: `tox run -e heavy`."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

import infra_runtime as infra
from infra_runtime.binaries import launch, store

POINTS = "ST_SetSRID(ST_MakePoint(13.4, 52.5), 4326), ST_SetSRID(ST_MakePoint(2.35, 48.85), 4326)"
METRES = "ST_X(ST_Transform(ST_SetSRID(ST_MakePoint(13.4, 52.5), 4326), 25833))"
TABLE = """
use = ["postgres"]
[services.postgres]
version = {version}
extensions = ["postgis", "postgis_topology", "pgcrypto", "uuid-ossp"]
"""


@pytest.mark.parametrize(
    ("version", "method"),
    [
        pytest.param(
            version,
            method,
            marks=pytest.mark.real("postgres", version=version, extensions=["postgis"]),
        )
        for version in (15, 17)
        for method in ("", launch.LOADER)
    ],
)
def test_postgis_measures_distances_and_projects_coordinates(
    tmp_path: Path, version: int, method: str
) -> None:
    """With an empty method, the server is the one that is found."""
    binary = ""
    if method:
        (entry, *_) = store.default().installed(f"postgres-{version}-postgis")
        binary = f'binary = "{entry.folder}/launch/{method}"\n'
    (tmp_path / "infra.toml").write_text(TABLE.format(version=version) + binary)

    with (
        infra.start("postgres", directory=tmp_path, environment="test") as stack,
        psycopg.connect(stack.postgres.url) as connection,
    ):
        query = f"select ST_Distance({POINTS}), ST_DistanceSphere({POINTS}), {METRES}"
        degrees, metres, projected = connection.execute(query.encode()).fetchone()

    assert degrees == pytest.approx(11.638, abs=0.001)
    assert metres == pytest.approx(878_000, abs=2000)
    assert projected == pytest.approx(391_376, abs=100)
