"""Watching the policy file: real files and symlinks, changed the way editors and Kubernetes change them."""

import os

import pytest

from policies import load, parse
from policies.watcher import Check, PolicyWatcher

OLD = "version: 1\ndefaults: {ttl: 10s}\n"
NEW = "version: 1\ndefaults: {ttl: 20s}  # new\n"  # longer: within one tick of the file system only sizes differ
BROKEN = "version: 1\ndefaults: {ttl: 20\n"


class Watched:
    """A watcher over a path, and all that it reported."""

    def __init__(self, path, active=True):
        self.path = path
        self.ttls = []
        self.errors = []
        digest = load(path).digest if active else None
        self.watcher = PolicyWatcher(str(path), parse, self._changed, self.errors.append, digest)

    def _changed(self, policy):
        self.ttls.append(policy.defaults["ttl"].value if policy.defaults else None)

    def checks(self, count):
        """The outcomes of so many checks."""
        return [self.watcher.check() for _ in range(count)]


@pytest.fixture
def watched(tmp_path):
    """A plain file with the old policy, already watched and standing still."""
    path = tmp_path / "policy.yaml"
    path.write_text(OLD)
    it = Watched(path)
    assert it.checks(3) == [Check.WAITING, Check.UNCHANGED, Check.UNCHANGED]
    return it


