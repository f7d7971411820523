"""Options that do not fit: every problem at once, with option, rule, value and mend, before anything is created."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gtplus_constructs import (
    DataAccessRole,
    DataGrant,
    GroundTruthPlus,
    LabelingBucket,
    LabelingProject,
    LabelingWorkspace,
    Limits,
    UserDirectory,
)
from tests.newer import copy_with_a_status_more
from tests.template.conftest import ROOT

pytestmark = pytest.mark.xdist_group("bad_input")


@pytest.fixture(scope="module")
def stack(new_app: Callable[..., cdk.App]) -> cdk.Stack:
    return cdk.Stack(new_app(), "Stack", env=cdk.Environment(region="us-east-1"))


@pytest.fixture(scope="module")
def bucket(stack: cdk.Stack) -> LabelingBucket:
    return LabelingBucket(stack, "Good")


@pytest.fixture(scope="module")
def workspace(stack: cdk.Stack) -> LabelingWorkspace:
    return LabelingWorkspace(stack, "Workspace")


@pytest.fixture
def scope(stack: cdk.Stack, request: pytest.FixtureRequest) -> Iterator[Construct]:
    """A place of its own, that must be left without children."""
    place = Construct(stack, f"Place{abs(hash(request.node.nodeid))}")
    yield place
    children = [child for construct in place.node.children for child in construct.node.children]
    assert children == [], "something was created in spite of the error"


def refusal(make: Callable[[], Any]) -> str:
    """The error's text."""
    with pytest.raises(ValueError, match=r"problems? with its options") as caught:
        make()
    return str(caught.value)


class TestGrants:
    @pytest.mark.parametrize("prefix", ["raw", "", "labels/raw"])
    def test_a_prefix_without_its_slash_says_what_to_write(self, bucket: s3.IBucket, prefix: str) -> None:
        text = refusal(lambda: DataGrant(bucket, read=prefix, write="out/"))
        assert text.splitlines() == [
            "DataGrant: 1 problem with its options",
            f"""  "read": a prefix ends in / (received {prefix!r}); write {prefix + "/"!r}""",
        ]

    @pytest.mark.parametrize(
        "prefix",
        [
            "*/",
            "raw*/",
            "ra?/",
            "/",
            "/raw/",
            "raw//",
            "../",
            "raw/../labels/",
            "./",
            "r${aws:username}/",
            "a\n/",
            " /",
        ],
    )
    def test_a_prefix_is_literal(self, bucket: s3.IBucket, prefix: str) -> None:
        for options in ({"read": prefix, "write": "out/"}, {"read": "in/", "write": prefix}):
            text = refusal(lambda options=options: DataGrant(bucket, **options))  # type: ignore[misc]
            assert "a prefix is literal folders" in text
            assert repr(prefix) in text

    @pytest.mark.parametrize(
        ("read", "write"),
        [("data/", "data/"), ("data/", "data/labels/"), ("data/raw/", "data/"), (["a/", "b/"], ["c/", "b/x/"])],
    )
    def test_labels_never_replace_the_data(self, bucket: s3.IBucket, read: Any, write: Any) -> None:
        text = refusal(lambda: DataGrant(bucket, read=read, write=write))
        assert '"read" and "write": must not overlap' in text
        assert "choose folders that do not hold each other" in text

    @pytest.mark.parametrize(("read", "write"), [("raw/", "raw-2/"), ("a/b/", "a/c/"), ("a b/", "b/")])
    def test_neighbours_are_no_overlap(self, bucket: s3.IBucket, read: str, write: str) -> None:
        DataGrant(bucket, read=read, write=write)

    def test_a_grant_names_both_sides(self, bucket: s3.IBucket) -> None:
        text = refusal(lambda: DataGrant(bucket, read=[], write=[]))
        assert text.startswith("DataGrant: 2 problems")
        assert '"read": at least one prefix' in text
        assert '"write": at least one prefix' in text

    def test_all_problems_at_once(self, bucket: s3.IBucket) -> None:
        text = refusal(lambda: DataGrant(bucket, read=["raw", "*/", "x/"], write=["x/y/", "labels"]))
        assert text.startswith("DataGrant: 4 problems")
        for shown in ("'raw'", "'*/'", "'labels'", "'x/' and 'x/y/'"):
            assert shown in text

    def test_a_token_is_let_through(self, stack: cdk.Stack, bucket: s3.IBucket) -> None:
        prefix = cdk.CfnParameter(stack, "Prefix").value_as_string
        DataGrant(bucket, read=prefix, write="labels/")


