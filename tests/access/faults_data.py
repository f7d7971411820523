"""Faults in who reaches the data: the roles, the buckets and a revocation."""

import json

from tests.access.fault import Fault
from tests.access.mutations import (
    ROOT,
    Change,
    add,
    allow,
    both,
    deny,
    drop,
    except_for,
    lift,
    open_to,
    policy_of,
    put,
    ref,
    rewrite,
    trust,
    trust_without_condition,
)
from tests.access.town import ACCOUNT, STRANGER, VENDOR, Body
from tests.access.world import SERVICE, World

_READS = "The data role reads its input and writes its labels"
_BESIDE = "The data role reaches nothing beside its prefixes"
_ALONE = "the roles own policies hold it to its grant where no bucket does"
_ALLOWED = "each role is allowed these actions and no other"
_STARRED = "only telemetry is allowed on every resource"
_CHANGES = "The data role deletes and changes nothing"
_GUARD = "Whatever is attached to a data role later, its buckets hold it to its grant"
_OTHERS = "A data role of another bucket does not get in, whatever it is allowed (LabelingBucket)"
_KEY = "The bucket's key serves the data role through S3, for that bucket alone"
_BECOMES = "Only its provider becomes the data role"
_RUNTIME = "Our functions reach data through the runtime role alone, which stays within the project"
_TLS = "Nobody gets in without TLS"
_OLD_TLS = "Nobody gets in with old TLS (LabelingBucket)"
_STRANGERS = "No stranger gets in"
_ADMIN = "No administrator is locked out"
_RIGHTS = "No role passes a role, nor changes rights"
_EXACT = "each role can do exactly this"
_TRUST = "each role is trusted to its own and to nobody else"
_LET_IN = "resource policies let in only services that are tied to us"
_KINDS = "only kinds of resources that are thought about are there"
_DENIES = "a deny on a bucket is about transport or data roles"
_THINGS = "each role is allowed its own things and no other"
_OWN_KEY = "a bucket is encrypted with its own key"
_ENCRYPTION = "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.KMSMasterKeyID"
_FIRST = "AssumeRolePolicyDocument.Statement.0."
_KEPT = "what holds data stays when the stack goes"

_CONDITIONS = "an allow is under no condition but of listings keys and subscriptions"
_DENIED = "a role is denied our own files and what is revoked and nothing else"
_PROPERTIES = "only properties that are thought about are set"
_ORGANIZATION = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}


def key_condition(**operators: Body) -> Change:
    """The data role's use of the key, under another condition."""
    return rewrite(
        "the data role", '"Key0"', Condition={name.replace("__", ":"): keys for name, keys in operators.items()}
    )


def narrowed(marks: str, condition: Body) -> Change:
    """Statements of the bucket's policy that hold only under a further condition."""

    def change(world: World) -> None:
        found = [statement for statement in policy_of(world, "the bucket") if marks in json.dumps(statement)]
        assert found, marks
        for statement in found:
            statement["Condition"] |= condition

    return change


_VIA = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}

