"""The least that a handler with the same client can be: what `cold_start.py` holds ours against."""

import os

import boto3
from botocore.config import Config

_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=3, read_timeout=20)


def handler(event, context):  # noqa: ARG001
    """Make the client, and look at the table's name."""
    return boto3.client("dynamodb", config=_CONFIG), os.environ["GTPLUS_TABLE"]
