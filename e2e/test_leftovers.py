"""Runs last: whatever the tests did, nothing of any server is left on the machine."""

from conftest import Folders
from outside import machine
from outside.waiting import eventually


def test_nothing_is_left_of_any_server(folders: Folders) -> None:
    for server in folders.servers:
        server.stop()
    for folder in folders.made:
        eventually(
            f"nothing is left of {folder}: {machine.holdings(folder)}",
            lambda: not machine.holdings(folder),
        )
