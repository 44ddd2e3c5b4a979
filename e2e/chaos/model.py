"""What capsules may hold after what was done to them. Where a kill cut an operation short, both what
was before and what was to be are right, until a look tells which of them it is."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class State:
    """Numbers of what memory and file hold."""

    memory: int
    disk: int


@dataclass
class Capsule:
    """What one capsule may be.

    `now`: what it may hold. `saved`: what it may have been saved as last, which is what remains if its VM
    is lost. `may_be_unsaved`: whether it may never have been saved, so that it may be lost with its VM.
    """

    id: str
    now: set[State]
    saved: set[State] = field(default_factory=set)
    may_be_unsaved: bool = True
    may_run: bool = True
    may_rest: bool = False
    may_be_gone: bool = False

    @property
    def path(self) -> str:
        return f"/v1/capsules/{self.id}"

    @property
    def runs(self) -> bool:
        """Whether it runs; asked only when that is sure."""
        assert self.may_run != self.may_rest, self
        return self.may_run

    def known_to(self, run: bool) -> None:
        self.may_run, self.may_rest = run, not run

    def written(self, number: int, done: bool) -> None:
        if done:
            self.now = {State(number, number)}
            return
        halfway = {State(number, state.disk) for state in self.now}
        self.now |= halfway | {State(number, number)}

    def saved_as_it_is(self, done: bool) -> None:
        if done:
            self.saved, self.may_be_unsaved = set(self.now), False
        else:
            self.saved |= self.now

    def paused(self, done: bool) -> None:
        self.saved_as_it_is(done)
        self._changed(False, done)

    def resumed(self, done: bool) -> None:
        self._changed(True, done)

    def went_back(self, target: set[State], done: bool) -> None:
        if done:
            self.now, self.saved, self.may_be_unsaved = set(target), set(target), False
            return
        self.saved |= self.now | target
        self.now |= target
        self.may_rest = True  # or as it was

    def lost_its_vm(self) -> None:
        """At some moment: what it may hold then is anything between."""
        self.now |= self.saved
        self.may_rest = True
        self.may_be_gone |= self.may_be_unsaved

    def _changed(self, run: bool, done: bool) -> None:
        if done:
            self.known_to(run)
        else:
            self.may_run = self.may_rest = True
