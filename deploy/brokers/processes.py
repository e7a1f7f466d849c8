"""A process that outlives the one who started it, and is only ever ended when it is surely the same one."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.brokers.errors import BrokerError

_POLL_SECONDS = 0.05


def spawn(command: Sequence[str], log: Path) -> int:
    """Start `command` in a process group of its own, output appended to `log`; the process id."""
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(command[0], list(command), os.environ, file_actions=actions, setpgroup=0)


def is_alive(pid: int, marker: str) -> bool:
    """Whether `pid` still runs a command that mentions `marker`: ids are used again by other programs."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:  # started by an earlier command: the id may mean another program by now
        return marker in _command_line(pid)


def end(pid: int, marker: str, *, kill: bool, limit_seconds: float = 30) -> None:
    """End the process, at once with `kill`, else politely; returns when it is gone.

    Raises:
        BrokerError: it is still there `limit_seconds` after being killed.
    """
    for sign in (signal.SIGKILL,) if kill else (signal.SIGTERM, signal.SIGKILL):
        if not is_alive(pid, marker):
            return
        os.kill(pid, sign)
        deadline = time.monotonic() + limit_seconds
        while time.monotonic() < deadline:
            if not is_alive(pid, marker):
                return
            time.sleep(_POLL_SECONDS)
    raise BrokerError(f"process {pid} does not end; look at it with: ps -p {pid}")


def _command_line(pid: int) -> str:
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    told = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout
