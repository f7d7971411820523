"""Starts the emulator. Its own Python runs this file, in its own environment; nothing of ours is importable there.

The emulator's own main() would listen on port 443, too, where it may, and its server takes a third of the one core that
bounds all that is done in it; uvicorn serves the same application with far less. What the emulator spends on garbage,
parsing and copies, and on letting go of the interpreter's lock, is kept small, too; it answers the same.

    python _server.py LISTENER

`LISTENER` is the descriptor of a bound socket, inherited from whoever starts this.
"""

import gc
import json
import marshal
import os
import select
import socket
import sys
import time
from collections import defaultdict, deque
from contextlib import suppress
from copy import deepcopy
from functools import lru_cache
from threading import BoundedSemaphore
from types import SimpleNamespace
from typing import Any

import uvicorn
from jsonata.parser import Parser
from ministack.app import app
from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.lambda_runtime import Worker
from ministack.services import apigateway, dynamodb, lambda_svc, stepfunctions
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# JWT authorizers fetch the keys of a user pool from the emulator itself, without TLS even where it speaks nothing else.
_plain = f"http://localhost:{os.environ['GATEWAY_PORT']}/"
_fetch_jwks = apigateway._fetch_jwks
apigateway._fetch_jwks = lambda url: _fetch_jwks(url.replace(_plain, _plain.replace("http", "https")))


# A table's records begin anew at a start. A mapping that went on at its old position would hear nothing of them.
_restore_state = lambda_svc._restore_state
lambda_svc._restore_state = lambda data: _restore_state(data and {**data, "dynamodb_stream_positions": {}})

_parse = Parser.parse


@lru_cache(10_000)
def _parsed(*text: Any) -> Any:
    """Parse an expression of a state machine once, and not each time that a state is entered."""
    return _parse(Parser(), *text)


Parser.parse = lambda _, *text: _parsed(*text)


def _copied(value: Any) -> Any:
    """Copy an item, plain data, in C: a write copies it five times."""
    try:
        return marshal.loads(marshal.dumps(value))  # noqa: S302 - what it wrote itself a moment ago
    except ValueError:  # not that plain
        return deepcopy(value)


dynamodb.copy = SimpleNamespace(deepcopy=_copied)
dynamodb._condition_syntax_error = lru_cache(10_000)(dynamodb._condition_syntax_error)

_parse_policy = iam_evaluator.parse_policy_document
_parsed_policy = lru_cache(1_000)(_parse_policy)
iam_evaluator.parse_policy_document = lambda doc: (_parsed_policy if isinstance(doc, str) else _parse_policy)(doc)


class _Random:
    """The system's random bytes, many at a time: each call lets go of the interpreter's lock, which others take."""

    def __init__(self) -> None:
        self._fetch = os.urandom
        self._pieces: deque[bytes] = deque()  # taken by many threads, each piece by one

    def __call__(self, count: int) -> bytes:
        taken = b""
        while len(taken) < count:
            try:
                taken += self._pieces.popleft()
            except IndexError:
                some = self._fetch(16_384)
                self._pieces.extend(some[at : at + 16] for at in range(0, len(some), 16))
        return taken[:count]


os.urandom = _Random()


class _Joining:
    """A connection that sends what is written at once in one piece: an answer's head and its body would be two."""

    def __init__(self, transport: Any, loop: Any) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._send)
        self._pieces.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces:
            self._transport.write(b"".join(pieces))


_connection_made = HttpToolsProtocol.connection_made
HttpToolsProtocol.connection_made = lambda protocol, transport: _connection_made(
    protocol, _Joining(transport, protocol.loop)
)


