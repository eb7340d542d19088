"""Small programs of many processes and threads, compared with the host's own kernel.

Sources in fixtures/processes; stdout and exit status must be equal. What copy-on-write does
is compared with a recording of a real kernel as well (cow_generations.expected), because a
host may hide its frames.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from c_sources import FIXTURES, CSource, sources
from side_by_side import Result, run_emulated, run_native

SOURCES = sources("processes")


@pytest.fixture(scope="session")
def build_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


def built(source: CSource, directory: Path) -> str:
    compiler = source.missing_compiler()
    if compiler is not None:
        pytest.skip(f"{compiler} is not installed")
    return str(source.compile(source.alternatives("Build")[0], directory / source.name))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_processes_do_as_natively(source: CSource, build_directory: Path, tmp_path: Path) -> None:
    program = built(source, build_directory)
    native = run_native([program], tmp_path)
    emulated = run_emulated([program], tmp_path)
    if source.name == "cow_generations" and "hidden" in hide(native):
        pytest.skip("this host does not show frames in /proc/self/pagemap")
    assert (emulated.stdout, emulated.status) == (native.stdout, native.status), emulated.stderr


def hide(result: Result) -> str:
    """`hidden` where the host gave no frame numbers: every page looks absent."""
    lines = [line for line in result.stdout.decode().splitlines() if line.startswith("anon-priv")]
    return "hidden" if lines and set(lines[-1].partition(":")[2]) <= {".", " "} else ""


def test_copy_on_write_is_as_recorded(build_directory: Path, tmp_path: Path) -> None:
    source = next(source for source in SOURCES if source.name == "cow_generations")
    emulated = run_emulated([built(source, build_directory)], tmp_path)
    expected = (FIXTURES / "processes/cow_generations.expected").read_bytes()
    assert emulated.stdout == expected


@pytest.mark.parametrize("policy", ["fixed", "target-latency", "cfs", "eevdf", "cooperative"])
@pytest.mark.parametrize("name", ["threads_futex", "waiting", "sharing"])
def test_every_policy_gives_the_same_answers(
    name: str, policy: str, build_directory: Path, tmp_path: Path, youcpu_report: Path
) -> None:
    """What a program prints does not hang on who runs next."""
    from side_by_side import ENVIRONMENT, finish, youcpu_command

    source = next(source for source in SOURCES if source.name == name)
    program = built(source, build_directory)
    native = run_native([program], tmp_path)
    command = youcpu_command([program], ["--policy", policy, "-o", str(youcpu_report)])
    command[3] = "fork-tree"
    emulated = finish(command, tmp_path, b"", ENVIRONMENT | {"PYTHONPATH": pythonpath()}, 100)
    assert (emulated.stdout, emulated.status) == (native.stdout, native.status)


def pythonpath() -> str:
    return str(FIXTURES.parent)


@pytest.fixture
def youcpu_report(tmp_path: Path) -> Path:
    return tmp_path / "report"
