"""The policy in force: a changed file is read in a thread, and put in force by the loop."""

import asyncio
import gc
import sys
import threading

from policies.watcher import Check
from sidecar.active_policy import ActivePolicy

OLD = "version: 1\ndefaults: {ttl: 10s}\n"
NEW = "version: 1\ndefaults: {ttl: 20s}  # new\n"


class Watched(ActivePolicy):
    """Notes where its policies are made."""

    def __init__(self, file):
        self.made_in = []
        super().__init__(file)

    def made_of(self, content, path):
        self.made_in.append((threading.current_thread(), gc.isenabled()))
        return super().made_of(content, path)


async def reloaded(watcher):
    """Read the file as it is, and wait until that came to something."""
    assert watcher.check(force=True) is Check.READING
    async with asyncio.timeout(20):
        while watcher.check() is Check.READING:
            await asyncio.sleep(0.001)
        while not gc.isenabled():
            await asyncio.sleep(0.001)


async def test_a_changed_policy_is_made_in_a_thread_and_put_in_force_by_the_loop(tmp_path):
    """The loop serves meanwhile, and no collection stops it; listeners are called where requests are served."""
    path = tmp_path / "policy.yaml"
    path.write_text(OLD)
    policy, changes = Watched(str(path)), []
    policy.on_change(lambda *both: changes.append((threading.current_thread(), *both)))
    watcher = policy.watcher(asyncio.get_running_loop())
    first = policy.current
    path.write_text(NEW)
    frozen = gc.get_freeze_count()
    await reloaded(watcher)
    ((thread, collecting),) = policy.made_in
    assert thread is not threading.current_thread() and not collecting
    assert changes == [(threading.current_thread(), first, policy.current)]
    assert policy.current.generation == policy.status.generation == first.generation + 1
    assert gc.isenabled() and gc.get_freeze_count() > frozen
    gc.unfreeze()


async def test_a_policy_that_cannot_be_used_leaves_the_old_one(tmp_path, monkeypatch):
    """Broken text, and more rules than there are numbers, are counted and shown alike; collections go on."""
    path = tmp_path / "policy.yaml"
    path.write_text(OLD)
    policy = ActivePolicy(str(path))
    watcher = policy.watcher(asyncio.get_running_loop())
    first = policy.current
    path.write_text("version: 1\ndefaults: {ttl: 20\n")
    await reloaded(watcher)
    assert policy.current is first and policy.status.reload_failures == 1 and gc.isenabled()
    monkeypatch.setattr("policies.policy.compile_policy", _too_many)
    path.write_text(NEW)
    await reloaded(watcher)
    assert policy.current is first and policy.status.reload_failures == 2
    assert "found 70000 names" in policy.status.last_error


async def test_an_old_policy_is_freed_in_steps(tmp_path):
    """Its rules go a few at a time, and all of them."""
    path = tmp_path / "policy.yaml"
    views = "".join(f'  - {{name: v{n}, keys: "v{n}:{{id}}"}}\n' for n in range(50))
    path.write_text(f"version: 1\nfeature_views:\n{views}")
    policy = ActivePolicy(str(path))
    rule = policy.current.rule(0)
    holders = sys.getrefcount(rule)
    watcher = policy.watcher(asyncio.get_running_loop())
    path.write_text(NEW)
    await reloaded(watcher)
    gc.unfreeze()
    assert sys.getrefcount(rule) >= holders, "not freed with the swap"
    async with asyncio.timeout(20):
        while sys.getrefcount(rule) == holders:
            await asyncio.sleep(0.005)


def _too_many(policy, previous):
    raise ValueError("70000 names, at most 65535")


def test_without_a_file_nothing_is_watched():
    """The built-in policy stays."""
    assert ActivePolicy(None).watcher(asyncio.new_event_loop()) is None
