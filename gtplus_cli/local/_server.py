"""Starts the emulator. Its own Python runs this file, in its own environment; nothing of ours is importable there.

The emulator's own main() would listen on port 443, too, where it may; its server alone does not.
"""

import asyncio
import os
from functools import partial

from hypercorn.__main__ import main  # type: ignore[import-not-found,unused-ignore]
from ministack.services import apigateway  # type: ignore[import-not-found,unused-ignore]

# A client that keeps its connection open, as boto3 does, would delay the end by the 30 s that TLS grants for a goodbye.
asyncio.start_server = partial(asyncio.start_server, ssl_shutdown_timeout=0.5)

# JWT authorizers fetch the keys of a user pool from the emulator itself, without TLS even where it speaks nothing else.
_plain = f"http://localhost:{os.environ['GATEWAY_PORT']}/"
_fetch_jwks = apigateway._fetch_jwks
apigateway._fetch_jwks = lambda url: _fetch_jwks(url.replace(_plain, _plain.replace("http", "https")))

if __name__ == "__main__":
    main()
