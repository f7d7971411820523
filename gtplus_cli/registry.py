"""Where a project registered its place: read with the caller's own rights on SSM."""

import json
from typing import Any

import boto3
from botocore.exceptions import ClientError

from gtplus_runtime.problems import Problem, Refused


def read_place(session: boto3.Session, workspace: str, project: str) -> dict[str, Any]:
    """The place of a project as its construct wrote it.

    Args:
        session: whose rights are used.
        workspace: the workspace's name.
        project: the project's id.

    Raises:
        Refused: no such project is deployed, or the caller may not read it.
    """
    ssm = session.client("ssm")
    name = f"/gtplus/{workspace}/projects/{project}"
    try:
        value = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        problem = Problem("PROJECT", "its construct must be deployed", name, "look at gtplus project list")
        raise Refused(404, f"no project {project!r} is deployed in workspace {workspace!r}", [problem]) from None
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        problem = Problem(
            name,
            "may be read by you",
            "ssm:GetParameter",
            "get a right that reads it, such as workspace.grant_team(role)",
        )
        raise Refused(403, f"you may not read where project {project!r} lies", [problem]) from None
    place: dict[str, Any] = json.loads(value)
    return place
