"""What is attacked: a server, its VMs, its database and its files, each of which can be struck."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from chaos.faults import Faults, Plan
from outside import machine
from outside.cluster import Cluster
from outside.server import Server
from outside.waiting import eventually

SOON = 30.0

# Rows of capsules stay and say how they ended; nobody builds or names templates here.
UNEXPLAINED = """
SELECT 'capsule', id, status FROM capsules WHERE status NOT IN ('stopped', 'error')
UNION ALL SELECT 'build', id, status FROM builds
UNION ALL SELECT 'step', key, state FROM step_cache
UNION ALL SELECT 'template', name, type FROM templates WHERE type <> 'base'
"""


class Ground:
    """A data folder, the server that works on it, and the database of that server."""

    def __init__(self, say: Callable[[str], None], differ: Callable[[str], None]) -> None:
        self.say = say
        self.differ = differ
        self.root = Path(tempfile.mkdtemp(prefix="wrenn-chaos-", dir="/var/tmp"))
        self.root.chmod(0o711)  # the database's owner has to reach its folder
        self.folder = self.root / "data"
        self.cluster = Cluster(self.root / "cluster")
        self.faults = Faults(self.root)

    def begin(self) -> None:
        self.folder.mkdir(mode=0o700)
        images = Path(os.environ.get("WRENN_TEST_CACHE", "/var/cache/wrenn-test")) / "images"
        images.mkdir(parents=True, exist_ok=True)
        (self.folder / "images").symlink_to(images)
        self.faults.make(
            [
                self.folder / "volume",
                self.folder / "journal",
                self.folder / "metrics",
                machine.RUN_ROOT / machine.prefix_of(self.folder),
            ]
        )
        self.cluster.make()
        self.start()

    def start(self) -> None:
        more = self.faults.environment() | {"DATABASE_URL": self.cluster.url}
        self.server = Server(self.folder, **more)
        self.is_down = False

    def stop(self) -> None:
        """In order, as a service manager does."""
        self.server.stop()

    def clear(self, log: Path | None) -> None:
        """By force, whatever is left; the server's log may be kept."""
        machine.clear(self.folder)
        written = self.folder.with_name("data.log")
        if log is not None and written.exists():
            shutil.copy(written, log)
        self.cluster.remove()
        shutil.rmtree(self.root)

    # ---- strikes

    def kill_server(self) -> None:
        self.say("kill of the server")
        self.server.process.kill()
        self.is_down = True

    def mend(self) -> None:
        """Starts again what was killed, at first with files that still fail; then all is well."""
        if self.is_down:
            self.server.process.communicate()  # until it is really gone
            if self.faults.is_armed:
                try:
                    self.start()
                except AssertionError as failure:
                    self.say(f"no start while files fail: {str(failure).rpartition('wrenn: ')[2]}")
            self.heal()
            if self.is_down:
                self.start()
        self.heal()

    def break_files(self, plan: Plan) -> None:
        self.say(f"files fail: {plan.name}, after {plan.after}")
        self.faults.arm(plan)

    def heal(self) -> None:
        for failed in self.faults.disarm():
            self.say(f"  failed: {failed}")

    def kill_vm(self, pick: float) -> list[str]:
        """Gives the command line of the VM that it was; empty if none runs."""
        vms = self.vms()
        if not vms:
            return []
        pid, line = vms[int(pick * len(vms))]
        self.say(f"kill of the VM with process {pid}")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return line

    def take_database(self, away: float, by_force: bool) -> None:
        """For that many seconds, in which the API must say so."""
        self.say(f"{'kill' if by_force else 'stop'} of the database for {away:.1f} s")
        if by_force:
            self.cluster.kill()
        else:
            self.cluster.stop()
        try:
            if not self.is_down:
                self.expect_refusal()
            threading.Event().wait(away)
        finally:
            self.cluster.start()
        if not self.is_down:
            eventually("the API is back", self.serves, SOON)

    def expect_refusal(self) -> None:
        answer = self.server.api.get("/v1/capsules")
        if answer.status != 503 or "database" not in answer.json["error"]["message"]:
            self.differ(f"without a database the API answers {answer.status} {answer.body!r}")

    def serves(self) -> bool:
        return self.server.api.get("/v1/capsules").status == 200

    # ---- what there is

    def vms(self) -> list[tuple[int, list[str]]]:
        """Processes of VMs with their command lines."""
        found = machine.processes(self.folder)
        return [(pid, line) for pid, line in found if Path(line[0]).name.startswith("qemu")]

    def vm_of(self, capsule: str) -> int | None:
        """The process of a capsule's VM."""
        for pid, line in self.vms():
            if any(capsule in word for word in line):
                return pid
        return None

    def left(self) -> list[str]:
        """What is kept of capsules although there are none; a comparison of rows and host may have
        to come first."""
        left = [f"row {' '.join(row)}" for row in self.cluster.ask(UNEXPLAINED)]
        for part in ("volume/disks", "volume/store/drafts", "journal/capsules", "metrics"):
            left += [f"{part}/{entry.name}" for entry in (self.folder / part).iterdir()]
        left += [f"process of a VM {pid}" for pid, _ in self.vms()]
        return left + self._snapshots() + self._descriptors()

    def _snapshots(self) -> list[str]:
        """Those that no template has."""
        records = (self.folder / "journal/templates").iterdir()
        roots = "".join(record.read_text() for record in records)
        made = (self.folder / "volume/store/snapshots").iterdir()
        return [f"snapshot {entry.name}" for entry in made if entry.name not in roots]

    def _descriptors(self) -> list[str]:
        """Of the server, into what capsules had, or on the memory of a guest."""
        marks = ("volume/disks/", "store/drafts/", "userfaultfd", "[pidfd]", "/memfd:", "metrics/")
        opened = []
        for entry in Path(f"/proc/{self.server.process.pid}/fd").iterdir():
            try:
                target = str(entry.readlink())
            except FileNotFoundError:
                continue  # closed while we look
            if any(mark in target for mark in marks):
                opened.append(f"descriptor {entry.name} of {target}")
        return opened
