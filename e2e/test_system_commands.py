"""The command itself: what it prints, how it stops, and what it says when it cannot start."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Folders
from outside import machine
from outside.api import Api
from outside.server import WRENN, Server, environment, wrenn
from outside.waiting import eventually


@pytest.fixture(scope="module")
def other(folders: Folders) -> Server:
    """A second server, beside the one that all tests share."""
    return folders.serve(folders.make())


def slowness() -> float:
    """How much longer things may take because the machine has other work as well."""
    return max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


def test_up_prints_one_line_and_stops_on_sigterm_with_everything_paused(
    folders: Folders, other: Server
) -> None:
    assert sorted(other.announced) == ["api_key", "base_url"]
    capsule = other.api.create(memory_mb=256)
    other.api.sh(capsule, "echo kept > /dev/shm/mark")
    assert other.stop() == "", "more than one line on standard output"
    assert other.process.returncode in (0, 143)
    assert machine.holdings(other.folder) == []

    again = folders.serve(other.folder)
    assert again.took < 5 * slowness(), "a second start takes too long"
    assert again.announced["api_key"] == other.announced["api_key"]
    assert again.api.status(capsule) == "paused"
    again.api.post(f"{capsule}/resume").ok()
    assert again.api.sh(capsule, "cat /dev/shm/mark")["stdout"] == "kept\n"

    status = json.loads(wrenn("status", "--dir", str(other.folder), "--json").stdout)
    assert (status["serving"], status["base_url"]) == (True, again.api.base_url)
    assert status["capsules"] == {"running": 1}
    key = wrenn("key", "--dir", str(other.folder))
    assert key.stdout == again.announced["api_key"] + "\n"

    down = wrenn("down", "--dir", str(other.folder), "--json")
    assert (down.returncode, json.loads(down.stdout)["stopped"]) == (0, True)
    assert again.process.wait(10) in (0, 143)
    assert machine.holdings(other.folder) == []
    stopped = wrenn("status", "--dir", str(other.folder), "--json")
    assert (stopped.returncode, json.loads(stopped.stdout)["serving"]) == (1, False)
    again_down = wrenn("down", "--dir", str(other.folder))
    assert again_down.returncode == 0
    assert "No server runs" in again_down.stdout


def test_two_servers_with_two_folders_know_nothing_of_each_other(
    folders: Folders, server: Server
) -> None:
    beside = folders.serve(folders.make())
    here, there = server.api.create(memory_mb=256), beside.api.create(memory_mb=256)
    try:
        assert server.api.get(there).status == 404
        assert beside.api.get(here).status == 404
        assert beside.api.call("GET", "/v1/capsules").status == 200
        for api, capsule in ((server.api, here), (beside.api, there)):
            assert api.sh(capsule, "echo ok")["stdout"] == "ok\n"
        beside.stop()
        assert machine.holdings(beside.folder) == []
        assert server.api.sh(here, "echo still")["stdout"] == "still\n"
    finally:
        server.api.delete(here)


def refusal(*options: str) -> str:
    """What `up` says when it cannot start."""
    refused = wrenn("up", "--json", *options)
    assert refused.returncode not in (0, 143), refused.stderr
    assert refused.stdout == ""
    assert "\tat " not in refused.stderr, "a stack trace is no message"
    return refused.stderr


def test_a_second_up_in_the_same_folder_says_who_is_there(server: Server) -> None:
    said = refusal("--dir", str(server.folder), "--listen", "127.0.0.1:0")
    assert str(server.process.pid) in said
    assert "down" in said
    assert server.api.get("/v1/capsules").status == 200


def test_a_taken_port_is_told_with_the_way_out(folders: Folders) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal("--dir", str(folders.make()), "--listen", f"127.0.0.1:{port}")
    assert f"127.0.0.1:{port}" in said
    assert "--listen" in said


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "203.0.113.7:8080"])
def test_an_address_that_cannot_be_is_told(folders: Folders, listen: str) -> None:
    assert "listen" in refusal("--dir", str(folders.make()), "--listen", listen)


def test_a_file_in_place_of_the_folder_is_told(folders: Folders) -> None:
    file = folders.root / "file"
    file.write_text("in the way")
    said = refusal("--dir", str(file), "--listen", "127.0.0.1:0")
    assert str(file) in said and "--dir" in said


@pytest.fixture
def read_only(folders: Folders) -> Iterator[Path]:
    point = folders.root / "read-only"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "e2e", point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def test_a_folder_that_cannot_be_written_is_told(read_only: Path) -> None:
    said = refusal("--dir", str(read_only / "data"), "--listen", "127.0.0.1:0")
    assert "cannot write" in said and "--dir" in said


def test_a_setting_that_is_none_is_told(folders: Folders) -> None:
    folder = folders.make()
    (folder / "wrenn.conf").write_text("[server]\nlisen = 127.0.0.1:0\n")
    said = refusal("--dir", str(folder))
    assert "lisen" in said and "server.listen" in said


def test_doctor_says_what_the_machine_can_do(server: Server) -> None:
    checked = wrenn("doctor", "--dir", str(server.folder), "--json")
    report = json.loads(checked.stdout)
    assert checked.returncode == 0, report
    assert report["ok"] is True
    assert {f["verdict"] for f in report["findings"]} <= {"ok", "note"}, report


def test_the_demo_holds_all_its_claims(server: Server) -> None:
    shown = wrenn("demo", "--dir", str(server.folder), "--json", limit=300)
    assert shown.returncode == 0, shown.stderr
    (line,) = shown.stdout.splitlines()
    assert json.loads(line)["ok"] is True


def test_an_interrupted_start_leaves_nothing(folders: Folders) -> None:
    folder = folders.make()
    starting = subprocess.Popen(
        [WRENN, "up", "--dir", str(folder), "--listen", "127.0.0.1:0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        eventually("it makes something", lambda: machine.vmms(folder), limit=120)
    finally:
        starting.terminate()
        starting.wait(120)
    eventually("nothing is left", lambda: not machine.holdings(folder), limit=20)


def test_keys_are_made_listed_and_revoked(server: Server) -> None:
    def key(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return wrenn("key", *arguments, "--dir", str(server.folder))

    made = key("create", "for a test", "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    other = Api(server.api.base_url, told["key"])
    assert other.get("/v1/capsules").status == 200
    listed = key("list")
    assert listed.returncode == 0
    assert "for a test" in listed.stdout and told["id"] in listed.stdout
    assert told["key"] not in listed.stdout
    revoked = key("revoke", told["id"])
    assert (revoked.returncode, revoked.stdout) == (0, f"Revoked {told['id']}.\n")
    assert other.get("/v1/capsules").status == 401
    again = key("revoke", told["id"])
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is no key" in again.stderr
