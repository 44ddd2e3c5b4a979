"""One server for all tests that need nothing special, folders that are gone afterwards."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from outside import machine
from outside.api import Api
from outside.server import Server

if TYPE_CHECKING:
    from wrenn import Capsule

def not_for_this_sdk() -> list[str]:
    """Tests whose parts of the SDK are not there; without any the rest still runs, `run` has said so."""
    if os.environ.get("WRENN_E2E_WITHOUT_SDK"):
        return ["test_sdk_*.py"]
    needs = {"test_sdk_events.py": "wrenn.client:EventsResource", "test_sdk_code.py": "wrenn.code_runner:Capsule"}
    missing = [test for test, part in needs.items() if not has(*part.split(":"))]
    if missing:
        print(f"Not run: {', '.join(missing)}, which this release of the SDK is too old for.")
    return missing


def has(module: str, name: str) -> bool:
    try:
        return hasattr(import_module(module), name)
    except ImportError:
        return False


collect_ignore_glob = not_for_this_sdk()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at the machine afterwards comes last."""
    items.sort(key=lambda item: item.path.name == "test_leftovers.py")


class Folders:
    """Makes data folders, and knows all that were made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: list[Path] = []
        self.servers: list[Server] = []

    def make(self) -> Path:
        """A folder with the guest images that earlier runs made, so that none is built again."""
        folder = self.root / f"data{len(self.made)}"
        folder.mkdir(mode=0o700)
        images = Path(os.environ.get("WRENN_TEST_CACHE", "/var/cache/wrenn-test")) / "images"
        images.mkdir(parents=True, exist_ok=True)
        (folder / "images").symlink_to(images)
        self.made.append(folder)
        return folder

    def serve(self, folder: Path, *options: str, **more: str) -> Server:
        """A server that is stopped at the end, whatever happens."""
        server = Server(folder, *options, **more)
        self.servers.append(server)
        return server


@pytest.fixture(scope="session")
def folders() -> Iterator[Folders]:
    root = Path(tempfile.mkdtemp(prefix="wrenn-e2e-", dir="/var/tmp"))
    made = Folders(root)
    try:
        yield made
    finally:
        for server in made.servers:
            server.stop()
        for folder in made.made:
            machine.clear(folder)
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def server(folders: Folders) -> Server:
    """The one that most tests share."""
    return folders.serve(folders.make())


@pytest.fixture(scope="session")
def api(server: Server) -> Api:
    return server.api


@pytest.fixture
def create(api: Api) -> Iterator[Callable[..., str]]:
    """Makes capsules that are destroyed after the test; gives their paths."""
    made: list[str] = []

    def make(**order: object) -> str:
        made.append(api.create(**order))
        return made[-1]

    yield make
    for capsule in made:
        assert api.delete(capsule).status == 204


@pytest.fixture
def capsule(create: Callable[..., str]) -> str:
    """A running capsule of the test's own."""
    return create()


@pytest.fixture(scope="session")
def sdk(api: Api) -> Iterator[None]:
    """The two variables from which the SDK takes its server."""
    given = {"WRENN_BASE_URL": api.base_url, "WRENN_API_KEY": api.key}
    os.environ.update(given)
    yield
    for name in given:
        del os.environ[name]


@pytest.fixture(scope="module")
def shared(sdk: None) -> Iterator["Capsule"]:
    """One running capsule for the tests of a module that leave it running."""
    from wrenn import Capsule  # the other tests run without the SDK

    with Capsule(wait=True) as capsule:
        yield capsule
