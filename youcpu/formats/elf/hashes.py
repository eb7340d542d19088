"""DT_HASH and DT_GNU_HASH: how many symbols there are, how long the chains (gABI, chapter 5)."""

from __future__ import annotations

from array import array

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile

WRONG_CHAIN = "Failed to determine last chain length"


class HashTables:
    """The two tables; an empty list of buckets where there is no such table."""

    def __init__(self) -> None:
        self.buckets: list[int] = []
        self.chains: list[int] = []
        self.gnu_buckets: list[int] = []
        self.gnu_chains: list[int] = []
        self.gnu_first = 0


def _words(elf: ElfFile, offset: int, count: int, size: int = 4) -> list[int] | None:
    """`count` numbers of `size` bytes at a file offset; None where the file ends before."""
    if count * size > elf.image.size:
        elf.image.error(f"Invalid number of dynamic entries: {count}")
        return None
    if count == 0:
        return []
    start = elf.image.base + offset
    if start + count * size > elf.image.size:
        elf.image.error(f"Unable to read in {count * size} bytes of dynamic data")
        return None
    words = array("Q" if size == 8 else "I")
    words.frombytes(elf.image.data[start : start + count * size])
    from sys import byteorder

    if elf.layout.little != (byteorder == "little"):
        words.byteswap()
    return words.tolist()


def count_symbols(elf: ElfFile, hashes: HashTables) -> int:
    """Fill `hashes` by the dynamic section; the number of dynamic symbols, 0 if unknown."""
    count = 0
    if elf.dynamic_info.get(abi.DT_HASH):
        count = _sysv(elf, hashes)
    if elf.dynamic_info.get(abi.DT_GNU_HASH):
        found = _gnu(elf, hashes, count)
        if found is None:
            hashes.gnu_buckets, hashes.gnu_chains = [], []
        else:
            count = found
    return count


def _sysv(elf: ElfFile, hashes: HashTables) -> int:
    wide = elf.is64 and elf.machine in (abi.EM_ALPHA, abi.EM_S390, abi.EM_S390_OLD)
    size = 8 if wide else 4
    offset = elf.offset_of(elf.dynamic_info[abi.DT_HASH], 16)
    head = _words(elf, offset, 2, size)
    if head is None:
        elf.image.error("Failed to read in number of buckets")
        return 0
    buckets, chains = head
    if not buckets or not chains:
        return 0
    bucket_words = _words(elf, offset + 2 * size, buckets, size)
    chain_words = _words(elf, offset + (2 + buckets) * size, chains, size)
    if bucket_words is None or chain_words is None:
        return 0
    hashes.buckets, hashes.chains = bucket_words, chain_words
    return chains


def _gnu(elf: ElfFile, hashes: HashTables, count: int) -> int | None:
    """The number of symbols; None if the table is not usable."""
    address = elf.dynamic_info[abi.DT_GNU_HASH]
    head = _words(elf, elf.offset_of(address, 16), 4)
    if head is None:
        elf.image.error("Failed to read in number of buckets")
        return None
    nbuckets, first, bloom = head[:3]
    start = address + 16 + bloom * (8 if elf.is64 else 4)
    buckets = _words(elf, elf.offset_of(start, 4), nbuckets)
    if buckets is None:
        return None
    used = [bucket for bucket in buckets if bucket]
    if not used or min(used) < first:
        return None
    length = _chain_length(elf, start + 4 * nbuckets, max(used) - first)
    if length is None:
        return None
    chains = _words(elf, elf.offset_of(start + 4 * nbuckets, 4), length)
    if chains is None:
        return None
    translate: list[int] | None = None
    if elf.dynamic_info.get(abi.DT_MIPS_XHASH):
        translate = _words(elf, elf.offset_of(start + 4 * (nbuckets + length), 4), length)
        if translate is None:
            return None
    hashes.gnu_buckets, hashes.gnu_chains, hashes.gnu_first = buckets, chains, first
    return _last_symbol(hashes, translate, count) or None


def _chain_length(elf: ElfFile, chains: int, last: int) -> int | None:
    """Words up to the end of the chain that starts at word `last`."""
    image = elf.image
    offset = elf.offset_of(chains + 4 * last, 4)
    position = image.base + offset
    end_byte = 0 if elf.layout.little else 3
    while position + 4 <= image.size:
        last += 1
        if image.data[position + end_byte] & 1:
            return last
        position += 4
    image.error(WRONG_CHAIN)
    return None


def _last_symbol(hashes: HashTables, translate: list[int] | None, count: int) -> int:
    """One more than the greatest symbol index that any chain reaches."""
    chains, first = hashes.gnu_chains, hashes.gnu_first
    if translate is not None:
        return max(count, max(translate, default=-1) + 1)
    # Chains do not overlap in a sane file; the one that starts last reaches furthest.
    off = max(hashes.gnu_buckets) - first
    while off < len(chains) and not chains[off] & 1:
        off += 1
    return max(count, min(off, len(chains) - 1) + first + 1)


def sysv_lengths(elf: ElfFile, hashes: HashTables) -> list[int]:
    """Chain length by bucket; a chain that loops or leaves the table ends there."""
    lengths: list[int] = []
    chains = hashes.chains
    visited = bytearray(len(chains))
    for index in hashes.buckets:
        length = 0
        while index > 0:
            length += 1
            if index >= len(chains) or visited[index]:
                elf.image.error("histogram chain is corrupt")
                break
            visited[index] = 1
            index = chains[index]
        lengths.append(length)
    return lengths


def gnu_lengths(hashes: HashTables) -> list[int]:
    """Chain length by bucket: a bucket's chain ends at the first word whose bit 0 is set."""
    chains, first = hashes.gnu_chains, hashes.gnu_first
    ends = _ends(chains)
    return [
        (ends[bucket - first] - (bucket - first) + 1 if bucket - first < len(chains) else 1)
        if bucket
        else 0
        for bucket in hashes.gnu_buckets
    ]


def _ends(chains: list[int]) -> list[int]:
    """For each word the index of the word that ends its chain."""
    ends = [0] * len(chains)
    end = len(chains)
    for index in range(len(chains) - 1, -1, -1):
        if chains[index] & 1:
            end = index
        ends[index] = end
    return ends
