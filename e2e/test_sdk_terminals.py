"""Terminals through the SDK: interactive use, coming back, resizing, pasting, killing."""

import hashlib

import pytest
from outside.screen import Screen
from outside.waiting import eventually
from wrenn import Capsule

MIB = 1 << 20


def test_a_shell_answers_what_is_typed(shared: Capsule) -> None:
    with shared.pty() as term:
        screen = Screen(term)
        started = screen.started()
        assert started.pid is not None and started.pid > 1
        assert started.tag is not None and started.tag.startswith("pty-")
        assert (term.tag, term.pid) == (started.tag, started.pid)
        screen.type("echo $((20 + 22)); tty; exit 5\n")
        screen.until("42\r\n/dev/pts/")
        assert screen.exit_code() == 5


def test_program_arguments_environment_and_folder_are_taken(shared: Capsule) -> None:
    with shared.pty(
        cmd="/bin/sh",
        args=["-c", 'echo "$GREETING $TERM $PWD"; stty size'],
        cols=101,
        rows=37,
        envs={"GREETING": "hi"},
        cwd="/tmp",
    ) as term:
        screen = Screen(term)
        screen.until("hi xterm-256color /tmp\r\n37 101\r\n")
        assert screen.exit_code() == 0


def test_a_resize_right_after_input_takes_effect_after_it(shared: Capsule) -> None:
    # No bash: its line editor reads the size and sets it again, and so may undo a resize.
    with shared.pty(cmd="/bin/sh") as term:
        screen = Screen(term)
        screen.started()
        for columns in range(90, 110):
            screen.type(f"true {columns}\n")
            term.resize(columns, 33)
        screen.type("stty size; echo si''zed\n")
        assert "33 109\r\n" in screen.until("sized")
        with pytest.raises(ValueError):
            term.resize(0, 10)


def test_a_program_hears_of_a_resize(shared: Capsule) -> None:
    with shared.pty(
        cmd="/bin/bash", args=["-c", "trap 'stty size; exit' WINCH; echo ready; sleep 60 & wait"]
    ) as term:
        screen = Screen(term)
        screen.until("ready")
        term.resize(77, 22)
        screen.until("22 77")


def test_coming_back_shows_what_was_there_and_goes_on(shared: Capsule) -> None:
    with shared.pty() as term:
        screen = Screen(term)
        screen.started()
        screen.type("mark=kept; echo be''fore\n")
        screen.until("before")
        tag, pid = term.tag, term.pid
    assert tag is not None
    with shared.pty_connect(tag) as again:
        screen = Screen(again)
        screen.until("before")  # from the scrollback
        assert (again.tag, again.pid) == (tag, pid)
        screen.type("echo $mark-$$\n")
        screen.until(f"kept-{pid}")
        screen.type("exit\n")
        assert screen.exit_code() == 0
    with shared.pty_connect(tag) as over:  # whoever missed the end is told of it
        assert Screen(over).exit_code() == 0


def test_a_tag_of_nobody_is_a_fatal_error(shared: Capsule) -> None:
    with shared.pty_connect("pty-00000000") as term:
        (event,) = Screen(term).ended()
        assert event.type == "error" and event.fatal
        assert "pty-00000000" in str(event.data)


def test_what_shows_while_nobody_looks_is_seen_later(shared: Capsule) -> None:
    with shared.pty() as term:
        screen = Screen(term)
        screen.started()
        tag = term.tag
        screen.type("while [ ! -e /tmp/look ]; do sleep 0.1; done; echo un''seen\n")
        screen.until("done")
    assert tag is not None
    shared.files.write("/tmp/look", "")
    with shared.pty_connect(tag) as again:
        screen = Screen(again)
        screen.until("unseen")
        again.kill()
        assert screen.exit_code() == -1


def test_two_clients_share_a_terminal(shared: Capsule) -> None:
    with shared.pty() as term:
        one = Screen(term)
        one.started()
        assert term.tag is not None
        with shared.pty_connect(term.tag) as second:
            two = Screen(second)
            two.started()
            two.type("echo from-''two\n")
            one.until("from-two")
            two.until("from-two")
            one.type("echo from-''one; exit\n")
            two.until("from-one")
            assert (one.exit_code(), two.exit_code()) == (0, 0)


def test_a_paste_of_a_megabyte_arrives_whole(shared: Capsule) -> None:
    paste = (hashlib.sha256(b"paste").hexdigest().encode() * 2 + b"\n") * (MIB // 129)
    with shared.pty(cmd="/bin/sh") as term:
        screen = Screen(term)
        screen.started()
        screen.type(f"stty -echo; echo ready''-now; head -c {len(paste)} | sha256sum; exit\n")
        screen.until("ready-now")
        term.write(paste)
        screen.until(hashlib.sha256(paste).hexdigest(), limit=60)
        assert screen.exit_code() == 0


def test_kill_ends_a_program_that_floods(shared: Capsule) -> None:
    with shared.pty(cmd="/usr/bin/yes") as term:
        screen = Screen(term)
        screen.until("y\r\ny\r\n")
        term.kill()
        assert screen.exit_code() == -1


def test_closing_the_session_itself_kills_the_program(shared: Capsule) -> None:
    with shared.pty() as outer, outer as term:
        Screen(term).started()
        pid = term.pid
    eventually("the shell is gone", lambda: pid not in [p.pid for p in shared.commands.list()])


def test_a_program_that_is_not_there_is_told(shared: Capsule) -> None:
    with shared.pty(cmd="/no/such/program") as term:
        screen = Screen(term)
        told = screen.ended()
        assert told[-1].type in ("exit", "error"), told
        assert told[-1].exit_code == 127 or told[-1].fatal
