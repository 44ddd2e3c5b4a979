"""What clients do at the wrong moment: nothing hangs, nothing is lost, nothing is left."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from outside import machine
from outside.api import Answer, Api
from outside.server import Server
from outside.waiting import eventually

Create = Callable[..., str]


def vms_of(server: Server, capsule: str) -> list[int]:
    """Processes that belong to a capsule."""
    identity = capsule.rsplit("/", 1)[1]
    found = machine.processes(server.folder)
    return [pid for pid, line in found if any(identity in word for word in line)]


def assert_gone(server: Server, capsule: str) -> None:
    assert server.api.status(capsule) == "stopped"
    eventually("its processes are gone", lambda: not vms_of(server, capsule))
    held = server.folder / "journal" / "capsules"
    assert not list(held.glob(f"*{capsule.rsplit('/', 1)[1]}*"))


def at_once(*calls: Callable[[], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [f.result() for f in [pool.submit(call) for call in calls]]


def test_a_capsule_that_runs_is_found_and_one_destroyed_is_gone(
    server: Server, capsule: str
) -> None:
    assert vms_of(server, capsule)
    assert server.api.delete(capsule).status == 204
    assert_gone(server, capsule)


def test_destroying_during_a_create_leaves_nothing(server: Server, api: Api) -> None:
    known = {c["id"] for c in api.get("/v1/capsules").ok()}
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(api.post, "/v1/capsules", {})
        (new,) = eventually(
            "the new capsule is listed",
            lambda: {c["id"] for c in api.get("/v1/capsules").ok()} - known,
        )
        capsule = f"/v1/capsules/{new}"
        assert api.delete(capsule).status == 204
        assert creating.result().status in (201, 404, 409)
    assert_gone(server, capsule)


@pytest.mark.parametrize("operation", ["pause", "resume"])
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
def test_destroying_during_an_operation_leaves_nothing(
    server: Server, api: Api, capsule: str, operation: str, delay: float
) -> None:
    if operation == "resume":
        api.post(f"{capsule}/pause").ok()

    def destroy() -> Answer:
        time.sleep(delay)  # the moment at which it comes is what is tried
        return api.delete(capsule)

    asked, destroyed = at_once(lambda: api.post(f"{capsule}/{operation}"), destroy)
    assert destroyed.status == 204
    assert asked.status in (200, 404, 409), asked.body
    assert_gone(server, capsule)


def hang_up(api: Api, path: str) -> None:
    """Asks and leaves without waiting for the answer."""
    with api.connection() as connection:
        connection.request("POST", path, "{}", api.headers())


def test_a_client_that_hangs_up_stops_neither_pause_nor_resume(api: Api, capsule: str) -> None:
    api.sh(capsule, "echo kept > /dev/shm/mark")
    hang_up(api, f"{capsule}/pause")
    eventually("it is paused", lambda: api.status(capsule) == "paused", limit=30)
    hang_up(api, f"{capsule}/resume")
    eventually("it runs", lambda: api.status(capsule) == "running", limit=30)
    assert api.sh(capsule, "cat /dev/shm/mark")["stdout"] == "kept\n"


def test_of_many_resumes_at_once_the_capsule_runs_once(
    server: Server, api: Api, capsule: str
) -> None:
    api.post(f"{capsule}/pause").ok()
    answers = at_once(*[lambda: api.post(f"{capsule}/resume")] * 4)
    assert {a.status for a in answers} <= {200, 409}
    assert 200 in {a.status for a in answers}
    assert {a.code for a in answers if a.status == 409} <= {"invalid_state"}
    assert api.sh(capsule, "echo alive")["stdout"] == "alive\n"
    assert len(vms_of(server, capsule)) == 1


def test_of_many_pauses_at_once_one_is_made(api: Api, capsule: str) -> None:
    answers = at_once(*[lambda: api.post(f"{capsule}/pause")] * 4)
    assert {a.status for a in answers} <= {200, 409}
    assert 200 in {a.status for a in answers}
    api.post(f"{capsule}/resume").ok()
    assert api.sh(capsule, "echo alive")["stdout"] == "alive\n"


def test_an_idle_capsule_is_paused_after_its_limit(api: Api, create: Create) -> None:
    capsule = create(timeout_sec=1)
    eventually("it is paused", lambda: api.status(capsule) == "paused", limit=30)
    api.post(f"{capsule}/resume").ok()
    assert api.sh(capsule, "echo back")["stdout"] == "back\n"


def test_a_command_longer_than_the_limit_is_no_idleness(api: Api, create: Create) -> None:
    capsule = create(timeout_sec=1)
    assert api.sh(capsule, "sleep 5; echo through")["stdout"] == "through\n"
    eventually("it is paused", lambda: api.status(capsule) == "paused", limit=30)


def test_pings_keep_a_capsule_running(api: Api, create: Create) -> None:
    capsule = create(timeout_sec=3)
    until = time.monotonic() + 8
    while time.monotonic() < until:
        assert api.post(f"{capsule}/ping").status == 204
        time.sleep(0.5)  # the pings are what is tested
    assert api.status(capsule) == "running"
    eventually("it is paused", lambda: api.status(capsule) == "paused", limit=30)


def test_many_rounds_keep_memory_and_disk(api: Api, capsule: str) -> None:
    api.sh(
        capsule,
        "echo 0 > /dev/shm/round; head -c 1M /dev/urandom > /dev/shm/noise;"
        " cp /dev/shm/noise /root/noise",
    )
    for number in range(1, 9):
        api.post(f"{capsule}/pause").ok()
        api.post(f"{capsule}/resume").ok()
        seen = api.sh(capsule, f"cat /dev/shm/round; echo {number} > /dev/shm/round")["stdout"]
        assert seen == f"{number - 1}\n"
    assert api.sh(capsule, "cmp /dev/shm/noise /root/noise && echo same")["stdout"] == "same\n"


def test_parallel_capsules_do_not_disturb_each_other(api: Api, create: Create) -> None:
    capsules = [create(memory_mb=256) for _ in range(4)]
    barrier = threading.Barrier(len(capsules))

    def live(number: int) -> str:
        capsule = capsules[number]
        barrier.wait(60)
        api.sh(capsule, f"echo {number} > /dev/shm/who")
        api.post(f"{capsule}/pause").ok()
        api.post(f"{capsule}/resume").ok()
        return api.sh(capsule, "cat /dev/shm/who")["stdout"]

    with ThreadPoolExecutor(len(capsules)) as pool:
        assert list(pool.map(live, range(len(capsules)))) == [f"{n}\n" for n in range(len(capsules))]
