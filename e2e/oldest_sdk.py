"""A walk through everything the oldest SDK can do; run with that SDK by test_oldest_sdk.py."""

import sys

from wrenn import Capsule, WrennClient, WrennConflictError, WrennNotFoundError
from wrenn.models import Status
from wrenn.pty import PtySession


def commands(capsule: Capsule) -> None:
    result = capsule.commands.run("echo out; echo err >&2; exit 3", envs={"A": "b"}, cwd="/tmp")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    handle = capsule.commands.run("exec sleep 300", background=True, tag="sleeper")
    assert (handle.pid, "sleeper") in [(p.pid, p.tag) for p in capsule.commands.list()]
    events = list(capsule.commands.stream("echo streamed; exit 5"))
    assert [e.type for e in events] == ["start", "stdout", "exit"]
    assert events[-1].exit_code == 5
    capsule.commands.kill(handle.pid)


def files(capsule: Capsule) -> None:
    capsule.files.make_dir("/srv/a/b")
    capsule.files.write("/srv/a/b/text", "naïve\n")
    assert capsule.files.read("/srv/a/b/text") == "naïve\n"
    assert [e.name for e in capsule.files.list("/srv/a/b")] == ["text"]
    large = bytes(range(256)) * 8192
    capsule.files.upload_stream("/srv/large", (large[i : i + 65536] for i in range(0, len(large), 65536)))
    assert b"".join(capsule.files.download_stream("/srv/large")) == large
    capsule.files.remove("/srv/a")
    assert not capsule.files.exists("/srv/a/b/text")
    try:
        capsule.files.read("/srv/none")
    except WrennNotFoundError:
        pass
    else:
        raise AssertionError("a file that is not there was read")


def git(capsule: Capsule) -> None:
    capsule.git.init("/srv/repository")
    capsule.files.write("/srv/repository/file", "x")
    capsule.git.add(all=True, cwd="/srv/repository")
    assert capsule.git.status(cwd="/srv/repository").files


def terminal(capsule: Capsule) -> None:
    with capsule.pty(cmd="/bin/sh") as term:
        term.write(b"echo $((6 * 7))q\n")
        watch(term, b"42q")
    with capsule.pty(cmd="/bin/sh", args=["-c", "echo watched; sleep 60"]) as term:
        watch(term, b"watched")


def watch(term: PtySession, text: bytes) -> None:
    shown = b""
    for event in term:
        if event.type == "output" and isinstance(event.data, bytes):
            shown += event.data
        if text in shown:
            return
    raise AssertionError(f"the terminal ended: {shown!r}")


def pauses(capsule: Capsule) -> None:
    capsule.commands.run("echo kept > /dev/shm/mark")
    assert capsule.pause().status == Status.paused
    try:
        capsule.ping()
    except WrennConflictError:
        pass
    else:
        raise AssertionError("a paused capsule took a sign of activity")
    again = Capsule.connect(capsule.capsule_id)
    assert again.commands.run("cat /dev/shm/mark").stdout == "kept\n"


def snapshots(capsule: Capsule, name: str) -> None:
    assert capsule.create_snapshot(name=name, overwrite=True).name == name
    with Capsule(template=name, wait=True) as other:
        assert other.commands.run("cat /dev/shm/mark").stdout == "kept\n"
    with WrennClient() as client:
        client.snapshots.delete(name)


def main() -> None:
    with Capsule(template="minimal", timeout=600, wait=True) as capsule:
        for part in (commands, files, git, terminal, pauses):
            part(capsule)
            print(part.__name__, flush=True)
        snapshots(capsule, sys.argv[1])
        print("snapshots", flush=True)
    assert Capsule.get_info(capsule.capsule_id).status == Status.stopped


if __name__ == "__main__":
    main()
