"""The asynchronous half of the SDK makes the same calls; here is one of each kind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from wrenn import AsyncCapsule, AsyncWrennClient, WrennConflictError, WrennNotFoundError
from wrenn.models import Status

pytestmark = pytest.mark.usefixtures("sdk")

LIMIT = 90.0


def with_capsule(use: Callable[[AsyncCapsule], Awaitable[None]]) -> None:
    """Runs a coroutine with a capsule of its own."""

    async def run() -> None:
        async with await AsyncCapsule.create(template="minimal", wait=True) as capsule:
            await use(capsule)

    asyncio.run(asyncio.wait_for(run(), LIMIT))


def test_lifecycle() -> None:
    async def use(capsule: AsyncCapsule) -> None:
        assert await capsule.is_running()
        assert capsule.capsule_id in [c.id for c in await AsyncCapsule.list()]
        await capsule.ping()
        await capsule.commands.run("echo kept > /dev/shm/mark")
        assert (await capsule.pause()).status == Status.paused
        with pytest.raises(WrennConflictError):
            await capsule.ping()
        again = await AsyncCapsule.connect(capsule.capsule_id)
        assert (await again.commands.run("cat /dev/shm/mark")).stdout == "kept\n"
        await AsyncCapsule.pause(capsule.capsule_id)
        await AsyncCapsule.resume(capsule.capsule_id)
        assert (await AsyncCapsule.get_info(capsule.capsule_id)).status == Status.running
        await capsule.destroy()
        assert (await capsule.get_info()).status == Status.stopped

    with_capsule(use)


def test_commands() -> None:
    async def use(capsule: AsyncCapsule) -> None:
        result = await capsule.commands.run("echo out; echo err >&2; exit 4", envs={"A": "b"}, cwd="/")
        assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 4)
        events = [e async for e in capsule.commands.stream("echo streamed")]
        assert [e.type for e in events] == ["start", "stdout", "exit"]
        handle = await capsule.commands.run("echo hello; exec sleep 99", background=True)
        assert handle.pid in [p.pid for p in await capsule.commands.list()]

        async def follow() -> list[str]:
            return [e.type async for e in capsule.commands.connect(handle.pid)]

        following = asyncio.create_task(follow())
        await asyncio.sleep(0)
        await capsule.commands.kill(handle.pid)
        assert (await following)[-1] in ("exit", "error")
        with pytest.raises(WrennNotFoundError):
            await capsule.commands.kill(handle.pid)

    with_capsule(use)


def test_twenty_commands_at_once() -> None:
    async def use(capsule: AsyncCapsule) -> None:
        results = await asyncio.gather(*(capsule.commands.run(f"echo {n}") for n in range(20)))
        assert [r.stdout for r in results] == [f"{n}\n" for n in range(20)]

    with_capsule(use)


def test_files() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(64):
            yield bytes([number]) * 65536

    async def use(capsule: AsyncCapsule) -> None:
        await capsule.files.write("/app/file.txt", "data")
        assert await capsule.files.read("/app/file.txt") == "data"
        assert [e.name for e in await capsule.files.list("/app")] == ["file.txt"]
        assert (await capsule.files.make_dir("/app/sub")).name == "sub"
        assert (await capsule.files.make_dir("/app/sub")).name == "sub"
        await capsule.files.upload_stream("/app/large", chunks())
        got = b"".join([c async for c in capsule.files.download_stream("/app/large")])
        assert got == b"".join([c async for c in chunks()])
        await capsule.files.remove("/app")
        assert not await capsule.files.exists("/app")
        with pytest.raises(WrennNotFoundError):
            await capsule.files.read_bytes("/app/file.txt")

    with_capsule(use)


def test_git() -> None:
    async def use(capsule: AsyncCapsule) -> None:
        await capsule.git.init("/app", initial_branch="main")
        await capsule.git.configure_user("Bob", "bob@example.com", cwd="/app")
        await capsule.files.write("/app/file", "1")
        await capsule.git.add(all=True, cwd="/app")
        await capsule.git.commit("one", cwd="/app")
        assert (await capsule.git.status(cwd="/app")).is_clean

    with_capsule(use)


def test_terminal() -> None:
    async def use(capsule: AsyncCapsule) -> None:
        shown = b""
        async with capsule.pty(cmd="/bin/sh") as term:
            async for event in term:
                if event.type == "started":
                    await term.resize(120, 40)
                    await term.write(b"stty size; exit 7\n")
                elif event.type == "output":
                    shown += event.data
                elif event.type == "exit":
                    assert event.exit_code == 7
        assert b"40 120" in shown
        async with capsule.pty() as term:
            async for event in term:
                if event.type == "started":
                    break
            tag = term.tag
        async with capsule.pty_connect(tag) as again:
            await again.kill()
            assert [e.exit_code async for e in again if e.type == "exit"] == [-1]

    with_capsule(use)


def test_snapshots() -> None:
    async def use(capsule: AsyncCapsule) -> None:
        template = await capsule.create_snapshot(name="e2e-async", overwrite=True)
        async with AsyncWrennClient() as client:
            assert template.name in [t.name for t in await client.snapshots.list(type="snapshot")]
            await client.snapshots.delete("e2e-async")

    with_capsule(use)