def _invoked(
    worker: Any,
    event: Any,
    request_id: str,
    *,
    trace_id: str | None = None,
    depth: Any = None,
    durable: dict[str, Any] | None = None,
    invoked_function_arn: str | None = None,
) -> dict[str, Any]:
    """Run one invocation in the thread that asks for it: for one that waits beside it each would have to be woken."""
    with worker._lock:
        cold = worker._proc is None or worker._proc.poll() is not None
        if cold:
            worker._spawn()
            worker._cold = False
        seconds = float(worker.config.get("Timeout", 30))
        context = {
            "request_id": request_id,
            "invoked_function_arn": invoked_function_arn or worker.config.get("FunctionArn", ""),
            "timeout_ms": int(seconds * 1000),
            "trace_id": trace_id,
            "depth": depth,
            "durable": durable or {},
        }
        answer, log = _exchanged(worker._proc, json.dumps({"event": event, "ctx": context}), seconds)
        if answer is None:
            answer = {"status": "error", "error": f"Task timed out after {seconds:.2f} seconds"}
        if answer["status"] == "error":
            process, worker._proc = worker._proc, None
            lambda_runtime._signal(process)
            lambda_runtime._collect(process, time.monotonic() + lambda_runtime._REAP_GRACE)
        return {**answer, "cold_start": cold, "log": log}


def _exchanged(process: Any, question: str, seconds: float) -> tuple[dict[str, Any] | None, str]:
    """What a function's process answers, None if not in time, and what it logged until then."""
    ends = time.monotonic() + seconds
    out, err = process.stdout.fileno(), process.stderr.fileno()
    answered, logged = bytearray(), bytearray()
    poll = select.poll()
    poll.register(out, select.POLLIN)
    poll.register(err, select.POLLIN)
    answer: dict[str, Any] | None = None
    try:
        process.stdin.write(question + "\n")
        process.stdin.flush()
        while answer is None and (ready := poll.poll(max(ends - time.monotonic(), 0) * 1000)):
            for place, _ in ready:
                some = os.read(place, 65_536)
                if place == err:
                    logged += some
                    continue
                answered += some
                if not some:
                    answer = {"status": "error", "error": "Worker process died"}
                elif some.endswith(b"\n"):
                    # A library that prints by itself writes there, too.
                    lines = [line for line in answered.splitlines() if line.startswith(b'{"status":')]
                    answer = json.loads(lines[0]) if lines else None
    except OSError as error:
        answer = {"status": "error", "error": str(error)}
    # All of it was written before the answer.
    os.set_blocking(err, False)
    with suppress(OSError):
        while some := os.read(err, 65_536):
            logged += some
    return answer, logged.decode(errors="replace").removesuffix("\n")


Worker.invoke = _invoked
Worker._read_stderr = lambda _: None

_running: defaultdict[str, BoundedSemaphore] = defaultdict(lambda: BoundedSemaphore(os.cpu_count() or 1))
_execute_warm = lambda_svc._execute_function_warm


def _executed_warm(function: Any, *given: Any) -> dict[str, Any]:
    """Run a function once for each core at a time: more are no sooner done, and each is a process to start and to keep.

    None waits longer than a second: those that run may take long, or wait for this one.
    """
    running = _running[(function.get("config") or function).get("FunctionArn", "")]
    counted = running.acquire(timeout=1)
    try:
        return dict(_execute_warm(function, *given))
    finally:
        if counted:
            running.release()


lambda_svc._execute_function_warm = _executed_warm

_invoke_with_timeout = stepfunctions._invoke_resource_with_timeout


def _invoked_in_time(resource: str, given: Any, seconds: float) -> Any:
    """Run a task that has a timeout; a function has one of its own, and needs no thread beside it."""
    if ":lambda:" not in resource:
        return _invoke_with_timeout(resource, given, seconds)
    ends = time.monotonic() + seconds
    result = stepfunctions._invoke_resource(resource, given)
    if time.monotonic() > ends:
        raise stepfunctions._ExecutionError("States.Timeout", f"Task timed out after {seconds} seconds")
    return result


stepfunctions._invoke_resource_with_timeout = _invoked_in_time

_poll_streams = lambda_svc._poll_dynamodb_streams


def _polled_streams() -> bool:
    """Give a function what has come together, as AWS does, which asks a stream four times a second."""
    found = bool(_poll_streams())
    if found:
        time.sleep(0.015)
    return found


lambda_svc._poll_dynamodb_streams = _polled_streams

# What stands now stays: a collection that looked at it would answer nobody for a tenth of a second, and free nothing.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)

if __name__ == "__main__":
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        ssl_certfile=os.environ["MINISTACK_SSL_CERT"],
        ssl_keyfile=os.environ["MINISTACK_SSL_KEY"],
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,  # boto3 keeps its connections open, and never closes them
        # The emulator logs by itself, and sends the headers that AWS sends.
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
