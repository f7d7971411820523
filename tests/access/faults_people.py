"""Faults in what people may do, and in how they sign in."""

from tests.access.fault import Fault
from tests.access.mutations import (
    add,
    allow,
    drop,
    every,
    put,
    replace,
    resource,
)
from tests.access.town import ACCOUNT, OURS

_POOL, _CLIENT = "AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient"

_DUTY = "A duty is its paths in its project and nothing else"
_UPLOADS = "Who brings the data uploads the input and fetches the labels"
_RIGHTS = "No role passes a role, nor changes rights"
_KINDS = "only kinds of resources that are thought about are there"
_THINGS = "each role is allowed its own things and no other"
_KEPT = "what holds data stays when the stack goes"

_PROPERTIES = "only properties that are thought about are set"
_PASSWORDS = "passwords are long and first ones short lived"
_RECOVERED = "an account is recovered by mail and an address is one person"
_CODE = "the client uses no flow but the code"
_OF_THE_POOL = "client domain and groups are of the pool"

PEOPLE = [
    Fault(
        "a reviewer reads another parameter",
        _THINGS,
        allow("the reviewer", "ssm:GetParameter", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/payroll/password"),
    ),
    Fault(
        "a reviewer calls another API",
        _THINGS,
        allow(
            "the reviewer", "execute-api:Invoke", f"arn:aws:execute-api:us-east-1:{ACCOUNT}:other/$default/GET/review/x"
        ),
    ),
    Fault(
        "an uploader reads the neighbour's labels",
        _THINGS,
        allow("the uploader", "s3:GetObject", "the bucket/labels-2/*"),
    ),
    Fault(
        "an uploader writes to the vendor", _THINGS, allow("the uploader", "s3:PutObject", "the vendor's bucket/raw/*")
    ),
    Fault("an uploader uses the vendor's key", _THINGS, allow("the uploader", "kms:Decrypt", "the vendor's key")),
    Fault("a reviewer's policy is a user's, too", _PROPERTIES, put("the reviewer's policy", "Users", ["bob"])),
    Fault(
        "a reviewer's policy is the requester's, too",
        _DUTY,
        lambda world: resource(world, "the reviewer's policy")["Properties"]["Roles"].append(
            {"Ref": world.name("the requester", OURS)}
        ),
    ),
    Fault(
        "a device is remembered instead of a code",
        _PROPERTIES,
        put(_POOL, "DeviceConfiguration", {"ChallengeRequiredOnNewDevice": False}),
    ),
    Fault(
        "a code by mail is enough",
        _PASSWORDS,
        put(_POOL, "Policies.SignInPolicy", {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}),
    ),
    Fault(
        "the pool sends SMS",
        _PROPERTIES,
        put(_POOL, "SmsConfiguration", {"SnsCallerArn": f"arn:aws:iam::{ACCOUNT}:role/r"}),
    ),
    Fault("a phone number is another name", _PROPERTIES, put(_POOL, "AliasAttributes", ["phone_number"])),
    Fault(
        "an account is recovered by SMS, too",
        _RECOVERED,
        put(
            _POOL,
            "AccountRecoverySetting.RecoveryMechanisms",
            [{"Name": "verified_email"}, {"Name": "verified_phone_number"}],
        ),
    ),
    Fault("an address is not verified", _RECOVERED, drop(_POOL, "AutoVerifiedAttributes")),
    Fault(
        "an invitation leads elsewhere",
        "people are invited and never sign up",
        put(
            _POOL,
            "AdminCreateUserConfig.InviteMessageTemplate",
            {"EmailMessage": "http://evil.example {username} {####}"},
        ),
    ),
    Fault(
        "a token changes its own account",
        _CODE,
        put(_CLIENT, "AllowedOAuthScopes", ["openid", "aws.cognito.signin.user.admin"]),
    ),
    Fault("a program signs in as nobody", _CODE, put(_CLIENT, "AllowedOAuthFlows", ["code", "client_credentials"])),
    Fault(
        "the client returns to a family of addresses", _CODE, put(_CLIENT, "CallbackURLs", ["https://*.example.com/"])
    ),
    Fault(
        "people write their own attributes", _PROPERTIES, put(_CLIENT, "WriteAttributes", ["email", "email_verified"])
    ),
    Fault(
        "the client leads elsewhere after the sign-out",
        _PROPERTIES,
        put(_CLIENT, "LogoutURLs", ["http://evil.example/"]),
    ),
    Fault("the client is of another pool", _OF_THE_POOL, put(_CLIENT, "UserPoolId", "us-east-1_another")),
    Fault(
        "the groups are of another pool",
        _OF_THE_POOL,
        every("AWS::Cognito::UserPoolGroup", "UserPoolId", "us-east-1_another"),
    ),
    Fault(
        "a reviewer may request",
        _DUTY,
        allow(
            "the reviewer", "execute-api:Invoke", f"arn:aws:execute-api:us-east-1:{ACCOUNT}:*/$default/POST/request/*"
        ),
    ),
    Fault(
        "a reviewer reviews every project",
        _DUTY,
        allow(
            "the reviewer", "execute-api:Invoke", f"arn:aws:execute-api:us-east-1:{ACCOUNT}:*/$default/POST/review/*"
        ),
    ),
    Fault(
        "a reviewer calls whatever holds the duty's name",
        _THINGS,
        allow(
            "the reviewer",
            "execute-api:Invoke",
            f"arn:aws:execute-api:us-east-1:{ACCOUNT}:*/$default/*/review/projects/signs/*",
        ),
    ),
    Fault(
        "a project's id is only how it begins",
        _THINGS,
        replace("the reviewer's policy", "/review/projects/signs/*", "/review/projects/signs*"),
    ),
    Fault(
        "a vendor reports on other projects",
        _DUTY,
        allow(
            "the vendor's reporting role",
            "execute-api:Invoke",
            f"arn:aws:execute-api:us-east-1:{ACCOUNT}:*/$default/POST/report/*",
        ),
    ),
    Fault(
        "a vendor accepts",
        _DUTY,
        allow(
            "the vendor's reporting role",
            "execute-api:Invoke",
            f"arn:aws:execute-api:us-east-1:{ACCOUNT}:*/$default/POST/review/projects/vendor/*",
        ),
    ),
    Fault("a reviewer writes the table", _DUTY, allow("the reviewer", "dynamodb:UpdateItem", "the table")),
    Fault("an uploader deletes", _UPLOADS, allow("the uploader", "s3:DeleteObject", "the bucket/raw/*")),
    Fault("an uploader writes labels", _UPLOADS, allow("the uploader", "s3:PutObject", "the bucket/labels/*")),
    Fault(
        "who invites sets passwords",
        "Who invites changes the people of the pool, and neither the pool nor anything else",
        allow("the inviter", "cognito-idp:AdminSetUserPassword", "the user pool"),
    ),
    Fault("an operator does everything", _RIGHTS, allow("the operator", "*", "*")),
    Fault(
        "people sign up themselves",
        "people are invited and never sign up",
        put(_POOL, "AdminCreateUserConfig.AllowAdminCreateUserOnly", False),
    ),
    Fault(
        "a function decides who signs up",
        "people are invited and never sign up",
        put(_POOL, "LambdaConfig", {"PreSignUp": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"}),
    ),
    Fault("there is no second factor", "people sign in with a one time code", put(_POOL, "MfaConfiguration", "OFF")),
    Fault(
        "the second factor is a choice",
        "people sign in with a one time code",
        put(_POOL, "MfaConfiguration", "OPTIONAL"),
    ),
    Fault("the second factor is an SMS", "people sign in with a one time code", put(_POOL, "EnabledMfas", ["SMS_MFA"])),
    Fault(
        "threats are ignored",
        "threats are stopped and not only counted",
        put(_POOL, "UserPoolAddOns.AdvancedSecurityMode", "OFF"),
    ),
    Fault(
        "threats are only counted",
        "threats are stopped and not only counted",
        put(_POOL, "UserPoolAddOns.AdvancedSecurityMode", "AUDIT"),
    ),
    Fault(
        "the plan knows no threats",
        "threats are stopped and not only counted",
        put(_POOL, "UserPoolTier", "ESSENTIALS"),
    ),
    Fault(
        "passwords are short",
        "passwords are long and first ones short lived",
        put(_POOL, "Policies.PasswordPolicy.MinimumLength", 8),
    ),
    Fault(
        "passwords are of letters",
        "passwords are long and first ones short lived",
        put(_POOL, "Policies.PasswordPolicy.RequireSymbols", False),
    ),
    Fault(
        "first passwords live a year",
        "passwords are long and first ones short lived",
        put(_POOL, "Policies.PasswordPolicy.TemporaryPasswordValidityDays", 365),
    ),
    Fault(
        "an account is recovered by SMS",
        "an account is recovered by mail and an address is one person",
        put(_POOL, "AccountRecoverySetting.RecoveryMechanisms.0.Name", "verified_phone_number"),
    ),
    Fault(
        "an address is two people",
        "an account is recovered by mail and an address is one person",
        put(_POOL, "UsernameConfiguration.CaseSensitive", True),
    ),
    Fault(
        "the pool is deleted by mistake",
        "the pool cannot be deleted by mistake",
        put(_POOL, "DeletionProtection", "INACTIVE"),
    ),
    Fault("the pool goes with the stack", _KEPT, put(_POOL, "DeletionPolicy", "Delete")),
    Fault(
        "passwords are sent",
        "the client lets nobody send a password",
        put(_CLIENT, "ExplicitAuthFlows", ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]),
    ),
    Fault(
        "an administrator signs in as anybody",
        "the client lets nobody send a password",
        put(
            _CLIENT,
            "ExplicitAuthFlows",
            ["ALLOW_USER_SRP_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        ),
    ),
    Fault("the client has no secret", "the client lets nobody send a password", put(_CLIENT, "GenerateSecret", False)),
    Fault(
        "the client tells who exists",
        "the client tells nobody who exists",
        put(_CLIENT, "PreventUserExistenceErrors", "LEGACY"),
    ),
    Fault(
        "tokens live a day",
        "the clients tokens are short and can be revoked",
        put(_CLIENT, "AccessTokenValidity", 1_440),
    ),
    Fault(
        "tokens are counted in hours",
        "the clients tokens are short and can be revoked",
        put(_CLIENT, "TokenValidityUnits.IdToken", "hours"),
    ),
    Fault(
        "tokens cannot be revoked",
        "the clients tokens are short and can be revoked",
        put(_CLIENT, "EnableTokenRevocation", False),
    ),
    Fault(
        "tokens are in addresses",
        "the client uses no flow but the code",
        put(_CLIENT, "AllowedOAuthFlows", ["implicit"]),
    ),
    Fault(
        "the client returns to plain HTTP",
        "the client uses no flow but the code",
        put(_CLIENT, "CallbackURLs", ["http://portal.example.com/"]),
    ),
    Fault(
        "others vouch for people",
        "the client uses no flow but the code",
        put(_CLIENT, "SupportedIdentityProviders", ["COGNITO", "Facebook"]),
    ),
    Fault(
        "a group has a role",
        "a group is a duty of one project and has no role",
        every("AWS::Cognito::UserPoolGroup", "RoleArn", f"arn:aws:iam::{ACCOUNT}:role/r"),
    ),
    Fault(
        "guests get credentials",
        _KINDS,
        add("Guests", "AWS::Cognito::IdentityPool", AllowUnauthenticatedIdentities=True),
    ),
    Fault(
        "a user with an access key is there",
        "the template makes no user and no credential",
        add("Somebody", "AWS::IAM::User"),
    ),
    Fault(
        "who requests may accept",
        "a place says what its project is granted",
        replace("the project's parameter", '"separationOfDuties":true', '"separationOfDuties":false'),
    ),
]
"""In what people may do, and how they sign in."""
