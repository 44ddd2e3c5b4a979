"""A PostgreSQL of one's own, named by DATABASE_URL, that goes away and comes back."""

from collections.abc import Iterator

import pytest
from conftest import Folders
from outside import machine
from outside.cluster import PASSWORD, Cluster
from outside.waiting import eventually


@pytest.fixture
def cluster(folders: Folders) -> Iterator[Cluster]:
    folders.root.chmod(0o711)  # its owner has to reach its folder
    cluster = Cluster(folders.root / "cluster")
    try:
        cluster.make()
        yield cluster
    finally:
        cluster.remove()


def test_the_api_waits_for_its_database_and_capsules_do_not_notice(
    folders: Folders, cluster: Cluster
) -> None:
    server = folders.serve(folders.make(), DATABASE_URL=cluster.url)
    api = server.api
    assert not (server.folder / "postgres").exists(), "the embedded one is not needed"
    capsule = api.create(memory_mb=256)
    api.start(capsule, "i=0; while :; do i=$((i+1)); echo $i > /dev/shm/count; sleep 0.1; done", "c")
    vms = machine.vmms(server.folder)

    cluster.stop()
    for path in ("/v1/capsules", capsule):
        refused = api.get(path)
        assert refused.status == 503, refused.body
        assert "database" in refused.json["error"]["message"]
        assert "127.0.0.1" not in refused.json["error"]["message"], "no internals in answers"
    assert machine.vmms(server.folder) == vms

    cluster.start()
    eventually("the API is back", lambda: api.get(capsule).status == 200, limit=30)
    assert api.status(capsule) == "running"
    counted = int(api.sh(capsule, "cat /dev/shm/count; sleep 0.5")["stdout"])
    assert int(api.sh(capsule, "cat /dev/shm/count")["stdout"]) > counted > 1
    api.post(f"{capsule}/pause").ok()
    server.stop()
    assert machine.holdings(server.folder) == []

    again = folders.serve(server.folder, DATABASE_URL=cluster.url)
    assert again.api.status(capsule) == "paused"
    again.api.post(f"{capsule}/resume").ok()
    again.stop()


def test_a_database_that_is_not_there_is_told(folders: Folders, cluster: Cluster) -> None:
    cluster.stop()
    with pytest.raises(AssertionError, match="before it served") as failure:
        folders.serve(folders.make(), DATABASE_URL=cluster.url)
    assert "database" in str(failure.value)
    assert PASSWORD not in str(failure.value)
