"""Runs the tools of the local cloud, so that none of them outlives a Ctrl-C and none of them chatters."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gtplus_cli.local.errors import LocalCloudError, tail


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    what: str,
    hint: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    excerpt: Callable[[str], str] = tail,
) -> None:
    """Runs a tool to its end.

    The tool gets a process group of its own, which is gone when this returns, however it returns.

    Args:
        command: The program and its arguments.
        log: Where the output goes; it is written anew.
        what: What the tool does, for the error.
        hint: What to do when it fails, for the error.
        environment: All of its environment; the default is our own.
        cwd: Its working directory; the default is our own.
        timeout: Seconds after which it is stopped and has failed; the default is to wait.
        excerpt: Picks what of the output goes into the error; the default is its end.

    Raises:
        LocalCloudError: It could not be started, failed, or took longer than `timeout`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        try:
            process = subprocess.Popen(  # noqa: S603 - the commands are our own, no shell is involved
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise LocalCloudError(f"{what} could not be started: {error}", hint=hint) from error
        code: int | None = None
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            what = f"{what} took longer than {timeout:.0f} s and was stopped"
        finally:
            kill_group(process.pid)
            process.wait()
    if code != 0:
        failed = what if code is None else f"{what} failed (exit code {code})"
        output = excerpt(log.read_text(errors="replace"))
        raise LocalCloudError(failed, output=output, hint=f"{hint} All of its output: {log}".strip())


def kill_group(leader: int) -> None:
    """Ends a process group at once; it is no error if it has ended already."""
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM when only zombies are left
        os.killpg(leader, signal.SIGKILL)
