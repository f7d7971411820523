"""The local cloud as it is: real processes, the real CDK CLI, real signatures, IAM enforced."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from gtplus_cli.local import (
    AssumedRole,
    Deployment,
    LocalCloud,
    LocalCloudError,
    Toolchain,
    deploy,
    destroy,
)

pytestmark = pytest.mark.xdist_group("local-cloud")

ROOT = Path(__file__).parents[2]
APP = """
import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as api, aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations, aws_cognito as cognito, aws_iam as iam
from aws_cdk import aws_lambda as lambda_, aws_s3 as s3

app = cdk.App()
stack = cdk.Stack(app, "Small")
if app.node.try_get_context("broken") == "app":
    raise ValueError("the option is wrong")
if app.node.try_get_context("broken") == "stack":
    cdk.CfnResource(stack, "Policy", type="AWS::IAM::Policy", properties={
        "PolicyName": "p", "Roles": ["nobody"], "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
    })
if app.node.try_get_context("broken") == "type":
    cdk.CfnResource(stack, "Unknown", type="AWS::XRay::Group", properties={"GroupName": "g"})
bucket = s3.Bucket(stack, "Bucket", enforce_ssl=True, removal_policy=cdk.RemovalPolicy.DESTROY)
function = lambda_.Function(stack, "Function", runtime=lambda_.Runtime.PYTHON_3_13, handler="small.handler",
    code=lambda_.Code.from_asset("code"), environment={"BUCKET": bucket.bucket_name})
bucket.grant_put(function, "from-handler/*")
http = api.HttpApi(stack, "Api")
http.add_routes(path="/projects/{project}", integration=integrations.HttpLambdaIntegration("Call", function),
    authorizer=authorizers.HttpIamAuthorizer())
pool = cognito.UserPool(stack, "Pool", removal_policy=cdk.RemovalPolicy.DESTROY)
client = pool.add_client("Client", auth_flows=cognito.AuthFlow(user_password=True))
http.add_routes(path="/people", integration=integrations.HttpLambdaIntegration("CallByPeople", function),
    authorizer=authorizers.HttpUserPoolAuthorizer("People", pool, user_pool_clients=[client]))
reader = iam.Role(stack, "Reader", assumed_by=iam.AccountRootPrincipal())
bucket.grant_read(reader, "from-handler/*")
reader.add_to_policy(iam.PolicyStatement(actions=["execute-api:Invoke"],
    resources=[http.arn_for_execute_api("GET", "/projects/streets", "$default")]))
writer = iam.Role(stack, "Writer", assumed_by=iam.ArnPrincipal(reader.role_arn), external_ids=["42"])
bucket.grant_put(writer)
reader.add_to_policy(iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[writer.role_arn]))
context = str(app.node.try_get_context("gtplus:localCloud"))
for name, value in {"BucketName": bucket.bucket_name, "FunctionName": function.function_name, "ApiId": http.api_id,
                    "ReaderArn": reader.role_arn, "WriterArn": writer.role_arn, "PoolId": pool.user_pool_id,
                    "ClientId": client.user_pool_client_id, "Context": context}.items():
    cdk.CfnOutput(stack, name, value=value)
app.synth()
"""
HANDLER = """
import json, os, boto3

def handler(event, context):
    print("called")
    s3 = boto3.client("s3")
    s3.put_object(Bucket=os.environ["BUCKET"], Key="from-handler/a", Body=b"a")
    try:
        s3.put_object(Bucket=os.environ["BUCKET"], Key="elsewhere", Body=b"a")
    except s3.exceptions.ClientError as error:
        refused = error.response["Error"]["Code"]
    authorizer = event.get("requestContext", {}).get("authorizer", {})
    caller = authorizer.get("iam", {}).get("userArn") or authorizer.get("jwt", {}).get("claims", {}).get("email")
    return {"statusCode": 200, "body": json.dumps({"refused": refused, "caller": caller})}
