"""Templates made from capsules, through the SDK."""

import contextlib
from collections.abc import Iterator
from uuid import uuid4

import pytest
from wrenn import (
    Capsule,
    WrennClient,
    WrennConflictError,
    WrennError,
    WrennForbiddenError,
    WrennNotFoundError,
    WrennValidationError,
)
from wrenn.models import Status

pytestmark = pytest.mark.usefixtures("sdk")


@pytest.fixture
def client() -> Iterator[WrennClient]:
    with WrennClient() as client:
        yield client


@pytest.fixture
def name(client: WrennClient) -> Iterator[str]:
    """A name whose template, if one is made, is deleted."""
    name = f"e2e-{uuid4().hex[:8]}"
    yield name
    with contextlib.suppress(WrennNotFoundError):
        client.snapshots.delete(name)


@pytest.fixture
def own() -> Iterator[Capsule]:
    with Capsule(wait=True) as capsule:
        yield capsule


def test_a_template_starts_with_memory_files_and_processes(
    own: Capsule, client: WrennClient, name: str
) -> None:
    own.files.write("/root/kept", "on disk")
    counter = own.commands.run(
        "i=0; while :; do i=$((i+1)); echo $i > /dev/shm/count; sleep 0.1; done",
        background=True,
        tag="counter",
    )
    template = own.create_snapshot(name=name)
    assert (template.name, template.type, template.vcpus, template.memory_mb) == (
        name,
        "snapshot",
        1,
        512,
    )
    assert template.size_bytes is not None and template.size_bytes > 0
    assert name in [t.name for t in client.snapshots.list()]
    assert name in [t.name for t in client.snapshots.list(type="snapshot")]
    assert name not in [t.name for t in client.snapshots.list(type="base")]
    with Capsule(template=name, wait=True) as one, Capsule(template=name, wait=True) as two:
        for made in (one, two):
            assert made.files.read("/root/kept") == "on disk"
            assert [(p.pid, p.tag) for p in made.commands.list()] == [(counter.pid, "counter")]
            before = int(made.commands.run("cat /dev/shm/count; sleep 0.5").stdout)
            assert int(made.commands.run("cat /dev/shm/count").stdout) > before
        one.files.write("/root/kept", "changed in one")
        assert two.files.read("/root/kept") == "on disk"
        randoms = {c.commands.run("head -c 16 /dev/urandom | xxd -p || true; od -An -N16 -tx1 /dev/urandom").stdout for c in (one, two)}
        assert len(randoms) == 2
        names = {c.commands.run('echo "$WRENN_SANDBOX_ID"').stdout for c in (one, two)}
        assert names == {f"{one.capsule_id}\n", f"{two.capsule_id}\n"}


def test_the_capsule_itself_can_go_on(own: Capsule, name: str) -> None:
    own.commands.run("echo mine > /dev/shm/mark")
    own.create_snapshot(name=name)
    assert own.get_info().status == Status.paused
    own.resume()
    assert own.commands.run("cat /dev/shm/mark").stdout == "mine\n"


def test_a_paused_capsule_can_become_a_template(own: Capsule, name: str) -> None:
    own.files.write("/root/kept", "paused")
    own.pause()
    own.create_snapshot(name=name)
    with Capsule(template=name, wait=True) as made:
        assert made.files.read("/root/kept") == "paused"


def test_a_taken_name_is_replaced_only_when_asked(own: Capsule, name: str) -> None:
    own.files.write("/root/version", "1")
    own.create_snapshot(name=name)
    with pytest.raises(WrennError) as refusal:
        own.create_snapshot(name=name)
    assert (refusal.value.status_code, refusal.value.code) == (409, "template_name_taken")
    own.resume()
    own.files.write("/root/version", "2")
    own.create_snapshot(name=name, overwrite=True)
    with Capsule(template=name, wait=True) as made:
        assert made.files.read("/root/version") == "2"


def test_a_deleted_template_starts_nothing_but_its_capsules_live_on(
    own: Capsule, client: WrennClient, name: str
) -> None:
    own.files.write("/root/kept", "still")
    own.create_snapshot(name=name)
    with Capsule(template=name, wait=True) as made:
        made.pause()
        client.snapshots.delete(name)
        with pytest.raises(WrennNotFoundError):
            client.snapshots.delete(name)
        with pytest.raises(WrennNotFoundError):
            Capsule(template=name)
        made.resume()
        assert made.files.read("/root/kept") == "still"


def test_a_template_without_a_name_gets_one(own: Capsule, client: WrennClient) -> None:
    template = own.create_snapshot()
    assert template.name is not None and template.name.startswith("template-")
    client.snapshots.delete(template.name)


def test_what_may_not_be_done_with_templates(own: Capsule, client: WrennClient) -> None:
    with pytest.raises(WrennError) as refusal:
        own.create_snapshot(name="minimal", overwrite=True)
    assert (refusal.value.status_code, refusal.value.code) == (409, "name_reserved")
    with pytest.raises(WrennForbiddenError):
        client.snapshots.delete("minimal")
    with pytest.raises(WrennValidationError):
        own.create_snapshot(name="not/a name")
    own.destroy()
    with pytest.raises(WrennConflictError):
        own.create_snapshot(name="too-late")


def test_the_built_in_template_is_listed(client: WrennClient) -> None:
    minimal = {t.name: t for t in client.snapshots.list(type="base")}["minimal"]
    assert (minimal.vcpus, minimal.memory_mb, minimal.platform) == (1, 512, True)
