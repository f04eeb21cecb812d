"""The state machine of the supervisor, tested with simulated processes and time."""

from __future__ import annotations

import signal

from fakes.recursion import frame_limit
from fakes.world import NEVER, Behaviour, World, service
from infra_runtime.messages import Phase
from infra_runtime.spec import StopStep
from infra_runtime.supervisor.restart import CRASH_LIMIT
from infra_runtime.supervisor.state import UNREADY_LIMIT


def test_the_phases_of_a_service_are_preparing_starting_and_ready() -> None:
    world = World([service("db")], {"db": Behaviour(ready_after=0.2)})

    world.dispatch("wanted", "db")
    world.run()

    assert world.history == ["0.000 db preparing", "0.201 db ready"]
    assert world.phase("db") is Phase.READY


def test_a_requested_service_starts_after_the_services_that_it_needs() -> None:
    world = World([service("web", "api"), service("api", "db"), service("db")])

    world.dispatch("wanted", "web")
    world.run()

    assert [line.split(" ", 1)[1] for line in world.history if line.endswith("ready")] == [
        "db ready",
        "api ready",
        "web ready",
    ]


def test_services_without_a_need_of_one_another_start_at_the_same_time() -> None:
    names = ["a", "b", "c"]
    world = World([service(name) for name in names], {name: Behaviour(ready_after=1.0) for name in names})

    for name in names:
        world.dispatch("wanted", name)
    world.run()

    assert world.now < 1.1


def test_a_service_without_a_probe_is_ready_when_it_runs() -> None:
    world = World([service("worker", ready=None)])

    world.dispatch("wanted", "worker")
    world.run()

    assert world.phase("worker") is Phase.READY


def test_dependents_of_a_task_start_after_it_exited_with_0() -> None:
    world = World(
        [service("migrate", task=True), service("api", "migrate")],
        {"migrate": Behaviour(runs_for=[2.0], status=0)},
    )

    world.dispatch("wanted", "api")
    world.run()

    assert world.history[1:3] == ["2.001 migrate done", "2.001 api preparing"]
    assert world.phase("migrate") is Phase.DONE


def test_a_failed_task_fails_the_services_that_wait_for_it() -> None:
    world = World(
        [service("migrate", task=True), service("api", "migrate")],
        {"migrate": Behaviour(runs_for=[0.5], status=3)},
    )

    world.dispatch("wanted", "api")
    world.run()

    assert world.reason("migrate") == "exited with status 3"
    assert world.reason("api") == "needs migrate, which failed"
    assert "api" not in world.starts


def test_an_unready_service_fails_at_its_own_deadline() -> None:
    """The error contains the last reason of the probe."""
    world = World([service("db", start_timeout=7.0)], {"db": Behaviour(ready_after=NEVER)})

    world.dispatch("wanted", "db")
    world.run()

    assert world.phase("db") is Phase.FAILED
    assert world.reason("db") == "not ready after 7 s: connection refused"
    assert not world.alive


def test_each_reason_of_a_failed_probe_is_recorded_once_for_each_start() -> None:
    world = World([service("db")], {"db": Behaviour(ready_after=0.5, runs_for=[0.1, NEVER])})
    world.dispatch("wanted", "db")
    world.run(until=0.05)
    for number in range(2 * UNREADY_LIMIT):
        world.dispatch("probe-failed", "db", "connection refused")
        world.dispatch("probe-failed", "db", f"status {number}")

    during_the_first_start = len(world.unready)
    world.run()

    assert during_the_first_start == UNREADY_LIMIT
    assert len(world.unready) == UNREADY_LIMIT + 1


def test_without_restarts_a_service_that_exits_before_it_is_ready_fails_at_once() -> None:
    world = World(
        [service("db", restart="never")], {"db": Behaviour(ready_after=NEVER, runs_for=[0.3], status=2)}
    )

    world.dispatch("wanted", "db")
    world.run()

    assert world.reason("db") == "exited with status 2 before it was ready"
    assert world.now < 1
    assert world.starts["db"] == 1


