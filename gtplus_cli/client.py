"""The client of a workspace's API: it finds the workspace, signs each call, and tries again what may be tried again."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.httpsession import URLLib3Session

from gtplus_runtime.forms import check_name
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.problems import Problem, Refused
from gtplus_runtime.routes import BY_NAME

TRIES = 6
"""How often a call is sent while it meets a passing fault; a command keeps its idempotency key, so it happens once."""

_PASSING = frozenset({429, 500, 502, 503, 504})


class Unreachable(Exception):
    """The workspace could not be found, or does not answer."""


class WorkspaceClient:
    """Calls the API of one workspace with the rights of one AWS principal.

    Args:
        session: whose credentials sign; its profile may name `gtplus_api_url`, an address with `{api_id}` that is
            used in place of the API's own.
        workspace: the workspace's name.

    Raises:
        Unreachable: no such workspace, or no right to find it.
    """

    def __init__(self, session: boto3.Session, workspace: str = "labeling") -> None:
        self._session = session
        self.workspace = workspace
        name = f"/gtplus/{workspace}/workspace"
        try:
            value = session.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise Unreachable(
                f"no workspace {workspace!r} in {session.region_name} for this caller ({code} on {name}): "
                "deploy it, name another with --workspace, or get a right to it (workspace.grant_operate, "
                "project.grant_request, …)"
            ) from None
        except BotoCoreError as error:
            raise Unreachable(f"AWS could not be asked for {name}: {error}") from None
        self.facts: dict[str, Any] = json.loads(value)
        core = session._session  # the settings of a profile are read by botocore's session alone
        template = core.get_scoped_config().get("gtplus_api_url")
        self._url = template.format(api_id=self.facts["apiId"]) if template else self.facts["apiUrl"]
        self._http = URLLib3Session(verify=core.get_config_variable("ca_bundle") or True, timeout=40)
        self._duties: list[Duty] = []

    def call(
        self,
        route: str,
        /,
        *,
        project: str = "",
        batch: str = "",
        event: str = "",
        key: str | None = None,
        **body: Any,
    ) -> Any:
        """Call a route by its name, under the first duty that the caller has for it.

        Args:
            route: as in `gtplus_runtime.routes`.
            project: the project in its path.
            batch: the batch in its path.
            event: the event in its path.
            key: the idempotency key of a command. Default: a new one.
            body: the fields of a command, or the query of a reading.

        Raises:
            Refused: the answer was no.
            Unreachable: no answer came.
        """
        entry = BY_NAME[route]
        names = {"project": project, "batch": batch, "event": event}
        needed = [place for place in names if f"{{{place}}}" in entry.path]
        if wrong := [problem for place in needed for problem in check_name(place, names[place])]:
            raise Refused(400, f"{route} was not called", wrong)
        path = entry.path.format(**{name: quote(value, safe="") for name, value in names.items()})
        text = json.dumps(body) if entry.method == "POST" else None
        if text is None and body:
            path += "?" + urlencode(body)
        key = uuid.uuid4().hex if key is None else key
        for duty in sorted(entry.duties, key=lambda d: d not in self._duties):
            status, answer = self._send(entry.method, f"/{duty}{path}", text, key)
            # API Gateway refuses what IAM does not allow; our own refusals say why.
            if status == 403 and "refused" not in answer:
                continue
            if duty not in self._duties:
                self._duties.append(duty)
            if status == 200:
                return answer
            problems = [Problem(**problem) for problem in answer.get("problems", [])]
            raise Refused(status, answer.get("refused") or answer.get("message") or f"HTTP {status}", problems)
        duties = " or ".join(entry.duties)
        mend = "use credentials of a principal that was granted it" + (f" for project {project!r}" if project else "")
        raise Refused(403, f"{route} is not yours to call", [Problem("caller", f"needs the duty {duties}", "", mend)])

    def upload(self, url: str, content: bytes) -> None:
        """Write to a link that an answer gave.

        Raises:
            Unreachable: it was not taken; the link may have ended.
        """
        response = self._http.send(AWSRequest(method="PUT", url=url, data=content).prepare())
        if response.status_code != 200:
            raise Unreachable(f"the upload was answered {response.status_code}: ask for a new link, and try again")

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
        """Send one signed request as it is: status and answer."""
        return self._send(method, path, body, uuid.uuid4().hex, headers)

    def _send(
        self, method: str, path: str, body: str | None, key: str, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        problem: object = None
        for attempt in range(TRIES):
            if attempt:
                time.sleep(min(0.1 * 2**attempt, 3))
            request = AWSRequest(
                method=method,
                url=self._url + path,
                data=body,
                headers={"content-type": "application/json", "idempotency-key": key, **(headers or {})},
            )
            credentials = self._session.get_credentials()
            if credentials is None:
                raise Unreachable("there are no AWS credentials: name a profile with --profile")
            SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self._session.region_name).add_auth(request)
            try:
                response = self._http.send(request.prepare())
            except HTTPClientError as error:
                problem = error
                continue
            if response.status_code not in _PASSING:
                try:
                    answer = json.loads(response.content)
                except ValueError:
                    answer = {"message": response.text[:200]}
                return response.status_code, answer
            problem = f"HTTP {response.status_code}"
        raise Unreachable(f"{self._url} gave no answer after {TRIES} tries: {problem}")


def every(call: Callable[..., Any], route: str, name: str, **of: str) -> list[Any]:
    """All entries of a list, which comes page by page; one may come twice where another is added meanwhile.

    Args:
        call: of a `WorkspaceClient`.
        route: of the list.
        name: of the entries in its answer.
        of: whose list.
    """
    entries: list[Any] = []
    start: int | None = 0
    while start is not None:
        page = call(route, start=start, **of)
        entries += page[name]
        start = page["next"]
    return entries
