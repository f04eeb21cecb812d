"""The kinds of services in pytest-infra; each module has the settings of one kind and creates specs."""