def test_a_service_that_exits_once_before_it_is_ready_starts_again() -> None:
    behaviour = Behaviour(ready_after=0.5, runs_for=[0.1, NEVER])
    world = World([service("web", "db"), service("db")], {"db": behaviour})

    world.dispatch("wanted", "web")
    world.run()

    assert world.starts == {"db": 2, "web": 1}
    assert [line.split(" ", 1)[1] for line in world.history[:4]] == [
        "db preparing", "db backoff", "db preparing", "db ready",
    ]  # fmt: skip
    assert world.phase("web") is Phase.READY


def test_the_policy_also_applies_before_the_first_readiness() -> None:
    starts = {}
    for restart in ("on-failure", "always", "never"):
        for status in (0, 1):
            behaviour = Behaviour(ready_after=NEVER, runs_for=[0.1], status=status)
            world = World([service("db", restart=restart)], {"db": behaviour})
            world.dispatch("wanted", "db")
            world.run()
            starts[restart, status] = world.starts["db"]

    assert starts == {
        ("on-failure", 0): 1,
        ("on-failure", 1): CRASH_LIMIT,
        ("always", 0): CRASH_LIMIT,
        ("always", 1): CRASH_LIMIT,
        ("never", 0): 1,
        ("never", 1): 1,
    }


def test_the_error_after_a_crash_loop_before_readiness_contains_the_number_of_attempts() -> None:
    world = World([service("db")], {"db": Behaviour(ready_after=NEVER, runs_for=[0.3], status=2)})

    world.dispatch("wanted", "db")
    world.run()

    assert world.reason("db") == "exited with status 2 before it was ready (5 attempts)"
    assert world.phase("db") is Phase.FAILED
    assert world.now < 3


def test_all_attempts_share_the_start_deadline() -> None:
    behaviour = Behaviour(ready_after=NEVER, runs_for=[4.0, 4.0, NEVER])
    world = World([service("db", start_timeout=10.0)], {"db": behaviour})

    world.dispatch("wanted", "db")
    world.run(until=9.9)
    assert world.phase("db") is Phase.STARTING
    world.run()

    assert world.reason("db") == "not ready after 10 s (3 attempts): connection refused"
    assert 10.0 <= world.now < 10.1


def test_no_attempt_begins_after_the_start_deadline() -> None:
    behaviour = Behaviour(ready_after=NEVER, runs_for=[4.97])
    world = World([service("db", start_timeout=5.0)], {"db": behaviour})

    world.dispatch("wanted", "db")
    world.run()

    assert world.reason("db") == "exited with status 1 before it was ready (1 attempt)"


def test_a_request_after_a_failure_has_its_own_start_deadline_and_attempts() -> None:
    behaviour = Behaviour(ready_after=NEVER, runs_for=[0.1])
    world = World([service("db")], {"db": behaviour})
    for _ in range(2):
        world.dispatch("wanted", "db")
        world.run(until=world.now + 100)

    assert world.starts["db"] == 2 * CRASH_LIMIT
    assert world.reason("db").endswith("(5 attempts)")


def test_a_failed_task_is_not_repeated() -> None:
    world = World(
        [service("migrate", task=True, restart="always")], {"migrate": Behaviour(runs_for=[0.5], status=3)}
    )

    world.dispatch("wanted", "migrate")
    world.run()

    assert world.starts["migrate"] == 1
    assert world.phase("migrate") is Phase.FAILED


def chain(length: int) -> list[object]:
    """Return services, each of which needs the previous service."""
    names = [f"s{number}" for number in range(length)]
    return [service(name, *names[max(number - 1, 0) : number]) for number, name in enumerate(names)]


def test_a_long_chain_of_needs_starts_and_fails() -> None:
    for error in ("", "Permission denied"):
        world = World(chain(200), {"s0": Behaviour(spawn_error=error)})

        with frame_limit(frames=150):
            world.dispatch("wanted", "s199")
            world.run()

        assert world.phase("s199") is (Phase.FAILED if error else Phase.READY)
        assert world.settled()


