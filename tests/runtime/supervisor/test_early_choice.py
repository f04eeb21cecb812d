from __future__ import annotations

from pathlib import Path

from infra_runtime.messages import Up
from infra_runtime.spec import Run, Seed, ServiceSpec
from infra_runtime.supervisor.early_choice import EARLY_LIMIT, chosen
from infra_runtime.supervisor.seed_folders import seed_folder

SEED = Seed(into="${data}", steps=(Run(command=("true",)),))
RUN = Run(command=("true",))


def request(*services: ServiceSpec, binaries: dict[str, str] | None = None) -> Up:
    return Up(services=services, root="/", binaries=binaries or {}, variables={})


def names(up: Up, cache: Path) -> list[str]:
    return [spec.name for spec, _ in chosen(up, str(cache))]


def test_long_preparations_come_first_and_then_large_executables(tmp_path: Path) -> None:
    binaries = {"small": str(tmp_path / "small"), "large": str(tmp_path / "large")}
    for size, path in enumerate(binaries.values()):
        Path(path).write_bytes(b"x" * size)
    seeded = ServiceSpec(name="seeded", command=("${bin.small}",), prepare=(SEED,))
    Path(seed_folder(str(tmp_path), seeded, SEED, binaries)).mkdir()

    order = names(
        request(
            ServiceSpec(name="unknown", command=("${bin.unknown}",)),
            ServiceSpec(name="small", command=("${bin.small}",)),
            ServiceSpec(name="large", command=("${bin.large}",)),
            seeded,
            ServiceSpec(name="prepared", command=("${bin.small}",), prepare=(RUN,)),
            binaries=binaries,
        ),
        tmp_path,
    )

    assert order == ["prepared", "seeded", "large", "unknown", "small"]


def test_a_service_whose_seed_is_missing_does_not_count_for_the_limit(tmp_path: Path) -> None:
    unbuilt = ServiceSpec(name="unbuilt", command=("true",), prepare=(SEED,))
    others = [ServiceSpec(name=f"web{number}", command=("true",)) for number in range(EARLY_LIMIT + 1)]

    assert names(request(unbuilt, *others), tmp_path) == [spec.name for spec in others[:EARLY_LIMIT]]
