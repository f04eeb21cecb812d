"""The service kits of pytest-infra; the kit of each kind is `pytest_infra.services.KIND:KIT`."""