def test_a_service_that_cannot_be_prepared_or_spawned_fails_with_the_reason() -> None:
    world = World(
        [service("a"), service("b")],
        {
            "a": Behaviour(prepare_error="No space left on device"),
            "b": Behaviour(spawn_error="Permission denied"),
        },
    )

    world.dispatch("wanted", "a")
    world.dispatch("wanted", "b")
    world.run()

    assert (world.reason("a"), world.reason("b")) == ("No space left on device", "Permission denied")


def test_a_failure_also_fails_indirect_dependents() -> None:
    world = World(
        [service("web", "api"), service("api", "db"), service("db")],
        {"db": Behaviour(spawn_error="Permission denied")},
    )

    world.dispatch("wanted", "web")
    world.run()

    assert world.reason("web") == "needs api, which failed"
    assert world.settled()


def test_a_replaced_service_does_not_fail_with_a_service_that_it_no_longer_needs() -> None:
    world = World(
        [service("api", "db"), service("db"), service("cache")],
        {"db": Behaviour(spawn_error="Permission denied"), "cache": Behaviour(ready_after=5.0)},
    )
    world.machine.add(service("api", "cache"))

    world.dispatch("wanted", "api")
    world.dispatch("wanted", "db")
    world.run()

    assert world.phase("db") is Phase.FAILED
    assert [line.split()[2] for line in world.history if " api " in line] == ["preparing", "ready"]


def test_a_service_that_was_ready_starts_again_after_a_crash_and_its_dependents_stay() -> None:
    world = World([service("db"), service("api", "db")])
    world.dispatch("wanted", "api")
    world.run()

    world.kill("db")
    world.run()

    assert world.phase("db") is Phase.READY
    assert world.machine.services["db"].restarts == 1
    assert world.starts == {"db": 2, "api": 1}


def test_the_delay_doubles_with_each_crash_until_a_crash_loop_fails_the_service() -> None:
    world = World([service("db")], {"db": Behaviour(runs_for=[0.1] * 9, ready_after=0.01)})

    world.dispatch("wanted", "db")
    world.run()

    backoffs = [float(line.split()[0]) for line in world.history if line.endswith("backoff")]
    prepared = [float(line.split()[0]) for line in world.history if line.endswith("preparing")]
    waits = [round(begin - end, 3) for end, begin in zip(backoffs, prepared[1:], strict=True)]
    assert waits == [0.05, 0.1, 0.2, 0.4]
    assert world.phase("db") is Phase.FAILED
    assert world.reason("db") == f"exited with status 1; crash loop: {CRASH_LIMIT} crashes in 10 s"


def test_old_crashes_do_not_count_for_a_crash_loop() -> None:
    world = World([service("db")], {"db": Behaviour(runs_for=[20.0] * 8)})

    world.dispatch("wanted", "db")
    world.run(until=150)

    assert world.machine.services["db"].restarts == 7
    assert world.phase("db") is not Phase.FAILED


def test_the_restart_policy_decides_whether_a_service_that_exited_starts_again() -> None:
    exits = {"runs_for": [1.0, NEVER], "status": 0}
    world = World(
        [service("default"), service("always", restart="always"), service("once", restart="never")],
        {"default": Behaviour(**exits), "always": Behaviour(**exits), "once": Behaviour(runs_for=[1.0])},
    )

    for name in ("default", "always", "once"):
        world.dispatch("wanted", name)
    world.run()

    assert world.phase("default") is Phase.STOPPED
    assert world.phase("always") is Phase.READY
    assert world.phase("once") is Phase.STOPPED
    assert world.reason("once") == "exited with status 1"


def test_another_port_replaces_a_taken_leased_port() -> None:
    world = World([service("db")], {"db": Behaviour(port_taken=2)})

    world.dispatch("wanted", "db")
    world.run()

    assert world.phase("db") is Phase.READY
    assert world.starts["db"] == 3


def test_a_service_with_a_taken_port_waits_for_a_need_that_exited_meanwhile() -> None:
    behaviours = {"db": Behaviour(runs_for=(0.0105, NEVER)), "api": Behaviour(port_taken=1)}
    world = World([service("db"), service("api", "db")], behaviours)

    world.dispatch("wanted", "api")
    world.run()

    assert world.phase("api") is Phase.READY
    assert world.starts["api"] == 2


