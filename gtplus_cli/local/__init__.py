"""The local cloud: an AWS account on this machine that the real CDK CLI deploys into.

Everything that knows which emulator serves it is in here, so that another could take its place.
"""

from gtplus_cli.local.cloud import LocalCloud, Running
from gtplus_cli.local.deploy import Deployment, bootstrap, deploy, destroy
from gtplus_cli.local.errors import LocalCloudError
from gtplus_cli.local.profiles import ROOT, AssumedRole, Profiles
from gtplus_cli.local.toolchain import Announce, Toolchain

__all__ = [
    "ROOT",
    "Announce",
    "AssumedRole",
    "Deployment",
    "LocalCloud",
    "LocalCloudError",
    "Profiles",
    "Running",
    "Toolchain",
    "bootstrap",
    "deploy",
    "destroy",
]
