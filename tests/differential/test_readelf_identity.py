"""Our readelf's text against GNU readelf's, to the byte: fixtures, and a sample of the machine."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import identity
import pytest
from jsonschema import Draft202012Validator

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "elf"
MORE_FLAGS = ["-t", "-t -W", "-g", "-D -s", "-D -r -W", "-s -T", "--sym-base=16 -s", "-c -h"]
DUMPS = ["-x 1 -p 2", "-z -x .debug_shape", "-R .debug_shape", "-p .rodata.str1.1"]
SAMPLE = 40
# A program may be linked, or be written, in a way that our text does not know yet.
LEAST = 0.99


@pytest.fixture(autouse=True, scope="module")
def gnu_readelf() -> None:
    version = identity.gnu_version()
    if version != identity.GNU_VERSION:
        pytest.skip(f"GNU readelf {identity.GNU_VERSION} is not here, but {version}")


@pytest.mark.parametrize("flags", identity.FLAGS + MORE_FLAGS + DUMPS)
def test_fixtures_are_identical(flags: str) -> None:
    files = identity.elf_files([str(FIXTURES)])
    assert len(files) >= 12
    for file in files:
        theirs, mine = identity.gnu(flags.split(), file), identity.ours(flags.split(), file)
        assert theirs == mine, f"{file}: {identity.first_difference(theirs, mine)}"


@pytest.mark.parametrize("directory", ["/usr/bin", "/usr/sbin", "/usr/lib"])
def test_sample_of_the_machine_is_identical(directory: str, request: pytest.FixtureRequest) -> None:
    files = identity.elf_files([directory])
    if not files:
        pytest.skip(f"no ELF files in {directory}")
    count = SAMPLE * 10 if request.config.getoption("--long") else SAMPLE
    files = random.Random(5).sample(files, min(count, len(files)))
    for flag, (same, all_) in identity.compare(files, ["-a", "-a -W"], show=3).items():
        assert same >= LEAST * all_, f"{flag}: {same} of {all_} identical"


def test_json_of_fixtures_and_sample_is_valid() -> None:
    """Every document keeps to the schema, and has as many symbols as GNU's text."""
    schema = FIXTURES.parent.parent / "docs" / "schema" / "readelf.json"
    validator = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    sample = [f for f in identity.elf_files(["/usr/bin"]) if Path(f).stat().st_size < 1 << 20]
    for file in [
        *identity.elf_files([str(FIXTURES)]),
        *random.Random(9).sample(sample, min(8, len(sample))),
    ]:
        document = json.loads(identity.ours(["-a", "--json"], file))
        validator.validate(document)
        count = sum(
            len(table["entries"]) for entry in document["files"] for table in entry["symbols"]
        )
        text = identity.gnu(["-s", "-W"], file).decode("latin-1")
        assert count == len(re.findall(r"^ *\d+: [0-9a-f]{8}", text, flags=re.M)), file