class TestRolesAndProviders:
    def test_a_role_needs_a_grant(self, scope: Construct) -> None:
        text = refusal(lambda: DataAccessRole(scope, "Role", grants=[]))
        assert text.startswith("DataAccessRole: 1 problem")
        assert '"grants": at least one (received none); name one: DataGrant(' in text

    def test_a_bucket_of_another_region_is_refused(self, scope: Construct) -> None:
        far = s3.Bucket.from_bucket_attributes(cdk.Stack.of(scope), "Far", bucket_name="far", region="eu-central-1")
        grants = [DataGrant(far, read="raw/", write="labels/")]
        text = refusal(lambda: DataAccessRole(scope, "Role", grants=grants))
        assert "ground-truth-plus takes data of us-east-1 only (received 'eu-central-1'); move the bucket, or" in text

    def test_a_stack_of_another_region_is_refused(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Far", env=cdk.Environment(region="eu-central-1"))
        grant = DataGrant(LabelingBucket(stack, "Bucket"), read="raw/", write="labels/")
        assert "takes data of us-east-1 only" in refusal(lambda: DataAccessRole(stack, "Role", grants=grant))
        anywhere = GroundTruthPlus(limits=Limits(region=None))
        DataAccessRole(stack, "Anywhere", grants=grant, provider=anywhere)

    def test_the_modes_against_confused_deputies(self) -> None:
        text = refusal(lambda: GroundTruthPlus(confused_deputy="strict"))  # type: ignore[arg-type]
        assert "\"confused_deputy\": if-exists, required or none (received 'strict')" in text


class TestProjects:
    def test_all_problems_at_once(self, scope: Construct, workspace: LabelingWorkspace, bucket: s3.IBucket) -> None:
        grant = DataGrant(bucket, read="raw/", write="labels/")
        text = refusal(
            lambda: LabelingProject(
                scope,
                "Project",
                workspace=workspace,
                data=grant,
                project_id="Street_Signs",
                sample_size=0,
                max_error_rate=1.5,
                max_rounds=0,
            )
        )
        assert text.splitlines()[0] == "LabelingProject 'Project': 4 problems with its options"
        assert "\"project_id\": 1 to 48 lower-case letters, digits and inner hyphens (received 'Street_Signs')" in text
        assert '"sample_size": a whole number from 1 to 500 (received 0); choose one in between' in text
        assert '"max_error_rate": from 0 to 1 (received 1.5)' in text
        assert '"max_rounds": a whole number from 1 to 100 (received 0)' in text

    @pytest.mark.parametrize("value", ["", "-a", "a-", "a/b", "a*", "Aa", "a" * 49, "a b", "signs/../faces", "ä"])
    def test_an_id_is_plain(
        self, scope: Construct, workspace: LabelingWorkspace, bucket: s3.IBucket, value: str
    ) -> None:
        """It stands in policies: a wildcard or a slash there would give the paths of other projects."""
        grant = DataGrant(bucket, read="raw/", write="labels/")
        text = refusal(lambda: LabelingProject(scope, "Project", workspace=workspace, data=grant, project_id=value))
        assert '"project_id"' in text
        assert repr(value) in text

    def test_an_id_is_known_at_synth(
        self, scope: Construct, stack: cdk.Stack, workspace: LabelingWorkspace, bucket: s3.IBucket
    ) -> None:
        grant = DataGrant(bucket, read="raw/", write="labels/")
        token = cdk.CfnParameter(stack, "Id").value_as_string
        text = refusal(lambda: LabelingProject(scope, "Project", workspace=workspace, data=grant, project_id=token))
        assert '"project_id": must be known at synth' in text

    def test_an_id_is_taken_once_in_a_workspace(
        self, scope: Construct, stack: cdk.Stack, workspace: LabelingWorkspace, bucket: s3.IBucket
    ) -> None:
        grant = DataGrant(bucket, read="raw/", write="labels/")
        LabelingProject(stack, "Signs", workspace=workspace, data=grant)
        text = refusal(lambda: LabelingProject(scope, "Signs", workspace=workspace, data=grant))
        assert "\"project_id\": one project of an id in a workspace, and Stack/Signs has it (received 'signs')" in text

    def test_either_data_or_a_role(
        self, scope: Construct, stack: cdk.Stack, workspace: LabelingWorkspace, bucket: s3.IBucket
    ) -> None:
        grant = DataGrant(bucket, read="raw/", write="labels/")
        role = DataAccessRole(stack, "ARole", grants=grant)
        text = refusal(
            lambda: LabelingProject(
                scope, "Both", workspace=workspace, data=grant, data_role=role, provider=GroundTruthPlus()
            )
        )
        assert (
            '"data_role": either brings "data_role" or creates by "data" (received both); leave one of them out' in text
        )
        assert '"data_role": either brings "data_role" or creates by "provider"' in text

    def test_neither_is_refused_too(self, scope: Construct, workspace: LabelingWorkspace) -> None:
        text = refusal(lambda: LabelingProject(scope, "Neither", workspace=workspace))
        assert "at least one (received none)" in text
        assert '"data"' in text

    @pytest.mark.parametrize(
        "options",
        [
            {"sample_size": 501},
            {"max_error_rate": -0.1},
            {"max_error_rate": float("nan")},
            {"max_rounds": 101},
            {"sample_size": 2.5},
            {"max_rounds": True},
            {"sample_method": "biased"},
        ],
    )
    def test_what_a_review_is_made_of(
        self, scope: Construct, workspace: LabelingWorkspace, bucket: s3.IBucket, options: dict[str, Any]
    ) -> None:
        grant = DataGrant(bucket, read="raw/", write="labels/")
        text = refusal(lambda: LabelingProject(scope, "Project", workspace=workspace, data=grant, **options))
        (name,) = options
        assert f'"{name}": ' in text


class TestBucketsWorkspacesAndDirectories:
    @pytest.mark.parametrize("origin", ["*", "http://a.example", "https://*.example", "https://a.example/path", "a"])
    def test_origins(self, scope: Construct, origin: str) -> None:
        text = refusal(lambda: LabelingBucket(scope, "Bucket", cors_origins=["https://good.example:8443", origin]))
        assert text.startswith("LabelingBucket: 1 problem")
        assert f'"cors_origins": an exact https origin (received {origin!r}); write e.g. https://' in text
        assert scope.node.children == []

    @pytest.mark.parametrize("name", ["", "Labels", "a/b", "a*", "x" * 49])
    def test_the_name_of_a_workspace(self, scope: Construct, name: str) -> None:
        assert '"name": 1 to 48' in refusal(lambda: LabelingWorkspace(scope, "Workspace", name=name))

    def test_no_workspace_is_called_as_the_path_of_data_roles(self, scope: Construct) -> None:
        """Buckets would take its own functions for providers, and shut them out."""
        text = refusal(lambda: LabelingWorkspace(scope, "Workspace", name="data"))
        assert '"name": any but data, under which the data roles of all workspaces are' in text

    @pytest.mark.parametrize("name", ["aws-labels", "my-amazon", "cognitology", "x" * 44])
    def test_the_name_of_a_workspace_fits_cognitos_domain(self, scope: Construct, name: str) -> None:
        """Found out by the deploy only otherwise, after a quarter of an hour."""
        text = refusal(lambda: LabelingWorkspace(scope, "Workspace", name=name))
        assert '"domain_prefix"' in text
        assert "directory=UserDirectory(" in text

    @pytest.mark.parametrize("prefix", ["aws-x", "Upper", "-x", "x-", "x" * 64, "a.b"])
    def test_domains(self, scope: Construct, prefix: str) -> None:
        text = refusal(lambda: UserDirectory(scope, "Users", workspace_name="labeling", domain_prefix=prefix))
        assert '"domain_prefix": ' in text
        assert repr(prefix)[:100] in text

    @pytest.mark.parametrize("url", ["http://a.example/", "https://*.example/", "a", "https:///x"])
    def test_addresses(self, scope: Construct, url: str) -> None:
        text = refusal(lambda: UserDirectory(scope, "Users", workspace_name="labeling", callback_urls=[url]))
        assert f'"callback_urls": an exact https address (received {url!r})' in text

    def test_either_a_pool_or_a_domain(self, scope: Construct) -> None:
        pool = cognito.UserPool.from_user_pool_id(cdk.Stack.of(scope), "Pool", "us-east-1_abc")
        text = refusal(
            lambda: UserDirectory(
                scope, "Users", workspace_name="labeling", user_pool=pool, domain_prefix="x", callback_urls=["a"]
            )
        )
        assert text.startswith("UserDirectory: 3 problems")
        assert 'either brings "user_pool" or creates by "domain_prefix"' in text
        assert "a pool that is brought has a domain" in text

    def test_what_cognito_refuses_and_what_is_of_no_new_pool(self, scope: Construct) -> None:
        text = refusal(
            lambda: UserDirectory(
                scope,
                "Users",
                workspace_name="labeling",
                min_password_length=7,
                access_token_validity=cdk.Duration.minutes(4),
                refresh_token_validity=cdk.Duration.minutes(59),
            )
        )
        for words in (
            '"min_password_length": from 8 to 99 characters',
            '"access_token_validity": from 5 to 1,440 minutes',
            '"refresh_token_validity": from 60 to 5,256,000 minutes',
        ):
            assert words in text
        stack = cdk.Stack.of(scope)
        text = refusal(
            lambda: UserDirectory(
                scope,
                "Brought",
                workspace_name="labeling",
                user_pool=cognito.UserPool.from_user_pool_id(stack, "Theirs", "us-east-1_abc"),
                user_pool_domain=cognito.UserPoolDomain.from_domain_name(stack, "Domain", "theirs"),
                client=cognito.UserPoolClient.from_user_pool_client_id(stack, "Client", "theirs"),
                mfa=cognito.Mfa.OFF,
                threat_protection=False,
                min_password_length=20,
                access_token_validity=cdk.Duration.minutes(5),
                refresh_token_validity=cdk.Duration.hours(1),
            )
        )
        assert text.startswith("UserDirectory: 5 problems")

    def test_tokens_are_let_through(self, stack: cdk.Stack) -> None:
        place = Construct(stack, "Tokens")
        value = cdk.CfnParameter(place, "Parameter").value_as_string
        LabelingBucket(place, "Bucket", cors_origins=[value])
        UserDirectory(place, "Users", workspace_name="other", domain_prefix=value, callback_urls=[value])


SYNTH = """
import json, sys
import aws_cdk as cdk
from gtplus_constructs import LabelingWorkspace
stack = cdk.Stack(cdk.App(outdir=sys.argv[1]), "Stack", env=cdk.Environment(region="us-east-1", account="111122223333"))
LabelingWorkspace(stack, "Workspace")
resources = cdk.App.of(stack).synth().get_stack_by_name("Stack").template["Resources"].values()
machine = next(r for r in resources if r["Type"] == "AWS::StepFunctions::StateMachine")
text = "".join(p if isinstance(p, str) else "x" for p in machine["Properties"]["DefinitionString"]["Fn::Join"][1])
print(json.dumps(sorted(json.loads(text)["States"])))
"""


class TestAStatusThatIsAdded:
    """In a copy of the runtime: a status is a line in the lifecycle and a file in `handlers/`."""

    @pytest.fixture(scope="class")
    def copy(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("copy")
        copy_with_a_status_more(folder)
        return folder

    def synth(self, copy: Path, out: Path) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(copy), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [sys.executable, "-c", SYNTH, str(out)],
            env=environment,
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )

    def test_without_a_handler_synth_fails_and_names_the_file(self, copy: Path, tmp_path: Path) -> None:
        done = self.synth(copy, tmp_path)
        assert done.returncode != 0
        assert "handlers/triaged_by_hand.py: every status has a handler, and 'Triaged by hand' has none" in done.stderr
        assert "write this file" in done.stderr

    def test_with_one_it_is_part_of_the_machine(self, copy: Path, tmp_path: Path) -> None:
        handler = copy / "gtplus_runtime" / "handlers" / "triaged_by_hand.py"
        shutil.copyfile(handler.with_name("in_progress.py"), handler)
        try:
            done = self.synth(copy, tmp_path)
        finally:
            handler.unlink()
        assert done.returncode == 0, done.stderr
        for state in ('"Triaged by hand"', '"On Triaged by hand"', '"After Triaged by hand"'):
            assert state in done.stdout
