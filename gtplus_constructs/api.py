"""LabelingApi: the one way in. An HTTP API with SigV4, and one function behind it."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from gtplus_constructs._functions import Functions
from gtplus_constructs.workflow import BatchWorkflow
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.routes import BY_KEY, duty_paths


class LabelingApi(Construct):
    """An HTTP API whose routes are the table `gtplus_runtime.routes`, each for callers signed with SigV4.

    Upgraded in place; its id, and so its address, stays. Nothing is kept in it: deleted and made again it has another
    address, which the CLI finds by the workspace's SSM parameter. It costs a price a call.

    Args:
        scope: the parent.
        id: the construct's id.
        functions: makes the function.
        workflow: what it writes to.
    """

    def __init__(self, scope: Construct, id: str, *, functions: Functions, workflow: BatchWorkflow) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        self.role = functions.role(self, "Role", workflow.data_statements)
        self.function = functions.function(
            self,
            "Function",
            handler="api",
            role=self.role,
            # An HTTP API waits for 30 s at the most.
            timeout=Duration.seconds(29),
            settings=workflow.table_setting,
        )
        self.api = apigateway.CfnApi(self, "Api", name="gtplus", protocol_type="HTTP")
        integration = apigateway.CfnIntegration(
            self,
            "Integration",
            api_id=self.api.ref,
            integration_type="AWS_PROXY",
            integration_uri=self.function.function_arn,
            payload_format_version="2.0",
        )
        for key, (route, duty) in BY_KEY.items():
            apigateway.CfnRoute(
                self,
                "".join(word.capitalize() for word in (*route.name.split("."), duty)),
                api_id=self.api.ref,
                route_key=key,
                authorization_type="AWS_IAM",
                target=f"integrations/{integration.ref}",
            )
        access = logs.LogGroup(self, "AccessLogs", retention=logs.RetentionDays.ONE_YEAR, encryption_key=functions.key)
        # By name and status: no body, no query, no credential.
        names = ("requestId", "routeKey", "status", "responseLatency", "identity.userArn", "error.message")
        apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.ref,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=100, throttling_burst_limit=200
            ),
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=access.log_group_arn,
                format=stack.to_json_string({name: f"$context.{name}" for name in names}),
            ),
        )
        lambda_.CfnPermission(
            self,
            "Invoke",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self._arn("*/*"),
        )

    @property
    def api_id(self) -> str:
        """The API's id."""
        return self.api.ref

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return self.api.attr_api_endpoint

    def grant(self, grantee: iam.IGrantable, duty: Duty, project: str | None) -> iam.Grant:
        """Let a principal call the paths of a duty.

        Args:
            grantee: who.
            duty: which.
            project: of which project; None for all.
        """
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["execute-api:Invoke"],
            resource_arns=[self._arn(f"$default/{path}") for path in duty_paths(duty, project)],
        )

    def _arn(self, path: str) -> str:
        return Stack.of(self).format_arn(service="execute-api", resource=self.api.ref, resource_name=path)
