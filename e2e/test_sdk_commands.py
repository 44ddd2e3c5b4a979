"""Commands through the SDK: in the foreground, in the background, streamed."""

import time

import pytest
from outside.waiting import eventually
from wrenn import Capsule, WrennAgentError, WrennNotFoundError, WrennValidationError

LINE = "0123456789abcdef" * 4


def test_output_streams_and_exit_code_come_back(shared: Capsule) -> None:
    result = shared.commands.run("echo out; echo err >&2; exit 42")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 42)
    assert result.duration_ms is not None and result.duration_ms >= 0


def test_a_command_gets_its_environment_and_folder(shared: Capsule) -> None:
    result = shared.commands.run('echo "$GREETING in $PWD"', envs={"GREETING": "hi"}, cwd="/tmp")
    assert result.stdout == "hi in /tmp\n"


def test_a_command_starts_at_home_with_an_ordinary_environment(shared: Capsule) -> None:
    result = shared.commands.run('echo "$HOME $PWD $WRENN_SANDBOX $WRENN_SANDBOX_ID"')
    assert result.stdout == f"/root /root true {shared.capsule_id}\n"


def test_a_folder_that_is_not_there_is_a_bad_request(shared: Capsule) -> None:
    with pytest.raises(WrennValidationError, match="/not/there"):
        shared.commands.run("true", cwd="/not/there")


def test_unknown_programs_and_signals_have_the_usual_codes(shared: Capsule) -> None:
    assert shared.commands.run("no-such-program").exit_code == 127
    assert shared.commands.run("/etc/passwd").exit_code == 126
    assert shared.commands.run("kill -9 $$").exit_code == -1


def test_bytes_that_are_no_text_survive(shared: Capsule) -> None:
    result = shared.commands.run(r"printf 'a\377\000b'; echo error >&2")
    assert result.stdout == "a�\0b"
    assert result.stderr == "error\n"


def test_unicode_is_text(shared: Capsule) -> None:
    assert shared.commands.run("echo 'žluťoučký 🐦'").stdout == "žluťoučký 🐦\n"


def test_fifty_megabytes_of_output_come_back_whole(shared: Capsule) -> None:
    size = 50 << 20
    result = shared.commands.run(f"yes {LINE} | head -c {size}", timeout=120)
    assert len(result.stdout) == size
    assert result.stdout == ((LINE + "\n") * (size // 65 + 1))[:size]


def test_a_timeout_kills_the_whole_family(shared: Capsule) -> None:
    began = time.monotonic()
    with pytest.raises(WrennAgentError, match="limit of 1 s"):
        shared.commands.run("(sleep 4711 & sleep 4711) | cat", timeout=1)
    assert time.monotonic() - began < 8
    eventually(
        "grandchildren are gone",
        lambda: shared.commands.run("pgrep -x -f 'sleep 4711'").exit_code == 1,
    )
    assert shared.commands.run("echo usable").stdout == "usable\n"


def test_a_grandchild_that_holds_the_pipe_does_not_hold_the_answer(shared: Capsule) -> None:
    began = time.monotonic()
    result = shared.commands.run("sleep 321 & echo started", timeout=30)
    assert result.stdout == "started\n"
    assert time.monotonic() - began < 10
    shared.commands.run("pkill -x -f 'sleep 321'")


def test_standard_input_is_empty(shared: Capsule) -> None:
    assert shared.commands.run("cat; echo ended").stdout == "ended\n"


def test_a_background_process_is_listed_followed_and_killed(shared: Capsule) -> None:
    handle = shared.commands.run(
        "while echo tick; do sleep 0.2; done", background=True, tag="ticker"
    )
    assert handle.pid > 1 and handle.tag == "ticker"
    listed = {p.pid: p for p in shared.commands.list()}
    assert listed[handle.pid].tag == "ticker"
    assert listed[handle.pid].cmd == "/bin/sh"
    seen = []
    for event in shared.commands.connect(handle.pid):
        seen.append(event)
        if len(seen) == 4:
            shared.commands.kill(handle.pid)
    assert [e.type for e in seen[:2]] == ["start", "stdout"]
    assert seen[0].pid == handle.pid
    assert seen[1].data == "tick\n"
    assert (seen[-1].type, seen[-1].exit_code) == ("exit", -1)
    assert handle.pid not in [p.pid for p in shared.commands.list()]
    with pytest.raises(WrennNotFoundError):
        shared.commands.kill(handle.pid)


def test_a_background_process_gets_a_tag_of_its_own(shared: Capsule) -> None:
    handle = shared.commands.run("sleep 100", background=True)
    assert handle.tag.startswith("proc-")
    shared.commands.kill(handle.pid)


def test_connecting_to_no_process_is_an_error_event(shared: Capsule) -> None:
    events = list(shared.commands.connect(999_999))
    assert [e.type for e in events] == ["error"]
    assert "999999" in events[0].data


def test_a_stream_tells_start_output_and_exit(shared: Capsule) -> None:
    events = list(shared.commands.stream("echo out; echo err >&2; exit 3"))
    assert events[0].type == "start" and events[0].pid > 1
    assert "".join(e.data for e in events if e.type == "stdout") == "out\n"
    assert "".join(e.data for e in events if e.type == "stderr") == "err\n"
    assert (events[-1].type, events[-1].exit_code) == ("exit", 3)


def test_a_stream_takes_a_program_with_arguments(shared: Capsule) -> None:
    events = list(shared.commands.stream("python3", args=["-uc", "print('é' * 40000)"]))
    assert "".join(e.data for e in events if e.type == "stdout") == "é" * 40000 + "\n"
    assert events[-1].exit_code == 0


def test_a_stream_shows_output_while_the_command_runs(shared: Capsule) -> None:
    stream = shared.commands.stream("echo first; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo last")
    seen = []
    for event in stream:
        seen.append(event)
        if event.type == "stdout" and event.data == "first\n":
            shared.files.write("/tmp/go", "")
    assert [e.data for e in seen if e.type == "stdout"] == ["first\n", "last\n"]


def test_eight_megabytes_stream_without_loss(shared: Capsule) -> None:
    size = 8 << 20
    total = 0
    for event in shared.commands.stream(f"yes {LINE} | head -c {size}"):
        assert event.type != "error", event.data
        total += len(event.data) if event.type == "stdout" else 0
    assert total == size


def test_what_a_client_leaves_behind_goes_on(shared: Capsule) -> None:
    stream = shared.commands.stream("echo here; exec sleep 777")
    pid = next(e.pid for e in stream if e.type == "start")
    stream.close()
    assert pid in [p.pid for p in shared.commands.list()]
    shared.commands.kill(pid)
    eventually("it is gone", lambda: pid not in [p.pid for p in shared.commands.list()])
