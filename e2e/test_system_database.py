"""A PostgreSQL of one's own, named by DATABASE_URL, that goes away and comes back."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Folders
from outside import machine
from outside.waiting import eventually

OWNER = "postgres"  # PostgreSQL refuses to run as root
PASSWORD = "a-word-that-nothing-else-says"


class Cluster:
    """A private cluster in a folder, as an unprivileged user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parts[4]))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgres://wrenn:{PASSWORD}@127.0.0.1:{self.port}/wrenn"

    def make(self) -> None:
        self.folder.mkdir()
        shutil.chown(self.folder, OWNER)
        password = self.folder.with_suffix(".pw")
        password.write_text(PASSWORD)
        shutil.chown(password, OWNER)
        self._run("initdb", "--username=wrenn", f"--pwfile={password}", "--auth=scram-sha-256")
        password.unlink()
        self.start()
        self._run(
            "createdb", "--host=127.0.0.1", f"--port={self.port}", "--username=wrenn", "wrenn",
            PGPASSWORD=PASSWORD,
        )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder}/log", f"--options={options}")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def is_running(self) -> bool:
        return (self.folder / "postmaster.pid").exists()

    def _run(self, program: str, *arguments: str, **more: str) -> None:
        done = subprocess.run(
            ["runuser", "-u", OWNER, "--", str(self.programs / program), *arguments],
            env=os.environ | {"PGDATA": str(self.folder)} | more,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            timeout=60,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


@pytest.fixture
def cluster(folders: Folders) -> Iterator[Cluster]:
    folders.root.chmod(0o711)  # its owner has to reach its folder
    cluster = Cluster(folders.root / "cluster")
    try:
        cluster.make()
        yield cluster
    finally:
        if cluster.is_running():
            cluster.stop()
        shutil.rmtree(cluster.folder)


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
