"""Starts the emulator. Its own Python runs this file, in its own environment; nothing of ours is importable there.

The emulator's own main() would listen on port 443, too, where it may, and its server takes a third of the one core that
bounds all that is done in it; uvicorn serves the same application with far less. What the emulator spends on garbage,
parsing and copies is kept small, too; it answers the same.

    python _server.py LISTENER

`LISTENER` is the descriptor of a bound socket, inherited from whoever starts this.
"""

import gc
import os
import socket
import sys
from copy import deepcopy
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import uvicorn
from jsonata.parser import Parser
from ministack.app import app
from ministack.services import apigateway, dynamodb, lambda_svc

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

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def _copied(value: Any) -> Any:
    """Copy an item, plain data, without what `deepcopy` does for anything else: a write copies it five times."""
    kind = type(value)
    if kind is dict:
        return {name: _copied(each) for name, each in value.items()}
    if kind is list:
        return [_copied(each) for each in value]
    return value if kind in _PLAIN else deepcopy(value)


dynamodb.copy = SimpleNamespace(deepcopy=_copied)

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
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
