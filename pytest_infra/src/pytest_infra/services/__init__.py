"""The kits of the shipped kinds: `pytest_infra.services.KIND:KIT`."""
