"""The code interpreter: cells in a kernel that runs before its capsule begins."""

import base64
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
from outside.api import Api
from outside.waiting import eventually

if TYPE_CHECKING:
    from wrenn.code_runner import Capsule

BUILD_LIMIT_SECONDS = 600
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def names() -> Iterator[None]:
    """A resolver with a wildcard: names of capsules' ports lead to the gateway."""
    resolve = socket.getaddrinfo

    def with_wildcard(host: object, *more: object, **options: object) -> object:
        text = host.decode() if isinstance(host, bytes) else host
        found = "127.0.0.1" if isinstance(text, str) and text.endswith(".127.0.0.1") else host
        return resolve(found, *more, **options)  # type: ignore[arg-type]

    socket.getaddrinfo = with_wildcard  # type: ignore[assignment]
    yield
    socket.getaddrinfo = resolve


@pytest.fixture(scope="module")
def template(api: Api) -> None:
    """The template of the code interpreter, made if it is not there."""
    build = api.post("/v1/builds", {"name": "code-runner-beta"}).json["id"]

    def ended() -> bool:
        return "completed_at" in api.get(f"/v1/builds/{build}").json

    eventually("the template is made", ended, limit=BUILD_LIMIT_SECONDS)
    made = api.get(f"/v1/builds/{build}").json
    assert made["status"] == "success", made


@pytest.fixture(scope="module")
def shared(sdk: None, template: None, names: None) -> Iterator["Capsule"]:
    from wrenn.code_runner import Capsule  # the other tests run without the SDK

    with Capsule(wait=True) as capsule:
        yield capsule


def test_state_stays_from_cell_to_cell(shared: "Capsule") -> None:
    first = shared.run_code("x = 20 + 1\nx")
    second = shared.run_code("print(x)\nx * 2")

    assert (first.text, first.error) == ("21", None)
    assert (second.logs.stdout, second.text) == (["21\n"], "42")
    assert second.execution_count == (first.execution_count or 0) + 1


def test_it_begins_with_an_empty_notebook(shared: "Capsule", names: None) -> None:
    from wrenn.code_runner import Capsule

    with Capsule(wait=True) as fresh:
        cell = fresh.run_code("sorted(n for n in globals() if not n.startswith('_'))")

    assert cell.execution_count == 1
    assert cell.text == "['In', 'Out', 'exit', 'get_ipython', 'open', 'quit']"


def test_streams_come_as_they_are_written(shared: "Capsule") -> None:
    heard: list[tuple[float, str]] = []
    cell = shared.run_code(
        "import sys, time\nprint('one', flush=True)\ntime.sleep(2)\nprint('two', file=sys.stderr)",
        on_stdout=lambda text: heard.append((time.monotonic(), text)),
        on_stderr=lambda text: heard.append((time.monotonic(), text)),
    )

    assert (cell.logs.stdout, cell.logs.stderr) == (["one\n"], ["two\n"])
    assert heard[1][0] - heard[0][0] > 1


def test_a_figure_is_a_png(shared: "Capsule") -> None:
    cell = shared.run_code(
        "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()", timeout=60
    )

    pictures = [r.png for r in cell.results if r.png]
    assert len(pictures) == 1, cell
    assert base64.b64decode(pictures[0]).startswith(b"\x89PNG\r\n")


def test_rich_results_come_as_html_and_json(shared: "Capsule") -> None:
    table = shared.run_code("import pandas as pd\npd.DataFrame({'a': [1], 'b': ['x']})", timeout=60)
    assert "<table" in (table.results[0].html or "")
    assert table.results[0].is_main_result

    data = shared.run_code("from IPython.display import JSON\nJSON({'k': [1, 2]})")
    assert data.results[0].json == {"k": [1, 2]}


def test_an_error_comes_with_its_traceback_and_the_kernel_goes_on(shared: "Capsule") -> None:
    cell = shared.run_code("def f():\n    return 1 / 0\nf()")

    assert cell.error is not None
    assert (cell.error.name, cell.error.value) == ("ZeroDivisionError", "division by zero")
    assert "return 1 / 0" in COLOURS.sub("", cell.error.traceback)
    assert shared.run_code("1 + 1").text == "2"


def test_much_output_arrives_whole(shared: "Capsule") -> None:
    cell = shared.run_code("for i in range(20000): print(i, 'x' * 100)", timeout=120)

    assert cell.error is None
    assert "".join(cell.logs.stdout).splitlines()[-1] == "19999 " + "x" * 100
    assert len("".join(cell.logs.stdout).splitlines()) == 20000


