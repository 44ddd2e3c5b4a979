"""The attack: rounds of random operations on random capsules, most of them with strikes in the middle."""

import http.client
import itertools
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait as wait_for
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import faults, pattern
from chaos.ground import Ground
from chaos.model import Capsule, State
from outside import machine
from outside.api import Answer, Api
from outside.server import wrenn
from outside.waiting import eventually

CAPSULES = 6
LIMIT = 120.0
VERIFY_LIMIT = 600.0  # every byte of every disk
WORKERS = 3
STRIKES = {"none": 3, "server": 3, "vmm": 3, "database": 2, "server and vmm": 1, "server and database": 1}
LONGEST_WAIT = 0.7
LONGEST_ABSENCE = 1.5
FAULTS = 0.4  # how often files fail
LONGEST_FAULT = 4.0
LOOKS = 0.3  # how often a capsule is looked into to which nothing was done


@dataclass
class Tally:
    """What a run comes to; kills are those of the server, of VMs and of the database."""

    seed: int
    operations: int = 0
    kills: int = 0
    differences: int = 0
    leaks: int = 0
    server_kills: int = 0
    vm_kills: int = 0
    database_kills: int = 0
    faults: int = 0


class Cut(Exception):
    """An operation that was not done, as far as its caller knows; `code` is that of the answer."""

    def __init__(self, what: str, code: str = "") -> None:
        super().__init__(what)
        self.code = code


