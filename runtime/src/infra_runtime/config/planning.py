"""The long way to a plan: lay the sources over each other, ask the catalogue, find the executables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infra_runtime import catalogue
from infra_runtime.binaries import Binary, Sought, locate, seek
from infra_runtime.catalogue import Entry, ServiceSettings
from infra_runtime.config import plan_cache
from infra_runtime.config.environment import StackSettings
from infra_runtime.config.layers import Layer, Merged, Origin, leaves, merge, shown
from infra_runtime.config.request import Request, Resolved, variables
from infra_runtime.config.sources import layers
from infra_runtime.config.stack_file import Key
from infra_runtime.config.validation_errors import complaint
from infra_runtime.errors import BinaryMissingError, ConfigurationError, UnknownServiceError, nearest
from infra_runtime.manifest import DEFAULT_STACK, KINDS, PROFILES
from infra_runtime.plan import Plan, make_plan
from infra_runtime.services.user_service import UserServiceSettings, user_service
from infra_runtime.spec import OWN_NAMES, OWN_SCOPES, ServiceSpec

_NAME = re.compile(r"[a-z][a-z0-9_-]*")

Model = TypeVar("Model", bound=BaseModel)


def resolved(request: Request, *, executables: bool) -> Resolved:
    """See `settings.resolve`."""
    merged = merge(layers(request))
    stack = _validated(StackSettings, merged.values, (), merged.place)
    chosen = _Chosen(request=request, stack=stack, merged=merged, executables=executables)
    plan = chosen.plan()
    sought = chosen.sought(plan) if executables else ()
    found = Resolved(
        plan=plan,
        data=request.data,
        binaries={it.binary.name: it.path for it in sought if it.path},
        environment=request.environment,
        variables=variables(plan, request),
        stack_file=request.file.path if request.file else None,
        provenance=dict(sorted(chosen.provenance().items())),
        sought=sought,
    )
    if chosen.catalogued.keys() <= KINDS.keys():
        # What others' code makes of a stack file may change without our seeing it.
        plan_cache.remember(request, found, executables=executables)
    return found


def _validated(
    model: type[Model], values: Mapping[str, Any], prefix: Key, place: Callable[[Key], str]
) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise complaint(error, model, prefix, place) from None


@dataclass(slots=True)
class _Chosen:
    """The services of one request: their settings, where those came from, their executables."""

    request: Request
    stack: StackSettings
    merged: Merged
    executables: bool
    own: dict[str, UserServiceSettings] = field(default_factory=dict)
    catalogued: dict[str, ServiceSettings] = field(default_factory=dict)
    #: where the settings of a catalogue's service came from, without the prefix `services.NAME`
    places: dict[str, Merged] = field(default_factory=dict)

    def plan(self) -> Plan:
        """The chosen services and what they need. A complaint about them tells the line."""
        self._read_all()
        try:
            return make_plan(
                self._specs(),
                environment=self.request.environment,
                root=str(self.request.root),
                ports="leased" if self.request.environment == "test" else "fixed",
            )
        except ConfigurationError as error:
            scope, _, name = error.where.partition(".")
            if scope != "services":
                raise
            found = re.search(r"\$\{[^}]*\}", error.message)
            where = self._place_in(name, found[0] if found else "") or error.where
            raise ConfigurationError(error.message, where=where, hint=error.hint) from None

    # --- which services ---

    def _read_all(self) -> None:
        """Every mistake of every service in one complaint."""
        found = []
        for name, table in self.stack.services.items():
            try:
                self._read(name, table)
            except ConfigurationError as error:
                found.append(error)
        if found:
            first, *others = found
            message = "\n".join([first.message, *map(str, others)])
            raise ConfigurationError(message, where=first.where, hint=first.hint)

    def _read(self, name: str, table: Mapping[str, Any]) -> None:
        """Validate what the stack says of a service, wanted or not: a mistake is told at once."""
        key = ("services", name)
        is_ours = name in KINDS
        if is_ours and "command" in table:
            raise ConfigurationError(
                f"{name} is a service of the catalogue and has a command already",
                where=self.merged.place((*key, "command")),
                hint="Give your own service another name, or name another executable with `binary`.",
            )
        if is_ours or ("command" not in table and catalogue.find(name)):
            self._settings(name)
            return
        problem = ""
        if name in OWN_SCOPES | OWN_NAMES:
            problem = "in references that name means something else"
        elif not _NAME.fullmatch(name):
            problem = "it takes small letters, digits, - and _, and begins with a letter"
        if problem:
            raise ConfigurationError(f"no service can be called {name!r}: {problem}", self.merged.place(key))
        if "command" not in table:
            raise ConfigurationError(
                f"there is no service {name!r} in the catalogue{nearest(name, catalogue.names())}",
                where=self.merged.place(key),
                hint='A service of your own needs a command: command = ["python", "-m", "shop"].',
            )
        self.own[name] = _validated(UserServiceSettings, table, key, self.merged.place)

    def _specs(self) -> list[ServiceSpec]:
        made: dict[str, ServiceSpec] = {}
        queue = [(name, "") for name in self._wanted()]
        while queue:
            name, by = queue.pop(0)
            if name in made:
                continue
            if by and name in self.request.skip:
                raise ConfigurationError(
                    f"{by} needs {name}, which is to be skipped",
                    hint=f"Skip {by} too, or do not skip {name}.",
                )
            if not self._exists(name):
                raise ConfigurationError(
                    f"{by} needs {name!r}, which is no service{nearest(name, self._names())}",
                    where=self._place_in(by, name),
                )
            made[name] = self._spec(name)
            queue += [(need, name) for need in made[name].all_needs()]
        return list(made.values())

    def _wanted(self) -> list[str]:
        request = self.request
        for name in (*request.names, *request.skip):
            if not self._exists(name):
                raise UnknownServiceError(name, self._names())
        return [name for name in dict.fromkeys(request.names or self._stack()) if name not in request.skip]

    def _stack(self) -> tuple[str, ...]:
        """The services of the profile, or of `use`, or all that the kit and the stack file have."""
        joined = [name for name in self.catalogued if name not in KINDS]
        everything = (*DEFAULT_STACK, *joined, *self.own)
        profiles = {"full": everything, **PROFILES, **self.stack.profiles}
        profile = self.stack.profile
        place: Key = ("use",)
        names = everything if self.stack.use is None else self.stack.use
        if profile is not None:
            if profile not in profiles:
                where = self.merged.place(("profile",))
                raise ConfigurationError(
                    f"there is no profile {profile!r}{nearest(profile, profiles)}", where
                )
            place, names = ("profiles", profile), profiles[profile]
        lists = {("profiles", profile): names for profile, names in self.stack.profiles.items()}
        for key, listed in [(place, names), *lists.items()]:  # wanted or not: a mistake is told at once
            for name in listed:
                if not self._exists(name):
                    raise ConfigurationError(
                        f"there is no service {name!r}{nearest(name, self._names())}",
                        where=self.merged.place(key),
                    )
        return names

    def _exists(self, name: str) -> bool:
        return name in self.own or catalogue.find(name) is not None

    def _names(self) -> list[str]:
        return [*catalogue.names(), *self.own]

    def _table(self, name: str) -> Mapping[str, Any]:
        return self.stack.services.get(name, {})

    def _place_in(self, service: str, text: str) -> str:
        """Where in a service's table that text stands; otherwise the table's own place."""
        for key, value in leaves(self._table(service)):
            if text and text in str(value):
                return self.merged.place(("services", service, *key))
        return self.merged.place(("services", service))

    # --- their settings ---

    def _spec(self, name: str) -> ServiceSpec:
        if name in self.own:
            return user_service(name, self.own[name])
        return catalogue.entry(name).make(self._settings(name))

    def _settings(self, name: str) -> ServiceSettings:
        """The user's settings, over the environment's, over what the executable tells."""
        if name not in self.catalogued:
            entry = catalogue.entry(name)
            environment = self.request.environment
            given = self._table(name)
            merged = self.places[name] = merge(
                [
                    *(self._routes(given) if name == "caddy" else ()),
                    Layer(values=given, where=lambda key: self.merged.place(("services", name, *key))),
                    Layer(
                        values=entry.defaults.get(environment, {}),
                        where=lambda _: f"default in {environment}",
                    ),
                    *self._facts(entry, given),
                ]
            )
            self.catalogued[name] = _validated(
                entry.settings, merged.values, ("services", name), lambda key: merged.place(key[2:])
            )
        return self.catalogued[name]

    def _facts(self, entry: Entry, given: Mapping[str, Any]) -> list[Layer]:
        """What the executable tells of itself. Whether it may be missing is decided later."""
        if not self.executables or entry.facts is None:
            return []
        try:
            executable = locate(entry.binaries[0], setting=self._setting(given))
        except BinaryMissingError:
            return []
        return [Layer(values=entry.facts(executable), where=lambda _: str(executable))]

    def _routes(self, given: Mapping[str, Any]) -> list[Layer]:
        """Caddy's own routes, and behind them those of the user's services, the longest path first."""
        routes = [
            {**settings.route.model_dump(exclude_none=True), "to": name}
            for name, settings in self.own.items()
            if settings.route and name not in self.request.skip
        ]
        explicit = given.get("routes", [])
        if not routes or not isinstance(explicit, list):
            return []
        routes.sort(key=lambda route: (-len(route["path"]), "host" not in route))
        return [Layer(values={"routes": [*explicit, *routes]}, where=lambda _: "the services' `route`")]

    # --- executables and provenance ---

    def _setting(self, given: Mapping[str, Any]) -> str | None:
        setting = given.get("binary")
        if not isinstance(setting, str):
            return None
        return str(self.request.root / Path(setting).expanduser())

    def sought(self, plan: Plan) -> tuple[Sought, ...]:
        """Every executable that the plan names or that is of use. Raises `BinaryMissingError`."""
        known: dict[str, tuple[Binary, str | None]] = {}
        for spec in plan.services:
            if spec.name not in self.own:
                setting = self._setting(self._table(spec.name))
                known |= {it.name: (it, setting) for it in catalogue.entry(spec.name).binaries}
        wanted = plan.binaries()
        useful = {name for name, (binary, _) in known.items() if binary.optional}
        found = [seek(*known.get(name, (Binary(name=name), None))) for name in sorted(wanted | useful)]
        for it in found:
            if it.binary.name in wanted and not it.path:
                locate(it.binary, setting=it.setting)
        return tuple(found)

    def provenance(self) -> dict[str, Origin]:
        """Every setting of the stack, of the services chosen, and of those described."""
        request = self.request
        found = {
            "environment": Origin(value=request.environment, source=request.environment_source),
            "data": Origin(value=str(request.data), source=request.data_source),
        }
        for key, value in leaves(self.stack.model_dump(exclude={"services"})):
            found[".".join(key)] = _origin(key, value, self.merged.exact(key))
        for name, settings in self.own.items():
            for key, value in leaves(settings.model_dump()):
                full = ("services", name, *key)
                found[".".join(full)] = _origin(full, value, self.merged.exact(full))
        for name, given in self.catalogued.items():
            for key, value in leaves(given.model_dump()):
                full = ("services", name, *key)
                found[".".join(full)] = _origin(full, value, self.places[name].exact(key))
        return found


def _origin(key: Key, value: object, source: str) -> Origin:
    return Origin(value=shown(key, value), source=source or "default")
