"""Git through the SDK, against a repository in the guest itself."""

from collections.abc import Iterator

import pytest
from wrenn import Capsule, GitCommandError

ORIGIN = "/srv/origin.git"
WORK = "/srv/work"


@pytest.fixture(scope="module")
def repository(shared: Capsule) -> Iterator[Capsule]:
    """A capsule with a bare repository and a clone of it that has one commit."""
    git = shared.git
    git.init(ORIGIN, bare=True, initial_branch="main")
    git.clone(ORIGIN, WORK)
    git.configure_user("Alice", "alice@example.com")
    shared.files.write(f"{WORK}/README", "first\n")
    git.add(all=True, cwd=WORK)
    git.commit("first", cwd=WORK)
    git.push("origin", "main", cwd=WORK)
    yield shared


def test_init_makes_a_repository_with_that_branch(shared: Capsule) -> None:
    shared.git.init("/srv/new", initial_branch="trunk")
    status = shared.git.status(cwd="/srv/new")
    assert status.branch == "trunk"
    assert status.is_clean


def test_status_tells_what_changed(repository: Capsule) -> None:
    clean = repository.git.status(cwd=WORK)
    assert (clean.branch, clean.is_clean) == ("main", True)
    repository.files.write(f"{WORK}/README", "changed\n")
    repository.files.write(f"{WORK}/new file", "new\n")
    seen = {f.path: (f.index_status, f.work_tree_status) for f in repository.git.status(cwd=WORK).files}
    assert seen["README"] == (" ", "M")
    assert "new file" in {p.strip('"') for p in seen}
    repository.git.add(["README"], cwd=WORK)
    staged = {f.path: f.index_status for f in repository.git.status(cwd=WORK).files}
    assert staged["README"] == "M"
    repository.git.restore(["README"], staged=True, cwd=WORK)
    repository.git.restore(["README"], cwd=WORK)
    assert repository.files.read(f"{WORK}/README") == "first\n"
    repository.files.remove(f"{WORK}/new file")
    assert repository.git.status(cwd=WORK).is_clean


def test_branches_come_and_go(repository: Capsule) -> None:
    git = repository.git
    git.create_branch("feature", cwd=WORK)
    current = {b.name: b.is_current for b in git.branches(cwd=WORK)}
    assert current == {"feature": True, "main": False}
    git.checkout_branch("main", cwd=WORK)
    git.delete_branch("feature", cwd=WORK)
    assert [b.name for b in git.branches(cwd=WORK)] == ["main"]
    with pytest.raises(GitCommandError) as failure:
        git.checkout_branch("no-such-branch", cwd=WORK)
    assert failure.value.exit_code == 1
    assert "no-such-branch" in failure.value.stderr


def test_commits_travel_by_push_and_pull(repository: Capsule) -> None:
    git = repository.git
    git.clone(ORIGIN, "/srv/other")
    repository.files.write(f"{WORK}/second", "2\n")
    git.add(all=True, cwd=WORK)
    git.commit("second", cwd=WORK)
    git.push("origin", "main", cwd=WORK)
    assert not repository.files.exists("/srv/other/second")
    git.pull("origin", "main", cwd="/srv/other")
    assert repository.files.read("/srv/other/second") == "2\n"
    log = repository.commands.run("git log --format='%an <%ae> %s'", cwd="/srv/other")
    assert log.stdout == "Alice <alice@example.com> second\nAlice <alice@example.com> first\n"


def test_reset_goes_back(repository: Capsule) -> None:
    git = repository.git
    git.clone(ORIGIN, "/srv/reset")
    repository.files.write("/srv/reset/README", "rewritten\n")
    git.add(all=True, cwd="/srv/reset")
    git.commit("rewritten", cwd="/srv/reset")
    git.reset(mode="hard", ref="HEAD~1", cwd="/srv/reset")
    assert repository.files.read("/srv/reset/README") == "first\n"


def test_configuration_and_remotes_are_kept(repository: Capsule) -> None:
    git = repository.git
    git.set_config("core.autocrlf", "false", cwd=WORK)
    assert git.get_config("core.autocrlf", cwd=WORK) == "false"
    assert git.get_config("no.such", cwd=WORK) is None
    assert git.get_config("user.name", cwd=WORK, scope="global") == "Alice"
    git.remote_add("upstream", "https://example.com/repo.git", cwd=WORK)
    assert git.remote_get("upstream", cwd=WORK) == "https://example.com/repo.git"
    assert git.remote_get("origin", cwd=WORK) == ORIGIN
    assert git.remote_get("nobody", cwd=WORK) is None


def test_credentials_can_be_stored(repository: Capsule) -> None:
    repository.git.dangerously_authenticate(username="alice", password="s3cret", host="example.com")
    asked = repository.commands.run(
        "printf 'protocol=https\\nhost=example.com\\n\\n' | git credential fill"
    )
    assert "username=alice\npassword=s3cret\n" in asked.stdout


def test_a_password_is_asked_of_nobody(repository: Capsule) -> None:
    """The terminal prompt is off, so that a command without credentials fails instead of hanging."""
    prompt = repository.commands.run(
        "printf 'protocol=https\\nhost=other.example\\n\\n' | git credential fill",
        envs={"GIT_TERMINAL_PROMPT": "0"},
        timeout=20,
    )
    assert prompt.exit_code != 0
    assert "terminal prompts disabled" in prompt.stderr


def test_a_clone_of_nothing_fails_with_what_git_said(repository: Capsule) -> None:
    with pytest.raises(GitCommandError, match="(?i)does not exist|not appear to be") as failure:
        repository.git.clone("/srv/no-such-repository", "/srv/never")
    assert failure.value.exit_code == 128