def test_a_taken_fixed_port_fails_the_service_and_no_signal_is_sent() -> None:
    world = World([service("db")], {"db": Behaviour(port_taken=9, may_rebind=False)})

    world.dispatch("wanted", "db")
    world.run()

    assert world.reason("db") == "port 1 is taken by pid 7"
    assert world.machine.services["db"].error == "port-taken"
    assert world.signals == []


def test_the_number_of_new_ports_is_limited() -> None:
    world = World([service("db")], {"db": Behaviour(port_taken=99)})

    world.dispatch("wanted", "db")
    world.run()

    assert world.phase("db") is Phase.FAILED


def test_a_stop_sends_all_stop_steps_and_then_sigkill() -> None:
    steps = (StopStep(signal=signal.SIGINT, seconds=3.0), StopStep(signal=signal.SIGQUIT, seconds=2.0))
    world = World([service("db", stop=steps)], {"db": Behaviour(stops_after=NEVER)})
    world.dispatch("wanted", "db")
    world.run(until=1)

    world.dispatch("unwanted", "db")
    world.run()

    assert [number for _, number in world.signals] == [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]
    assert world.now > 6
    assert world.phase("db") is Phase.STOPPED


def test_a_service_that_exits_on_the_first_signal_gets_no_other() -> None:
    world = World([service("db")])
    world.dispatch("wanted", "db")
    world.run()

    world.dispatch("unwanted", "db")
    world.run()

    assert world.signals == [("db", signal.SIGTERM)]
    assert world.history[-2:] == ["0.011 db stopping", "0.021 db stopped"]


def test_processes_that_remain_after_the_first_one_have_the_rest_of_the_stop_seconds() -> None:
    steps = (StopStep(signal=signal.SIGINT, seconds=5.0), StopStep(signal=signal.SIGTERM, seconds=2.0))
    behaviour = Behaviour(stops_after=1.0, rest_stops_after=3.0)
    world = World([service("db", stop=steps)], {"db": behaviour})
    world.dispatch("wanted", "db")
    world.run()
    began = world.now

    world.dispatch("unwanted", "db")
    world.run()

    assert world.signals == [("db", signal.SIGINT)]
    assert world.now == began + 4.0
    assert world.phase("db") is Phase.STOPPED


def test_processes_that_remain_until_the_last_step_ends_are_killed() -> None:
    steps = (StopStep(signal=signal.SIGINT, seconds=5.0), StopStep(signal=signal.SIGTERM, seconds=2.0))
    behaviour = Behaviour(stops_after=1.0, rest_stops_after=NEVER)
    world = World([service("db", stop=steps)], {"db": behaviour})
    world.dispatch("wanted", "db")
    world.run()
    began = world.now

    world.dispatch("unwanted", "db")
    world.run()

    assert world.signals == [("db", signal.SIGINT), ("db", signal.SIGTERM)]
    assert world.now == began + 7.0
    assert not world.rests
    assert world.phase("db") is Phase.STOPPED


def test_a_stop_during_a_start_leaves_no_process() -> None:
    for moment in (0.0, 0.0005, 0.005):
        world = World([service("db")])
        world.dispatch("wanted", "db")
        world.run(until=moment)

        world.dispatch("unwanted", "db")
        world.run()

        assert world.phase("db") is Phase.STOPPED
        assert not world.alive


def test_a_service_that_waits_for_a_stopped_service_fails_with_that_reason() -> None:
    world = World([service("db"), service("api", "db")], {"db": Behaviour(ready_after=5.0)})
    world.dispatch("wanted", "api")
    world.run(until=1)

    world.dispatch("unwanted", "db")
    world.run()

    assert world.reason("api") == "needs db, which was stopped"


def test_a_service_that_failed_with_a_stopped_need_does_not_wait_when_another_need_is_ready() -> None:
    """Otherwise, the service would wait forever."""
    world = World(
        [service("db"), service("cache"), service("api", "db", "cache")],
        {"db": Behaviour(ready_after=5.0), "cache": Behaviour(ready_after=2.0)},
    )
    world.dispatch("wanted", "api")
    world.run(until=1)
    world.dispatch("unwanted", "db")
    world.run()
    assert world.phase("cache") is Phase.READY
    assert (world.phase("api"), world.reason("api")) == (Phase.FAILED, "needs db, which was stopped")

    world.dispatch("wanted", "db")
    world.run()

    assert world.phase("api") is Phase.READY


