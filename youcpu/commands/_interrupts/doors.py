"""The three doors to the kernel side by side: what each changes, seen in three runs of the lab."""

from __future__ import annotations

from typing import Any

from youcpu.commands._interrupts.run import run_document

Document = dict[str, Any]
DOORS = ("int80", "syscall", "sysenter")


def doors_document(vendor: str) -> Document:
    """One column a door."""
    return {
        "schema": "youcpu.interrupts",
        "version": 1,
        "kind": "doors",
        "vendor": vendor,
        "doors": [_door(run_document(name, vendor)) for name in DOORS],
    }


def _door(run: Document) -> Document:
    steps = run["steps"]
    crossing = next(
        index for index, step in enumerate(steps) if step["kind"] in ("delivery", "entry")
    )
    entered = _entered(steps[crossing])
    back = next((step for step in steps if step["kind"] == "return"), None)
    return {
        "name": run["name"],
        "instruction": {"int80": "INT 80h", "syscall": "SYSCALL", "sysenter": "SYSENTER"}[
            run["name"]
        ],
        "bits": steps[0]["bits"],
        "refused": None if entered["changes"] else entered["fault"],
        "changes": entered["changes"],
        "pushed": entered["pushed"],
        "return": back["instruction"] if back is not None and run["end"] == "returned" else None,
        "return_changes": {
            change["register"]: change["why"] for change in (back["changes"] if back else [])
        },
        "lost": _lost(run),
        "instructions": run["cost"] if entered["changes"] else None,
    }


def _entered(step: Document) -> Document:
    """Registers that the way in changed: name to before, after and why."""
    if step["kind"] == "entry":
        changes = {
            change["register"]: {key: change[key] for key in ("before", "after", "why")}
            for change in step["changes"]
        }
        return {"changes": changes, "pushed": [], "fault": None}
    attempt = step["attempts"][-1]
    if step["cause"] != "software":
        return {"changes": {}, "pushed": [], "fault": step["mnemonic"]}
    after = attempt["after"]
    reasons = {
        "rip": "the gate",
        "cs": "the gate",
        "ss": "null",
        "rsp": f"{attempt['stack']['source']} of the TSS",
        "rflags": "IF TF NT RF cleared",
    }
    changes = {
        name: {"before": after[name][0], "after": after[name][1], "why": why}
        for name, why in reasons.items()
    }
    return {
        "changes": changes,
        "pushed": [push["name"] for push in attempt["pushed"]],
        "fault": None,
    }


def _lost(run: Document) -> list[str]:
    """Registers that differ between the program's instruction and the one after it, but RAX."""
    return [name for name in run["clobbered"] if name != "rax"]
