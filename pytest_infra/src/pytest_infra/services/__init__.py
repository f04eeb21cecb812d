"""The service kits of pytest-infra: `pytest_infra.services.KIND:KIT`."""
