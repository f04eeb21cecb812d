"""The scrape jobs of a metrics store, for the store itself and for kinds that read from the store."""

from __future__ import annotations

from infra_runtime.contributions import Contribution, Contributions, Metrics


def jobs_of(contributions: Contributions) -> dict[str, Contribution]:
    """Return a mapping from job name to the contribution with the address of the job's metrics.

    The first job of a service has the name of the service. If the service has metrics at several addresses,
    the names of its other jobs are `SERVICE:PORT/PATH`, with the name of the port.
    """
    jobs: dict[str, Contribution] = {}
    for offer in contributions:
        if isinstance(offer.value, Metrics):
            address = f"{offer.service}:{offer.value.port}{offer.value.path}"
            jobs[address if offer.service in jobs else offer.service] = offer
    return jobs
