"""Invariants of the supervisor's state machine under random events, searched by Hypothesis."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fakes.world import NEVER, Behaviour, World, service
from infra_runtime.messages import Phase

NAMES = ["a", "b", "c", "d"]
REQUESTS = ["wanted", "unwanted", "restart", "killed", "paused", "resumed"]
behaviours = st.builds(
    Behaviour,
    ready_after=st.sampled_from([0.0, 0.01, 2.0, NEVER]),
    runs_for=st.lists(st.sampled_from([0.0, 0.05, 3.0, NEVER]), min_size=1, max_size=4),
    status=st.sampled_from([0, 1, -9]),
    stops_after=st.sampled_from([0.0, 0.5, NEVER]),
    rest_stops_after=st.sampled_from([None, None, 0.0, 0.5, NEVER]),
    prepare_error=st.sampled_from(["", "", "", "the disk is full"]),
    spawn_error=st.sampled_from(["", "", "", "permission denied"]),
    port_taken=st.integers(0, 7),
    may_rebind=st.booleans(),
)


class RandomRequests(RuleBasedStateMachine):
    """A stack of up to four services with random needs and behaviours, and random requests of clients."""

    @initialize(
        count=st.integers(1, 4),
        needs=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=5),
        programs=st.lists(behaviours, min_size=4, max_size=4),
        tasks=st.sets(st.integers(0, 3), max_size=2),
        restarts=st.lists(st.sampled_from(["on-failure", "always", "never"]), min_size=4, max_size=4),
    )
    def begin(self, count, needs, programs, tasks, restarts) -> None:
        specs = [
            service(
                NAMES[n],
                *(NAMES[to] for of, to in sorted(needs) if of == n and to < n),
                task=n in tasks,
                restart=restarts[n],
                start_timeout=5.0,
            )
            for n in range(count)
        ]
        self.world = World(specs, dict(zip(NAMES, programs, strict=True)))
        self.names = NAMES[:count]

    @rule(number=st.integers(0, 3), request=st.sampled_from(REQUESTS))
    def client_requests(self, number, request) -> None:
        self.world.dispatch(request, self.names[number % len(self.names)])

    @rule(number=st.integers(0, 3))
    def process_is_killed(self, number) -> None:
        running = sorted(self.world.alive)
        if running:
            self.world.kill(running[number % len(running)])

    @rule(seconds=st.sampled_from([0.0, 0.002, 0.1, 6.0, 200.0]))
    def time_passes(self, seconds) -> None:
        self.world.run(until=self.world.now + seconds)

    @rule()
    def all_services_are_stopped(self) -> None:
        """With any behaviour no process remains, and no service waits."""
        for name in self.names:
            self.world.dispatch("unwanted", name)

        self.world.run(until=self.world.now + 1000)

        assert not self.world.alive
        assert not self.world.rests
        assert self.world.settled()

    @invariant()
    def a_service_that_is_ready_has_a_process(self) -> None:
        for name in getattr(self, "names", []):
            if self.world.phase(name) in {Phase.READY, Phase.PAUSED}:
                assert name in self.world.alive

    def teardown(self) -> None:
        """Without further requests all services reach a settled phase: each wait ends."""
        if not hasattr(self, "world"):
            return
        for name in self.names:
            # A service that crashes more rarely than the crash limit allows restarts without an end.
            behaviour = self.world.behaviours.get(name) or Behaviour()
            behaviour.runs_for = [seconds if seconds < 1 else NEVER for seconds in behaviour.runs_for]
        self.world.run(until=self.world.now + 2000)
        assert self.world.settled(), {name: self.world.phase(name) for name in self.names}


TestRandomRequests = RandomRequests.TestCase
TestRandomRequests.settings = settings(max_examples=settings().max_examples * 3 // 2, stateful_step_count=25)
