"""What a capsule holds goes on after a pause, and what hangs on it from outside is told."""

import threading
from collections.abc import Iterator

import httpx_ws
import pytest
from outside.screen import Screen
from outside.waiting import eventually
from wrenn import Capsule, WrennClient, WrennError
from wrenn.models import Status

pytestmark = pytest.mark.usefixtures("sdk")

LIMIT = 30.0


@pytest.fixture
def own() -> Iterator[Capsule]:
    with Capsule(wait=True) as capsule:
        yield capsule


def test_processes_terminals_files_and_memory_go_on(own: Capsule) -> None:
    counter = own.commands.run(
        "i=0; while echo $i; do i=$((i+1)); echo $i > /dev/shm/count; sleep 0.1; done",
        background=True,
        tag="counter",
    )
    own.files.write("/root/kept", "file")
    own.commands.run("echo memory > /dev/shm/kept")
    with own.pty() as term:
        screen = Screen(term)
        screen.started()
        screen.type("mark=terminal; echo sh''own\n")
        screen.until("shown")
        tag, pid = term.tag, term.pid
    assert tag is not None
    for _ in range(2):
        own.pause()
        own.resume()
    assert {(p.pid, p.tag) for p in own.commands.list()} == {(counter.pid, "counter"), (pid, tag)}
    assert own.commands.run("cat /root/kept /dev/shm/kept").stdout == "filememory\n"
    before = int(own.files.read("/dev/shm/count"))
    eventually("the counter counts", lambda: int(own.files.read("/dev/shm/count") or 0) > before)
    followed = [e for e, _ in zip(own.commands.connect(counter.pid), range(3))]
    assert [e.type for e in followed] == ["start", "stdout", "stdout"]
    with own.pty_connect(tag) as again:
        screen = Screen(again)
        screen.until("shown")
        screen.type("echo $mark-$$; exit\n")
        screen.until(f"terminal-{pid}")
        assert screen.exit_code() == 0


def test_time_goes_on_and_random_numbers_do_not_repeat(own: Capsule) -> None:
    own.pause()
    own.resume()
    clock = own.commands.run("date +%s.%N; date -u +%s")
    now = own.get_info().last_active_at
    assert now is not None
    assert abs(float(clock.stdout.split()[0]) - now.timestamp()) < 5


def test_open_streams_end_with_the_reason_of_a_pause(own: Capsule) -> None:
    handle = own.commands.run("exec sleep 1000", background=True)
    base = f"/v1/capsules/{own.capsule_id}"
    told: dict[str, tuple[str, str]] = {}
    ready = threading.Barrier(4)

    def follow(name: str, path: str, first: dict | None) -> None:
        with WrennClient() as client, httpx_ws.connect_ws(base + path, client.http) as socket:
            if first is not None:
                socket.send_json(first)
            socket.receive(timeout=LIMIT)  # start or started
            ready.wait(LIMIT)
            message = ""
            try:
                while True:
                    received = socket.receive(timeout=LIMIT)
                    if isinstance(getattr(received, "data", None), str):
                        message = received.data
            except httpx_ws.WebSocketDisconnect as closed:
                told[name] = (message, closed.reason or "")

    followers = [
        threading.Thread(target=follow, args=arguments)
        for arguments in (
            ("exec", "/exec/stream", {"type": "start", "cmd": "sleep", "args": ["999"]}),
            ("process", f"/processes/{handle.pid}/stream", None),
            ("pty", "/pty", {"type": "start", "cmd": "/bin/cat"}),
        )
    ]
    for follower in followers:
        follower.start()
    ready.wait(LIMIT)
    own.pause()
    for follower in followers:
        follower.join(LIMIT)
    assert sorted(told) == ["exec", "process", "pty"]
    for message, reason in told.values():
        assert '"error"' in message and "paused" in message
        assert "paused" in reason


def test_a_command_that_waits_for_its_answer_is_told_of_a_pause(own: Capsule) -> None:
    failures: list[WrennError] = []

    def run() -> None:
        with pytest.raises(WrennError) as failure:
            own.commands.run("touch /root/begun; sleep 1000", timeout=600)
        failures.append(failure.value)

    with WrennClient() as other:
        waiting = threading.Thread(target=run)
        waiting.start()
        assert own._client is not other
        beside = Capsule.connect(own.capsule_id)
        eventually("the command runs", lambda: beside.files.exists("/root/begun"))
        Capsule.pause(own.capsule_id)
        waiting.join(LIMIT)
    assert len(failures) == 1
    assert "paused" in failures[0].message
    assert failures[0].status_code in (409, 502, 503)


def test_an_open_terminal_keeps_a_capsule_from_expiring() -> None:
    with Capsule(timeout=2, wait=True) as capsule:
        with capsule.pty(cmd="/bin/sh") as term:
            screen = Screen(term)
            screen.started()
            screen.type("sleep 6; echo a''wake\n")
            screen.until("awake")
            assert capsule.get_info().status == Status.running
        with capsule.pty(cmd="/bin/sleep", envs={}, args=["1000"]) as term:
            Screen(term).started()
        eventually("it expires", lambda: capsule.get_info().status == Status.paused, limit=30)


def test_an_open_stream_keeps_a_capsule_from_expiring() -> None:
    with Capsule(timeout=2, wait=True) as capsule:
        events = list(capsule.commands.stream("sleep 6; echo done"))
        assert (events[-1].type, events[-1].exit_code) == ("exit", 0)
        assert capsule.get_info().status == Status.running
        eventually("it expires", lambda: capsule.get_info().status == Status.paused, limit=30)
