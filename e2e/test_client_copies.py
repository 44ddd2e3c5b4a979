"""`wrenn capsule cp` with a real capsule: what is interrupted goes on, what arrives is what was sent."""

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from outside.server import WRENN, Server, environment, wrenn
from outside.waiting import eventually

MIB = 1 << 20
BIG = 64 * MIB


@pytest.fixture(scope="module")
def path(server: Server) -> Iterator[str]:
    made = server.api.create(memory_mb=256)
    yield made
    server.api.delete(made)


@pytest.fixture
def id(path: str) -> str:
    return path.rsplit("/", 1)[1]


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("big") / "big.bin"
    with open(file, "wb") as out:
        for _ in range(BIG // MIB):
            out.write(os.urandom(MIB))
    file.chmod(0o640)
    return file


def hash_of(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def copy(server: Server, source: str, target: str, *options: str) -> dict[str, int]:
    done = wrenn("capsule", "cp", "--json", "--dir", str(server.folder), *options, source, target)
    assert done.returncode == 0, done.stderr
    copied: dict[str, int] = json.loads(done.stdout)
    return copied


class Interrupted:
    """A copy that is killed once so much of it lies in the part beside its target."""

    def __init__(self, server: Server, source: str, target: str) -> None:
        self.process = subprocess.Popen(
            [WRENN, "capsule", "cp", "--dir", str(server.folder), source, target],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(10) == -signal.SIGKILL, "it was done before it was killed"


def test_an_upload_that_was_killed_goes_on(server: Server, path: str, id: str, big: Path) -> None:
    def parts() -> list[int]:
        sizes = server.api.sh(path, "stat -c %s /srv/.big.bin.*.part 2>/dev/null; true")["stdout"]
        return [int(size) for size in sizes.split()]

    target = f"{id}:/srv/big.bin"
    first = Interrupted(server, str(big), target)
    try:
        eventually("a part is there", lambda: parts() and parts()[0] > MIB, 60)
    finally:
        first.kill()
    arrived = parts()[0]
    assert MIB < arrived < BIG
    assert server.api.sh(path, "test -e /srv/big.bin")["exit_code"] != 0, "the target is not whole yet"

    assert copy(server, str(big), target) == {"files": 1, "bytes": BIG}

    told = server.api.sh(path, "sha256sum /srv/big.bin; stat -c %a /srv/big.bin; ls -A /srv")["stdout"].split()
    assert told == [hash_of(big), "/srv/big.bin", "640", "big.bin"]


def test_a_download_that_was_killed_goes_on(server: Server, path: str, id: str, tmp_path: Path) -> None:
    script = f"head -c {BIG} /dev/urandom > /root/made.bin; chmod 604 /root/made.bin; sha256sum /root/made.bin"
    digest = server.api.sh(path, script)["stdout"].split()[0]
    target = tmp_path / "made.bin"

    def part() -> int:
        return sum(file.stat().st_size for file in tmp_path.glob(".made.bin.*.part"))

    first = Interrupted(server, f"{id}:/root/made.bin", str(target))
    try:
        eventually("a part is here", lambda: part() > MIB, 60)
    finally:
        first.kill()
    assert MIB < part() < BIG
    assert not target.exists()

    assert copy(server, f"{id}:/root/made.bin", str(target)) == {"files": 1, "bytes": BIG}

    assert hash_of(target) == digest
    assert target.stat().st_mode & 0o777 == 0o604
    assert os.listdir(tmp_path) == ["made.bin"]


def test_folders_come_back_as_they_went(server: Server, path: str, id: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "inner" / "empty").mkdir(parents=True)
    (tree / "inner" / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (tree / "inner" / "run.sh").chmod(0o755)
    (tree / "a name with spaces").write_bytes(b"\0\1\2")
    (tree / "inner").chmod(0o550)
    (tree / "link").symlink_to("inner")

    copied = copy(server, str(tree), f"{id}:/root/tree", "-r")

    assert copied["files"] == 2
    assert server.api.sh(path, "/root/tree/inner/run.sh")["stdout"] == "hello\n"
    copy(server, f"{id}:/root/tree", str(tmp_path / "back"), "-r")
    assert described(tmp_path / "back") == described(tree)


def described(tree: Path) -> dict[str, object]:
    """Everything but links, which are left out and told."""
    return {
        str(path.relative_to(tree)): (oct(path.stat().st_mode), path.read_bytes() if path.is_file() else None)
        for path in tree.rglob("*")
        if not path.is_symlink()
    }
