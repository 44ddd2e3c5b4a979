"""What a command that talks to a server costs: its classes come ready from a cache, no source is read."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from outside.server import WRENN, Server, wrenn

# Not in any cache: picocli's are in a class format that is too old for it, and some are made at run time.
OUTSIDE_ALWAYS = ("picocli.", "jdk.proxy", "com.sun.proxy.", "java.lang.")


def test_a_client_command_takes_its_classes_from_the_cache(server: Server, tmp_path: Path) -> None:
    log = tmp_path / "classes.log"
    words = ("capsule", "list", "--dir", str(server.folder), "--json")
    assert wrenn(*words).returncode == 0, "the first one may have to build the client"

    listed = wrenn(*words, _JAVA_OPTIONS=f"-Xlog:class+load:file={log}")

    assert listed.returncode == 0, listed.stderr
    loaded = log.read_text().splitlines()
    outside = [line.split()[1] for line in loaded if "shared objects file" not in line and "source:" in line]
    assert any("dev.wrenn.cli.client.ApiClient" in line for line in loaded)
    ours = [name for name in outside if name.startswith(("dev.wrenn.", "com.fasterxml.", "jdk.internal.net.http."))]
    assert [name for name in ours if "$$Lambda" not in name] == []
    others = [name for name in outside if not name.startswith(OUTSIDE_ALWAYS) and name not in ours]
    assert len(others) < 60, others
    assert not any("sun.security.x509.X509CertImpl source: jrt" in line for line in loaded)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts beside one module, and the record of a client that was built of it."""
    root = tmp_path / "checkout"
    for folder in ("scripts", "module/src/main", ".mvn", "target/wrenn", "jdk/bin"):
        (root / folder).mkdir(parents=True)
    for script in (WRENN.parent / "scripts").glob("*.sh"):
        shutil.copy(script, root / "scripts")
    for file in ("pom.xml", "mvnw", "module/pom.xml", "module/src/main/A.java", "jdk/release", "client.jar"):
        (root / file).write_text("first")
    (root / "jdk/bin/java").touch(mode=0o755)
    time_of_record(root)
    return root


def time_of_record(root: Path) -> None:
    """Records a client as of the moment after the last change."""
    record = root / "target/wrenn/client"
    record.write_text(f"{root}/jdk\n{root}/client.jar\n{root}/client.aot\n")
    newest = max(file.stat().st_ctime_ns for file in root.rglob("*") if file != record)
    os.utime(record, ns=(newest, newest))
    probe = root / "target/probe"
    probe.touch()
    while probe.stat().st_ctime_ns <= newest:  # the clock of files is coarse: the next change must be later
        os.utime(probe)


def finds_client(root: Path, **more: str) -> bool:
    script = (
        f"set -euo pipefail; root={root}; build_dir=$root/target/wrenn; . $root/scripts/client.sh;"
        " if find_client; then echo $client_jar; fi"
    )
    found = subprocess.run(
        ["bash", "-c", script], env={"PATH": os.environ["PATH"]} | more, capture_output=True, text=True, check=True
    )
    assert found.stderr == ""
    return found.stdout == f"{root}/client.jar\n"


def test_a_client_is_taken_as_it_is_while_no_source_changed(checkout: Path) -> None:
    assert finds_client(checkout)
    assert finds_client(checkout, JAVA_HOME=f"{checkout}/jdk")


@pytest.mark.parametrize("change", ["edit", "new", "removed", "old time", "module", "jdk"])
def test_a_change_of_the_sources_or_the_jdk_is_noticed(checkout: Path, change: str) -> None:
    source = checkout / "module/src/main/A.java"
    match change:
        case "edit":
            source.write_text("second")
        case "new":
            (source.parent / "B.java").write_text("second")
        case "removed":
            source.unlink()
        case "old time":
            source.write_text("second")
            os.utime(source, (0, 0))
        case "module":
            (checkout / "other").mkdir()
            (checkout / "other/pom.xml").write_text("second")
        case "jdk":
            (checkout / "jdk/release").write_text("second")

    assert not finds_client(checkout)


def test_another_jdk_or_a_build_that_is_gone_is_noticed(checkout: Path) -> None:
    assert not finds_client(checkout, JAVA_HOME="/usr/lib/jvm/another")

    (checkout / "client.jar").unlink()

    assert not finds_client(checkout)
