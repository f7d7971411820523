"""Tools of the local cloud: none outlives us, and a failure says what happened."""

import os
import sys
import time
from pathlib import Path

import pytest

from gtplus_cli.local.errors import LocalCloudError, tail
from gtplus_cli.local.process import run


def python(program: str, log: Path, **options: float) -> None:
    run([sys.executable, "-c", program], log=log, what="The tool", hint="Mend it.", timeout=options.get("timeout"))


def test_output_goes_to_the_log_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    python("print('hello')", tmp_path / "deep" / "log")
    assert (tmp_path / "deep" / "log").read_text() == "hello\n"
    assert capfd.readouterr() == ("", "")


def test_a_failure_shows_the_end_of_the_output_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError) as caught:
        python("[print('line', n) for n in range(100)]; raise SystemExit(3)", tmp_path / "log")
    message = str(caught.value)
    assert message.startswith("The tool failed (exit code 3)\n")
    assert "  line 99\n" in message
    assert "line 70\n" not in message
    assert message.endswith(f"Mend it. All of its output: {tmp_path / 'log'}")


def test_a_tool_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"(?s)The tool could not be started: .*nowhere.*Mend it\."):
        run([tmp_path / "nowhere"], log=tmp_path / "log", what="The tool", hint="Mend it.")


def test_a_tool_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); child.wait()"
    )
    with pytest.raises(LocalCloudError, match="The tool took longer than 2 s and was stopped"):
        python(program, tmp_path / "log", timeout=2)
    assert ended(int((tmp_path / "log").read_text()))


def test_an_interrupt_stops_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object, timeout: float | None = None) -> int:
        monkeypatch.undo()
        while not log.read_text().endswith("\n"):
            time.sleep(0.01)
        raise KeyboardInterrupt

    log = tmp_path / "log"
    monkeypatch.setattr("subprocess.Popen.wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        python("import os, time; print(os.getpid(), flush=True); time.sleep(60)", log)
    assert ended(int(log.read_text()))


def test_tail_drops_blank_lines() -> None:
    assert tail("a\n\n \nb  \nc\n", lines=2) == "b\nc"


def ended(pid: int) -> bool:
    """Whether a process is gone within a second; a child of a killed parent is reaped by the system."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if (
            Path(f"/proc/{pid}/stat").exists()
            and Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] == "Z"
        ):
            return True
        time.sleep(0.01)
    return False