"""


@pytest.fixture(scope="module")
def tools() -> Toolchain:
    """The tools of the checkout, so that they are installed once, not for each test run."""
    return Toolchain(ROOT / ".local" / "tools")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("an app")
    (folder / "code").mkdir()
    (folder / "app.py").write_text(APP)
    (folder / "code" / "small.py").write_text(HANDLER)
    return folder


@pytest.fixture(scope="module")
def cloud(tools: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(tmp_path_factory.mktemp("its state"), tools=tools) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(cloud: LocalCloud, app: Path) -> Deployment:
    deployment = deploy(cloud, cwd=app, context={"gtplus:localCloud": "true"})
    outputs = deployment.outputs["Small"]
    cloud.profiles.write(
        {
            "reader": outputs["ReaderArn"],
            "writer": AssumedRole(outputs["WriterArn"], source="reader", external_id="42"),
            "writer-without-id": AssumedRole(outputs["WriterArn"], source="reader"),
            "writer-by-root": AssumedRole(outputs["WriterArn"], external_id="42"),
        }
    )
    return deployment


def refused(error: pytest.ExceptionInfo[ClientError]) -> bool:
    return error.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")


class TestDeployment:
    def test_gives_outputs_and_counts_resources(self, cloud: LocalCloud, deployed: Deployment) -> None:
        assert deployed.outputs["Small"]["Context"] == "true"
        template = json.loads((cloud.state / "cdk.out" / "Small.template.json").read_text())
        assert deployed.resources == len(template["Resources"])

    def test_says_why_an_app_failed(self, cloud: LocalCloud, app: Path) -> None:
        with pytest.raises(LocalCloudError, match=r"(?s)cdk deploy failed.*ValueError: the option is wrong"):
            deploy(cloud, cwd=app, context={"broken": "app"})

    def test_says_why_a_stack_failed_and_can_go_on(self, cloud: LocalCloud, app: Path, deployed: Deployment) -> None:
        local = {"gtplus:localCloud": "true"}
        for broken, reason in {"type": "AWS::XRay::Group", "stack": "role with name nobody cannot be found"}.items():
            with pytest.raises(LocalCloudError, match=f"(?s)cdk deploy failed.*{reason}"):
                deploy(cloud, cwd=app, context=local | {"broken": broken})
        assert deploy(cloud, cwd=app, context=local) == deployed

    def test_destroys(self, tools: Toolchain, app: Path, tmp_path: Path) -> None:
        with LocalCloud(tmp_path, tools=tools) as other:
            destroy(other)  # nothing was deployed, which is no error
            function = deploy(other, cwd=app).outputs["Small"]["FunctionName"]
            other.session().client("lambda").invoke(FunctionName=function)
            destroy(other)
            names = [
                stack["StackName"] for stack in other.session().client("cloudformation").describe_stacks()["Stacks"]
            ]
            assert names == ["CDKToolkit"]


ASKED = """
import os, sys, time

def handler(event, context):
    print("asked in", os.getpid(), "für", event["what"])
    if event["what"] == "much":
        for _ in range(2_000):
            sys.stderr.write("x" * 99 + "\\n")
    if event["what"] == "late":
        time.sleep(5)
    if event["what"] == "stray":
        os.write(1, b"said by a library\\n")
        time.sleep(0.1)
    if event["what"] == "died":
        os._exit(1)
    if event["what"] == "failed":
        raise KeyError("nothing there")
    return {"said": event["what"]}
