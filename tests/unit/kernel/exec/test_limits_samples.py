"""E2BIG and the order of checks against a 6.18 kernel: fixtures/exec/limits_cases.json.

Rows that end in a signal, or that depend on where ASLR put the stack, fail after the point
of no return: here they must only not be E2BIG.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import WORKDIR, add_file, make_dry_run, same_as_sample, samples

from youcpu.dry_run import Verdict

CASES = samples("limits_cases.json")["cases"]
I_PATH = f"{WORKDIR}/I".encode()
SIZES = {"KiB": 1 << 10, "MiB": 1 << 20}
UNLIMITED = (1 << 64) - 1


def of_kind(start: str) -> list[dict[str, Any]]:
    """Samples whose description starts so."""
    found = [case for case in CASES if case["desc"].startswith(start)]
    assert found
    return found


def limit_of(case: dict[str, Any]) -> int:
    """RLIMIT_STACK in bytes."""
    limit = case["rlimit_stack"]
    if isinstance(limit, int):
        return limit
    return UNLIMITED if limit == "inf" else int(limit[:-3]) * SIZES[limit[-3:]]


def strings_of(total: int) -> list[bytes]:
    """argv A, then strings up to 99,999 bytes: name, strings and pointers are `total` bytes."""
    left = total - len(I_PATH) - 1 - (2 + 8)
    argv = [b"A"]
    while left > 0:
        size = min(left - 9, 99_999)
        # No string may be left with less than its pointer and its NUL.
        if 0 < left - 9 - size < 9:
            size -= 9
        argv.append(b"x" * size)
        left -= size + 9
    assert left == 0
    return argv


def run(tree: Path, argv: list[bytes], envp: list[bytes], limit: int = 8 << 20) -> Verdict:
    return make_dry_run(tree).execve(I_PATH, argv, envp, rlimit_stack=limit)


@pytest.mark.parametrize("case", of_kind("single"), ids=lambda case: f"{case['desc'][7:11]}")
def test_one_string(case: dict[str, Any], tree: Path) -> None:
    value = b"x" * case["strlen"]
    argv, envp = ([b"A", value], []) if "argv" in case["desc"] else ([b"A"], [value])
    same_as_sample(run(tree, argv, envp), case["result"])


@pytest.mark.parametrize(
    "case", of_kind("sum("), ids=lambda case: f"{case['rlimit_stack']}-{case['total']}"
)
def test_sum(case: dict[str, Any], tree: Path) -> None:
    verdict = run(tree, strings_of(case["total"]), [], limit_of(case))
    result = {key: value for key, value in case["result"].items() if key != "argv_lens"}
    result.pop("argc", None)
    same_as_sample(verdict, result)


@pytest.mark.parametrize(
    "case",
    [*of_kind("largest total"), *of_kind("last total")],
    ids=lambda case: f"{case['rlimit_stack']}-{case['strings']}",
)
def test_small_stack(case: dict[str, Any], tree: Path) -> None:
    """The strings may fill RLIMIT_STACK but for 8 bytes; one more is E2BIG."""
    # 131,048 = limit of 131,072 minus three pointers.
    left = case["strings"] - len(I_PATH) - 1 - 2
    argv = [b"A", b"x" * (left - 1)]
    if left > 100_000:
        argv = [b"A", b"x" * 99_999, b"x" * (left - 100_001)]
    if "argv_lens" in case["result"]:
        argv = [b"x" * size for size in case["result"]["argv_lens"]]
    assert run(tree, argv, [], case["rlimit_stack"]).outcome == "exec"
    if case["desc"].startswith("last total"):
        argv[-1] += b"x"
        verdict = run(tree, argv, [], case["rlimit_stack"])
        assert verdict.error is not None
        assert verdict.error.errno.name == "E2BIG"


@pytest.mark.parametrize("case", of_kind("argv of k empty"), ids=lambda case: f"{case['k']}")
def test_empty_arguments(case: dict[str, Any], tree: Path) -> None:
    same_as_sample(run(tree, [b""] * case["k"], []), case["result"])


@pytest.mark.parametrize("case", of_kind("argv empty"), ids=lambda case: f"{case['k']}")
def test_empty_argv(case: dict[str, Any], tree: Path) -> None:
    same_as_sample(run(tree, [], [b""] * case["k"]), case["result"])


@pytest.mark.parametrize("case", of_kind("script:"), ids=lambda case: f"{case['total_before']}")
def test_script_growth(case: dict[str, Any], tree: Path) -> None:
    """The rewrite's strings count, its pointers do not."""
    script = f"{WORKDIR}/s".encode()
    add_file(tree, {"path": script.decode(), "content": f"#!{WORKDIR}/I\n"})
    argv = strings_of(case["total_before"])
    verdict = make_dry_run(tree).execve(script, argv)
    assert verdict.outcome == case["result"]["outcome"]
    if verdict.outcome == "exec":
        assert [len(value) for value in verdict.argv[:2]] == case["result"]["argv_lens"][:2]


@pytest.mark.parametrize(
    ("name", "errno"), [("missing", "ENOENT"), ("nx", "EACCES"), ("I", "E2BIG")]
)
def test_the_file_is_opened_first(name: str, errno: str, tree: Path) -> None:
    verdict = make_dry_run(tree).execve(f"{WORKDIR}/{name}".encode(), [b"x" * 131072])
    assert verdict.error is not None
    assert verdict.error.errno.name == errno


@pytest.mark.parametrize(
    ("name", "errno"),
    [(b"/missing", "EINVAL"), (b"/" * 4096, "ENAMETOOLONG"), (b"", "ENOENT")],
)
def test_the_name_comes_before_the_flags(name: bytes, errno: str, tree: Path) -> None:
    verdict = make_dry_run(tree).execve(name, [], flags=1)
    assert verdict.error is not None
    assert verdict.error.errno.name == errno
