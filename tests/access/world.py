"""A synthesized template as the specification speaks of it: words for who asks, on what, and in which request."""

import json
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aws_cdk import CfnElement
from constructs import Construct

from gtplus_constructs.assertions import Access, Decision
from gtplus_constructs.assertions.caller import Caller
from gtplus_constructs.assertions.template import Template
from gtplus_runtime import revocation
from tests.access.town import ACCOUNT, EXTERNAL_ID, IMPORTED_KEY, REGION, STRANGER, VENDOR, Body, Town

ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
"""A policy that somebody may attach to a role one day."""
SERVICE = "sagemaker-ground-truth-plus.amazonaws.com"
_ROOT = f"arn:aws:iam::{ACCOUNT}:root"
_ACCOUNT_DELEGATES = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"AWS": _ROOT}, "Action": "kms:*", "Resource": "*"},
}
_ELSEWHERE = {
    "another machine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:Another",
    "another topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:another",
    "the default bus": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
    "another parameter": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/another/secret",
}
"""Things of the account that are not in the template."""
_S3, _LOGS = "kms:EncryptionContext:aws:s3:arn", "kms:EncryptionContext:aws:logs:arn"
_REQUESTS: dict[str, tuple[str, str | float | None]] = {
    "plain HTTP": ("aws:SecureTransport", False),
    "TLS 1.1": ("s3:TlsVersion", 1.1),
    "no prefix": ("s3:prefix", None),
    "the empty prefix": ("s3:prefix", ""),
    "through S3": ("kms:ViaService", f"s3.{REGION}.amazonaws.com"),
    "through SQS": ("kms:ViaService", f"sqs.{REGION}.amazonaws.com"),
    "through DynamoDB": ("kms:ViaService", f"dynamodb.{REGION}.amazonaws.com"),
    "for the bucket": (_S3, "<the bucket>"),
    "for an object": (_S3, "<the bucket>/raw/1.png"),
    "for the vendor's bucket": (_S3, "<the vendor's bucket>"),
    "for our logs": (_LOGS, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:x"),
    "for a stranger's logs": (_LOGS, f"arn:aws:logs:{REGION}:{STRANGER}:log-group:x"),
    "for our account": ("aws:SourceAccount", ACCOUNT),
    "for a stranger's account": ("aws:SourceAccount", STRANGER),
    "from our rule": ("aws:SourceArn", "<the rule>"),
    "from another rule": ("aws:SourceArn", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/Another"),
    "from a stranger's rule": ("aws:SourceArn", f"arn:aws:events:{REGION}:{STRANGER}:rule/Theirs"),
    "from a rule of our bus": ("aws:SourceArn", "<rules of our bus>/Delivered"),
    "from a rule of another bus": ("aws:SourceArn", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/another/Delivered"),
    "from our topic": ("aws:SourceArn", "<the topic>"),
    "from our escalations": ("aws:SourceArn", "<the escalations>"),
    "from another topic": ("aws:SourceArn", f"arn:aws:sns:{REGION}:{ACCOUNT}:another"),
    "by e-mail": ("sns:Protocol", "email"),
    "to a queue": ("sns:Protocol", "sqs"),
    "from our API": ("aws:SourceArn", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:<api>/$default/POST/review/x"),
    "from another API": ("aws:SourceArn", f"arn:aws:execute-api:{REGION}:{STRANGER}:theirs/$default/POST/review/x"),
    "with the external id": ("sts:ExternalId", EXTERNAL_ID),
    "with a guessed external id": ("sts:ExternalId", "guessed-between-us"),
}
"""What a request can be like, besides `prefix …`: a condition key and its value, `<…>` being the ARN of a thing."""


@dataclass(frozen=True)
class Names:
    """Where the constructs are in the template: logical ids, or ARNs of what is imported.

    Attributes:
        town: of what there is once.
        places: of what there is in each kind of bucket.
        pasted: the statements that synth asks to add to an imported bucket, by the bucket's ARN.
        projects: the id of the project in each kind of bucket.
    """

    town: Mapping[str, str]
    places: Mapping[str, Mapping[str, str]]
    pasted: Mapping[str, list[Body]]
    projects: Mapping[str, str]

    @property
    def resources(self) -> set[str]:
        """All logical ids."""
        ids = {id for names in (self.town, *self.places.values()) for id in names.values()}
        return {id for id in ids if not id.startswith("arn:")}


def names_of(town: Town) -> Names:
    """The names in a town that is synthesized."""

    def name(construct: Construct, *path: str) -> str:
        for step in path:
            construct = construct.node.find_child(step)  # type: ignore[assignment]
        resource = construct if isinstance(construct, CfnElement) else construct.node.default_child
        if not isinstance(resource, CfnElement):  # imported
            bucket, key = getattr(construct, "bucket_name", None), getattr(construct, "key_arn", None)
            return f"arn:aws:s3:::{bucket}" if key is None else str(key)
        return str(town.stack.resolve(resource.logical_id))

    workspace, vendor, workflow = town.workspace, town.vendor, town.workspace.workflow
    assert vendor.reporting_role is not None
    assert vendor.data_access is not None
    once = {
        "the handlers": name(workflow, "HandlerRole"),
        "the storage function": name(workflow, "StorageEventsRole"),
        "the dispatcher": name(workflow, "DispatcherRole"),
        "the reconciler": name(workflow, "ReconcilerRole"),
        "the schedule": name(workflow, "ScheduleRole"),
        "the machine's role": name(workflow, "MachineRole"),
        "the API": name(workspace, "Api", "Role"),
        "the operator": name(town.operator),
        "the mender": name(town.mender),
        "the inviter": name(town.inviter),
        "the vendor's data role": name(vendor.data_access, "Role"),
        "the vendor's reporting role": name(vendor.reporting_role),
        "the vendor's runtime role": name(vendor.runtime_role),
        "the vendor's bucket": name(vendor.grants[0].bucket),  # type: ignore[arg-type]
        "the vendor's key": name(vendor.grants[0].bucket.encryption_key),  # type: ignore[arg-type]
        "the machine": name(workflow.state_machine),
        "the table": name(workflow.table),
        "the queue": name(workflow, "StorageEvents"),
        "the dead letters": name(workflow, "StorageEventsDeadLetters"),
        "the dispatcher's dead letters": name(workflow, "DispatcherDeadLetters"),
        "the reconciler's dead letters": name(workflow, "ReconcilerDeadLetters"),
        "the rules' dead letters": name(workspace, "RuleDeadLetters"),
        "the topic's dead letters": name(workspace, "TopicDeadLetters"),
        "the alarm topic": name(workspace, "AlarmTopic"),
        "the user pool": name(workspace.directory.user_pool),  # type: ignore[arg-type]
        "the rule": name(workflow, "ManifestWritten"),
        "the bus": name(workspace.bus),
        "the topic": name(workspace.topic),
        "the escalations": name(workspace.escalation_topic),
        "the workspace's key": name(workspace.key),  # type: ignore[arg-type]
        "the API's address": name(workspace.api.api),
        "the API's function": name(workspace.api.function),
        "the reconciler's function": name(workflow.reconciler),
        "a handler": name(workflow, "Accepted"),
        "the logs": name(workspace, "Functions", "Logs"),
    }
    places = {}
    for kind, place in town.places.items():
        assert place.project.data_access is not None
        key = place.grant.encryption_key
        places[kind] = {
            "the data role": name(place.project.data_access, "Role"),
            "the runtime role": name(place.project.runtime_role),
            "the neighbour": name(place.neighbour, "Role"),
            "the bucket": name(place.bucket),  # type: ignore[arg-type]
            **({} if key is None else {"the key": name(key)}),  # type: ignore[arg-type]
            **{f"the {who}": name(role) for who, role in place.people.items()},
        }
    pasted: dict[str, list[Body]] = {}
    for warning in town.warnings("gtplus:BucketPolicyNotOurs"):
        statements = json.JSONDecoder().raw_decode(warning[warning.index("[{") :])[0]
        pasted.setdefault(statements[0]["Resource"][0], []).extend(statements)
    return Names(once, places, pasted, {kind: place.project.project_id for kind, place in town.places.items()})


@dataclass
class World:
    """A template with the names of what is in it.

    Attributes:
        body: the template.
        names: what is where.
        revoked: whether every bucket is revoked in the app.
        denied: whether every bucket is revoked at run time, besides.
        guarded: whether buckets have policies; the owners of imported ones have added what synth asks them to.
    """

    body: Body
    names: Names
    revoked: bool = False
    denied: bool = False
    guarded: bool = True
    _callers: dict[tuple[str, str], Caller] = field(default_factory=dict, repr=False)

    @property
    def shut(self) -> bool:
        """Whether the projects are revoked, in whichever way."""
        return self.revoked or self.denied

    def mutable(self) -> "World":
        """A copy whose template may be changed."""
        return World(pickle.loads(self._pickled), self.names, self.revoked, self.denied, self.guarded)

    @cached_property
    def _pickled(self) -> bytes:
        """A template is copied for each fault, and this is the quickest copy."""
        return pickle.dumps(self.body)

    @cached_property
    def revoked_at_run_time(self) -> "World":
        """The same after the first step of `gtplus access revoke` for every bucket."""
        return World(self.body, self.names, self.revoked, denied=True, guarded=self.guarded)

    @cached_property
    def unguarded(self) -> "World":
        """The same without any policy of a bucket: what is left is the roles' own."""
        return World(self.body, self.names, self.revoked, self.denied, guarded=False)

    def of_type(self, kind: str) -> dict[str, Body]:
        """The resources of a type; there must be one, or a check over them would hold vacuously."""
        found = {name: each for name, each in self.body["Resources"].items() if each["Type"] == kind}
        assert found, f"no {kind} in the template"
        return found

    def properties(self, kind: str) -> dict[str, Body]:
        """The properties of the resources of a type by logical id, with ARNs and names as the engine imagines them."""
        return {name: self.resolved(each.get("Properties", {})) for name, each in self.of_type(kind).items()}

    def one(self, kind: str) -> Body:
        """The properties of the only resource of a type."""
        found = list(self.properties(kind).values())
        assert len(found) == 1, f"{len(found)} of {kind}"
        return found[0]

    def resolved(self, value: Any) -> Any:
        """A part of the template with its references resolved."""
        return self._template.resolve(value)

    def arn(self, word: str, kind: str | None = None) -> str:
        """The ARN of what a word means, in a place or in the town."""
        names = self.names.town if kind is None else self.names.places[kind]
        return self.access.resource(names[word])

    # ---- words

    @cached_property
    def access(self) -> Access:
        """The engine, with what it cannot know of imported things."""
        access = Access.from_template(self.body, name="Town", account=ACCOUNT, region=REGION)
        access = access.with_resource_policy(IMPORTED_KEY, _ACCOUNT_DELEGATES)
        for arn in _ELSEWHERE.values():
            access = access.with_resource_policy(arn, None)
        for names in self.names.places.values():
            bucket = names["the bucket"]
            if not self.guarded or bucket in self.names.pasted:
                document = {"Version": "2012-10-17", "Statement": self.names.pasted.get(bucket)}
                access = access.with_resource_policy(bucket, document if self.guarded else None, account=ACCOUNT)
            if self.denied:
                bucket = access.resource(names["the bucket"]).rpartition(":")[2]
                denial = revocation.role_policy("aws", [bucket])
                access = access.with_identity_policy(names["the data role"], denial, name=revocation.POLICY_NAME)
        return access

    @cached_property
    def widened(self) -> Access:
        """The same, with a policy attached to every data role that allows everything."""
        access = self.access
        for names in self.names.places.values():
            for who in ("the data role", "the neighbour"):
                access = access.with_identity_policy(names[who], ALLOW_ALL)
        return access.with_identity_policy(self.names.town["the vendor's data role"], ALLOW_ALL)

    def name(self, word: str, kind: str) -> str | None:
        """The logical id or ARN of a word in a place; None where there is no such thing."""
        return self.names.places[kind].get(word) or self.names.town.get(word)

    def who(self, word: str, kind: str) -> Caller:
        """Who asks."""
        if (word, kind) not in self._callers:
            self._callers[word, kind] = self._who(word, kind)
        return self._callers[word, kind]

    def _who(self, word: str, kind: str) -> Caller:
        others = {
            "an administrator": lambda: self.access.account(),
            "a stranger": lambda: self.access.account(STRANGER),
            "the vendor": lambda: self.access.account(VENDOR),
            "anybody": lambda: self.access.anonymous(),
            "the service": lambda: self.access.service(SERVICE),
        }
        if word in others:
            return others[word]()
        if word.endswith(".amazonaws.com"):
            return self.access.service(word)
        widened = word.endswith(", widened")
        name = self.name(word.removesuffix(", widened"), kind)
        assert name is not None, f"nobody is called {word!r}"
        return (self.widened if widened else self.access).of(name)

    def thing(self, words: str, kind: str) -> str | None:
        """The ARN of what a question is about; None where there is no such thing in this kind of place."""
        if words == "everything":
            return "*"
        if found := re.fullmatch(r"(?:the vendor's )?object (?P<key>.+)", words):
            bucket = self.name("the vendor's bucket" if words.startswith("the vendor's") else "the bucket", kind)
            return self.access.resource(bucket, f"/{found['key']}")
        if found := re.fullmatch(r"call (?P<method>[A-Z]+) /(?P<path>\S+)", words):
            path = found["path"].replace("{project}", self.names.projects[kind])
            return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.api_id}/$default/{found['method']}/{path}"
        if found := re.fullmatch(r"parameter (?P<name>\S+)", words):
            name = found["name"].replace("{project}", self.names.projects[kind])
            return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}"
        if words in _ELSEWHERE:
            return _ELSEWHERE[words]
        if words == "the stream":
            return str(self.resolved({"Fn::GetAtt": [self.names.town["the table"], "StreamArn"]}))
        if words == "a log stream":
            return self.arn("the logs").removesuffix("*") + "log-stream:2026/11/25"
        if words == "an execution":
            machine = self.access.resource(self.names.town["the machine"])
            return machine.replace(":stateMachine:", ":execution:") + ":digits-001"
        name = self.name(words, kind)
        if name is None:
            assert words == "the key", f"nothing is called {words!r}"
            return None
        return self.access.resource(name)

    def context(self, words: str, kind: str) -> dict[str, Any]:
        """The condition keys of a request."""
        context: dict[str, Any] = {}
        for word in filter(None, words.split("; ")):
            context |= self._request(word, kind)
        return context

    def _request(self, word: str, kind: str) -> dict[str, Any]:
        if word.startswith("prefix "):
            return {"s3:prefix": word.removeprefix("prefix ")}
        key, value = _REQUESTS[word]
        if not isinstance(value, str):
            return {key: value}
        for name, logical_id in {**self.names.town, **self.names.places[kind]}.items():
            if f"<{name}>" in value:
                value = value.replace(f"<{name}>", self.access.resource(logical_id))
        rules = self.access.resource(self.names.town["the bus"]).replace(":event-bus/", ":rule/")
        return {key: value.replace("<api>", self.api_id).replace("<rules of our bus>", rules)}

    @cached_property
    def api_id(self) -> str:
        """The id of the API, as the engine imagines it."""
        return str(
            Template("Town", self.body, account=ACCOUNT, region=REGION).ref(self.names.town["the API's address"])
        )

    @cached_property
    def _template(self) -> Template:
        return Template("Town", self.body, account=ACCOUNT, region=REGION)

    def ask(self, who: str, action: str, on: str, request: str, kind: str) -> Decision | None:
        """The answer to a question; None where it makes no sense in this kind of place."""
        thing = self.thing(on, kind)
        if thing is None:
            return None
        return self.who(who, kind).decide(action, thing, self.context(request, kind))

    # ---- policies

    def identity_statements(self) -> Iterator[tuple[str, Body]]:
        """Every statement of the policies of roles, with the resource that holds it."""
        for name, role in self.properties("AWS::IAM::Role").items():
            for policy in role.get("Policies", []):
                yield from ((name, statement) for statement in statements(policy["PolicyDocument"]))
        for name, policy in self.properties("AWS::IAM::Policy").items():
            yield from ((name, statement) for statement in statements(policy["PolicyDocument"]))

    def resource_statements(self) -> Iterator[tuple[str, str, Body]]:
        """Every statement of the policies of resources, with what holds it and what it is attached to."""
        for kind, attached in (("S3::Bucket", "Bucket"), ("SQS::Queue", "Queues"), ("SNS::Topic", "Topics")):
            for name, policy in self.properties(f"AWS::{kind}Policy").items():
                for statement in statements(policy["PolicyDocument"]):
                    yield name, listed(policy[attached])[0], statement
        for name, key in self.properties("AWS::KMS::Key").items():
            for statement in statements(key["KeyPolicy"]):
                yield name, name, statement


def statements(document: Body) -> list[Body]:
    """The statements of a policy document."""
    listed = document["Statement"]
    return listed if isinstance(listed, list) else [listed]


def listed(value: Any) -> list[Any]:
    """A value that may be one or many, as many."""
    return value if isinstance(value, list) else [value]
