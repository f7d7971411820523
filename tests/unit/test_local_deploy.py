"""What a failed deployment shows."""

from gtplus_cli.local.deploy import readable


def test_begins_at_the_failure_and_leaves_out_the_noise() -> None:
    output = """
Bad | 0/3 | 10:05:22 PM | CREATE_IN_PROGRESS | AWS::IAM::Role | R
❌  Bad failed to deploy
‣ DeploymentError: Resource updates failed:
Bad/X  (AWS::IAM::Policy X)
  The role with name nope cannot be found.
Source Location: ...jsii runtime, node internals...
                 (no user code in 10 frames, use --stack-trace-limit to capture more)

   CloudTrail delivery can lag up to 15 minutes behind the failure
"""
    assert readable(output).splitlines() == [
        "❌  Bad failed to deploy",
        "‣ DeploymentError: Resource updates failed:",
        "Bad/X  (AWS::IAM::Policy X)",
        "  The role with name nope cannot be found.",
    ]


def test_an_app_that_fails_shows_its_traceback() -> None:
    output = "[Warning] x\nTraceback (most recent call last):\n  File\nValueError: the option is wrong\n"
    assert readable(output) == "Traceback (most recent call last):\n  File\nValueError: the option is wrong"


def test_otherwise_the_end() -> None:
    assert readable("Synthesis\nTemplate format error: Unrecognized resource types\n\n").endswith("resource types")
