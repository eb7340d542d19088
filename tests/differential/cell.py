"""Run one hostile program inside a cell, and tell what became of it and of its neighbours.

    unshare -rpf --mount-proc python cell.py ORDER.json

is PID 1 of a namespace of its own. It starts a victim process and listens on TCP, UDP and Unix
sockets, so that attacks upon the host have something to hit, runs the command of the order with
bounded time and output, and writes its report. Words {victim}, {port} and {socket} of the command
become what they name. A command that does not end in time is killed and told as hung.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SECRET = "HOST_SECRET_0b5e7"


def main(order_path: str) -> None:
    order = json.loads(Path(order_path).read_text())
    victim = subprocess.Popen(["sleep", "1000"], env={"HOST_SECRET": SECRET, **os.environ})
    listeners = Listeners(Path(order["room"]) / "outside" / "socket")
    stop_racing = threading.Event()
    if order["race"]:
        racer = threading.Thread(target=race, args=(Path(order["race"]), stop_racing), daemon=True)
        racer.start()
    words = {
        "{victim}": str(victim.pid),
        "{port}": str(listeners.port),
        "{socket}": listeners.abstract_name,
    }
    report = run([words.get(word, word) for word in order["command"]], order)
    stop_racing.set()
    report["heard"] = listeners.heard()
    report["victim_lives"] = victim.poll() is None and stopped(victim.pid) is False
    Path(order["report"]).write_text(json.dumps(report))


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


class Listeners:
    """Sockets of the host that nobody in the sandbox may reach."""

    def __init__(self, path: Path) -> None:
        self.abstract_name = f"canary-{os.getpid()}-{time.time_ns()}"
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0" + self.abstract_name)
        self.unix = socket.socket(socket.AF_UNIX)
        path.unlink()
        # A socket's address has 108 bytes at most, the room's path may be longer.
        os.chdir(path.parent)
        self.unix.bind(path.name)
        self.abstract.listen()
        self.unix.listen()

    def heard(self) -> list[str]:
        """Which of them something has come to."""
        watch = selectors.DefaultSelector()
        for name in ("tcp", "udp", "abstract", "unix"):
            watch.register(getattr(self, name), selectors.EVENT_READ, name)
        return [key.data for key, _ in watch.select(timeout=0)]


def race(directory: Path, stop: threading.Event) -> None:
    """Swap `race`, a directory, and a link outwards, until told to stop."""
    real, link, place = directory / "race-real", directory / "race-link", directory / "race"
    while not stop.is_set():
        for source in (link, real):
            try:
                os.rename(place, directory / "race-aside")
                os.rename(source, place)
                os.rename(directory / "race-aside", real if source == link else link)
            except OSError:
                time.sleep(0.001)


def run(command: list[str], order: dict[str, Any]) -> dict[str, Any]:
    """status, hung, seconds, peak MiB; what it wrote is kept in stdout and stderr of the order."""
    start = time.monotonic()
    environment = {**os.environ, "HOST_SECRET": SECRET}
    process = subprocess.Popen(
        command,
        cwd=order["cwd"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    finished = threading.Event()
    kept = {
        name: threading.Thread(target=keep, args=(stream, Path(order[name]), order["bytes"]))
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
    }
    for thread in kept.values():
        thread.start()
    hung = []

    def end_it() -> None:
        if not finished.wait(order["seconds"]):
            hung.append(True)
            os.killpg(process.pid, signal.SIGKILL)

    watchdog = threading.Thread(target=end_it)
    watchdog.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    finished.set()
    for thread in (watchdog, *kept.values()):
        thread.join()
    return {
        "status": os.waitstatus_to_exitcode(status),
        "hung": bool(hung),
        "seconds": seconds,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def keep(stream: Any, path: Path, limit: int) -> None:
    """Copy up to `limit` bytes to a file, then close the pipe: the reader has gone away."""
    with stream, path.open("wb") as file:
        left = limit
        while left > 0 and (piece := os.read(stream.fileno(), min(left, 65536))):
            file.write(piece)
            left -= len(piece)


if __name__ == "__main__":
    main(sys.argv[1])
