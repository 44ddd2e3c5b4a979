"""Checkpoints, rollback and forks as people use them: through the command line, with real VMs."""

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest
from outside.server import Server, wrenn


class Commands:
    """`./wrenn capsule` against one server; knows the forks that it made."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.forks: list[str] = []

    def run(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        return wrenn("capsule", command, "--dir", str(self.server.folder), *words)

    def output(self, command: str, *words: str) -> str:
        done = self.run(command, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def fork(self, *words: str) -> list[str]:
        made = self.output("fork", *words).split()
        self.forks += made
        return made

    def sh(self, id: str, line: str) -> str:
        """What a shell line in a capsule prints; it must succeed."""
        done = self.server.api.sh(f"/v1/capsules/{id}", line)
        assert done["exit_code"] == 0, done
        return done["stdout"]


@pytest.fixture
def capsules(server: Server) -> Iterator[Commands]:
    commands = Commands(server)
    yield commands
    for fork in commands.forks:
        assert server.api.delete(f"/v1/capsules/{fork}").status == 204


@pytest.fixture
def id(create: Callable[..., str]) -> str:
    return create(memory_mb=256).rsplit("/", 1)[1]


def test_a_capsule_goes_back_and_forth_between_its_saved_states(capsules: Commands, id: str) -> None:
    capsules.sh(id, "echo one > /dev/shm/memory; echo one > /root/file")
    one = capsules.output("checkpoint", "--name", "the first", id)
    capsules.sh(id, "echo two > /dev/shm/memory; echo two > /root/file")

    assert capsules.output("rollback", id, one) == f"{id} running"

    assert capsules.sh(id, "cat /dev/shm/memory /root/file") == "one\none\n"
    history = json.loads(capsules.output("checkpoints", "--json", id))
    newest, oldest = history["checkpoints"]
    assert (newest["cause"], oldest["cause"]) == ("rollback", "asked")
    assert (newest["current"], oldest["current"]) == (False, True)
    listed = capsules.output("checkpoints", id).splitlines()
    assert listed[0].split() == ["CHECKPOINT", "CAUSE", "AGE", "WRITTEN", "NAME"]
    assert listed[2].startswith("*") and listed[2].endswith("the first")

    capsules.output("rollback", id, newest["id"])
    assert capsules.sh(id, "cat /dev/shm/memory /root/file") == "two\ntwo\n"
    assert one not in capsules.output("checkpoints", "--delete", one, id)
    keep = ("--keep-last", "1", "--keep-for", "1h")
    kept = json.loads(capsules.output("checkpoints", *keep, "--json", id))
    assert kept["retention"] == {"keep_last": 1, "keep_for_sec": 3600}


def test_forks_go_on_from_one_state_each_on_its_own(capsules: Commands, id: str) -> None:
    capsules.sh(id, "echo common > /dev/shm/memory; echo common > /root/file")

    forks = capsules.fork("--count", "3", "--timeout", "1h", id)

    assert len(set(forks)) == 3
    for fork in forks:
        capsules.sh(fork, f"echo {fork} >> /dev/shm/memory; echo {fork} >> /root/file")
    for fork in forks:
        seen = capsules.sh(fork, "cat /dev/shm/memory /root/file; echo $WRENN_SANDBOX_ID")
        assert seen.split() == ["common", fork, "common", fork, fork]
        about = json.loads(capsules.output("get", "--json", fork))
        assert (about["forked_from"], about["timeout_sec"]) == (id, 3600)
    assert capsules.sh(id, "cat /dev/shm/memory") == "common\n"


def test_what_cannot_be_done_is_said_with_an_exit_code(capsules: Commands, id: str) -> None:
    current = capsules.output("checkpoint", id)

    absent = capsules.run("rollback", id, "cp-" + "0" * 25)
    assert (absent.returncode, "has no checkpoint" in absent.stderr) == (4, True)
    needed = capsules.run("checkpoints", "--delete", current, id)
    assert (needed.returncode, "goes on from checkpoint" in needed.stderr) == (5, True)
    many = capsules.run("fork", "--count", "101", id)
    assert (many.returncode, "1 to 100" in many.stderr) == (2, True)