def test_a_cell_can_be_interrupted(shared: "Capsule") -> None:
    kernel = shared._ensure_kernel()
    outcome: list[object] = []
    cell = threading.Thread(
        target=lambda: outcome.append(
            shared.run_code("marked = True\nimport time\ntime.sleep(600)", timeout=120)
        )
    )
    cell.start()
    with httpx.Client(base_url=shared.get_url(8888), timeout=30) as jupyter:
        state = f"/api/kernels/{kernel}"
        eventually("it runs", lambda: jupyter.get(state).json()["execution_state"] == "busy")
        assert jupyter.post(state + "/interrupt").status_code == 204
    cell.join(timeout=60)

    assert outcome[0].error.name == "KeyboardInterrupt"  # type: ignore[attr-defined]
    assert shared.run_code("marked").text == "True"


def test_a_cell_may_wait_and_what_it_starts_prints_too(shared: "Capsule") -> None:
    awaited = shared.run_code("import asyncio\nawait asyncio.sleep(0.1)\nprint('waited')")
    assert (awaited.error, awaited.logs.stdout) == (None, ["waited\n"])

    program = shared.run_code("import subprocess\nsubprocess.run(['uname'], check=True).returncode")
    assert (program.logs.stdout, program.text) == (["Linux\n"], "0")
    shell = shared.run_code("!id -un")  # in a terminal, as IPython does it
    assert "".join(shell.logs.stdout).split() == ["wrenn-user"]


def test_input_is_refused(shared: "Capsule") -> None:
    cell = shared.run_code("input('name? ')")

    assert cell.error is not None
    assert cell.error.name == "StdinNotImplementedError"


def test_another_kernel_has_variables_of_its_own_and_can_be_restarted(
    shared: "Capsule", names: None
) -> None:
    from wrenn.code_runner import Capsule

    shared.run_code("whose = 'first'")
    other = Capsule.connect(shared.capsule_id)
    with httpx.Client(base_url=shared.get_url(8888), timeout=60) as kernels:
        started = kernels.post("/api/kernels", json={"name": "python3"})
        assert started.status_code == 201
        other._kernel_id = started.json()["id"]
        assert other.run_code("'whose' in globals()", timeout=120).text == "False"
        other.run_code("whose = 'second'")

        restarted = kernels.post(f"/api/kernels/{other._kernel_id}/restart")
        assert restarted.status_code == 200
        assert other.run_code("'whose' in globals()", timeout=120).text == "False"
        other.close()
        assert kernels.delete(f"/api/kernels/{other._kernel_id}").status_code == 204
        assert len(kernels.get("/api/kernels").json()) == 1
    assert shared.run_code("whose").text == "'first'"


def test_a_kernel_that_dies_says_so_at_once_and_another_one_begins(
    template: None, sdk: None, names: None
) -> None:
    from wrenn.code_runner import Capsule

    with Capsule(wait=True) as own:
        own.run_code("x = 1")
        cell = own.run_code("import os\nos.kill(os.getpid(), 9)", timeout=120)

        assert cell.error is not None
        assert cell.error.name == "KernelDied"
        assert "signal 9" in cell.error.value
        assert own.run_code("'x' in globals()", timeout=120).text == "False"


def test_files_and_programs_are_those_of_the_capsule(shared: "Capsule") -> None:
    shared.files.write("/home/wrenn-user/in.csv", "a,b\n1,2\n")

    cell = shared.run_code("import pandas as pd\nint(pd.read_csv('in.csv').b[0])", timeout=60)
    assert cell.text == "2"
    shared.run_code("open('out.txt', 'w').write('from the cell')")
    assert shared.files.read("/home/wrenn-user/out.txt") == "from the cell"
    assert shared.commands.run("python -c 'import pandas'").exit_code == 0


def test_no_two_capsules_draw_the_same_random_numbers(shared: "Capsule", names: None) -> None:
    from wrenn.code_runner import Capsule

    draw = "import os, random, uuid, numpy\nprint(random.random(), numpy.random.random(), uuid.uuid4())"
    with Capsule(wait=True) as other:
        mine = shared.run_code(draw).logs.stdout[0].split()
        theirs = other.run_code(draw).logs.stdout[0].split()
        named = other.run_code("os.environ['WRENN_SANDBOX_ID']").text

    assert not set(mine) & set(theirs)
    assert named == repr(other.capsule_id)


def test_variables_and_a_running_thread_survive_a_pause(shared: "Capsule", names: None) -> None:
    from wrenn.code_runner import Capsule

    with Capsule(wait=True) as own:
        own.run_code(
            "import threading, time\nticks = []\n"
            "def tick():\n    while True:\n        ticks.append(1); time.sleep(0.2)\n"
            "threading.Thread(target=tick, daemon=True).start()\n"
            "import pandas as pd\ntable = pd.DataFrame({'a': range(1000)})",
            timeout=60,
        )
        own.pause(wait=True)
        own.resume(wait=True)

        with Capsule.connect(own.capsule_id) as again:
            before = int(again.run_code("len(ticks)", timeout=60).text or 0)
            assert again.run_code("int(table.a.sum())").text == "499500"
            later = int(again.run_code("time.sleep(1); len(ticks)").text or 0)
            assert later > before > 0
