"""Starts the emulator. Its own Python runs this file, in its own environment; nothing of ours is importable there.

The emulator's own main() would listen on port 443, too, where it may; its server alone does not. Its one core bounds
all that is done in it, so what it spends on garbage, writes, parsing and copies is kept small; it answers the same.
"""

import asyncio
import gc
import os
from copy import deepcopy
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import h11
from hypercorn.__main__ import main
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol
from jsonata.parser import Parser
from ministack.services import apigateway, dynamodb

# A client that keeps its connection open, as boto3 does, would delay the end by the 30 s that TLS grants for a goodbye.
asyncio.start_server = partial(asyncio.start_server, ssl_shutdown_timeout=0.5)

# JWT authorizers fetch the keys of a user pool from the emulator itself, without TLS even where it speaks nothing else.
_plain = f"http://localhost:{os.environ['GATEWAY_PORT']}/"
_fetch_jwks = apigateway._fetch_jwks
apigateway._fetch_jwks = lambda url: _fetch_jwks(url.replace(_plain, _plain.replace("http", "https")))


async def _send_together(self: Any, event: Any) -> None:
    """Send the head of an answer with what follows: a write takes a tenth of all that a request takes."""
    try:
        data = self.held + (self.connection.send(event) or b"")
    except h11.LocalProtocolError:
        if self.connection.their_state != h11.ERROR:
            raise
        return
    self.held = data if isinstance(event, h11.Response) else b""
    if data and not self.held:
        await self.send(RawData(data=data))


H11Protocol.held = b""
H11Protocol._send_h11_event = _send_together

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
    main()