class Attack:
    """One run, on a ground of its own."""

    def __init__(self, seed: int, say: Callable[[str], None]) -> None:
        self.tally = Tally(seed)
        self.chance = random.Random(seed)
        self.say = say
        self.capsules: dict[str, Capsule] = {}
        self.checkpoints: dict[str, set[State]] = {}
        self.picks: dict[str, float] = {}
        self.count = itertools.count(1)
        self.struck = False
        self.is_alive = True
        self.is_last = False
        self.ground = Ground(say, self.differ)

    @property
    def api(self) -> Api:
        return self.ground.server.api

    def run(self, minutes: float, log: Path | None) -> Tally:
        """Attacks for that long, then takes everything down and looks what is left."""
        try:
            self.ground.begin()
            self.create()  # not attacked, so that there is something to attack
            end = time.monotonic() + 60 * minutes
            while time.monotonic() < end:
                self.round()
            self.finish()
            self.tally.faults = self.ground.faults.count
            self.ground.stop()
            self.leaks(machine.holdings(self.ground.folder))
        finally:
            self.ground.clear(log)
        return self.tally

    def differ(self, what: str) -> None:
        self.tally.differences += 1
        self.say(f"DIFFERENCE: {what}")

    def leaks(self, found: list[str]) -> None:
        for thing in found:
            self.tally.leaks += 1
            self.say(f"LEAK: {thing}")

    # ---- one round

    def round(self) -> None:
        known = list(self.capsules.values())
        actors = self.chance.sample(known, min(len(known), self.chance.randint(1, WORKERS)))
        tasks = [self.choose(capsule) for capsule in actors]
        if len(known) < CAPSULES and (not known or self.chance.random() < 0.4):
            tasks.append(self.create)
        strike = self.chance.choices(list(STRIKES), list(STRIKES.values()))[0]
        waits = [self.chance.uniform(0, LONGEST_WAIT) for _ in range(2)]
        plan = faults.drawn(self.chance) if self.chance.random() < FAULTS else None
        faulty = self.chance.uniform(0, LONGEST_FAULT)
        bystanders = [capsule for capsule in known if capsule not in actors]
        looks = {capsule.id for capsule in known if self.chance.random() < LOOKS}
        self.struck = strike != "none" or plan is not None
        self.is_alive = strike == "none"
        if plan is not None:
            self.ground.break_files(plan)
        victims: list[list[str]] = []
        with ThreadPoolExecutor(len(tasks)) as pool:
            asked = [pool.submit(self.attempt, task) for task in tasks]
            for blow, wait in zip(reversed(strike.split(" and ")), waits, strict=False):
                threading.Event().wait(wait)  # a random moment, not one to be waited for
                victims.append(self.strike(blow, bystanders))
            if not self.ground.is_down:
                if plan is not None:
                    wait_for(asked, faulty)  # a guest waits as long as its disk cannot be written
                self.ground.heal()
            for each in asked:
                each.result()
        for capsule in self.capsules.values():
            if any(capsule.id in word for line in victims for word in line):
                capsule.lost_its_vm()  # whatever was done to it meanwhile
        self.ground.mend()
        self.settle({capsule.id for capsule in actors} | looks)

    def attempt(self, task: Callable[[], None]) -> None:
        self.tally.operations += 1
        try:
            task()
        except Cut as cut:
            if not self.struck:
                self.differ(f"an operation failed without a strike: {cut}")
            elif self.is_alive and cut.code in ("", "internal_error"):
                self.differ(f"nobody was told what failed: {cut}")

    def strike(self, blow: str, bystanders: list[Capsule]) -> list[str]:
        """Kills, and gives the command line of the VM that it was, if any."""
        pick, by_force = self.chance.random(), self.chance.random() < 0.5
        away = self.chance.uniform(0, LONGEST_ABSENCE)
        if blow == "none":
            return []
        if blow == "vmm":
            victim = self.ground.kill_vm(pick)
            self.tally.vm_kills += bool(victim)
            self.tally.kills += bool(victim)
            return victim
        self.tally.kills += 1
        if blow == "server":
            self.tally.server_kills += 1
            self.ground.kill_server()
        else:
            self.tally.database_kills += 1
            before = {c.id: self.ground.vm_of(c.id) for c in bystanders if c.runs}
            self.ground.take_database(away, by_force)
            for id, vm in before.items():
                if self.ground.vm_of(id) != vm:
                    self.differ(f"{id} lost its VM with the database")
        return []

    # ---- operations

    def choose(self, capsule: Capsule) -> Callable[[], None]:
        if not capsule.runs:
            choices: dict[Callable[[Capsule], None], int] = {
                self.resume: 6, self.fork: 1, self.roll_back: 2, self.destroy: 1
            }
        else:
            choices = {
                self.write: 6, self.pause: 4, self.checkpoint: 4, self.fork: 2, self.roll_back: 3,
                self.destroy: 1,
            }
        operation = self.chance.choices(list(choices), list(choices.values()))[0]
        self.picks[capsule.id] = self.chance.random()
        return lambda: operation(capsule)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        try:
            answer = self.api.call(method, path, body, LIMIT)
        except (OSError, http.client.HTTPException) as failure:
            raise Cut(f"{method} {path}: {failure!r}") from failure
        if answer.status >= 300:
            told = answer.body.decode(errors="replace")
            raise Cut(f"{method} {path}: {answer.status} {told}", answer.code)
        return answer

    def effect(self, request: Callable[[], Answer], then: Callable[[bool], None]) -> Answer:
        """Tells the model what came of a request: done, or perhaps. A server that was not struck and
        says that it failed has left everything as it was."""
        try:
            answer = request()
        except Cut as cut:
            if not (self.is_alive and cut.code):
                then(False)
            raise
        then(True)
        return answer

    def sh(self, capsule: Capsule, line: str) -> str:
        order = {"cmd": "/bin/sh", "args": ["-c", line], "timeout_sec": 100}
        done = self.ask("POST", f"{capsule.path}/exec", order).json
        if done["exit_code"] != 0:
            raise Cut(f"a command in {capsule.id} ended with {done}")
        return done["stdout"]

    def create(self) -> None:
        made = self.ask("POST", "/v1/capsules", {}).json
        capsule = Capsule(made["id"], set())
        number = next(self.count)
        self.sh(capsule, pattern.set_up() + pattern.write(number, f"c{number}"))
        capsule.now = {State(number, number)}
        self.capsules[capsule.id] = capsule

    def write(self, capsule: Capsule) -> None:
        number = next(self.count)
        line = pattern.write(number, f"w{number}")
        try:
            self.sh(capsule, line)
        except Cut:
            capsule.written(number, False)
            raise
        capsule.written(number, True)

    def pause(self, capsule: Capsule) -> None:
        self.effect(lambda: self.ask("POST", f"{capsule.path}/pause", {}), capsule.paused)

    def resume(self, capsule: Capsule) -> None:
        self.effect(lambda: self.ask("POST", f"{capsule.path}/resume", {}), capsule.resumed)

    def checkpoint(self, capsule: Capsule) -> None:
        before = set(capsule.now)
        made = self.effect(
            lambda: self.ask("POST", f"{capsule.path}/checkpoints", {}), capsule.saved_as_it_is
        )
        self.checkpoints[made.json["id"]] = before

    def target(self, capsule: Capsule) -> str | None:
        """One of its checkpoints that the model knows."""
        listed = self.ask("GET", f"{capsule.path}/checkpoints").json["checkpoints"]
        known = [c["id"] for c in listed if c["id"] in self.checkpoints]
        return known[int(self.picks[capsule.id] * len(known))] if known else None

    def roll_back(self, capsule: Capsule) -> None:
        chosen = self.target(capsule)
        if chosen is None:
            return
        there = self.checkpoints[chosen]
        try:
            self.ask("POST", f"{capsule.path}/rollback", {"checkpoint": chosen})
        except Cut:
            capsule.went_back(there, False)  # it may have come half way, also if it says that it failed
            raise
        capsule.went_back(there, True)

    def fork(self, capsule: Capsule) -> None:
        if len(self.capsules) >= CAPSULES:
            return
        if capsule.runs:
            made = self.effect(
                lambda: self.ask("POST", f"{capsule.path}/fork", {}), capsule.saved_as_it_is
            )
        else:
            made = self.ask("POST", f"{capsule.path}/fork", {})
        child = made.json["forks"][0]["capsule"]["id"]
        self.capsules[child] = Capsule(child, set(capsule.now), set(capsule.now), False)

    def destroy(self, capsule: Capsule) -> None:
        capsule.may_be_gone = True
        self.ask("DELETE", capsule.path)
        del self.capsules[capsule.id]

    # ---- what came of it

    def settle(self, touched: set[str]) -> None:
        """Compares all that there is with the model; afterwards each capsule's state is known, also
        what it holds if it was touched."""
        there = {c["id"]: c for c in self.listed()}
        for id, about in there.items():
            if id not in self.capsules:
                self.take_in(id, about)
                touched.add(id)
        for capsule in list(self.capsules.values()):
            if capsule.id not in there:
                if not capsule.may_be_gone:
                    self.differ(f"{capsule.id} is gone: {self.api.get(capsule.path).body!r}")
                del self.capsules[capsule.id]
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda c: self.checked(c, c.id in touched), list(self.capsules.values())))

    def checked(self, capsule: Capsule, is_touched: bool) -> None:
        """Compares; one that cannot even be looked at is a difference and is given up."""
        try:
            self.compare(capsule, is_touched)
        except (AssertionError, Cut) as failure:
            self.differ(f"{capsule.id} cannot be compared: {failure}")
            self.api.delete(capsule.path)
            del self.capsules[capsule.id]

    def listed(self) -> list[dict[str, Any]]:
        """The capsules, once none of them is on its way to another state."""

        def look() -> tuple[list[dict[str, Any]]] | None:
            found: list[dict[str, Any]] = self.api.get("/v1/capsules").ok()
            return (found,) if all(c["status"] != "pending" for c in found) else None

        return eventually("no capsule is pending", look, LIMIT)[0]

    def take_in(self, id: str, about: dict[str, Any]) -> None:
        """A capsule whose birth was cut short: a fork is as good as any, another is given up."""
        parent = self.capsules.get(about.get("forked_from", ""))
        if parent is None:
            self.api.delete(f"/v1/capsules/{id}")
            return
        holds = parent.now | parent.saved
        self.capsules[id] = Capsule(id, set(holds), set(holds), False, True, True)

    def compare(self, capsule: Capsule, is_touched: bool) -> None:
        status = self.rest(capsule)
        if status not in ("running", "paused"):
            if not capsule.may_be_gone:
                self.differ(f"{capsule.id} is {status}")
            self.api.delete(capsule.path)
            del self.capsules[capsule.id]
            return
        may = {"running": capsule.may_run, "paused": capsule.may_rest}[status]
        if not may:
            self.differ(f"{capsule.id} is {status}")
        capsule.known_to(status == "running")
        capsule.may_be_gone = False
        self.learn_checkpoints(capsule)
        if status == "running":
            if is_touched or len(capsule.now) > 1:
                self.look(capsule)
        elif len(capsule.now) > 1 or self.is_last:
            self.api.post(f"{capsule.path}/resume", limit=LIMIT).ok()
            capsule.known_to(True)
            self.look(capsule)

    def rest(self, capsule: Capsule) -> str:
        """Its status once the loss of a VM has been noticed."""

        def look() -> str | None:
            status: str = self.api.status(capsule.path)
            has_vm = self.ground.vm_of(capsule.id) is not None
            return status if has_vm == (status == "running") else None

        return str(eventually(f"{capsule.id} is what its VM says", look, LIMIT))

    def learn_checkpoints(self, capsule: Capsule) -> None:
        """Those made by a pause, a fork or a rollback hold one of what it may have held then."""
        answer = self.api.get(f"{capsule.path}/checkpoints").ok()
        if capsule.may_be_unsaved and answer["checkpoints"]:
            capsule.may_be_unsaved = False
        for checkpoint in answer["checkpoints"]:
            if checkpoint["id"] not in self.checkpoints and checkpoint["current"]:
                self.checkpoints[checkpoint["id"]] = set(capsule.saved or capsule.now)

    def look(self, capsule: Capsule) -> None:
        shown = self.sh(capsule, pattern.look(f"l{next(self.count)}")).split()
        memory, disk = int(shown[0]), int(shown[2])
        seen = State(memory, disk)
        if seen not in capsule.now:
            self.differ(f"{capsule.id} holds {seen}, not one of {capsule.now}")
        if shown[1] != pattern.digest(memory):
            self.differ(f"the memory of {capsule.id} is not what number {memory} makes")
        if shown[3] != pattern.digest(disk):
            self.differ(f"the file of {capsule.id} is not what number {disk} makes")
        capsule.now = {seen}

    # ---- the end

    def finish(self) -> None:
        """After a stop in order every capsule is looked at once more, and every byte that is kept of
        it, then all are destroyed."""
        self.is_last = True
        self.ground.stop()
        for capsule in self.capsules.values():
            capsule.paused(True)
        self.ground.start()
        for capsule in list(self.capsules.values()):
            self.checked(capsule, True)
        verified = wrenn("snapshot", "verify", "--dir", str(self.ground.folder), limit=VERIFY_LIMIT)
        if verified.returncode != 0:
            self.differ(f"the store is damaged: {verified.stdout} {verified.stderr}")
        for about in self.listed():
            self.api.delete(f"/v1/capsules/{about['id']}")
        try:
            eventually("nothing is left", lambda: not self.ground.left(), LIMIT)
        except AssertionError:
            self.leaks(self.ground.left())


def report(text: str) -> None:
    """To people, who read standard error."""
    print(text, file=sys.stderr, flush=True)
