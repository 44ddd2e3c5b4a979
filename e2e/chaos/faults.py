"""File operations that fail in the server and its VMMs, at moments that are drawn."""

import ctypes
import errno
import mmap
import os
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

QEMU = "qemu-system-x86_64"

OPEN, WRITE, SYNC, NAME, REMOVE, READ = (1 << bit for bit in range(6))
SHORT_WRITE = 10000
EVER = 0xFFFFFFFF


class Control(ctypes.Structure):
    """What `faults.c` maps."""

    _fields_ = [
        ("armed", ctypes.c_uint32),
        ("kinds", ctypes.c_uint32),
        ("how", ctypes.c_uint32),
        ("after", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("seen", ctypes.c_uint64),
        ("failed", ctypes.c_uint64),
        ("folders", ctypes.c_char * 4000),
    ]


@dataclass(frozen=True)
class Plan:
    """What fails: of all operations of these kinds `after` pass, the next `length` fail."""

    name: str
    kinds: int
    how: int
    after: int
    length: int


def drawn(chance: random.Random) -> Plan:
    """Early operations fail as often as late ones of a long operation."""
    after = int(2 ** chance.uniform(0, 8)) - 1
    few = chance.randint(1, 4)
    return chance.choice(
        [
            Plan("full disk", OPEN | WRITE | NAME, errno.ENOSPC, after, EVER),
            Plan("no room", OPEN | WRITE | NAME, errno.ENOSPC, after, few),
            Plan("failing disk", OPEN | WRITE | SYNC | NAME, errno.EIO, after, few),
            Plan("failing sync", SYNC, errno.EIO, after // 8, few),
            Plan("failing rename", NAME, errno.EIO, after // 8, few),
            Plan("half a write", WRITE, SHORT_WRITE, after, few),
            Plan("failing read", READ, errno.EIO, after // 2, few),
            Plan("failing removal", REMOVE, errno.EIO, after // 4, few),
        ]
    )


class Faults:
    """Armed or not; the processes that are to fail are started with its environment."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "faults.so"
        self.file = folder / "faults"
        self.log = folder / "faults.log"
        self.programs = folder / "programs"
        self.count = 0

    def make(self, folders: list[Path]) -> None:
        """For the files below these folders."""
        source = Path(__file__).with_name("faults.c")
        subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", self.library, source], check=True)
        self.file.write_bytes(bytes(ctypes.sizeof(Control)))
        self.log.touch()
        for shared in (self.file, self.log):
            shared.chmod(0o666)  # VMMs have users of their own
        with open(self.file, "r+b") as file:
            self.control = Control.from_buffer(mmap.mmap(file.fileno(), 0))
        self.control.folders = "".join(f"{folder}\n" for folder in folders).encode()
        self._wrap_qemu()

    def _wrap_qemu(self) -> None:
        """It is started with an environment that the server chooses."""
        self.programs.mkdir()
        real = next(p for p in (Path("/usr/bin", QEMU), Path("/usr/local/bin", QEMU)) if p.exists())
        wrapper = self.programs / QEMU
        wrapper.write_text(
            "#!/bin/sh\n"
            f'export LD_PRELOAD="${{LD_PRELOAD:+$LD_PRELOAD:}}{self.library}" CHAOS_FAULTS={self.file}\n'
            f'exec {real} "$@"\n'
        )
        wrapper.chmod(0o755)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "CHAOS_FAULTS": str(self.file),
            "PATH": f"{self.programs}:{os.environ['PATH']}",
        }

    def arm(self, plan: Plan) -> None:
        for name in ("kinds", "how", "after", "length"):
            setattr(self.control, name, getattr(plan, name))
        self.control.seen = self.control.failed = 0
        self.control.armed = 1

    @property
    def is_armed(self) -> bool:
        return bool(self.control.armed)

    def disarm(self) -> list[str]:
        """Gives what failed since the last time: process, operation, file and errno of each."""
        self.control.armed = 0
        told = self.log.read_text(errors="replace").splitlines()
        new, self.count = told[self.count :], len(told)
        return new
