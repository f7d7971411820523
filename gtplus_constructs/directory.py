"""UserDirectory: the people of a workspace, in one Cognito user pool."""

import re
from collections.abc import Sequence

from aws_cdk import Annotations, Aws, Duration, RemovalPolicy, Token
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from gtplus_constructs._removal import effective_removal
from gtplus_constructs._validation import check_either, raise_all
from gtplus_runtime.problems import Problem, shown

_ADDRESS = re.compile(r"https://[^/\s*]+(?:/[^\s*#]*)?")
_DOMAIN_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_RESERVED = ("aws", "amazon", "cognito")


class UserDirectory(Construct):
    """One user pool with its domain and app client, and a group of the workspace's operators.

    People are invited, never sign up themselves; they sign in with a password and a one-time code. Ground Truth Plus
    asks of a pool that it has a domain and a group ("Create a project team").

    Upgraded in place. When the stack is deleted, the pool stays (RETAIN and deletion protection), unless both keys to
    destruction are turned. Adopted again by `user_pool`. It costs a price for each active user a month, more under
    the plan PLUS that threat protection needs.

    Args:
        scope: the parent.
        id: the construct's id.
        workspace_name: part of the domain's default prefix.
        user_pool: an existing pool to use instead. Default: a new one.
        user_pool_domain: the domain of the existing pool, which must have one.
        client: an app client of the existing pool to use instead of a new one.
        domain_prefix: of the new pool's domain, unique in the region. Default: `gtplus-<workspace>-<account>`.
        callback_urls: exact https addresses to return to after the sign-in. Default: none, and no hosted sign-in.
        email: what sends the new pool's invitations, e.g. `UserPoolEmail.with_ses(...)`. Default: Cognito itself,
            which sends at most 50 mails a day ("Email settings for Amazon Cognito user pools").
        mfa: whether a new pool asks for a one-time code. Default: REQUIRED. As for the four below, synth warns where it
            is weaker than the default.
        threat_protection: whether a new pool blocks compromised and risky sign-ins; without, it is of the plan
            ESSENTIALS instead of PLUS and costs less. Default: True.
        min_password_length: of a new pool's passwords, from 8 to 99. Default: 14.
        access_token_validity: of a new client's access and id tokens, from 5 minutes to a day. Default: 15 minutes.
        refresh_token_validity: how long one stays signed in, from an hour to ten years. Default: 8 hours.
        removal_policy: what becomes of a new pool when it leaves the stack. Default: RETAIN.

    Raises:
        ValueError: for options that do not go together (a pool that is brought with those of a new one, or without its
            domain), a prefix, a length or a validity that Cognito refuses, or an address that is not exact https.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        workspace_name: str,
        user_pool: cognito.IUserPool | None = None,
        user_pool_domain: cognito.IUserPoolDomain | None = None,
        client: cognito.IUserPoolClient | None = None,
        domain_prefix: str | None = None,
        callback_urls: Sequence[str] = (),
        email: cognito.UserPoolEmail | None = None,
        mfa: cognito.Mfa | None = None,
        threat_protection: bool | None = None,
        min_password_length: int | None = None,
        access_token_validity: Duration | None = None,
        refresh_token_validity: Duration | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, id)
        of_pool: dict[str, object] = {
            "mfa": mfa,
            "threat_protection": threat_protection,
            "min_password_length": min_password_length,
        }
        of_client: dict[str, object] = {
            "access_token_validity": access_token_validity,
            "refresh_token_validity": refresh_token_validity,
        }
        of_pool |= {"domain_prefix": domain_prefix, "email": email}
        of_client["callback_urls"] = callback_urls or None
        problems = [p for option in of_pool.items() for p in check_either(option, ("user_pool", user_pool))]
        problems += [p for option in of_client.items() for p in check_either(option, ("client", client))]
        self._mfa = cognito.Mfa.REQUIRED if mfa is None else mfa
        self._threat_protection = threat_protection is not False
        self._min_password_length = 14 if min_password_length is None else min_password_length
        self._token = Duration.minutes(15) if access_token_validity is None else access_token_validity
        self._signed_in = Duration.hours(8) if refresh_token_validity is None else refresh_token_validity
        problems += self._check_limits()
        if user_pool is not None and user_pool_domain is None:
            rule = "a pool that is brought has a domain, which the service asks for"
            problems.append(Problem('"user_pool_domain"', rule, "none", "name it, or give the pool one first"))
        for option, value in (("user_pool_domain", user_pool_domain), ("client", client)):
            if user_pool is None and value is not None:
                mend = f'bring "user_pool" too, or leave "{option}" out'
                problems.append(Problem(f'"{option}"', "is of a pool that is brought", "no pool", mend))
        problems += [
            Problem('"callback_urls"', "an exact https address", shown(url), "write e.g. https://portal.example.com/")
            for url in callback_urls
            if not Token.is_unresolved(url) and not _ADDRESS.fullmatch(url)
        ]
        if user_pool is None:
            problems += check_domain_prefix(workspace_name, domain_prefix)
        raise_all("UserDirectory", problems)
        if user_pool is None:
            prefix = _default_prefix(workspace_name, Aws.ACCOUNT_ID) if domain_prefix is None else domain_prefix
            policy = effective_removal(self, "UserDirectory", removal_policy)
            self.user_pool = self._create(policy, prefix, email)
        else:
            self.user_pool = user_pool
        self._warn()
        self.client = self._add_client(callback_urls) if client is None else client
        self.operators = cognito.CfnUserPoolGroup(
            self,
            "Operators",
            user_pool_id=self.user_pool.user_pool_id,
            group_name=f"{workspace_name}-operate",
            description="May operate every project of the workspace",
        ).ref

    def _check_limits(self) -> list[Problem]:
        """What Cognito would refuse ("Password requirements" and "Token expiration" of its developer guide)."""
        limits = (
            ("min_password_length", self._min_password_length, 8, 99, "characters"),
            ("access_token_validity", self._token.to_minutes(integral=False), 5, 1_440, "minutes"),
            ("refresh_token_validity", self._signed_in.to_minutes(integral=False), 60, 5_256_000, "minutes"),
        )
        return [
            Problem(f'"{option}"', f"from {least:,} to {most:,} {unit}", shown(value), "choose one in between")
            for option, value, least, most, unit in limits
            if not least <= value <= most
        ]

    def _warn(self) -> None:
        """Nobody is to find out later that a directory is weaker than it comes."""
        weaker = {
            f"mfa is {self._mfa.name}, not REQUIRED": self._mfa is not cognito.Mfa.REQUIRED,
            "threat_protection is off": not self._threat_protection,
            f"min_password_length is {self._min_password_length}, not 14": self._min_password_length < 14,
            "access_token_validity is over 15 minutes": self._token.to_minutes(integral=False) > 15,
            "refresh_token_validity is over 8 hours": self._signed_in.to_minutes(integral=False) > 480,
        }
        if any(weaker.values()):
            found = "; ".join(what for what, there in weaker.items() if there)
            text = f"The directory is weaker than it comes: {found}. Acknowledge it, or leave the options out."
            Annotations.of(self).add_warning_v2("gtplus:WeakerDirectory", text)

    def _add_client(self, callback_urls: Sequence[str]) -> cognito.IUserPoolClient:
        flows = cognito.OAuthSettings(
            flows=cognito.OAuthFlows(authorization_code_grant=True),
            scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL],
            callback_urls=list(callback_urls),
        )
        return self.user_pool.add_client(
            "Client",
            generate_secret=True,
            disable_o_auth=not callback_urls,
            o_auth=flows if callback_urls else None,
            auth_flows=cognito.AuthFlow(user_srp=True),
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=self._token,
            id_token_validity=self._token,
            refresh_token_validity=self._signed_in,
        )

    def _create(
        self, policy: RemovalPolicy, domain_prefix: str, email: cognito.UserPoolEmail | None
    ) -> cognito.IUserPool:
        pool = cognito.UserPool(
            self,
            "Pool",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            mfa=self._mfa,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=self._min_password_length,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
                temp_password_validity=Duration.days(1),
            ),
            email=email,
            feature_plan=cognito.FeaturePlan.PLUS if self._threat_protection else cognito.FeaturePlan.ESSENTIALS,
            standard_threat_protection_mode=(
                cognito.StandardThreatProtectionMode.FULL_FUNCTION if self._threat_protection else None
            ),
            deletion_protection=policy is not RemovalPolicy.DESTROY,
            removal_policy=policy,
        )
        pool.add_domain("Domain", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=domain_prefix))
        return pool


def check_domain_prefix(workspace_name: str, domain_prefix: str | None) -> list[Problem]:
    """What Cognito would refuse at the deploy ("Using your own domain for managed login": prefix domains).

    Args:
        workspace_name: part of the default prefix.
        domain_prefix: the one given, or None for the default.
    """
    if Token.is_unresolved(domain_prefix):
        return []
    prefix = _default_prefix(workspace_name, "0" * 12) if domain_prefix is None else domain_prefix
    if _DOMAIN_PREFIX.fullmatch(prefix) and not any(word in prefix for word in _RESERVED):
        return []
    rule = f"1 to 63 lower-case letters, digits and inner hyphens, without {', '.join(_RESERVED)}"
    mend = "choose such a prefix"
    if domain_prefix is None:
        mend = "choose another name, or a prefix: directory=UserDirectory(…, domain_prefix=…)"
    return [Problem('"domain_prefix"', rule, shown(prefix), mend)]


def _default_prefix(workspace_name: str, account: str) -> str:
    return f"gtplus-{workspace_name}-{account}"
