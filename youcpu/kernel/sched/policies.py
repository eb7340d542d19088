"""The policies by name: fixed, target-latency, cfs, eevdf, cooperative."""

from __future__ import annotations

from youcpu.kernel.sched.cfs import Cfs
from youcpu.kernel.sched.eevdf import Eevdf
from youcpu.kernel.sched.policy import Policy, Tunables
from youcpu.kernel.sched.round_robin import Cooperative, Fixed, TargetLatency

POLICIES: dict[str, type[Policy]] = {
    policy.name: policy for policy in (Fixed, TargetLatency, Cfs, Eevdf, Cooperative)
}


def make_policy(name: str, tunables: Tunables | None = None) -> Policy:
    """A policy by name. Raises KeyError."""
    return POLICIES[name](tunables or Tunables())