def test_a_service_that_starts_again_fails_if_a_need_was_stopped_meanwhile() -> None:
    world = World(
        [service("db"), service("api", "db")], {"api": Behaviour(ready_after=NEVER, runs_for=[0.1], status=1)}
    )
    world.dispatch("wanted", "api")
    world.run(until=0.15)
    assert world.phase("api") is Phase.BACKOFF

    world.dispatch("unwanted", "db")
    world.run()

    assert (world.phase("api"), world.reason("api")) == (Phase.FAILED, "needs db, which was stopped")


def test_a_restart_does_not_restart_dependents() -> None:
    world = World([service("db"), service("api", "db")])
    world.dispatch("wanted", "api")
    world.run()

    world.dispatch("restart", "db")
    world.run()

    assert world.starts == {"db": 2, "api": 1}
    assert world.phase("db") is Phase.READY


def test_a_restart_also_starts_a_stopped_need() -> None:
    """Otherwise the service would wait forever."""
    world = World([service("db"), service("api", "db")])
    world.dispatch("wanted", "api")
    world.run()
    world.dispatch("unwanted", "db")
    world.run()

    world.dispatch("restart", "api")
    world.run()

    assert (world.phase("db"), world.phase("api")) == (Phase.READY, Phase.READY)


def test_a_task_runs_again_when_it_is_restarted() -> None:
    world = World([service("migrate", task=True)], {"migrate": Behaviour(runs_for=[1.0], status=0)})
    world.dispatch("wanted", "migrate")
    world.run()

    world.dispatch("restart", "migrate")
    world.run()

    assert world.starts["migrate"] == 2
    assert world.phase("migrate") is Phase.DONE


def test_a_completed_task_that_fails_when_it_is_restarted_has_failed() -> None:
    world = World([service("migrate", task=True)], {"migrate": Behaviour(runs_for=[1.0], status=0)})
    world.dispatch("wanted", "migrate")
    world.run()

    world.behaviours["migrate"] = Behaviour(runs_for=[1.0], status=3)
    world.dispatch("restart", "migrate")
    world.run()

    assert world.phase("migrate") is Phase.FAILED


def test_a_failed_service_can_be_requested_again() -> None:
    world = World([service("db")], {"db": Behaviour(spawn_error="Permission denied")})
    world.dispatch("wanted", "db")
    world.run()

    world.behaviours["db"] = Behaviour()
    world.dispatch("wanted", "db")
    world.run()

    assert world.phase("db") is Phase.READY


def test_a_paused_service_is_ready_again_after_a_resume() -> None:
    world = World([service("db")])
    world.dispatch("wanted", "db")
    world.run()

    world.dispatch("paused", "db")
    assert world.phase("db") is Phase.PAUSED

    world.dispatch("resumed", "db")
    assert world.phase("db") is Phase.READY


def test_a_service_that_needs_a_paused_service_fails_and_starts_after_the_resume() -> None:
    world = World([service("db"), service("api", "db")])
    world.dispatch("wanted", "db")
    world.run()
    world.dispatch("paused", "db")

    world.dispatch("wanted", "api")
    assert (world.phase("api"), world.reason("api")) == (Phase.FAILED, "needs db, which is paused")

    world.dispatch("resumed", "db")
    world.run()
    assert world.phase("api") is Phase.READY


def test_a_killed_service_gets_only_sigkill_and_stays_stopped_until_it_is_requested() -> None:
    world = World([service("db")])
    world.dispatch("wanted", "db")
    world.run()

    world.dispatch("killed", "db")
    world.run()

    assert world.signals == [("db", signal.SIGKILL)]
    assert world.phase("db") is Phase.STOPPED
    world.dispatch("wanted", "db")
    world.run()
    assert world.phase("db") is Phase.READY


def test_an_event_of_an_unknown_service_has_no_effects() -> None:
    world = World([service("db")])

    world.dispatch("wanted", "ghost")

    assert world.history == []
