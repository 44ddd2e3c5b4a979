"""Files through the SDK."""

import hashlib
import time
from collections.abc import Iterator

import httpx
import pytest
from outside.waiting import eventually
from wrenn import Capsule, WrennConflictError, WrennNotFoundError, WrennValidationError

MIB = 1 << 20


def test_text_and_bytes_come_back_as_written(shared: Capsule) -> None:
    shared.files.write("/root/text", "naïve 🐦\n")
    assert shared.files.read("/root/text") == "naïve 🐦\n"
    every = bytes(range(256)) * 10
    shared.files.write("/root/bytes", every)
    assert shared.files.read_bytes("/root/bytes") == every


def test_writing_makes_parents_and_replaces(shared: Capsule) -> None:
    shared.files.write("/srv/a/b/c/deep", "a longer first version")
    shared.files.write("/srv/a/b/c/deep", "second")
    assert shared.files.read("/srv/a/b/c/deep") == "second"


def test_an_empty_file_is_a_file(shared: Capsule) -> None:
    shared.files.write("/root/empty", b"")
    assert shared.files.read_bytes("/root/empty") == b""
    assert shared.files.exists("/root/empty")


@pytest.mark.parametrize("name", ["with space", "žluť 🐦", "quo'te\"s", "line\nbreak", "-dash", "x" * 255])
def test_names_are_taken_as_they_are(shared: Capsule, name: str) -> None:
    shared.files.write(f"/srv/names/{name}", name)
    assert shared.files.read(f"/srv/names/{name}") == name
    assert name in [e.name for e in shared.files.list("/srv/names")]
    shared.files.remove(f"/srv/names/{name}")
    assert not shared.files.exists(f"/srv/names/{name}")


def test_relative_paths_and_tilde_start_at_home(shared: Capsule) -> None:
    shared.files.write("relative", "1")
    shared.files.write("~/tilde", "2")
    assert shared.files.read("/root/relative") + shared.files.read("/root/tilde") == "12"


def test_a_listing_tells_type_size_mode_and_owner(shared: Capsule) -> None:
    shared.commands.run(
        "mkdir -p /srv/list/sub/deeper && cd /srv/list && printf 12345 > plain && chmod 640 plain"
        " && touch sub/inner sub/deeper/bottom && ln -s plain link && ln -s nowhere dangling"
        " && mkfifo fifo && chown nobody:nogroup plain"
    )
    entries = {e.name: e for e in shared.files.list("/srv/list")}
    assert sorted(entries) == ["dangling", "fifo", "link", "plain", "sub"]
    plain = entries["plain"]
    assert (plain.type, plain.size, plain.mode) == ("file", 5, 0o640)
    assert (plain.permissions, plain.owner, plain.group) == ("-rw-r-----", "nobody", "nogroup")
    assert plain.path == "/srv/list/plain"
    assert plain.modified_at is not None and abs(plain.modified_at - time.time()) < 60
    assert entries["sub"].type == "directory"
    assert entries["link"].symlink_target is not None
    deep = [e.path for e in shared.files.list("/srv/list", depth=2)]
    assert "/srv/list/sub/inner" in deep and "/srv/list/sub/deeper/bottom" not in deep
    assert "/srv/list/sub/deeper/bottom" in [e.path for e in shared.files.list("/srv/list", depth=3)]


def test_folders_with_sockets_and_devices_can_be_listed(shared: Capsule) -> None:
    assert "null" in [e.name for e in shared.files.list("/dev")]
    assert "self" in [e.name for e in shared.files.list("/proc")]


def test_exists_tells_the_truth(shared: Capsule) -> None:
    assert shared.files.exists("/etc/hostname")
    assert shared.files.exists("/etc")
    assert not shared.files.exists("/etc/no-such-file")
    assert not shared.files.exists("/no/such/parent")


def test_make_dir_makes_parents_and_may_be_repeated(shared: Capsule) -> None:
    made = shared.files.make_dir("/srv/made/with/parents")
    assert (made.name, made.type, made.path) == ("parents", "directory", "/srv/made/with/parents")
    assert shared.files.make_dir("/srv/made/with/parents").name == "parents"


def test_a_file_in_the_way_of_a_folder_is_told(shared: Capsule) -> None:
    shared.files.write("/srv/in-the-way", "")
    with pytest.raises((WrennValidationError, WrennConflictError)):
        shared.files.make_dir("/srv/in-the-way/below")


def test_remove_takes_folders_whole_and_links_alone(shared: Capsule) -> None:
    shared.commands.run("mkdir -p /srv/gone/sub && touch /srv/gone/sub/f /srv/target && ln -s /srv/target /srv/alias")
    shared.files.remove("/srv/gone")
    assert not shared.files.exists("/srv/gone")
    shared.files.remove("/srv/alias")
    assert shared.files.exists("/srv/target")


def test_missing_paths_are_not_found(shared: Capsule) -> None:
    for attempt in (shared.files.read, shared.files.list, shared.files.remove):
        with pytest.raises(WrennNotFoundError):
            attempt("/no/such/path")
    with pytest.raises(httpx.HTTPStatusError) as refusal:  # the SDK does not translate this one
        list(shared.files.download_stream("/no/such/path"))
    assert refusal.value.response.status_code == 404


def test_a_folder_is_no_file_and_a_file_no_folder(shared: Capsule) -> None:
    with pytest.raises(WrennValidationError):
        shared.files.read("/etc")
    with pytest.raises(WrennValidationError):
        shared.files.list("/etc/hostname")


def test_two_hundred_megabytes_stream_both_ways(shared: Capsule) -> None:
    block = hashlib.sha256(b"seed").digest() * (MIB // 32)
    up = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        for number in range(200):
            piece = number.to_bytes(8) + block[8:]
            up.update(piece)
            yield piece

    shared.files.upload_stream("/root/large", blocks())
    down = hashlib.sha256()
    size = 0
    for piece in shared.files.download_stream("/root/large"):
        down.update(piece)
        size += len(piece)
    shared.files.remove("/root/large")
    assert size == 200 * MIB
    assert down.digest() == up.digest()


def test_a_broken_upload_leaves_no_file(shared: Capsule) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"x" * MIB
        raise ConnectionError("the client dies")

    with pytest.raises((ConnectionError, httpx.HTTPError)):
        shared.files.upload_stream("/srv/half", breaks())
    eventually("half a file is none", lambda: not shared.files.exists("/srv/half"))
