"""What one data folder's server holds on the machine, found by the folder's path and its prefix."""

import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

RUN_ROOT = Path("/run/wrenn")


def prefix_of(folder: Path) -> str:
    """The name of everything that a server keeps outside of its folder."""
    return "w" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:4]


def holdings(folder: Path) -> list[str]:
    """Everything of the folder's server that lives now, one line a thing; empty if all is gone."""
    prefix = prefix_of(folder)
    found = [f"process {pid} {' '.join(line)[:120]}" for pid, line in processes(folder)]
    found += [f"namespace {n}" for n in _names(Path("/run/netns")) if _is_of(n, prefix)]
    found += [f"link {n}" for n in _names(Path("/sys/class/net")) if _is_of(n, prefix)]
    found += [f"table {t}" for t in _nft_tables() if _is_of(t, prefix)]
    found += [f"mount {m}" for m in _mounts(folder)]
    found += [f"loop device {d}" for d in _loop_devices(folder)]
    found += [f"run file {n}" for n in _names(RUN_ROOT) if _is_of(n, prefix)]
    return found


def processes(folder: Path) -> list[tuple[int, list[str]]]:
    """Processes that name the folder, or the run folder of its server, in their command line."""
    marks = (str(folder), str(RUN_ROOT / prefix_of(folder)) + "/")
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(mark in word for word in line for mark in marks):
            found.append((int(entry.name), line))
    return found


def vmms(folder: Path) -> list[int]:
    """Processes of virtual machines."""
    return [pid for pid, line in processes(folder) if Path(line[0]).name.startswith("qemu")]


def clear(folder: Path) -> list[str]:
    """Takes away by force what is still there, and says what that was."""
    left = holdings(folder)
    prefix = prefix_of(folder)
    for pid, _ in processes(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for name in _names(Path("/run/netns")):
        if _is_of(name, prefix):
            subprocess.run(["ip", "netns", "delete", name], check=False)
    for name in _names(Path("/sys/class/net")):
        if _is_of(name, prefix):
            subprocess.run(["ip", "link", "delete", name], check=False)
    for table in _nft_tables():
        if _is_of(table, prefix):
            subprocess.run(["nft", "delete", "table", "inet", table], check=False)
    for mount in reversed(_mounts(folder)):
        subprocess.run(["umount", "--lazy", mount], check=False)
    for device in _loop_devices(folder):
        subprocess.run(["losetup", "--detach", device], check=False)
    for name in _names(RUN_ROOT):
        if _is_of(name, prefix):
            path = RUN_ROOT / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return left


def _is_of(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith((prefix + "-", prefix + "_", prefix + "."))


def _names(folder: Path) -> list[str]:
    return sorted(e.name for e in folder.iterdir()) if folder.is_dir() else []


def _nft_tables() -> list[str]:
    listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    return [line.split()[2] for line in listed.stdout.splitlines()]


def _mounts(folder: Path) -> list[str]:
    with open("/proc/self/mountinfo") as lines:
        points = [line.split()[4] for line in lines]
    return [p for p in points if p == str(folder) or p.startswith(f"{folder}/")]


def _loop_devices(folder: Path) -> list[str]:
    devices = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if backing.read_text().startswith(str(folder)):
                devices.append(f"/dev/{backing.parts[3]}")
        except (FileNotFoundError, OSError):
            continue  # detached while we look
    return devices