"""


@pytest.fixture(scope="module")
def asked(cloud: LocalCloud, deployed: Deployment) -> str:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("asked.py", ASKED)
    lambda_ = cloud.session().client("lambda")
    role = lambda_.get_function_configuration(FunctionName=deployed.outputs["Small"]["FunctionName"])["Role"]
    lambda_.create_function(
        FunctionName="asked",
        Runtime="python3.13",
        Handler="asked.handler",
        Role=role,
        Code={"ZipFile": zipped.getvalue()},
        Timeout=1,
    )
    return "asked"


class TestFunctions:
    @pytest.mark.parametrize(
        ("what", "answer"),
        [
            ("hello", {"said": "hello"}),
            ("much", {"said": "much"}),
            ("stray", {"said": "stray"}),
            ("late", "Task timed out after 1.00 seconds"),
            ("died", "Worker process died"),
            ("failed", "nothing there"),
        ],
    )
    def test_a_function_answers_or_says_why_not_keeps_its_log_and_answers_again(
        self, cloud: LocalCloud, asked: str, what: str, answer: object
    ) -> None:
        """200 KB of log are more than a pipe holds."""
        lambda_, logs = cloud.session().client("lambda"), cloud.session().client("logs")

        def ask(what: str) -> object:
            told = json.loads(lambda_.invoke(FunctionName=asked, Payload=json.dumps({"what": what}))["Payload"].read())
            return told.get("errorMessage", told) if isinstance(told, dict) else told

        said = ask(what)
        assert said == answer or str(answer) in str(said)
        assert ask("hello") == {"said": "hello"}
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{asked}")
        lines = [event["message"] for page in pages for event in page["events"]]
        assert [line for line in lines if line.endswith(f"für {what}")], lines
        assert what != "much" or sum(line.count("x" * 99) for line in lines) == 2_000

    def test_calls_side_by_side_have_a_process_each(self, cloud: LocalCloud, asked: str) -> None:
        """The one that is late holds up nobody."""
        lambda_ = cloud.session().client("lambda")

        def ask(what: str) -> float:
            lambda_.invoke(FunctionName=asked, Payload=json.dumps({"what": what}))["Payload"].read()
            return time.monotonic()

        with ThreadPoolExecutor(4) as pool:
            late, *quick = [pool.submit(ask, what) for what in ("late", "hello", "hello", "hello")]
            assert max(each.result() for each in quick) < late.result()


class TestAuthorization:
    def test_a_handler_has_the_rights_of_its_role(self, cloud: LocalCloud, deployed: Deployment) -> None:
        answer = cloud.session().client("lambda").invoke(FunctionName=deployed.outputs["Small"]["FunctionName"])
        body = json.loads(json.loads(answer["Payload"].read())["body"])
        assert body == {"refused": "AccessDenied", "caller": None}

    def test_a_profile_may_do_what_its_role_may(self, cloud: LocalCloud, deployed: Deployment) -> None:
        bucket = deployed.outputs["Small"]["BucketName"]
        cloud.session().client("s3").put_object(Bucket=bucket, Key="from-handler/b", Body=b"b")
        reader = cloud.session("reader").client("s3")
        assert reader.get_object(Bucket=bucket, Key="from-handler/b")["Body"].read() == b"b"
        with pytest.raises(ClientError) as error:
            reader.put_object(Bucket=bucket, Key="from-handler/b", Body=b"c")
        assert refused(error)
        cloud.session("writer").client("s3").put_object(Bucket=bucket, Key="anywhere", Body=b"c")

    @pytest.mark.parametrize("profile", ["writer-without-id", "writer-by-root"])
    def test_a_trust_policy_is_enforced(self, cloud: LocalCloud, deployed: Deployment, profile: str) -> None:
        with pytest.raises(ClientError, match="AssumeRole") as error:
            cloud.session(profile).client("s3").list_buckets()
        assert refused(error)

    def test_any_boto3_honours_the_file(
        self, cloud: LocalCloud, deployed: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same code serves a real account: nothing but the two names of files is set."""
        (tmp_path / ".aws").mkdir()
        (tmp_path / ".aws" / "config").write_text(
            "[default]\nregion = eu-west-1\n[profile reader]\nregion = eu-west-1\n"
        )
        (tmp_path / ".aws" / "credentials").write_text("[reader]\naws_access_key_id = A\naws_secret_access_key = B\n")
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, cloud.environment("reader")[name])
        session = boto3.Session(profile_name="reader")
        assert session.client("sts").get_caller_identity()["Arn"].endswith("/reader")
        with pytest.raises(ClientError) as error:
            session.client("s3").list_buckets()
        assert refused(error)

    def test_a_program_takes_nothing_of_the_user(
        self, cloud: LocalCloud, deployed: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://elsewhere.example")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        program = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
        for profile, name in ((None, ":root"), ("reader", "/reader")):
            answer = subprocess.run(
                [sys.executable, "-c", program],
                env=cloud.environment(profile),
                capture_output=True,
                text=True,
                check=True,
            )
            assert answer.stdout.strip().endswith(name)
            assert cloud.session(profile or "root").client("sts").get_caller_identity()["Arn"].endswith(name)

    def test_a_signed_call_reaches_its_own_path_only(self, cloud: LocalCloud, deployed: Deployment) -> None:
        status, body = call(cloud, deployed, "streets")
        assert status == 200
        assert json.loads(body)["caller"].endswith("/reader")
        assert call(cloud, deployed, "faces")[0] == 403
        assert call(cloud, deployed, "streets", method="POST")[0] == 403
        assert call(cloud, deployed, "streets", signed=False)[0] == 403

    def test_a_person_comes_in_by_a_token_of_the_user_pool(self, cloud: LocalCloud, deployed: Deployment) -> None:
        outputs, people = deployed.outputs["Small"], cloud.session().client("cognito-idp")
        pool = outputs["PoolId"]
        people.admin_create_user(
            UserPoolId=pool, Username="ann", UserAttributes=[{"Name": "email", "Value": "ann@example.org"}]
        )
        people.admin_set_user_password(UserPoolId=pool, Username="ann", Password="Secret-1-secret", Permanent=True)
        token = people.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=outputs["ClientId"],
            AuthParameters={"USERNAME": "ann", "PASSWORD": "Secret-1-secret"},
        )["AuthenticationResult"]["IdToken"]
        status, body = send(cloud, deployed, AWSRequest("GET", "/people", headers={"Authorization": f"Bearer {token}"}))
        assert (status, json.loads(body)["caller"]) == (200, "ann@example.org")
        forged = {"Authorization": f"Bearer {token[:-8]}AAAAAAAA"}
        assert send(cloud, deployed, AWSRequest("GET", "/people", headers=forged))[0] == 401
        assert send(cloud, deployed, AWSRequest("GET", "/people"))[0] == 401