DATA_ROLE = [
    Fault(
        "it may do all but a few things", _ALLOWED, rewrite("the data role", '"Read0"', Action=None, NotAction="iam:*")
    ),
    Fault(
        "it may read all but a few things",
        _THINGS,
        rewrite("the data role", '"Read0"', Resource=None, NotResource=ref("the bucket/secret/*")),
    ),
    Fault("it reads the neighbour's input", _THINGS, allow("the data role", "s3:GetObject", "the bucket/raw-2/*")),
    Fault("it lists the vendor's bucket", _THINGS, allow("the data role", "s3:ListBucket", "the vendor's bucket")),
    Fault("it becomes the runtime role", _THINGS, allow("the data role", "sts:AssumeRole", "the runtime role")),
    Fault("the vendor reads our bucket", _THINGS, allow("the vendor's data role", "s3:GetObject", "the bucket/raw/*")),
    Fault(
        "it writes what its session's tag says",
        _THINGS,
        rewrite("the data role", '"Write0"', Resource=ref("the bucket/${aws:PrincipalTag/p}/*")),
    ),
    Fault(
        "it lists all but its prefixes",
        _ALONE,
        rewrite("the data role", '"List0"', Condition={"StringNotLike": {"s3:prefix": ["raw/*", "labels/*"]}}),
    ),
    Fault(
        "it lists where no prefix is said",
        _ALONE,
        rewrite(
            "the data role", '"List0"', Condition={"ForAllValues:StringLike": {"s3:prefix": ["raw/*", "labels/*"]}}
        ),
    ),
    Fault(
        "it reads from one network only",
        _CONDITIONS,
        rewrite("the data role", '"Read0"', Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}}),
    ),
    Fault(
        "it reads for one organization only", _CONDITIONS, rewrite("the data role", '"Read0"', Condition=_ORGANIZATION)
    ),
    Fault("a Deny hides what it is allowed", _DENIED, rewrite("the data role", '"Location0"', Effect="Deny")),
    Fault(
        "our own files are denied to some sessions only",
        _DENIED,
        rewrite("the data role", '"Ours0"', Condition={"StringEquals": {"aws:PrincipalTag/x": "y"}}),
    ),
    Fault(
        "it may delete, and its bucket lets it",
        _EXACT,
        both(allow("the data role", "s3:DeleteObject", "the bucket/*"), lift("the bucket", "OnlyTheServicesActions")),
    ),
    Fault("it uses the key where no service is said", _KEY, key_condition(StringEqualsIfExists=_VIA)),
    Fault(
        "it uses the key through whatever is said of none", _CONDITIONS, key_condition(ForAllValues__StringEquals=_VIA)
    ),
    Fault(
        "it uses the key through queues, too",
        _KEY,
        key_condition(StringEquals={"kms:ViaService": ["s3.us-east-1.amazonaws.com", "sqs.us-east-1.amazonaws.com"]}),
    ),
    Fault(
        "it uses the key for all buckets",
        _KEY,
        key_condition(StringEquals=_VIA, StringLike={"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::*"}),
    ),
    Fault(
        "it has a boundary of others",
        _PROPERTIES,
        put("the data role", "PermissionsBoundary", f"arn:aws:iam::{ACCOUNT}:policy/b"),
    ),
    Fault("it may delete objects", _ALLOWED, allow("the data role", "s3:DeleteObject", "the bucket/labels/*")),
    Fault("it may read versions", _ALLOWED, allow("the data role", "s3:GetObjectVersion", "the bucket/raw/*")),
    Fault("it may set ACLs", _ALLOWED, allow("the data role", "s3:PutObjectAcl", "the bucket/labels/*")),
    Fault(
        "it may do what CDK's grant_read allows", _EXACT, allow("the data role", "s3:GetObject*", "the bucket/raw/*")
    ),
    Fault("it may use another service", _EXACT, allow("the data role", "textract:AnalyzeDocument", "*")),
    Fault(
        "an action of its is a wildcard",
        "no allow has a wildcard for its action",
        allow("the data role", "s3:Get*", "the bucket/raw/*"),
    ),
    Fault("it lists the whole bucket", _ALONE, rewrite("the data role", '"s3:ListBucket"', Condition=None)),
    Fault(
        "it lists what begins like its prefix",
        _ALONE,
        rewrite("the data role", '"s3:ListBucket"', Condition={"StringLike": {"s3:prefix": ["raw*", "labels*"]}}),
    ),
    Fault(
        "its listing may lack a prefix",
        _ALONE,
        rewrite(
            "the data role", '"s3:ListBucket"', Condition={"StringLikeIfExists": {"s3:prefix": ["raw/*", "labels/*"]}}
        ),
    ),
    Fault(
        "its grant is the whole bucket",
        _THINGS,
        rewrite("the data role", '"s3:GetObject"', Resource=ref("the bucket/*")),
    ),
    Fault(
        "its grant has no slash at the end",
        _THINGS,
        rewrite("the data role", '"s3:GetObject"', Resource=ref("the bucket/raw*")),
    ),
    Fault(
        "it writes its input",
        _THINGS,
        rewrite("the data role", '"Write0"', Resource=ref("the bucket/labels/*", "the bucket/*")),
    ),
    Fault(
        "it writes our own files",
        _BESIDE,
        rewrite("the data role", '"Ours0"', Resource=ref("the bucket/labels/*/other/*")),
    ),
    Fault(
        "it cannot read its labels",
        _READS,
        rewrite("the data role", '"s3:GetObject"', Resource=ref("the bucket/raw/*")),
    ),
    Fault("it is granted the neighbour's prefix", _THINGS, allow("the neighbour", "s3:GetObject", "the bucket/ra*")),
    Fault(
        "the neighbour writes our own files",
        "a data role is denied our own files wherever it writes",
        rewrite("the neighbour", '"Ours0"', Action="s3:DeleteObject"),
    ),
    Fault(
        "the uploader lists the whole bucket",
        "a listing is of the prefixes whose objects are granted",
        rewrite("the uploader", '"s3:ListBucket"', Condition={"StringLike": {"s3:prefix": ["*"]}}),
    ),
    Fault("the vendor's bucket knows no prefix in a listing", _GUARD, lift("the vendor's bucket", "StringNotLike")),
    Fault(
        "the vendor's bucket takes plain HTTP for deleting",
        _TLS,
        rewrite("the vendor's bucket", "SecureTransport", Action="s3:GetObject"),
    ),
    Fault(
        "it uses the key by itself",
        "a use of a key is always through a service",
        rewrite("the data role", '"Key0"', Condition=None),
    ),
    Fault(
        "it uses the key for any bucket",
        _KEY,
        rewrite(
            "the data role", '"Key0"', Condition={"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
        ),
    ),
    Fault(
        "it uses the key through any service",
        _KEY,
        rewrite("the data role", '"Key0"', Condition={"StringLike": {"kms:ViaService": "*.us-east-1.amazonaws.com"}}),
    ),
    Fault("it uses every key", _STARRED, rewrite("the data role", '"Key0"', Resource="*")),
    Fault("it may grant the key", _ALLOWED, allow("the data role", "kms:CreateGrant", "the key")),
    Fault(
        "the key names it",
        _LET_IN,
        open_to("the key", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/role"}, "kms:Decrypt"),
    ),
    Fault(
        "it may read versions, and its bucket lets it",
        _CHANGES,
        both(
            allow("the data role", "s3:GetObjectVersion", "the bucket/*"), lift("the bucket", "OnlyTheServicesActions")
        ),
    ),
    Fault(
        "a neighbour cannot write its labels",
        "A neighbour in the same bucket has its own prefixes and no others",
        rewrite("the neighbour", '"Write0"', Resource=ref("the bucket/labels/*")),
    ),
    Fault(
        "its sessions last twelve hours",
        "sessions at the data last an hour",
        put("the data role", "MaxSessionDuration", 43_200),
    ),
    Fault(
        "it has a managed policy",
        "no role has a policy of others making",
        put("the data role", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]),
    ),
    Fault(
        "its name can be guessed", "no role has a policy of others making", put("the data role", "RoleName", "labeling")
    ),
    Fault(
        "buckets do not know its path",
        "a data role is under the path that buckets know",
        put("the data role", "Path", "/"),
    ),
    Fault("it may be passed", _RIGHTS, allow("the API", "iam:PassRole", "the data role")),
]
"""In the role that the provider assumes."""

