"""Scheduling policies by themselves, against what each promises: turns, shares, latency.

The judge is arithmetic on a simulated CPU: tasks that always want to run, or sleep and wake.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from youcpu.kernel.sched import POLICIES, make_policy
from youcpu.kernel.sched.policy import PRIO_TO_WEIGHT, Policy, Tunables, weight_of
from youcpu.kernel.task import SchedEntity

MS = 1_000_000


def make_task(name: str, nice: int = 0) -> SimpleNamespace:
    entity = SchedEntity()
    entity.weight = weight_of(nice)
    return SimpleNamespace(name=name, nice=nice, sched=entity)


def simulate(policy: Policy, tasks: list[SimpleNamespace], duration: int) -> list[tuple[str, int]]:
    """(task, length) of the slices of tasks that never sleep."""
    for task in tasks:
        policy.enqueue(task, wakeup=True)
    found, now = [], 0
    while now < duration:
        task = policy.pick()
        length = policy.slice_ns(task) if len(policy) else duration - now
        if length is None:
            length = duration - now
        policy.charge(task, length)
        found.append((task.name, length))
        now += length
        policy.enqueue(task, wakeup=False)
    return found


def shares(slices: list[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for name, length in slices:
        total[name] = total.get(name, 0) + length
    return total


def test_round_robin_takes_turns() -> None:
    slices = simulate(make_policy("fixed"), [make_task(n) for n in "abc"], 30 * MS)
    assert [name for name, _ in slices] == list("abcabcabca")
    assert {length for _, length in slices} == {3 * MS}


@pytest.mark.parametrize(("count", "length"), [(2, 10 * MS), (4, 5 * MS), (40, 1 * MS)])
def test_target_latency_divides(count: int, length: int) -> None:
    tasks = [make_task(str(n)) for n in range(count)]
    slices = simulate(make_policy("target-latency"), tasks, 60 * MS)
    assert {found for _, found in slices} == {length}


@pytest.mark.parametrize("name", ["cfs", "eevdf"])
def test_equal_tasks_get_equal_shares(name: str) -> None:
    got = shares(simulate(make_policy(name), [make_task(n) for n in "abcd"], 400 * MS))
    assert max(got.values()) - min(got.values()) <= 6 * MS


@pytest.mark.parametrize("name", ["cfs", "eevdf"])
def test_nice_weighs(name: str) -> None:
    got = shares(simulate(make_policy(name), [make_task("a"), make_task("b", 5)], 2000 * MS))
    wanted = PRIO_TO_WEIGHT[20] / PRIO_TO_WEIGHT[25]
    assert got["a"] / got["b"] == pytest.approx(wanted, rel=0.15)


def test_cooperative_never_interrupts() -> None:
    policy = make_policy("cooperative")
    task = make_task("a")
    assert policy.slice_ns(task) is None
    assert not policy.preempts(task, make_task("b"))


@pytest.mark.parametrize("name", ["cfs", "eevdf"])
def test_a_sleeper_preempts_but_saves_nothing_up(name: str) -> None:
    policy = make_policy(name)
    hog, sleeper = make_task("hog"), make_task("sleeper")
    policy.enqueue(hog, wakeup=True)
    policy.enqueue(sleeper, wakeup=True)
    first = policy.pick()
    policy.charge(first, MS)
    # The sleeper blocks, the hog goes on for a second.
    while first is not sleeper:
        policy.enqueue(first, wakeup=False)
        first = policy.pick()
        policy.charge(first, MS // 10)
    assert policy.pick() is hog
    for _ in range(1000):
        policy.charge(hog, MS)
    policy.enqueue(sleeper, wakeup=True)
    if name == "cfs":
        assert policy.preempts(hog, sleeper)
    behind = hog.sched.vruntime - sleeper.sched.vruntime
    assert behind <= 20 * MS, "a second of sleep is no second of credit"


@pytest.mark.parametrize("name", list(POLICIES))
def test_what_ends_while_it_waits_is_forgotten(name: str) -> None:
    policy = make_policy(name, Tunables())
    tasks = [make_task(n) for n in "abc"]
    for task in tasks:
        policy.enqueue(task, wakeup=True)
    policy.dequeue(tasks[1])
    assert len(policy) == 2
    assert [policy.pick().name for _ in range(2)] == ["a", "c"]
    assert policy.pick() is None
