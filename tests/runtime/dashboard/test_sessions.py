"""Login tokens and sessions: how long they are valid, and what a file of another run contains."""

from __future__ import annotations

from pathlib import Path

from fakes.clock import Clock
from infra_runtime.dashboard.sessions import SESSIONS, TOKENS, Role, Sessions


def logged_in(sessions: Sessions, role: Role = Role.ADMIN) -> str:
    cookie = sessions.log_in(sessions.issue(role))
    assert cookie
    return cookie


def test_a_session_survives_a_restart_of_the_process(tmp_path: Path) -> None:
    cookie = logged_in(Sessions(tmp_path / "s.json", "run"), Role.OPERATOR)

    session = Sessions(tmp_path / "s.json", "run").find(cookie)

    assert session is not None
    assert session.role is Role.OPERATOR


def test_a_session_ends_with_the_run_of_the_stack(tmp_path: Path) -> None:
    cookie = logged_in(Sessions(tmp_path / "s.json", "run"))

    assert Sessions(tmp_path / "s.json", "next run").find(cookie) is None


def test_a_damaged_file_has_no_sessions(tmp_path: Path) -> None:
    for number, text in enumerate(("", "[]", '{"run": "run"}', '{"run": "run", "sessions": {"x": 9}}')):
        (tmp_path / f"{number}.json").write_text(text, encoding="ascii")

        assert Sessions(tmp_path / f"{number}.json", "run").find("x") is None


def test_the_oldest_unused_tokens_are_dropped(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s.json", "run", clock=Clock())
    first, *_, last = [sessions.issue(Role.ADMIN) for _ in range(TOKENS + 1)]

    assert sessions.log_in(first) is None
    assert sessions.log_in(last)


def test_the_number_of_sessions_is_limited(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s.json", "run")
    sessions._sessions = {str(number): Role.VIEWER for number in range(SESSIONS)}

    logged_in(sessions)

    assert len(sessions._sessions) == SESSIONS


def test_two_sessions_have_different_header_tokens(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s.json", "run")
    opened = [sessions.find(logged_in(sessions)) for _ in range(2)]

    assert len({session.header_token for session in opened if session}) == 2