def config_map(folder, version, text):
    """What the kubelet does for a ConfigMap: a new folder, then `..data` swapped to it by rename."""
    data = folder / f"..{version}"
    data.mkdir()
    (data / "policy.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(data.name)
    os.replace(folder / "..data_tmp", folder / "..data")
    if not (folder / "policy.yaml").is_symlink():
        (folder / "policy.yaml").symlink_to("..data/policy.yaml")


def test_a_policy_not_running_yet_is_told_at_the_second_check(tmp_path):
    """Without an active policy the first content counts as a change."""
    path = tmp_path / "policy.yaml"
    path.write_text(OLD)
    it = Watched(path, active=False)
    assert it.checks(3) == [Check.WAITING, Check.RELOADED, Check.UNCHANGED]
    assert it.ttls == [10_000]


def test_a_file_written_over_is_reloaded_once_it_stands_still(watched):
    """One change, one callback."""
    watched.path.write_text(NEW)
    assert watched.checks(4) == [Check.WAITING, Check.RELOADED, Check.UNCHANGED, Check.UNCHANGED]
    assert watched.ttls == [20_000]


def test_a_file_moved_over_is_reloaded(watched, tmp_path):
    """As editors save: same name and size, another inode."""
    replacement = tmp_path / "policy.yaml.tmp"
    replacement.write_text(OLD.replace("10s", "20s"))
    stat = os.stat(watched.path)
    os.utime(replacement, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(replacement, watched.path)
    assert watched.checks(2) == [Check.WAITING, Check.RELOADED]
    assert watched.ttls == [20_000]


def test_a_config_map_swap_is_reloaded(tmp_path):
    """The path and its own link stay the same; what they lead to changes."""
    config_map(tmp_path, "2026_10_01", OLD)
    it = Watched(tmp_path / "policy.yaml")
    it.checks(2)
    config_map(tmp_path, "2026_10_02", NEW)
    assert it.checks(3) == [Check.WAITING, Check.RELOADED, Check.UNCHANGED]
    config_map(tmp_path, "2026_10_03", BROKEN)
    assert it.checks(2) == [Check.WAITING, Check.FAILED]
    config_map(tmp_path, "2026_10_04", OLD)
    assert it.checks(2) == [Check.WAITING, Check.RELOADED]
    assert it.ttls == [20_000, 10_000]
    assert len(it.errors) == 1


def test_a_file_that_is_still_being_written_is_left_alone(watched):
    """Each check finds it longer than before: it is not read until it stands still."""
    watched.path.write_text("")
    for cut in range(5, len(NEW), 5):
        watched.path.write_text(NEW[:cut])
        assert watched.checks(1) == [Check.WAITING]
    watched.path.write_text(NEW)
    assert watched.checks(2) == [Check.WAITING, Check.RELOADED]
    assert (watched.ttls, watched.errors) == ([20_000], [])


def test_a_half_written_file_keeps_the_old_policy_until_the_rest_comes(watched):
    """A writer that pauses half-way causes one error, and then the whole policy."""
    watched.path.write_text(NEW[:-10])
    assert watched.checks(4) == [Check.WAITING, Check.FAILED, Check.UNCHANGED, Check.UNCHANGED]
    assert watched.ttls == []
    assert len(watched.errors) == 1
    assert watched.watcher.error is watched.errors[0]
    watched.path.write_text(NEW)
    assert watched.checks(2) == [Check.WAITING, Check.RELOADED]
    assert watched.ttls == [20_000]
    assert watched.watcher.error is None


def test_one_broken_content_is_reported_once(watched):
    """Touching a broken file says nothing new; another mistake does; its position is in the error."""
    watched.path.write_text(BROKEN)
    watched.checks(2)
    os.utime(watched.path, ns=(1, 1))
    assert watched.checks(2) == [Check.WAITING, Check.FAILED]
    assert len(watched.errors) == 1
    watched.path.write_text("version: 1\ndefaults:\n  ttl: 20\n")
    watched.checks(2)
    assert [error.problems[0].line for error in watched.errors] == [2, 3]
    assert watched.errors[1].problems[0].path == "defaults.ttl"


def test_going_back_to_the_running_policy_clears_the_error(watched):
    """The content that runs is no change, and nothing is wrong any more."""
    watched.path.write_text(BROKEN)
    watched.checks(2)
    watched.path.write_text(OLD)
    assert watched.checks(2) == [Check.WAITING, Check.UNCHANGED]
    assert watched.ttls == []
    assert watched.watcher.error is None
    watched.path.write_text(BROKEN)
    watched.checks(2)
    assert len(watched.errors) == 2


def test_a_missing_file_is_reported_once_and_read_when_it_is_back(tmp_path):
    """Also when the very same file comes back."""
    folder = tmp_path / "mount"
    folder.mkdir()
    path = folder / "policy.yaml"
    path.write_text(OLD)
    watched = Watched(path)
    watched.checks(2)
    os.rename(folder, tmp_path / "away")  # which the file itself does not notice: its times stay
    assert watched.checks(3) == [Check.WAITING, Check.FAILED, Check.FAILED]
    assert len(watched.errors) == 1
    os.rename(tmp_path / "away", folder)
    assert watched.checks(2) == [Check.WAITING, Check.UNCHANGED]
    assert watched.watcher.error is None
    watched.path.unlink()
    watched.checks(2)
    assert len(watched.errors) == 2


def test_a_dangling_link_and_a_pipe_are_missing_files(watched, monkeypatch):
    """Neither blocks the check: a pipe is not opened."""
    watched.path.unlink()
    watched.path.symlink_to("nowhere")
    assert watched.checks(2) == [Check.WAITING, Check.FAILED]
    watched.path.unlink()
    os.mkfifo(watched.path)
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("opening a pipe would block"))
    assert watched.checks(2) == [Check.FAILED, Check.FAILED]


def test_a_forced_check_reads_at_once_and_reports_again(watched):
    """SIGHUP: no second check is waited for, and what is still wrong is said again."""
    watched.path.write_text(NEW)
    assert watched.watcher.check(force=True) is Check.RELOADED
    watched.path.write_text(BROKEN)
    assert watched.watcher.check(force=True) is Check.FAILED
    assert watched.watcher.check(force=True) is Check.FAILED
    assert len(watched.errors) == 2
    assert watched.ttls == [20_000]


def test_a_file_changed_while_it_is_read_is_read_again(watched, monkeypatch):
    """What was read may be half of each version: it is not used."""
    watched.path.write_text(NEW)
    watched.checks(1)
    content = PolicyWatcher._content

    def meddle(self, state):
        text = content(self, state)
        monkeypatch.undo()
        watched.path.write_text(NEW + "# more\n")
        return text

    monkeypatch.setattr(PolicyWatcher, "_content", meddle)
    assert watched.checks(3) == [Check.WAITING, Check.WAITING, Check.RELOADED]
    assert watched.ttls == [20_000]


class Later:
    """A Runner whose work ends when the test says so."""

    def __init__(self):
        self.started = []

    def __call__(self, make, done):
        self.started.append((make, done))

    def finish(self):
        make, done = self.started.pop(0)
        done(make)


def test_nothing_else_is_read_while_a_policy_is_being_made(tmp_path):
    """Made elsewhere, one at a time: a change meanwhile is read afterwards, and SIGHUP's forced check is not lost."""
    path, later, made = tmp_path / "policy.yaml", Later(), []
    path.write_text(OLD)
    watcher = PolicyWatcher(str(path), parse, made.append, [].append, run=later)
    assert [watcher.check() for _ in range(3)] == [Check.WAITING, Check.READING, Check.READING]
    path.write_text(NEW)
    assert watcher.check() is Check.READING and len(later.started) == 1 and not made
    later.finish()
    assert [policy.defaults["ttl"].value for policy in made] == [10_000]
    assert [watcher.check() for _ in range(2)] == [Check.WAITING, Check.READING]
    path.write_text(OLD + "# again\n")
    assert watcher.check(force=True) is Check.READING and len(later.started) == 1
    later.finish()
    assert len(later.started) == 1, "the forced check runs when the one under way is done"
    later.finish()
    assert [policy.defaults["ttl"].value for policy in made] == [10_000, 20_000, 10_000]


def test_what_is_broken_is_told_when_it_was_made(tmp_path):
    """The error of a policy made elsewhere, once; the next good one is taken."""
    path, later, made, errors = tmp_path / "policy.yaml", Later(), [], []
    path.write_text(BROKEN)
    watcher = PolicyWatcher(str(path), parse, made.append, errors.append, run=later)
    watcher.check(force=True)
    assert not errors
    later.finish()
    assert len(errors) == 1 and watcher.error is errors[0] and not made
    path.write_text(NEW)
    watcher.check(force=True)
    later.finish()
    assert len(made) == 1 and watcher.error is None
