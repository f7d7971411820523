"""Assertions about who may do what in a synthesized stack.

Named after ``aws_cdk.assertions``, and used beside it in the same tests::

    from gtplus_constructs.assertions import Access

    access = Access.from_stack(stack)
    access.of(role).can("s3:GetObject", access.object(bucket, "raw/1.png"))
    access.of(role).cannot("s3:DeleteObject", access.object(bucket, "raw/1.png"))
    access.service("lambda.amazonaws.com").cannot("sts:AssumeRole", role)
    assert access.of(role).actions() == {"s3:GetObject", "s3:ListBucket"}

The engine reads the template, no account; it knows constructs of any library, for CloudFormation is all it sees.
What it does not model it refuses to judge (:class:`NotModelled`).
"""

from .access import ACCOUNT, REGION, Access
from .caller import Caller
from .context import ContextValue
from .errors import NotModelled
from .explain import DecidingStatement, Decision, Outcome

__all__ = [
    "ACCOUNT",
    "REGION",
    "Access",
    "Caller",
    "ContextValue",
    "DecidingStatement",
    "Decision",
    "NotModelled",
    "Outcome",
]
