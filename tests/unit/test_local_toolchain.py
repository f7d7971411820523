"""The set-up of the local cloud: done once, and never taken for done when it is not."""

import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gtplus_cli.local import toolchain
from gtplus_cli.local.errors import LocalCloudError
from gtplus_cli.local.toolchain import Toolchain


class Tools:
    """Stands in for pip and npm."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.before: Callable[[list[str]], None] = lambda command: None

    def run(self, command: list[object], **_: Any) -> None:
        words = [str(word) for word in command]
        self.commands.append(words)
        self.before(words)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    stand_in = Tools()
    monkeypatch.setattr(toolchain, "run", stand_in.run)
    return stand_in


def test_makes_each_part_once_and_says_so(tmp_path: Path, tools: Tools) -> None:
    steps: list[tuple[str, bool]] = []
    Toolchain(tmp_path / "tools").set_up(lambda step, seconds: steps.append((step, seconds is not None)))
    names = ["make certificate", "install CDK CLI", "install local cloud"]
    assert steps == [(name, ended) for name in names for ended in (False, True)]
    assert len(tools.commands) == 3

    Toolchain(tmp_path / "tools").set_up(lambda *_: pytest.fail("there was nothing to do"))
    assert len(tools.commands) == 3


def test_pins_the_cdk_cli_and_the_emulator(tmp_path: Path, tools: Tools) -> None:
    Toolchain(tmp_path).set_up()
    npm, venv, pip = tools.commands
    assert npm[-1] == "aws-cdk@2.1148.1"
    assert "--ignore-scripts" in npm
    assert venv[-1] == str(tmp_path / "cloud")
    assert "ministack==1.5.33" in pip


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), LocalCloudError("no network")])
def test_an_unfinished_part_is_made_anew(tmp_path: Path, tools: Tools, failure: BaseException) -> None:
    def break_pip(command: list[str]) -> None:
        if "pip" in command:
            (tmp_path / "cloud" / "half").touch()
            raise failure

    tools.before = break_pip
    with pytest.raises(type(failure)):
        Toolchain(tmp_path).set_up()

    tools.before = lambda command: None
    made: list[str] = []
    Toolchain(tmp_path).set_up(lambda step, seconds: made.append(step) if seconds is None else None)
    assert made == ["install local cloud"]  # the parts before it are kept
    assert not (tmp_path / "cloud" / "half").exists()


def test_a_new_version_is_installed_anew(tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    Toolchain(tmp_path).set_up()
    monkeypatch.setattr(toolchain, "CDK_VERSION", "2.9999.0")
    Toolchain(tmp_path).set_up()
    assert [command[-1] for command in tools.commands[3:]] == ["aws-cdk@2.9999.0"]


def test_two_set_ups_at_once_make_one(tmp_path: Path, tools: Tools) -> None:
    threads = [threading.Thread(target=Toolchain(tmp_path).set_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tools.commands) == 3


def test_the_certificate_is_trusted_by_its_authority_and_its_key_is_ours_alone(tmp_path: Path, tools: Tools) -> None:
    made = Toolchain(tmp_path)
    made.set_up()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    assert made.key.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in (tmp_path / "tls").glob("*.pem")) == [
        "authority.pem",
        "certificate.pem",
        "key.pem",
    ]


def test_node_is_that_of_our_environment(tmp_path: Path) -> None:
    made = Toolchain(tmp_path)
    assert made.node.is_file()
    assert made.cdk[0] == str(made.node)
    assert int(made.versions["Node"].split(".")[0]) >= 22
