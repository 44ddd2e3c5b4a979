"""Services in a capsule, at the addresses that the SDK tells."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import httpx_ws
import pytest
from outside.waiting import eventually

if TYPE_CHECKING:
    from wrenn import Capsule

pytestmark = pytest.mark.usefixtures("sdk")

ECHO = """
import base64, hashlib, socket
server = socket.create_server(("127.0.0.1", 8700))
while True:
    client, _ = server.accept()
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += client.recv(1)
    key = [l.split(b": ")[1] for l in head.split(b"\\r\\n") if l.lower().startswith(b"sec-websocket-key")][0]
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    client.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                   b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\\r\\n\\r\\n")
    first, second = client.recv(1), client.recv(1)
    mask = client.recv(4)
    text = bytes(b ^ mask[i % 4] for i, b in enumerate(client.recv(second[0] & 127)))
    client.sendall(bytes([0x81, len(text)]) + text)
    client.recv(100)
    client.close()
"""


def address(capsule: "Capsule", port: int) -> tuple[str, dict[str, str]]:
    """Where the gateway is, and the name that a resolver with a wildcard would have led to it."""
    named = urlsplit(capsule.get_url(port))
    assert named.hostname is not None and named.hostname.startswith(f"{port}-{capsule.capsule_id}.")
    return f"{named.scheme}://127.0.0.1:{named.port}", {"Host": named.netloc}


@pytest.mark.parametrize("bound", ["0.0.0.0", "127.0.0.1"])
def test_a_web_server_answers_at_its_address(shared: "Capsule", bound: str) -> None:
    port = 8601 if bound == "0.0.0.0" else 8602
    shared.files.write(f"/srv/{port}/höhe & tiefe.txt", "found")
    server = shared.commands.run(
        f"python3 -m http.server {port} --bind {bound} --directory /srv/{port}", background=True
    )
    base, headers = address(shared, port)
    with httpx.Client(base_url=base, headers=headers, timeout=10) as client:
        eventually("it listens", lambda: client.get("/").status_code == 200, limit=20)

        assert client.get("/h%C3%B6he%20%26%20tiefe.txt").text == "found"
        assert client.get("/nothing").status_code == 404
        shared.commands.kill(server.pid)
        eventually("it is gone", lambda: client.get("/").status_code == 502, limit=20)


def test_a_websocket_passes_to_a_service_on_loopback(shared: "Capsule") -> None:
    shared.files.write("/tmp/echo.py", ECHO)
    server = shared.commands.run("python3 /tmp/echo.py", background=True)
    base, headers = address(shared, 8700)

    def said() -> str:
        try:
            with httpx_ws.connect_ws(base + "/any", headers=headers) as socket:
                socket.send_text("over and out")
                return socket.receive_text(timeout=10)
        except httpx_ws.WebSocketUpgradeError:
            return ""  # not listening yet

    eventually("the echo answers", lambda: said() == "over and out", limit=20)
    shared.commands.kill(server.pid)


def test_the_guest_agents_own_port_is_closed_to_everybody(shared: "Capsule") -> None:
    base, headers = address(shared, 49983)

    assert httpx.get(base + "/health", headers=headers).status_code == 403


def test_a_request_resumes_a_capsule_that_allows_it(create: Callable[..., str], api: object) -> None:
    from wrenn import Capsule

    path = create(auto_resume=True, memory_mb=256)
    capsule = Capsule.connect(path.rsplit("/", 1)[-1])
    capsule.commands.run("python3 -m http.server 8601 --directory /etc", background=True)
    base, headers = address(capsule, 8601)
    eventually("it listens", lambda: httpx.get(base, headers=headers).status_code == 200, limit=20)
    capsule.pause()

    assert httpx.get(base + "/hostname", headers=headers, timeout=30).text.strip() == "capsule"
    assert capsule.is_running()
