"""What capsules use and teams reserve, as clients, the command line and Prometheus see it."""

import json
import re
from collections.abc import Callable
from typing import Any

from outside.api import Api
from outside.server import Server, wrenn
from outside.waiting import eventually

Create = Callable[..., str]


def points(api: Api, capsule: str, range_: str = "10m") -> list[dict[str, Any]]:
    return api.get(f"{capsule}/metrics?range={range_}").ok()["points"]


def series(api: Api) -> dict[str, float]:
    """What Prometheus would read."""
    text = api.get("/metrics")
    assert text.status == 200
    samples = re.findall(r"^([a-z][^ ]*) ([-+.0-9eE]+)$", text.body.decode(), re.MULTILINE)
    return {name: float(value) for name, value in samples}


def test_a_capsule_shows_what_it_uses_and_keeps_it_over_a_pause(api: Api, create: Create) -> None:
    capsule = create(memory_mb=256)
    api.start(capsule, "while :; do :; done", "busy")
    eventually("it is busy", lambda: any(p["cpu_pct"] > 40 for p in points(api, capsule)), 90)
    api.post(f"{capsule}/pause").ok()
    before = points(api, capsule)
    assert points(api, capsule) == before
    assert all(p["mem_bytes"] > 16 << 20 for p in before)

    api.post(f"{capsule}/resume").ok()
    eventually("it is measured on", lambda: len(points(api, capsule)) > len(before), 30)
    assert points(api, capsule)[: len(before)] == before
    assert len(points(api, capsule, "24h")) >= 1
    assert api.get(f"{capsule}/metrics?range=1y").code == "invalid_request"


def test_what_a_capsule_reserves_shows_in_the_statistics_of_its_team(
    api: Api, create: Create
) -> None:
    before = api.get("/v1/capsules/stats").ok()["current"]
    create(memory_mb=256)
    after = api.get("/v1/capsules/stats").ok()["current"]
    assert after["running_count"] == before["running_count"] + 1
    assert after["memory_mb_reserved"] == before["memory_mb_reserved"] + 256

    def used() -> dict[str, float]:
        return api.get("/v1/capsules/usage").ok()["points"][-1]

    eventually("a sample counts", lambda: used()["ram_mb_minutes"] > 0, 30)
    eventually("it has a peak", lambda: api.get("/v1/capsules/stats").ok()["peaks"]["vcpus"] > 0)


def test_the_commands_show_the_same(server: Server, api: Api, create: Create) -> None:
    capsule = create(memory_mb=256)
    name = capsule.rsplit("/", 1)[1]
    eventually("it is measured", lambda: points(api, capsule), 30)
    folder = str(server.folder)

    shown = wrenn("capsule", "metrics", "--dir", folder, name)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^MEMORY +\d+\.\d MiB", shown.stdout, re.MULTILINE)
    listed = wrenn("capsule", "metrics", "--dir", folder, "--json", name)
    assert json.loads(listed.stdout)["sandbox_id"] == name
    stats = wrenn("capsule", "stats", "--dir", folder)
    assert re.search(r"^RUNNING +[1-9]", stats.stdout, re.MULTILINE)
    usage = wrenn("capsule", "usage", "--dir", folder)
    assert "together" in usage.stdout
    wrong = wrenn("capsule", "metrics", "--dir", folder, "--range", "1y", name)
    assert wrong.returncode != 0
    assert "5m, 10m, 1h" in wrong.stderr


def test_the_operator_reads_what_happened(api: Api, create: Create) -> None:
    before = series(api)
    api.post(f"{create(memory_mb=256)}/pause").ok()
    after = series(api)

    def grown(name: str) -> float:
        return after[name] - before[name]

    for operation in ("create", "pause"):
        assert grown(f'wrenn_operation_duration_seconds_count{{operation="{operation}"}}') == 1
    assert grown('wrenn_capsules{status="paused"}') == 1
    assert grown("wrenn_host_vm_saves_total") == 1
    assert grown("wrenn_host_vm_saved_bytes_total") > 0
    assert after["wrenn_host_free_disk_bytes"] > 0
    assert Api(api.base_url, "").get("/metrics").code == "unauthorized"
