"""The HTTP API with nothing but Python's own library."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What a request brought back."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The machine-readable reason of a refusal."""
        return self.json["error"]["code"]

    def ok(self) -> Any:
        """The JSON of a success; none for an empty one."""
        assert self.status < 300, f"{self.status}: {self.body.decode(errors='replace')}"
        return json.loads(self.body) if self.body else None


class Api:
    """Requests to one server with one key; each has a connection of its own."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self.key = key

    def call(self, method: str, path: str, body: Any = None, limit: float = 60.0) -> Answer:
        with self.connection(limit) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, self.headers())
            response = connection.getresponse()
            return Answer(response.status, response.read())

    def connection(self, limit: float = 60.0) -> "Connection":
        address = urlsplit(self.base_url)
        assert address.hostname is not None
        return Connection(address.hostname, address.port, timeout=limit)

    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key, "Content-Type": "application/json"}

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None, limit: float = 60.0) -> Answer:
        return self.call("POST", path, {} if body is None else body, limit)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def create(self, **order: Any) -> str:
        """Makes a capsule and gives its path."""
        return f"/v1/capsules/{self.post('/v1/capsules', order).ok()['id']}"

    def status(self, capsule: str) -> str:
        return self.get(capsule).ok()["status"]

    def sh(self, capsule: str, line: str, **more: Any) -> dict[str, Any]:
        """Runs a shell line in a capsule."""
        order = {"cmd": "/bin/sh", "args": ["-c", line], **more}
        return self.post(f"{capsule}/exec", order, limit=90).ok()

    def start(self, capsule: str, line: str, tag: str) -> int:
        """Starts a shell line in the background and gives its process id."""
        return self.sh(capsule, line, background=True, tag=tag)["pid"]


class Connection(http.client.HTTPConnection):
    """Closed at the end of a `with`."""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
