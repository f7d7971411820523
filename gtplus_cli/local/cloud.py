"""The local cloud as a process: start, wait until it answers, stop, find again.

This is the only module that knows how the emulator is started.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import boto3

from gtplus_cli.local.errors import LocalCloudError, tail
from gtplus_cli.local.process import kill_group
from gtplus_cli.local.profiles import ROOT, Profiles
from gtplus_cli.local.toolchain import Announce, Toolchain, silent, timed

HOST = "127.0.0.1"

_SERVER = Path(__file__).with_name("_server.py")
_START_SECONDS = 30.0
_SAVE_SECONDS = 15.0
_END_SECONDS = 5.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Running:
    """A local cloud that runs.

    Attributes:
        pid: Its process, which leads the group that its Lambda functions belong to.
        port: Where it listens on 127.0.0.1.
        since: When it was started, in ISO 8601 and UTC.
        keep: Whether its state outlives it.
    """

    pid: int
    port: int
    since: str
    keep: bool

    @property
    def endpoint(self) -> str:
        """The endpoint of every service."""
        return f"https://{HOST}:{self.port}"

    def api_url(self, api_id: str) -> str:
        """The address of an HTTP API's default stage; its address of AWS leads nowhere here.

        Requests to routes with IAM authorization are signed as they are sent, with all of this path.
        """
        return f"{self.endpoint}/_aws/execute-api/{api_id}/$default"


class LocalCloud:
    """An AWS account on this machine: over TLS, IAM enforced, reachable from here only.

    As a context manager it stops what it started, also after Ctrl-C, SIGTERM and a closed terminal. `start` alone
    leaves it running, for another process to find by its state folder.

    Args:
        state: Its folder; one cloud at a time has it. The default is `.local` in the working directory.
        tools: Its tools, set up by `start` where they are missing. The default is `tools` in the state folder.
        port: The port on 127.0.0.1. The default is a free one; with `keep` the last one, so that addresses stay.
        keep: Whether stacks, tables, objects and functions outlive a stop. Without it, each start is an empty account.
        lambda_concurrency: How many Lambda invocations may run at once, as AWS limits an account; each takes a process
            of about 40 MB. The default is no limit.
        wait_scale: How long a state machine waits, and pauses between retries, of the time that it says.
        region: The region of everything in it.
    """

    def __init__(
        self,
        state: Path | str = ".local",
        *,
        tools: Toolchain | None = None,
        port: int | None = None,
        keep: bool = False,
        lambda_concurrency: int | None = None,
        wait_scale: float = 1,
        region: str = "us-east-1",
    ) -> None:
        self.state = Path(state).absolute()
        self.tools = Toolchain(self.state / "tools") if tools is None else tools
        self.region = region
        self._port = port
        self._keep = keep
        self._lambda_concurrency = lambda_concurrency
        self._wait_scale = wait_scale
        self._data = self.state / "cloud"
        self._log = self.state / "cloud.log"
        self._lock_file = self.state / "cloud.lock"
        self._record_file = self.state / "cloud.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._restore_signals: Callable[[], None] = lambda: None

    def start(self, announce: Announce = silent) -> Running:
        """Starts it and waits until it answers.

        Args:
            announce: Is told the steps.

        Raises:
            LocalCloudError: One runs already in this folder, it cannot be set up, or it does not answer.
        """
        self.tools.set_up(announce)
        self.state.mkdir(parents=True, exist_ok=True)
        with timed("start local cloud", announce), self._lock(patience=1) as lock:
            if lock is None:
                raise LocalCloudError(
                    f"A local cloud runs already in {self.state}.", hint="Stop it first: gtplus local down"
                )
            port = self._port
            if self._keep and port is None and (last := self._record()) is not None:
                port = last.port
            # Nobody may take the last one's record for ours, and signal a process that is not.
            self._record_file.unlink(missing_ok=True)
            if not self._keep:
                shutil.rmtree(self._data, ignore_errors=True)
            with _listening(port) as listener:
                process = self._launch(listener, lock)
                try:
                    running = Running(
                        pid=process.pid,
                        port=listener.getsockname()[1],
                        since=datetime.now(UTC).isoformat(timespec="seconds"),
                        keep=self._keep,
                    )
                    self._record_file.write_text(json.dumps(asdict(running)))
                    self._wait_until_ready(running, process)
                except BaseException:
                    kill_group(process.pid)
                    process.wait()
                    raise
            self._process = process
            profiles = self._profiles(running)
            profiles.write(profiles.read() if self._keep else {})
            return running

    def stop(self, announce: Announce = silent) -> bool:
        """Stops it, with its Lambda functions, if it runs.

        One that keeps its state is given time to save it; a second Ctrl-C ends it at once.

        Returns:
            Whether it ran.

        Raises:
            LocalCloudError: It had to be ended before it had saved its state.
        """
        running = self.status()
        if running is None:
            return False
        with timed("stop local cloud", announce):
            saved = not running.keep  # then there is nothing to save, and nothing to wait for
            try:
                if running.keep:
                    os.kill(running.pid, signal.SIGTERM)
                    saved = self._wait_until_ended(_SAVE_SECONDS)
            finally:
                kill_group(running.pid)
                self._wait_until_ended(_END_SECONDS)
                if self._process is not None:
                    self._process.wait()
                    self._process = None
            if not running.keep:
                shutil.rmtree(self._data, ignore_errors=True)
        if not saved:
            raise LocalCloudError(
                f"The local cloud had not ended after {_SAVE_SECONDS:.0f} s and was stopped the hard way.",
                hint=f"What it had not saved is lost. Its output: {self._log}",
            )
        return True

    def status(self) -> Running | None:
        """Tells of the local cloud that runs in this state folder, or `None`.

        The record of one that was killed does not mislead, nor does another process under its old number: the local
        cloud itself holds a lock for as long as it lives.
        """
        if not self._lock_file.exists():
            return None
        with self._lock(shared=True) as lock:
            return self._record() if lock is None else None

    @property
    def profiles(self) -> Profiles:
        """The profiles of this cloud: write one for each role that somebody acts as.

        Raises:
            LocalCloudError: It does not run.
        """
        return self._profiles(self._running())

    def session(self, profile: str = ROOT) -> boto3.Session:
        """A session of a profile; `root`, to whom nothing is refused, is for setting up only.

        Raises:
            LocalCloudError: It does not run.
        """
        return self.profiles.session(profile)

    def environment(self, profile: str | None = None) -> dict[str, str]:
        """The environment for a program that shall work in this cloud.

        It is ours, without any trace of a real account: no profile, key, region or file of the user is left in it. What
        stays of the CDK's own is `CDK_VALIDATION`: `false` leaves out the validation of the template, half of a synth.

        Args:
            profile: As whom; the default is `root`.

        Raises:
            LocalCloudError: It does not run.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "CDK_")) or name == "CDK_VALIDATION"
        }
        ours = {
            "PATH": os.pathsep.join((str(self.tools.node.parent), kept.get("PATH", os.defpath))),
            "JSII_NODE": str(self.tools.node),
            "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
            "NODE_EXTRA_CA_CERTS": str(self.tools.authority),
        }
        return kept | ours | self.profiles.environment(profile)

    def __enter__(self) -> Self:
        self._restore_signals = _exit_on_signals()
        try:
            self.start()
        except BaseException:
            self._restore_signals()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._restore_signals()

    def _launch(self, listener: socket.socket, lock: int) -> subprocess.Popen[bytes]:
        port = listener.getsockname()[1]
        scratch = self._data / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        authority = str(self.tools.authority)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "TZ": "UTC",  # as in Lambda
            # Handlers inherit all of this: they find no file of the user's, and trust the right certificate.
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "AWS_EC2_METADATA_DISABLED": "true",
            **dict.fromkeys(("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), authority),
            "AUTH": "true",
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self.tools.certificate),
            "MINISTACK_SSL_KEY": str(self.tools.key),
            "MINISTACK_REGION": self.region,
            "SFN_WAIT_SCALE": str(self._wait_scale),
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": "localhost",
            "IOT_MTLS_ENABLED": "0",  # each of these two would open a port of its own
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(self._data / "state"),
            "S3_DATA_DIR": str(self._data / "s3"),
            "PERSIST_STATE": "1" if self._keep else "0",
            "S3_PERSIST": "1" if self._keep else "0",
        }
        if self._lambda_concurrency is not None:
            environment["LAMBDA_ACCOUNT_CONCURRENCY"] = str(self._lambda_concurrency)
        command = [str(self.tools.python), "-P", str(_SERVER), str(listener.fileno())]
        with self._log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - the command is our own, no shell is involved
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=scratch,
                env=environment,
                pass_fds=(listener.fileno(), lock),
                start_new_session=True,  # Ctrl-C is ours to handle
            )

    def _wait_until_ready(self, running: Running, process: subprocess.Popen[bytes]) -> None:
        trust = ssl.create_default_context(cafile=str(self.tools.authority))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), opener.open(f"{running.endpoint}/_ministack/ready", timeout=5):
                return
            time.sleep(_POLL_SECONDS)
        raise LocalCloudError(
            f"The local cloud did not start on {HOST}:{running.port}",
            output=tail(self._log.read_text(errors="replace")),
            hint=f"All of its output: {self._log}",
        )

    def _wait_until_ended(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.status() is not None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _running(self) -> Running:
        running = self.status()
        if running is None:
            raise LocalCloudError(f"No local cloud runs in {self.state}.", hint="Start it: gtplus local up")
        return running

    def _record(self) -> Running | None:
        try:
            return Running(**json.loads(self._record_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None  # never written, or by another version

    def _profiles(self, running: Running) -> Profiles:
        return Profiles(
            file=self.state / "aws-config",
            endpoint=running.endpoint,
            ca_bundle=self.tools.authority,
            region=self.region,
            api_url=running.api_url("{api_id}"),
        )

    @contextmanager
    def _lock(self, *, shared: bool = False, patience: float = 0) -> Iterator[int | None]:
        """Gives the lock that the running cloud holds, or `None` if one does.

        Whoever inherits the descriptor keeps the lock when we close ours; the system takes it back when they end.
        """
        deadline = time.monotonic() + patience  # somebody who only asks for the status holds it for a moment
        with self._lock_file.open("w") as file:
            while not (ours := _try_lock(file.fileno(), fcntl.LOCK_SH if shared else fcntl.LOCK_EX)):
                if time.monotonic() >= deadline:
                    break
                time.sleep(_POLL_SECONDS)
            yield file.fileno() if ours else None


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _listening(port: int | None) -> Iterator[socket.socket]:
    """Opens the port ourselves and hands it on, so that nobody can take it in between."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port or 0))
        except OSError as error:
            raise LocalCloudError(
                f"Port {port} of {HOST} cannot be used: {error.strerror}.",
                hint="Choose another, or none: then a free one is taken.",
            ) from error
        yield listener


def _exit_on_signals() -> Callable[[], None]:
    """Makes SIGTERM and a closed terminal leave by an exception, as Ctrl-C does; returns how to undo that."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # Python handles signals in the main thread only

    def leave(number: int, frame: object) -> None:
        del frame
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore
