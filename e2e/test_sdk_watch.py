"""Watches of directories, a WebSocket of the API that the SDK does not know; spoken with its own library."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from httpx_ws import WebSocketDisconnect, WebSocketSession, connect_ws
from outside.api import Api

LIMIT = 20.0


class Watch:
    """A watch as its client sees it."""

    def __init__(self, socket: WebSocketSession) -> None:
        self.socket = socket

    def message(self) -> Any:
        return json.loads(self.socket.receive_text(timeout=LIMIT))

    def until(self, change: str, name: str) -> list[str]:
        """All changes up to that one."""
        seen: list[str] = []
        while not seen or seen[-1] != f"{change} {name}":
            message = self.message()
            assert message["type"] == "change", message
            seen.append(f"{message['change']} {message['name']}")
        return seen


@contextmanager
def watching(api: Api, capsule: str, path: str, recursive: bool = False) -> Iterator[Watch]:
    url = api.base_url.replace("http", "ws", 1) + f"{capsule}/files/watch"
    with connect_ws(url, headers={"X-API-Key": api.key}) as socket:
        socket.send_text(json.dumps({"type": "start", "path": path, "recursive": recursive}))
        watch = Watch(socket)
        assert watch.message() == {"type": "started"}
        yield watch


def test_what_programs_do_is_told_in_order(api: Api, capsule: str) -> None:
    api.sh(capsule, "mkdir -p /srv/seen/sub")
    with watching(api, capsule, "/srv/seen", recursive=True) as watch:
        api.sh(
            capsule,
            "cd /srv/seen && echo 1 > sub/a && mv sub/a b && chmod 600 b && mkdir -p new/deep"
            " && echo 2 > new/deep/c && rm b && touch last",
        )
        seen = watch.until("create", "last")
    order = ["create sub/a", "write sub/a", "rename sub/a", "create b", "chmod b"]
    assert [change for change in seen if change in order] == order
    assert {"create new", "create new/deep", "create new/deep/c", "remove b"} <= set(seen)


def test_without_recursion_only_the_directory_itself_is_told(api: Api, capsule: str) -> None:
    api.sh(capsule, "mkdir -p /srv/flat/sub")
    with watching(api, capsule, "/srv/flat") as watch:
        api.sh(capsule, "cd /srv/flat && touch sub/unseen && mkdir last")
        assert watch.until("create", "last") == ["create last"]


def test_a_reader_that_is_late_hears_of_every_change_or_that_some_are_lost(
    api: Api, capsule: str
) -> None:
    api.sh(capsule, "mkdir -p /srv/many")
    with watching(api, capsule, "/srv/many") as watch:
        # Nothing is read meanwhile; the guest's kernel keeps 16384 changes.
        api.sh(capsule, "cd /srv/many && for i in $(seq 2000); do : > f$i; done; mkdir last")
        seen = watch.until("create", "last")
    assert [c for c in seen if c.startswith("create f")] == [f"create f{i}" for i in range(1, 2001)]


def test_a_pause_ends_a_watch_with_its_reason(api: Api, capsule: str) -> None:
    with watching(api, capsule, "/srv") as watch:
        api.post(f"{capsule}/pause").ok()
        message = watch.message()
        assert (message["type"], message["fatal"]) == ("error", True)
        assert "paused" in message["data"]
        try:
            watch.message()
        except WebSocketDisconnect as end:
            assert (end.code, "paused" in (end.reason or "")) == (1000, True)
        else:
            raise AssertionError("the watch goes on after its end")


def test_permissions_change_over_the_api(api: Api, capsule: str) -> None:
    api.sh(capsule, "echo 'echo runs' > /srv/tool && ln -s tool /srv/link")
    entry = api.post(f"{capsule}/files/chmod", {"path": "/srv/link", "mode": "0755"}).ok()["entry"]
    assert (entry["path"], entry["mode"]) == ("/srv/link", 0o755)
    assert api.sh(capsule, "/srv/tool; stat -c %a /srv/tool")["stdout"] == "runs\n755\n"
    assert api.post(f"{capsule}/files/chmod", {"path": "/srv/none", "mode": 420}).status == 404