def call(
    cloud: LocalCloud, deployed: Deployment, project: str, *, method: str = "GET", signed: bool = True
) -> tuple[int, str]:
    """Calls as the reader."""
    return send(cloud, deployed, AWSRequest(method, f"/projects/{project}"), "reader" if signed else None)


def send(cloud: LocalCloud, deployed: Deployment, request: AWSRequest, profile: str | None = None) -> tuple[int, str]:
    running = cloud.status()
    assert running is not None
    request.url = running.api_url(deployed.outputs["Small"]["ApiId"]) + request.url
    if profile is not None:
        credentials = cloud.session(profile).get_credentials()
        assert credentials is not None
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", cloud.region).add_auth(request)
    response = URLLib3Session(verify=str(cloud.tools.authority)).send(request.prepare())
    return response.status_code, response.text


class TestLife:
    def test_a_machine_needs_no_node(self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        environment = cloud.environment()
        command = ["sh", "-c", 'node --version; "$JSII_NODE" --version']
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert answer.stdout.split() == [f"v{cloud.tools.versions['Node']}"] * 2

    @pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not tell")
    def test_listens_on_one_port_of_this_machine_alone(self, cloud: LocalCloud) -> None:
        running = cloud.status()
        assert running is not None
        sockets = {os.readlink(entry) for entry in Path(f"/proc/{running.pid}/fd").iterdir() if entry.is_symlink()}
        listening = []
        for table in ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"):
            for fields in map(str.split, Path(table).read_text().splitlines()[1:]):
                if f"socket:[{fields[9]}]" in sockets and fields[3] in ("0A", "07"):
                    listening.append(fields[1])
        assert listening == [f"0100007F:{running.port:04X}"]

    def test_one_at_a_time_in_a_folder(self, cloud: LocalCloud) -> None:
        with pytest.raises(LocalCloudError, match="runs already"):
            LocalCloud(cloud.state, tools=cloud.tools).start()
        assert cloud.session().client("sts").get_caller_identity()

    def test_two_side_by_side_do_not_meet_and_each_waits_as_it_is_told(self, cloud: LocalCloud, tmp_path: Path) -> None:
        with LocalCloud(tmp_path, tools=cloud.tools, wait_scale=0.001) as other:
            other.session().client("s3").create_bucket(Bucket="other")
            names = [bucket["Name"] for bucket in cloud.session().client("s3").list_buckets()["Buckets"]]
            assert "other" not in names
            trust = '{"Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}}]}'
            role = other.session().client("iam").create_role(RoleName="waits", AssumeRolePolicyDocument=trust)
            machines = other.session().client("stepfunctions")
            machine = machines.create_state_machine(
                name="waits",
                definition='{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": true}}}',
                roleArn=role["Role"]["Arn"],
            )["stateMachineArn"]
            waits = machines.start_execution(stateMachineArn=machine)["executionArn"]
            wait_until(lambda: machines.describe_execution(executionArn=waits)["status"] == "SUCCEEDED")

    def test_is_found_and_stopped_by_its_folder(self, tools: Toolchain, tmp_path: Path) -> None:
        started = LocalCloud(tmp_path, tools=tools).start()
        found = LocalCloud(tmp_path, tools=tools)
        assert found.status() == started
        assert found.stop()
        assert found.status() is None
        assert not found.stop()
        with pytest.raises(LocalCloudError, match="No local cloud runs"):
            found.session()

    def test_a_killed_one_is_not_taken_for_running(self, tools: Toolchain, tmp_path: Path) -> None:
        cloud = LocalCloud(tmp_path, tools=tools)
        os.kill(cloud.start().pid, signal.SIGKILL)
        wait_until(lambda: cloud.status() is None)
        assert not cloud.stop()
        with cloud:
            assert cloud.status() is not None

    def test_keeps_its_state_and_addresses(self, tools: Toolchain, app: Path, tmp_path: Path) -> None:
        with LocalCloud(tmp_path, tools=tools, keep=True) as cloud:
            first, deployment = cloud.status(), deploy(cloud, cwd=app)
            bucket = deployment.outputs["Small"]["BucketName"]
            cloud.session().client("s3").put_object(Bucket=bucket, Key="from-handler/kept", Body=b"kept")
            cloud.profiles.write({"reader": deployment.outputs["Small"]["ReaderArn"]})
            assert call(cloud, deployment, "streets")[0] == 200
        assert first is not None
        assert group_is_empty(first.pid)  # the process of the Lambda function has ended, too
        with LocalCloud(tmp_path, tools=tools, keep=True) as cloud:
            again = cloud.status()
            assert again is not None
            assert again.port == first.port
            kept = cloud.session("reader").client("s3").get_object(Bucket=bucket, Key="from-handler/kept")
            assert kept["Body"].read() == b"kept"
            assert call(cloud, deployment, "streets")[0] == 200
            assert deploy(cloud, cwd=app) == deployment
        with LocalCloud(tmp_path, tools=tools) as cloud:
            assert cloud.session().client("s3").list_buckets()["Buckets"] == []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_leaves_nothing_behind(self, tools: Toolchain, tmp_path: Path, number: signal.Signals) -> None:
        program = (
            "import sys, time; from pathlib import Path; from gtplus_cli.local import LocalCloud, Toolchain\n"
            "with LocalCloud(sys.argv[1], tools=Toolchain(Path(sys.argv[2]))): print('up', flush=True); time.sleep(60)"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program, tmp_path, tools.folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        running = LocalCloud(tmp_path, tools=tools).status()
        assert running is not None
        process.send_signal(number)
        assert process.wait(20) != 0
        assert LocalCloud(tmp_path, tools=tools).status() is None
        assert group_is_empty(running.pid)

    def test_a_port_in_use_is_named(self, tools: Toolchain, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(LocalCloudError, match=f"Port {port} of 127.0.0.1 cannot be used"):
                LocalCloud(tmp_path, tools=tools, port=port).start()

    def test_one_that_cannot_start_says_why(self, tools: Toolchain, tmp_path: Path) -> None:
        (tmp_path / "tools").mkdir()
        for part in ("cdk", "cloud"):
            (tmp_path / "tools" / part).symlink_to(tools.folder / part)
        (tmp_path / "tools" / "tls").mkdir()
        for file in tools.folder.joinpath("tls").iterdir():
            text = "no certificate" if file.name == "certificate.pem" else file.read_text()
            (tmp_path / "tools" / "tls" / file.name).write_text(text)
        cloud = LocalCloud(tmp_path)
        with pytest.raises(LocalCloudError, match=r"(?s)did not start.*ssl"):
            cloud.start()
        assert cloud.status() is None


def wait_until(condition: object, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def group_is_empty(leader: int) -> bool:
    """Whether no process of a group is left; the system takes a moment to reap what was killed."""
    for _ in range(100):
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
