"""What runs in the child between fork and exec: give up root, tie the server's life to its owner's, become the server.

A program of its own, run by path with the standard library alone, because code between fork and exec inside a process
that has threads may deadlock. Choosing the account, the log and the signals is `streams.embedded.process`.
"""

import ctypes
import os
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1
NO_ACCOUNT = "-"
FAILED = 125


def main(arguments: list[str]) -> NoReturn:
    """Become the server.

    Args:
        arguments: Process id of the owner; signal to get when it dies; user and group id, or ``-`` twice to stay who we
            are; working directory; then the command.
    """
    owner, death_signal, user, group, directory, *command = arguments
    # Opened while we may still be root: a binary below a directory that the account cannot enter runs by descriptor.
    program = os.open(command[0], os.O_PATH)
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a server that inherits blocked signals could not be stopped
    if user != NO_ACCOUNT:
        _become(int(user), int(group))
    # After the change of user, which clears it, and before the look at the parent, so that no death goes unnoticed.
    signal_on_owner_death(int(death_signal))
    if os.getppid() != int(owner):
        sys.exit(FAILED)
    try:
        os.chdir(directory)
    except OSError as exc:
        sys.exit(
            f"user id {os.geteuid()}, as which the server runs, cannot enter {directory} ({exc.strerror}); "
            "choose a data directory that it can enter"
        )
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    except PermissionError:
        os.execve(program, command, os.environ)  # noqa: S606


def _become(user: int, group: int) -> None:
    try:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    except OSError as exc:
        sys.exit(f"cannot become user id {user}, group id {group}: {exc.strerror}")


def signal_on_owner_death(number: int) -> None:
    """Let the kernel send this process a signal when the thread that started it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as exc:
        sys.exit(f"cannot run {sys.argv[6]}: {exc.strerror}")
