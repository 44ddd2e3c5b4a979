"""A server that dies at any moment is started again, and nothing is lost or left behind."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Folders
from outside import machine
from outside.api import Api
from outside.server import Server
from outside.waiting import eventually

COUNTER = "i=0; while :; do i=$((i+1)); echo $i > /dev/shm/count; sleep 0.1; done"


@pytest.fixture(scope="module")
def folder(folders: Folders) -> Path:
    """A data folder whose server dies again and again."""
    return folders.make()


def count(api: Api, capsule: str) -> int:
    return int(api.sh(capsule, "cat /dev/shm/count")["stdout"] or 0)


def points(api: Api, capsule: str) -> list[dict[str, float]]:
    """What the capsule was measured to use."""
    return api.get(f"{capsule}/metrics").ok()["points"]


def run_folders(folder: Path) -> set[str]:
    """Names of the runs that the host agent keeps a record of."""
    runs = machine.RUN_ROOT / machine.prefix_of(folder) / "r"
    return {entry.name for entry in runs.iterdir()} if runs.is_dir() else set()


def assert_only_these_run(server: Server, running: int) -> None:
    """Every machine, folder and namespace belongs to a capsule that runs, or to the pool."""
    states = [c["status"] for c in server.api.get("/v1/capsules").ok()]
    assert states.count("running") == running, states
    eventually("only their VMs run", lambda: len(machine.vmms(server.folder)) == running)
    eventually("only their runs are recorded", lambda: len(run_folders(server.folder)) == running)


def test_after_a_kill_paused_capsules_resume_and_running_ones_never_stopped(
    folders: Folders, folder: Path
) -> None:
    first = folders.serve(folder)
    running, paused = first.api.create(memory_mb=256), first.api.create(memory_mb=256)
    pid = first.api.start(running, COUNTER, "counter")
    first.api.sh(paused, "echo kept > /dev/shm/mark")
    first.api.post(f"{paused}/pause").ok()
    measured = eventually("it is measured", lambda: points(first.api, running), 30)
    vms = machine.vmms(folder)
    first.kill()
    assert machine.vmms(folder) == vms and len(vms) == 1, "the VM must outlive its server"

    second = folders.serve(folder)
    assert machine.vmms(folder) == vms, "it was adopted, not started again"
    assert second.api.status(running) == "running"
    assert second.api.status(paused) == "paused"
    (process,) = second.api.get(f"{running}/processes").ok()["processes"]
    assert (process["pid"], process["tag"]) == (pid, "counter")
    seen = count(second.api, running)
    eventually("the counter counts", lambda: count(second.api, running) > seen)
    second.api.post(f"{paused}/resume").ok()
    assert second.api.sh(paused, "cat /dev/shm/mark")["stdout"] == "kept\n"
    assert_only_these_run(second, 2)
    assert points(second.api, running)[: len(measured)] == measured

    second.api.post(f"{running}/pause").ok()
    second.api.post(f"{running}/resume").ok()
    assert count(second.api, running) >= seen
    second.kill()

    third = folders.serve(folder)
    assert_only_these_run(third, 2)
    for capsule in (running, paused):
        assert third.api.delete(capsule).status == 204
    assert_only_these_run(third, 0)
    third.stop()
    assert machine.holdings(folder) == []


@pytest.mark.parametrize("operation", ["create", "pause", "resume"])
def test_a_kill_in_the_middle_leaves_the_old_or_the_new_state(
    folders: Folders, folder: Path, operation: str
) -> None:
    first = folders.serve(folder)
    capsule = first.api.create(memory_mb=256)
    first.api.sh(capsule, "echo kept > /dev/shm/mark")
    if operation == "resume":
        first.api.post(f"{capsule}/pause").ok()
    before = len(machine.vmms(folder))
    with ThreadPoolExecutor(1) as pool:
        path = "/v1/capsules" if operation == "create" else f"{capsule}/{operation}"
        asked = pool.submit(first.api.post, path)
        if operation == "pause":
            eventually("a snapshot begins or is made", lambda: asked.done() or drafts(folder))
        else:
            eventually("the VM starts", lambda: len(machine.vmms(folder)) > before)
        first.kill()
        asked.exception()  # it was cut off, or had its answer just before

    second = folders.serve(folder)
    status = second.api.status(capsule)
    assert status in ("running", "paused")
    if status == "paused":
        second.api.post(f"{capsule}/resume").ok()
    assert second.api.sh(capsule, "cat /dev/shm/mark")["stdout"] == "kept\n"
    for each in second.api.get("/v1/capsules").ok():
        assert each["status"] in ("running", "paused"), each
        assert second.api.delete(f"/v1/capsules/{each['id']}").status == 204
    assert_only_these_run(second, 0)
    second.stop()
    assert machine.holdings(folder) == []


def drafts(folder: Path) -> bool:
    """Whether a snapshot is being written."""
    store = folder / "volume" / "store"
    return any("draft" in p.name or p.suffix == ".new" for p in store.rglob("*"))
