"""The kinds of services in pytest-infra. The module of a kind contains its settings and creates its specs."""
