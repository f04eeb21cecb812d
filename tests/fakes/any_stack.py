"""Valid stack files of any content, for Hypothesis: kinds, images and the user's own programs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from infra_runtime.spec import OWN_NAMES, OWN_SCOPES

#: kinds with a container image that need no further settings
KINDS = (
    *("postgres", "nats", "valkey", "caddy", "redis", "rabbitmq", "kafka", "mongodb", "mariadb", "etcd"),
    *("mail", "memcached", "mosquitto", "nginx", "traefik", "prometheus", "alertmanager", "s3"),
)
PROXIES = ("caddy", "nginx", "traefik")
#: kind → operators
OPERATORS = {"postgres": "cloudnative-pg", "rabbitmq": "rabbitmq-cluster-operator"}
names = st.from_regex(r"[a-z][a-z0-9_-]{0,70}", fullmatch=True).filter(
    lambda name: name not in {"proxy", *KINDS, *OWN_NAMES, *OWN_SCOPES}
)
labels = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
#: characters of a program's arguments that Kustomize can read; $ begins a reference
characters = st.characters(
    codec="utf-8", exclude_characters=["$", "\0", *map(chr, range(0x7F, 0xA0)), "\ufffe", "\uffff"]
)
#: texts that some YAML parsers read as another value or as syntax
YAML = (
    *("y", "No", "on", "null", "~", "1e3", "0o17", "0x1f", "1_000", "12:30:45", "2001-12-14", ".inf"),
    *("=", "-", "- a", "a: b", "a #b", "{x", "[", "*a", "&a", "!t", "%d", "@", "`", "|", "> a", " a "),
    *("'", '"', "\\n", "", "a\nb\n", "\n a\n  b", "a\n\n", "\U0001f600", "a\u2028b"),
)
texts = st.text(characters, max_size=20) | st.sampled_from(YAML)
variables = st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), texts, max_size=3)


@st.composite
def stacks(draw: st.DrawFn) -> dict[str, Any]:
    """Return the tables of some services (name → table), each of which can need the services before it."""
    services: dict[str, Any] = {}
    port = 8000
    for name in draw(st.lists(names | st.sampled_from(KINDS), min_size=1, max_size=5, unique=True)):
        # A proxy needs the services with a route, so these cannot need a proxy. Two kinds of proxies would
        # have the same ports in production.
        known = [service for service, table in services.items() if table.get("kind") not in PROXIES]
        kinds = [kind for kind in KINDS if kind not in PROXIES] if len(known) < len(services) else KINDS
        if name in KINDS and name not in kinds:
            continue
        needs = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
        table: dict[str, Any] = {"env": draw(variables), "needs": needs}
        table["env"] |= {f"N{number}": f"${{{need}.host}}" for number, need in enumerate(needs)}
        form = "kind" if name in KINDS else draw(st.sampled_from(["command", "command", "kind", "image"]))
        if form == "kind":
            table["kind"] = kind = name if name in KINDS else draw(st.sampled_from(kinds))
            if kind in OPERATORS and draw(st.booleans()):
                table["operator"] = OPERATORS[kind]
        else:
            ports = {}
            for label in draw(st.lists(labels, max_size=3, unique=True)):
                ports[label] = port = port + 1
            table |= {"ports": ports, "start_timeout": draw(st.floats(0.1, 1000)), **draw(_further)}
            if ports and draw(st.booleans()):
                table["ready"] = {**draw(_ready), "port": draw(st.sampled_from([*ports]))}
            if ports and draw(st.booleans()):
                table["route"] = draw(st.just("/") | _route)
            if form == "image":
                table["env"] = draw(variables)  # a container with its own network cannot use the others
            elif known:
                table["env"]["O"] = f"<${{{draw(st.sampled_from(known))}.host?}}>"
            table["env"] |= {"E": "${env.E}", "D": "-${env.D:-d}-"} if draw(st.booleans()) else {}
            table |= draw(_program if form == "command" else _image)
            table["container"] = {**draw(_container), **table.get("container", {})}
            table |= {"task": True} if form == "command" and not ports and draw(st.booleans()) else {}
        services[name] = table
    return services


#: settings that every service of a user can have
_further = st.fixed_dictionaries(
    {},
    optional={
        "stop": st.lists(
            st.fixed_dictionaries({"signal": st.just("INT"), "seconds": st.floats(0.1, 100)}),
            min_size=1,
            max_size=3,
        ),
        "restart": st.sampled_from(["never", "on-failure", "always"]),
    },
)
_paths = st.from_regex(r"/[a-z0-9/_.-]{0,20}", fullmatch=True)
_ready = st.one_of(
    st.just({"tcp": True}),
    st.fixed_dictionaries(
        {"http": _paths}, optional={"contains": texts.filter(bool), "status": st.just([200, 299])}
    ),
)
_route = st.fixed_dictionaries(
    {"path": st.sampled_from(["/", "/api/*"])},
    optional={"host": st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]\.example", fullmatch=True)},
)
_container = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(1, 1000),
        "storage": st.sampled_from(["1Gi", "500M", "1.5Ti", "10"]),
        "uid": st.integers(1, 2**31 - 1),
        "public": st.booleans(),
    },
)
_program = st.builds(
    lambda text, data: {"command": ["run", text, *(["${data}"] if data else [])]}, texts, st.booleans()
)
_image = st.builds(
    lambda tag, data: {
        "image": f"acme/program:{tag}",
        "user": "1000",
        "volumes": {"/data": "${data}"} if data else {},
        "container": {"health": ["true"]},
    },
    st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True),
    st.booleans(),
)