WHO_BECOMES = [
    Fault(
        "another service becomes it, too",
        _BECOMES,
        put("the data role", _FIRST + "Principal", {"Service": [SERVICE, "sagemaker.amazonaws.com"]}),
    ),
    Fault(
        "the service becomes it for all accounts but one",
        _TRUST,
        put("the data role", _FIRST + "Condition", {"StringNotEquals": {"aws:SourceAccount": STRANGER}}),
    ),
    Fault(
        "the service becomes it for a second account",
        _BECOMES,
        put(
            "the data role", _FIRST + "Condition", {"StringEqualsIfExists": {"aws:SourceAccount": [ACCOUNT, STRANGER]}}
        ),
    ),
    Fault("it trusts an organization", _TRUST, trust("the data role", {"AWS": "*"}, _ORGANIZATION)),
    Fault(
        "a pipeline becomes it",
        _TRUST,
        trust(
            "the data role",
            {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"},
            {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:x/*"}},
            action="sts:AssumeRoleWithWebIdentity",
        ),
    ),
    Fault("its trust is in all actions of STS", _TRUST, put("the data role", _FIRST + "Action", "sts:*")),
    Fault(
        "everybody but a few becomes it",
        _TRUST,
        put("the data role", _FIRST[:-1], {"Effect": "Allow", "Action": "sts:AssumeRole", "NotPrincipal": ROOT}),
    ),
    Fault(
        "the external id is a guess away",
        _TRUST,
        put("the vendor's data role", _FIRST + "Condition", {"StringLike": {"sts:ExternalId": "agreed-*"}}),
    ),
    Fault(
        "a second external id is good, too",
        _TRUST,
        put(
            "the vendor's data role",
            _FIRST + "Condition",
            {"StringEquals": {"sts:ExternalId": ["agreed-between-us", "old"]}},
        ),
    ),
    Fault(
        "the reviewer's role is a stranger's", _TRUST, trust("the reviewer", {"AWS": f"arn:aws:iam::{STRANGER}:root"})
    ),
    Fault(
        "the data role becomes the runtime role",
        _TRUST,
        trust("the runtime role", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/r"}),
    ),
    Fault("the data role's trust has no condition", _BECOMES, trust_without_condition("the data role")),
    Fault("everybody becomes the data role", _TRUST, trust("the data role", "*")),
    Fault("every AWS account becomes the data role", _TRUST, trust("the data role", {"AWS": "*"})),
    Fault("Lambda becomes the data role", _BECOMES, trust("the data role", {"Service": "lambda.amazonaws.com"})),
    Fault("SageMaker becomes the data role", _BECOMES, trust("the data role", {"Service": "sagemaker.amazonaws.com"})),
    Fault("the account becomes the data role", _TRUST, trust("the data role", ROOT)),
    Fault(
        "a stranger's account becomes the data role",
        _BECOMES,
        trust("the data role", {"AWS": f"arn:aws:iam::{STRANGER}:root"}),
    ),
    Fault(
        "the service becomes it for another account",
        _BECOMES,
        trust("the data role", {"Service": SERVICE}, {"StringEquals": {"aws:SourceAccount": STRANGER}}),
    ),
    Fault(
        "an identity provider becomes it",
        _TRUST,
        trust("the data role", {"Federated": "accounts.google.com"}, action="sts:AssumeRoleWithWebIdentity"),
    ),
    Fault("its sessions may be tagged", _TRUST, trust("the data role", {"Service": SERVICE}, action="sts:TagSession")),
    Fault("the vendor's data role needs no external id", _BECOMES, trust_without_condition("the vendor's data role")),
    Fault("the reporting role needs no external id", _BECOMES, trust_without_condition("the vendor's reporting role")),
    Fault(
        "the external id may be left out",
        _BECOMES,
        put(
            "the vendor's data role",
            "AssumeRolePolicyDocument.Statement.0.Condition",
            {"StringEqualsIfExists": {"sts:ExternalId": "agreed-between-us"}},
        ),
    ),
    Fault(
        "the external id may be any",
        _BECOMES,
        put(
            "the vendor's data role",
            "AssumeRolePolicyDocument.Statement.0.Condition",
            {"StringLike": {"sts:ExternalId": "*"}},
        ),
    ),
    Fault(
        "the vendor becomes the runtime role",
        _RUNTIME,
        trust("the runtime role", {"AWS": f"arn:aws:iam::{VENDOR}:root"}),
    ),
    Fault("the account becomes the runtime role", _TRUST, trust("the runtime role", ROOT)),
    Fault(
        "any function becomes the runtime role",
        _RUNTIME,
        trust("the runtime role", {"Service": "lambda.amazonaws.com"}),
    ),
    Fault("any machine becomes the machine's role", _TRUST, trust_without_condition("the machine's role")),
    Fault("any schedule becomes the schedule's role", _TRUST, trust_without_condition("the schedule")),
    Fault("the account becomes the dispatcher", _TRUST, trust("the dispatcher", ROOT)),
    Fault(
        "a role is there that nobody thought of",
        "every role is one of those that are specified",
        add(
            "Another",
            "AWS::IAM::Role",
            AssumeRolePolicyDocument={
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": ROOT}],
            },
        ),
    ),
]
"""In the trust of roles."""

BUCKETS = [
    Fault("an organization reads it", _LET_IN, open_to("the bucket", "*", "s3:GetObject", _ORGANIZATION)),
    Fault("everybody but a few reads it", _LET_IN, except_for("the bucket", ROOT, "s3:GetObject")),
    Fault("it denies everybody but a few", _DENIES, except_for("the bucket", ROOT, "s3:GetObject", "Deny")),
    Fault(
        "its guard of reading lets all through",
        _GUARD,
        rewrite("the bucket", '"Sid": "Read', NotResource=ref("the bucket/*")),
    ),
    Fault(
        "its guard of reading knows no folders",
        _GUARD,
        rewrite("the bucket", '"Sid": "Read', NotResource=ref("the bucket/raw*", "the bucket/labels*")),
    ),
    Fault(
        "its guard of writing lets the input through",
        _GUARD,
        rewrite("the bucket", '"Sid": "Write', NotResource=ref("the bucket/labels/*", "the bucket/raw/*")),
    ),
    Fault(
        "its guard of listing is about objects",
        _GUARD,
        rewrite("the bucket", '"Sid": "List', Resource=ref("the bucket/*")),
    ),
    Fault(
        "its guard holds for services' calls alone",
        _DENIES,
        narrowed('"Sid": "Read', {"Bool": {"aws:ViaAWSService": "true"}}),
    ),
    Fault(
        "its guard holds in one network alone",
        _DENIES,
        narrowed("OnlyTheServicesActions", {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
    ),
    Fault(
        "its guard lets all of S3 through", _GUARD, rewrite("the bucket", "OnlyTheServicesActions", NotAction="s3:*")
    ),
    Fault(
        "it denies other data roles reading alone",
        _OTHERS,
        rewrite("the bucket", "OnlyGrantedDataRoles", Action="s3:Get*"),
    ),
    Fault(
        "it denies other data roles objects alone",
        _OTHERS,
        rewrite("the bucket", "OnlyGrantedDataRoles", Resource=ref("the bucket/*")),
    ),
    Fault("it takes plain HTTP for writing", _TLS, rewrite("the bucket", "aws:SecureTransport", Action="s3:GetObject")),
    Fault(
        "it takes TLS 1.1",
        _OLD_TLS,
        rewrite("the bucket", "s3:TlsVersion", Condition={"NumericLessThan": {"s3:TlsVersion": 1.1}}),
    ),
    Fault("its name can be guessed", _PROPERTIES, put("the bucket", "BucketName", "labels-of-our-company")),
    Fault(
        "a stranger gets its log",
        _PROPERTIES,
        put("the bucket", "LoggingConfiguration", {"DestinationBucketName": "theirs"}),
    ),
    Fault("a stranger gets its list", _PROPERTIES, put("the bucket", "MetadataTableConfiguration", {})),
    Fault("it has an ACL", "a bucket knows no acl", put("the bucket", "AccessControl", "PublicRead")),
    Fault(
        "its replaced versions stay for ever",
        "a bucket keeps what is replaced",
        drop("the bucket", "LifecycleConfiguration"),
    ),
    Fault(
        "only its newest replaced version is kept",
        "a bucket keeps what is replaced",
        put("the bucket", "LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NewerNoncurrentVersions", 1),
    ),
    Fault(
        "it is encrypted with a stranger's key",
        _OWN_KEY,
        put("the bucket", _ENCRYPTION, f"arn:aws:kms:us-east-1:{STRANGER}:key/k"),
    ),
    Fault(
        "it is encrypted with the workspace's key",
        _OWN_KEY,
        put("the bucket", _ENCRYPTION, {"Fn::GetAtt": ["WorkspaceKey0E240FD6", "Arn"]}),
    ),
    Fault("its key lets an organization in", _LET_IN, open_to("the key", "*", "kms:Decrypt", _ORGANIZATION)),
    Fault(
        "its key lets a service make grants",
        _LET_IN,
        open_to("the key", {"Service": "lambda.amazonaws.com"}, "kms:CreateGrant"),
    ),
    Fault(
        "its key asks administrators for a second factor",
        _LET_IN,
        rewrite("the key", "kms:*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    ),
    Fault("its key is in other regions", _PROPERTIES, put("the key", "MultiRegion", True)),
    Fault("its key is of others' making", _PROPERTIES, put("the key", "Origin", "EXTERNAL")),
    Fault("its guard against other actions is gone", _GUARD, lift("the bucket", "OnlyTheServicesActions")),
    Fault("its guard against other reading is gone", _GUARD, lift("the bucket", '"Sid": "Read')),
    Fault("its guard against other writing is gone", _GUARD, lift("the bucket", '"Sid": "Write')),
    Fault("its guard against other listing is gone", _GUARD, lift("the bucket", '"Sid": "List')),
    Fault(
        "its guard has another condition",
        _GUARD,
        rewrite(
            "the bucket",
            "OnlyTheServicesActions",
            Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/other/*"}},
        ),
    ),
    Fault(
        "its guard allows deleting",
        _GUARD,
        rewrite(
            "the bucket",
            "OnlyTheServicesActions",
            NotAction=[
                "s3:GetObject",
                "s3:PutObject",
                "s3:GetBucketLocation",
                "s3:ListBucket",
                "s3:DeleteObjectVersion",
            ],
        ),
    ),
    Fault(
        "its guard holds for objects alone",
        _GUARD,
        rewrite("the bucket", "OnlyTheServicesActions", Resource=ref("the bucket/*")),
    ),
    Fault("it admits every data role", _OTHERS, lift("the bucket", "OnlyGrantedDataRoles")),
    Fault("it takes plain HTTP", _TLS, lift("the bucket", "aws:SecureTransport")),
    Fault(
        "it takes plain HTTP for objects",
        _TLS,
        rewrite("the bucket", "aws:SecureTransport", Resource=ref("the bucket")),
    ),
    Fault("it takes old TLS", _OLD_TLS, lift("the bucket", "s3:TlsVersion")),
    Fault(
        "it locks administrators out",
        _ADMIN,
        deny("the bucket", "s3:*", {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/gtplus/*"}}),
    ),
    Fault("nobody can change its policy", _ADMIN, deny("the bucket", "s3:PutBucketPolicy")),
    Fault(
        "it is for one network only",
        _DENIES,
        deny("the bucket", "s3:PutObject", {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
    ),
    Fault("its policy lets everybody read", _LET_IN, open_to("the bucket", "*", "s3:GetObject")),
    Fault(
        "its policy lets a stranger's account read",
        _STRANGERS,
        open_to("the bucket", {"AWS": f"arn:aws:iam::{STRANGER}:root"}, "s3:GetObject"),
    ),
    Fault("its policy lets the account write", _LET_IN, open_to("the bucket", ROOT, "s3:PutObject")),
    Fault(
        "its policy lets a service read for anybody",
        _STRANGERS,
        open_to("the bucket", {"Service": "s3.amazonaws.com"}, "s3:GetObject"),
    ),
    Fault(
        "its public access block is gone",
        "a bucket is private whatever policies say",
        drop("the bucket", "PublicAccessBlockConfiguration"),
    ),
    Fault(
        "public policies are not blocked",
        "a bucket is private whatever policies say",
        put("the bucket", "PublicAccessBlockConfiguration.RestrictPublicBuckets", False),
    ),
    Fault(
        "ACLs are on again",
        "a bucket knows no acl",
        put("the bucket", "OwnershipControls.Rules.0.ObjectOwnership", "BucketOwnerPreferred"),
    ),
    Fault("it says nothing about ACLs", "a bucket knows no acl", drop("the bucket", "OwnershipControls")),
    Fault(
        "every web page may read it",
        "a bucket is open to no web page",
        put("the bucket", "CorsConfiguration", {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}),
    ),
    Fault(
        "a web page may write it",
        "a bucket is open to no web page",
        put(
            "the bucket",
            "CorsConfiguration",
            {"CorsRules": [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://a.example"]}]},
        ),
    ),
    Fault(
        "it is a web site",
        "a bucket is open to no web page",
        put("the bucket", "WebsiteConfiguration", {"IndexDocument": "index.html"}),
    ),
    Fault("it goes with the stack", _KEPT, put("the bucket", "DeletionPolicy", "Delete")),
    Fault("it goes when it is replaced", _KEPT, put("the bucket", "UpdateReplacePolicy", "Delete")),
    Fault(
        "it keeps no versions",
        "a bucket keeps what is replaced",
        put("the bucket", "VersioningConfiguration.Status", "Suspended"),
    ),
    Fault(
        "its objects expire",
        "a bucket keeps what is replaced",
        put("the bucket", "LifecycleConfiguration.Rules.0.ExpirationInDays", 30),
    ),
    Fault(
        "replaced versions go the next day",
        "a bucket keeps what is replaced",
        put("the bucket", "LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays", 1),
    ),
    Fault(
        "it is encrypted with a key of S3",
        "a bucket is encrypted with its own key",
        put(
            "the bucket",
            "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault",
            {"SSEAlgorithm": "AES256"},
        ),
    ),
    Fault(
        "it is replicated to a stranger",
        "a bucket sends its objects nowhere",
        put(
            "the bucket",
            "ReplicationConfiguration",
            {
                "Role": f"arn:aws:iam::{ACCOUNT}:role/r",
                "Rules": [{"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::theirs"}}],
            },
        ),
    ),
    Fault(
        "it calls a function of others",
        "a bucket sends its objects nowhere",
        put(
            "the bucket",
            "NotificationConfiguration.LambdaConfigurations",
            [{"Event": "s3:ObjectCreated:*", "Function": f"arn:aws:lambda:us-east-1:{STRANGER}:function:f"}],
        ),
    ),
    Fault(
        "a policy is written for a bucket of others",
        "a bucket has one policy and it is a bucket of the app",
        add(
            "TheirPolicy",
            "AWS::S3::BucketPolicy",
            Bucket="theirs",
            PolicyDocument={"Version": "2012-10-17", "Statement": []},
        ),
    ),
    Fault("it has an access point", _KINDS, add("Point", "AWS::S3::AccessPoint", Bucket="streets")),
    Fault("its key is not rotated", "a key is rotated", put("the key", "EnableKeyRotation", False)),
    Fault("its key goes with the stack", _KEPT, put("the key", "DeletionPolicy", "Delete")),
    Fault(
        "its key lets a stranger in",
        _LET_IN,
        open_to("the key", {"AWS": f"arn:aws:iam::{STRANGER}:root"}, "kms:Decrypt"),
    ),
    Fault("its key lets everybody in", _LET_IN, open_to("the key", "*", "kms:Decrypt")),
    Fault("its key is nobody's to administer", _KEY, rewrite("the key", "kms:*", Action="kms:Decrypt")),
]
"""In a bucket and its key."""

REVOCATIONS = [
    Fault(
        "the role's own policies do not know of it",
        "a revocation is in the roles own policies",
        rewrite("the data role", '"Revoked0"', Effect="Allow", Resource=ref("the bucket")),
        revoked=True,
    ),
    Fault(
        "the role is denied reading alone",
        "a revocation is in the roles own policies",
        rewrite("the data role", '"Revoked0"', Action="s3:GetObject"),
        revoked=True,
    ),
    Fault(
        "the role is denied objects alone",
        "a revocation is in the roles own policies",
        rewrite("the data role", '"Revoked0"', Resource=ref("the bucket/*")),
        revoked=True,
    ),
    Fault(
        "the role is denied another bucket",
        "a revocation is in the roles own policies",
        rewrite("the data role", '"Revoked0"', Resource=ref("the vendor's bucket", "the vendor's bucket/*")),
        revoked=True,
    ),
    Fault(
        "the bucket does not know of it",
        "a revocation is in the policies of buckets that are ours",
        lift("the bucket", '"Sid": "Revoked'),
        revoked=True,
    ),
    Fault(
        "the bucket denies the role reading alone",
        "a revocation is in the policies of buckets that are ours",
        rewrite("the bucket", '"Sid": "Revoked', Action="s3:GetObject"),
        revoked=True,
    ),
    Fault(
        "the bucket denies the neighbour too",
        "a revocation leaves the neighbour alone",
        rewrite(
            "the bucket",
            '"Sid": "Revoked',
            Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/*"}},
        ),
        revoked=True,
    ),
    Fault(
        "the bucket denies everybody", _ADMIN, rewrite("the bucket", '"Sid": "Revoked', Condition=None), revoked=True
    ),
    Fault(
        "a deploy lifts what was revoked at run time",
        "each data role has its reserved policy that no deploy changes",
        rewrite("the data role", '"NothingRevoked"', Action="s3:PutObjectAcl"),
    ),
    Fault(
        "the reserved policy is not attached",
        "each data role has its reserved policy that no deploy changes",
        rewrite("the data role", '"NothingRevoked"', Sid="RevokedBuckets"),
    ),
]
"""In a revocation: whatever is left out, the other layer hides it from a question."""
