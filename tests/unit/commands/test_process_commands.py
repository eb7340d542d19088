"""fork-tree and sched: documents by their schemas, every format, options, the same twice."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from running import Run

SCHEMAS = Path(__file__).parents[3] / "docs/schema"
SHELL = ("/bin/sh", "-c")
FAMILY = "(exit 3); /bin/true | cat; (kill -TERM $$) & wait"
SPIN = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); done"


def checked(text: bytes, name: str) -> Any:
    document = json.loads(text)
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text()))
    return document


def test_fork_tree_document(youcpu: Run) -> None:
    done = youcpu("fork-tree", "--json", "--cow", "--frames", "-o", "-", "--", *SHELL, "(exit 3)")
    document = checked(done.stdout, "fork-tree")
    assert done.returncode == 3 == document["processes"][0]["status"]
    root, child = document["processes"]
    assert child["parent"] == root["pid"]
    assert child["status"] == 3
    copies = [fault for fault in document["cow"] if fault["outcome"] == "copy"]
    # A page that the child copies is the parent's still.
    assert any(
        fault["sharers"] == [root["pid"]] for fault in copies if fault["pid"] == child["pid"]
    )
    counted = sum(process["faults"].get("copy", 0) for process in document["processes"])
    assert counted == len(copies)
    assert all(use["users"] for use in document["frames"])


def test_fork_tree_text(youcpu: Run) -> None:
    done = youcpu("fork-tree", "--cow", "--", *SHELL, FAMILY)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 143
    assert lines[1].startswith("1000 sh")
    assert "SIGTERM" in lines[1]
    assert any(line.startswith("├─ 1001 sh") and "exit 3" in line for line in lines)
    assert any("sh → true" in line for line in lines)
    assert any("copied" in line and "still shared by 1000" in line for line in lines)


def test_frames_at_a_moment(youcpu: Run) -> None:
    done = youcpu(
        "fork-tree", "--json", "--frames", "--at", "1", "-o", "-", "--", *SHELL,
        "/bin/sleep 0.01 & wait",
    )  # fmt: skip
    document = checked(done.stdout, "fork-tree")
    users = {user["pid"] for use in document["frames"] for user in use["users"]}
    assert users == {1000, 1001}
    assert abs(document["frames_at_ns"] - 1_000_000) < 500_000


def test_pictures_and_timelines(youcpu: Run, tmp_path: Path) -> None:
    picture = tmp_path / "tree.svg"
    done = youcpu("fork-tree", "--svg", str(picture), "--format", "chrome-trace", "-o", "-",
                  "--", *SHELL, "/bin/true | cat")  # fmt: skip
    events = json.loads(done.stdout)["traceEvents"]
    assert {event["pid"] for event in events} == {1000, 1001, 1002}
    assert xml.etree.ElementTree.parse(picture).getroot().tag.endswith("svg")
    picture = tmp_path / "sched.svg"
    done = youcpu("sched", "-c", SPIN, "-c", SPIN, "--svg", str(picture), "--format",
                  "chrome-trace", "-o", "-")  # fmt: skip
    assert any(event.get("args", {}).get("reason") == "exit" for event in
               json.loads(done.stdout)["traceEvents"])  # fmt: skip
    assert xml.etree.ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_live_shows_this_process(youcpu: Run) -> None:
    done = youcpu("fork-tree", "--live", str(os.getpid()))
    assert done.stdout.decode().startswith(f"{os.getpid()} ")
    assert youcpu("fork-tree", "--live", "999999999").returncode == 1
    assert youcpu("fork-tree", "--live", "me").returncode == 2


@pytest.mark.parametrize("policy", ["fixed", "target-latency", "cfs", "eevdf", "cooperative"])
def test_schedule_adds_up(policy: str, youcpu: Run) -> None:
    arguments = ("sched", "--json", "-o", "-", "--policy", policy, "--timeslice", "0.3",
                 "--target-latency", "2", "--min-granularity", "0.2", "-c", SPIN, "-c", SPIN,
                 "-c", "exec /bin/sleep 0.001", "--epoch", "0")  # fmt: skip
    done = youcpu(*arguments)
    (run,) = checked(done.stdout, "sched")["runs"]
    assert run["policy"] == policy
    ran = sum(task["run_ns"] for task in run["tasks"])
    assert ran + run["idle_ns"] == run["duration_ns"]
    for task in run["tasks"]:
        assert task["turnaround_ns"] >= task["run_ns"] + task["wait_ns"]
    slices = run["slices"]
    assert all(one["end_ns"] <= two["start_ns"] for one, two in pairwise(slices))
    interrupted = sum(task["reasons"].get("slice", 0) for task in run["tasks"])
    assert (interrupted == 0) == (policy == "cooperative")
    assert youcpu(*arguments).stdout == done.stdout, "the same run gives the same interleaving"


def test_nice_gets_more(youcpu: Run) -> None:
    spin = SPIN.replace("400", "2000")
    done = youcpu("sched", "--json", "-o", "-", "--policy", "cfs", "--nice", "10,0", "-c", spin,
                  "-c", spin)  # fmt: skip
    first, second = checked(done.stdout, "sched")["runs"][0]["tasks"]
    assert second["turnaround_ns"] < first["turnaround_ns"]


def test_comparison_has_all_policies(youcpu: Run) -> None:
    done = youcpu("sched", "--compare", "--json", "-o", "-", "-c", "exit 4", "-c", ":")
    assert len(checked(done.stdout, "sched")["runs"]) == 5
    assert done.returncode == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("sched",),
        ("sched", "-c", ":", "more"),
        ("sched", "-c", ":", "--policy", "lottery"),
        ("sched", "-c", ":", "--nice", "99"),
        ("sched", "-c", ":", "--timeslice", "0"),
        ("fork-tree",),
        ("fork-tree", "--format", "png", "/bin/true"),
        ("fork-tree", "--at", "5", "/bin/true"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], youcpu: Run) -> None:
    done = youcpu(*arguments)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_missing_program(youcpu: Run) -> None:
    assert youcpu("fork-tree", "/nonexistent").returncode == 127
    assert youcpu("fork-tree", "no-such-program").returncode == 127
