"""The stream of events through the SDK: what happens is told as it happens."""

import contextlib
import threading
from collections.abc import Iterator
from queue import Queue

import httpx
import pytest
from wrenn import Capsule, WrennAuthenticationError, WrennClient
from wrenn.models import SSEEvent

pytestmark = pytest.mark.usefixtures("sdk")

LIMIT = 60.0


class Ears:
    """Reads a stream on a thread of its own."""

    def __init__(self, events: Iterator[SSEEvent]) -> None:
        self.heard: Queue[SSEEvent] = Queue()
        assert next(events).event == "connected"
        self.thread = threading.Thread(target=self._listen, args=(events,), daemon=True)
        self.thread.start()

    def _listen(self, events: Iterator[SSEEvent]) -> None:
        with contextlib.suppress(httpx.HTTPError):  # the test has closed its client
            for event in events:
                self.heard.put(event)

    def until(self, kind: str, capsule: str) -> list[SSEEvent]:
        """What is told of a capsule up to that event."""
        told: list[SSEEvent] = []
        while not told or told[-1].event != kind:
            event = self.heard.get(timeout=LIMIT)
            if event.resource is not None and event.resource.id == capsule:
                told.append(event)
        return told


def test_the_life_of_a_capsule_is_told_as_it_happens() -> None:
    with WrennClient() as client:
        ears = Ears(client.events.stream())
        with Capsule(wait=True) as capsule:
            created = ears.until("capsule.create", capsule.capsule_id)
            assert [e.event for e in created] == ["capsule.state.changed", "capsule.create"]
            assert created[0].metadata == {"from": "pending", "to": "running"}
            assert created[1].outcome == "success"
            assert created[1].actor is not None and created[1].actor.type == "api_key"
            assert created[1].sandbox is not None and created[1].sandbox.id == capsule.capsule_id
            assert created[1].timestamp is not None
            Capsule.pause(capsule.capsule_id)
            ears.until("capsule.pause", capsule.capsule_id)
            Capsule.resume(capsule.capsule_id)
            ears.until("capsule.resume", capsule.capsule_id)
        ears.until("capsule.destroy", capsule.capsule_id)


def test_an_expiry_is_told_with_its_reason() -> None:
    with WrennClient() as client:
        ears = Ears(client.events.stream())
        with Capsule(timeout=1, wait=True) as capsule:
            paused = ears.until("capsule.pause", capsule.capsule_id)[-1]
            assert paused.actor is not None and paused.actor.type == "system"
            assert paused.metadata is not None and "expired" in paused.metadata["reason"]


def test_a_wrong_key_hears_nothing() -> None:
    with WrennClient(api_key="wrn_" + "0" * 32) as client:
        with pytest.raises(WrennAuthenticationError):
            next(client.events.stream())
