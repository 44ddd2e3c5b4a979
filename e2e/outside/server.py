"""The product as its users start it: `./wrenn up` as a process, with a data folder of its own."""

import json
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Any

from outside.api import Api

WRENN = Path(__file__).resolve().parents[2] / "wrenn"
START_LIMIT = 600.0  # the first start of a checkout builds it
STOP_LIMIT = 120.0


def environment(**more: str) -> dict[str, str]:
    """Ours without anything that would steer the product."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in ("DATABASE_URL", "JAVA_TOOL_OPTIONS") and not k.startswith("WRENN_")
    }
    return kept | more


def wrenn(*words: str, limit: float = 120.0, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [WRENN, *words], env=environment(**more), capture_output=True, text=True, timeout=limit
    )


class Server:
    """One `./wrenn up` that serves."""

    def __init__(self, folder: Path, *options: str, **more: str) -> None:
        """Starts it and returns when it serves."""
        self.folder = folder
        self.log = folder.with_name(folder.name + ".log")
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [WRENN, "up", "--dir", str(folder), "--json", *_listening(options)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(**more),
                text=True,
            )
        try:
            self.announced: dict[str, Any] = json.loads(self._first_line())
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.took = time.monotonic() - began
        self.api = Api(self.announced["base_url"], self.announced["api_key"])

    def _first_line(self) -> str:
        out = self._out()
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            assert selector.select(START_LIMIT), f"did not serve within {START_LIMIT} s: {self.tail()}"
        line = out.readline()
        assert line, f"ended with {self.process.wait()} before it served: {self.tail()}"
        return line

    def _out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def tail(self) -> str:
        """The end of what it said on standard error."""
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> str:
        """SIGTERM, as a service manager does; gives what else it wrote to standard output."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=STOP_LIMIT)
        return rest

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        self.process.kill()
        self.process.communicate()


def _listening(options: tuple[str, ...]) -> list[str]:
    return list(options) if "--listen" in options else ["--listen", "127.0.0.1:0", *options]
