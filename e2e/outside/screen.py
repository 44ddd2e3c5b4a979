"""A terminal session of the SDK, read until something shows."""

import threading
import time

from wrenn.pty import PtyEvent, PtyEventType, PtySession


class Screen:
    """Collects what a session shows on a thread of its own, so that waiting can have a limit."""

    def __init__(self, session: PtySession) -> None:
        self.session = session
        self.shown = b""
        self.events: list[PtyEvent] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for event in self.session:
            with self._changed:
                self.events.append(event)
                if event.type == PtyEventType.output:
                    assert isinstance(event.data, bytes)
                    self.shown += event.data
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def started(self, limit: float = 10.0) -> PtyEvent:
        """Waits until the session has its tag and process."""
        return self._wait(lambda: self._of(PtyEventType.started), "started", limit)

    def until(self, text: str, limit: float = 20.0) -> str:
        """Waits until that text shows, and takes everything up to its end off the screen."""
        wanted = text.encode()
        self._wait(lambda: wanted in self.shown, text, limit)
        with self._changed:
            end = self.shown.index(wanted) + len(wanted)
            seen, self.shown = self.shown[:end], self.shown[end:]
        return seen.decode(errors="replace")

    def type(self, text: str) -> None:
        self.session.write(text.encode())

    def exit_code(self, limit: float = 20.0) -> int:
        """Waits for the end of the program."""
        event = self._wait(lambda: self._of(PtyEventType.exit), "exit", limit)
        assert event.exit_code is not None
        return event.exit_code

    def ended(self, limit: float = 20.0) -> list[PtyEvent]:
        """Waits until the session is over, however it ended, and gives what it told."""
        self._wait(lambda: self._ended, "the end of the session", limit)
        return [e for e in self.events if e.type != PtyEventType.output]

    def _of(self, kind: PtyEventType) -> PtyEvent | None:
        return next((e for e in self.events if e.type == kind), None)

    def _wait(self, look, what: str, limit: float):
        deadline = time.monotonic() + limit
        with self._changed:
            while not (seen := look()):
                left = deadline - time.monotonic()
                if left <= 0 or (self._ended and not look()):
                    told = [e for e in self.events if e.type != PtyEventType.output]
                    raise AssertionError(
                        f"not within {limit} s: {what!r}; told {told}; shown {self.shown[-500:]!r}"
                    )
                self._changed.wait(left)
        return seen
