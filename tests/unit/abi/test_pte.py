"""abi/pte: swap entries of page tables, there and back (pgtable_64.h; real ones: the oracle)."""

from __future__ import annotations

import random

from youcpu.abi.pte import ProtNone, SwapEntry, decode_not_present, encode_swap


def test_there_and_back() -> None:
    dice = random.Random(6)
    for _ in range(1000):
        kind, offset = dice.randrange(32), dice.randrange(1 << 50)
        entry = encode_swap(kind, offset, dice.random() < 0.5)
        assert entry & 0x101 == 0  # neither present nor PROT_NONE
        assert decode_not_present(entry) == SwapEntry(kind, offset)


def test_known_entries() -> None:
    # Of a Debian 6.1 guest with /dev/zram0: the first slot of the spinner.
    assert decode_not_present(0x07FFFFFFFFFBFE02) == SwapEntry(0, 512)
    assert decode_not_present(0x000FFFFFFC9E2960) == ProtNone(0x361D000)
    assert decode_not_present(0) is None
    assert decode_not_present(0x1067) is None
