"""A PostgreSQL of one's own, named by DATABASE_URL, that can be taken away and brought back."""

import os
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from outside.waiting import eventually

OWNER = "postgres"  # PostgreSQL refuses to run as root
PASSWORD = "a-word-that-nothing-else-says"
LIMIT = 60.0


class Cluster:
    """A private cluster in a folder, as an unprivileged user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parts[4]))
        self.port = _free_port()
        self.url = f"postgres://wrenn:{PASSWORD}@127.0.0.1:{self.port}/wrenn"

    def make(self) -> None:
        """Makes it and starts it; its owner must be able to reach the folder."""
        self.folder.mkdir()
        shutil.chown(self.folder, OWNER)
        password = self.folder.with_suffix(".pw")
        password.write_text(PASSWORD)
        shutil.chown(password, OWNER)
        self._run("initdb", "--username=wrenn", f"--pwfile={password}", "--auth=scram-sha-256")
        password.unlink()
        self.start()
        self._run("createdb", *self._client(), "wrenn", PGPASSWORD=PASSWORD)

    def start(self) -> None:
        # What was written survives the end of processes without fsync, and no machine ends here.
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = self.folder / "log"
        try:
            self._run("pg_ctl", "start", "--wait", f"--log={log}", f"--options={options}")
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {log.read_text()[-1000:]}") from failure

    def stop(self) -> None:
        """At once: open transactions are cut."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def kill(self) -> None:
        """SIGKILL to every process of it; they are gone when this returns, also from the table of
        processes: another one does not start as long as the number of the first is taken."""
        killed = self._processes()
        for pid in killed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # ended with its parent
        eventually(
            "the database is gone",
            lambda: not self._processes() and not any(map(_is_there, killed)),
            LIMIT,
        )

    def is_running(self) -> bool:
        return bool(self._processes())

    def remove(self) -> None:
        if self.is_running():
            self.kill()
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def ask(self, query: str) -> list[list[str]]:
        """The rows that a query brings, as text."""
        told = self._run(
            "psql", *self._client(), "--no-psqlrc", "--csv", "--tuples-only", f"--command={query}", "wrenn",
            PGPASSWORD=PASSWORD,
        )
        return [line.split(",") for line in told.splitlines()]

    def _client(self) -> tuple[str, ...]:
        return ("--host=127.0.0.1", f"--port={self.port}", "--username=wrenn")

    def _processes(self) -> list[int]:
        """All that work in its folder."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "cwd").readlink() == self.folder:
                    found.append(int(entry.name))
            except OSError:
                continue  # ended while we look
        return found

    def _run(self, program: str, *arguments: str, **more: str) -> str:
        # What pg_ctl starts would keep pipes open.
        output = subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE
        done = subprocess.run(
            ["runuser", "-u", OWNER, "--", str(self.programs / program), *arguments],
            env=os.environ | {"PGDATA": str(self.folder)} | more,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=LIMIT,
            text=True,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout or ""


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _free_port() -> int:
    """Below those that the kernel gives to clients: one of them could take it while the database is
    away, even a client of the database."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(lowest // 2, lowest)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue  # taken
