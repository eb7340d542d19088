"""The scheduler: kernel/sched/. core.py switches, the policies decide."""

from __future__ import annotations

from youcpu.kernel.sched.core import Deadlock, Scheduler
from youcpu.kernel.sched.policies import POLICIES, make_policy

__all__ = ["POLICIES", "Deadlock", "Scheduler", "make_policy"]
