"""The life of a capsule through the SDK, with its default limits."""

from collections.abc import Iterator

import pytest
from wrenn import (
    Capsule,
    WrennAuthenticationError,
    WrennClient,
    WrennConflictError,
    WrennNotFoundError,
    WrennValidationError,
)
from wrenn.models import Status

pytestmark = pytest.mark.usefixtures("sdk")


@pytest.fixture
def own() -> Iterator[Capsule]:
    """A capsule that the test may pause."""
    with Capsule(wait=True) as capsule:
        yield capsule


def test_a_new_capsule_runs_and_tells_its_shape() -> None:
    with Capsule(template="minimal", vcpus=1, memory_mb=256, timeout=300, wait=True) as capsule:
        info = capsule.get_info()
        assert info.status == Status.running
        assert (info.template, info.vcpus, info.memory_mb, info.timeout_sec) == (
            "minimal",
            1,
            256,
            300,
        )
        assert info.created_at is not None and info.started_at is not None
        assert info.created_at <= info.started_at
        assert capsule.is_running()
        assert capsule.capsule_id in [c.id for c in Capsule.list()]
        memory = capsule.commands.run("awk '/MemTotal/ {print $2}' /proc/meminfo")
        assert 180_000 < int(memory.stdout) < 256 * 1024


def test_leaving_the_context_destroys_the_capsule() -> None:
    with Capsule(wait=True) as capsule:
        left = capsule.capsule_id
    assert Capsule.get_info(left).status == Status.stopped
    assert left not in [c.id for c in Capsule.list()]


def test_the_factory_makes_the_same_as_the_constructor() -> None:
    capsule = Capsule.create(template="minimal", wait=True)
    try:
        assert capsule.commands.run("echo made").stdout == "made\n"
    finally:
        capsule.destroy(wait=True)
    assert capsule.get_info().status == Status.stopped


def test_pause_and_resume_keep_what_was_there(own: Capsule) -> None:
    own.files.write("/root/kept", "on disk")
    own.commands.run("echo 'in memory' > /dev/shm/kept")
    assert own.pause().status == Status.paused
    assert not own.is_running()
    with pytest.raises(WrennConflictError):
        own.commands.run("true")
    assert own.resume().status == Status.running
    assert own.commands.run("cat /root/kept /dev/shm/kept").stdout == "on diskin memory\n"


def test_static_forms_work_by_id(own: Capsule) -> None:
    assert Capsule.pause(own.capsule_id, wait=True).status == Status.paused
    assert Capsule.get_info(own.capsule_id).status == Status.paused
    assert Capsule.resume(own.capsule_id, wait=True).status == Status.running
    Capsule.destroy(own.capsule_id, wait=True)
    assert own.get_info().status == Status.stopped


def test_connect_resumes_a_paused_capsule(own: Capsule) -> None:
    own.commands.run("echo before > /root/mark")
    own.pause()
    again = Capsule.connect(own.capsule_id)
    assert again.is_running()
    assert again.commands.run("cat /root/mark").stdout == "before\n"
    assert Capsule.connect(own.capsule_id).commands.run("echo third").stdout == "third\n"


def test_ping_counts_as_activity(own: Capsule) -> None:
    before = own.get_info().last_active_at
    assert before is not None
    own.commands.run("sleep 1.1")  # the time in answers has whole seconds
    own.ping()
    after = own.get_info().last_active_at
    assert after is not None and after > before


def test_ping_of_a_paused_capsule_is_a_conflict(own: Capsule) -> None:
    own.pause()
    with pytest.raises(WrennConflictError) as refusal:
        own.ping()
    assert refusal.value.code == "invalid_state"


def test_pausing_twice_and_resuming_twice_are_conflicts(own: Capsule) -> None:
    with pytest.raises(WrennConflictError):
        own.resume()
    own.pause()
    with pytest.raises(WrennConflictError):
        own.pause()


def test_destroying_twice_is_fine(own: Capsule) -> None:
    own.destroy()
    own.destroy()
    with pytest.raises(WrennConflictError):
        own.commands.run("true")


def test_unknown_ids_and_bad_ones_are_told_apart() -> None:
    with pytest.raises(WrennNotFoundError):
        Capsule.get_info("cl-" + "0" * 25)
    with pytest.raises(WrennValidationError):
        Capsule.get_info("nonsense")
    with pytest.raises(WrennNotFoundError):
        Capsule(template="there-is-no-such-template")


def test_a_wrong_key_is_refused() -> None:
    with pytest.raises(WrennAuthenticationError):
        Capsule(api_key="wrn_" + "0" * 32)


def test_the_api_prefix_of_hosted_wrenn_works_too(api) -> None:
    with WrennClient(base_url=api.base_url + "/api") as client:
        made = client.capsules.create(template="minimal")
        assert made.id is not None
        assert client.capsules.get(made.id).status == Status.running
        client.capsules.pause(made.id)
        client.capsules.resume(made.id)
        client.capsules.ping(made.id)
        client.capsules.destroy(made.id)
