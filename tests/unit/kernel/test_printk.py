"""The log: records, levels, what readers get. Forms as Linux's own /dev/kmsg and dmesg show."""

from __future__ import annotations

from types import SimpleNamespace

from youcpu.kernel.printk import KERN_DEBUG, KERN_ERR, KERN_INFO, LOG_BUF_LEN, Printk
from youcpu.kernel.sched.loadavg import LOAD_FREQ_NS, LoadAverage
from youcpu.trace.tracer import Tracer


def make() -> tuple[Printk, SimpleNamespace]:
    clock = SimpleNamespace(now=0)
    clock.monotonic_ns = lambda: clock.now
    clock.realtime_ns = lambda: clock.now
    return Printk(clock, Tracer()), clock  # type: ignore[arg-type]


def test_forms_of_a_record() -> None:
    log, clock = make()
    clock.now = 1_234_567_890
    log.printk(KERN_ERR, "tab\tand \\")
    entry = log.records[0]
    assert entry.lines() == b"[    1.234567] tab\tand \\\n"
    assert entry.lines(with_priority=True).startswith(b"<3>[    1.234567] ")
    assert entry.extended() == b"3,0,1234567,-;tab\\x09and \\x5c\n"


def test_the_console_gets_what_is_grave_enough_and_what_was_before_it() -> None:
    log, _ = make()
    shown: list[bytes] = []
    log.printk(KERN_INFO, "early")
    log.register_console(shown.append)
    log.printk(KERN_DEBUG, "too much")
    log.console_loglevel = 4
    log.printk(KERN_INFO, "quiet")
    log.ignore_loglevel = True
    log.printk(KERN_DEBUG, "all")
    assert [line[15:] for line in shown] == [b"early\n", b"all\n"]


def test_the_ring_keeps_the_newest() -> None:
    log, _ = make()
    for number in range(1000):
        log.printk(KERN_INFO, b"%04d" % number + bytes(1000))
    assert sum(len(entry.text) for entry in log.records) <= LOG_BUF_LEN
    first = log.first_sequence
    assert first > 0
    oldest = log.get(0)
    assert oldest is not None
    assert oldest.sequence == first
    assert log.get(1000) is None


def test_load_average_of_one_busy_task() -> None:
    load = LoadAverage(0)
    # kernel/sched/loadavg.c: after a minute of one runnable task 1 - 1/e.
    load.advance(12 * LOAD_FREQ_NS, 1)
    assert load.text() == "0.63 0.18 0.06"
    load.advance(10_000 * LOAD_FREQ_NS, 0)
    assert load.text() == "0.00 0.00 0.00"
