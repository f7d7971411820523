"""Profiles of the local cloud: the same `--profile NAME` that serves a real account serves it, too.

They live in a file of their own; the user's files are neither read nor written.
"""

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

ROOT = "root"
"""The profile of the account's root: nothing is refused to it, so it is for setting up only."""
ROOT_KEY = "test"
"""Its access key and secret: the emulator's convention, no secret."""
_OURSELVES = ("127.0.0.1", "localhost")  # never reached through a proxy


@dataclass(frozen=True)
class AssumedRole:
    """A profile that acts as a role.

    Attributes:
        arn: The role.
        source: The profile that assumes it.
        external_id: What the trust policy of the role may ask for.
    """

    arn: str
    source: str = ROOT
    external_id: str | None = None


@dataclass(frozen=True)
class Profiles:
    """The file of profiles.

    Attributes:
        file: Where it is; to be named in `AWS_CONFIG_FILE`.
        endpoint: The endpoint of every service.
        ca_bundle: Whom to trust about the endpoint.
        region: The region of every profile.
        api_url: The address of an HTTP API, with `{api_id}` in it; its address of AWS leads nowhere here.
    """

    file: Path
    endpoint: str
    ca_bundle: Path
    region: str
    api_url: str

    def write(self, roles: Mapping[str, str | AssumedRole]) -> None:
        """Writes the file anew: `root`, and a profile for each role.

        Args:
            roles: By the name of the profile. A bare ARN is assumed by `root`, which the role's trust policy has to
                allow, as it would any other. The session bears the name of the profile.

        Raises:
            ValueError: A role is to be called `root`.
        """
        if ROOT in roles:
            raise ValueError(f'"{ROOT}" is the account\'s own profile: give the role {roles[ROOT]} another name.')
        config = configparser.RawConfigParser()
        for name, role in ({ROOT: ""} | dict(roles)).items():
            common = {
                "region": self.region,
                "endpoint_url": self.endpoint,
                "ca_bundle": str(self.ca_bundle),
                "gtplus_api_url": self.api_url,  # our client reads it; AWS tools pass over what they do not know
            }
            config[f"profile {name}"] = common | _credentials(name, role)
        partial = self.file.with_suffix(".partial")
        with partial.open("w") as out:
            config.write(out)
        partial.replace(self.file)  # whoever reads at this moment sees the old file or the new one

    def read(self) -> dict[str, AssumedRole]:
        """Reads the roles back, `{}` if there is no file."""
        config = configparser.RawConfigParser()
        config.read(self.file)
        return {
            section.removeprefix("profile "): AssumedRole(
                options["role_arn"], options["source_profile"], options.get("external_id")
            )
            for section, options in config.items()
            if "role_arn" in options
        }

    def environment(self, profile: str | None = None) -> dict[str, str]:
        """The variables that make any AWS tool use these profiles, and nothing else of the user's.

        Args:
            profile: The one to use where a program names none; the default is `root`.
        """
        no_proxy = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), *_OURSELVES)))
        variables = {
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "AWS_CONFIG_FILE": str(self.file),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }
        if profile is None:
            return variables | {"AWS_ACCESS_KEY_ID": ROOT_KEY, "AWS_SECRET_ACCESS_KEY": ROOT_KEY}
        return variables | {"AWS_PROFILE": profile}

    def session(self, profile: str = ROOT) -> boto3.Session:
        """A session of a profile, whatever the environment of this process says of AWS and of proxies."""
        return boto3.Session(botocore_session=_Session(self, profile))


class _Session(botocore.session.Session):
    """Takes nothing from the environment: variables would otherwise win over the profile."""

    def __init__(self, profiles: Profiles, profile: str) -> None:
        super().__init__(profile=profile)
        self._endpoint = profiles.endpoint
        for variable, value in (
            ("config_file", str(profiles.file)),
            ("credentials_file", os.devnull),
            ("ca_bundle", str(profiles.ca_bundle)),
            ("region", profiles.region),
        ):
            self.set_config_variable(variable, value)
        # A connection for each of many threads: who finds none that is free makes one, a handshake each time.
        self.set_default_client_config(Config(proxies={}, max_pool_connections=100))

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        kwargs["endpoint_url"] = kwargs.get("endpoint_url") or self._endpoint
        return super().create_client(service_name, *args, **kwargs)


def _credentials(name: str, role: str | AssumedRole) -> dict[str, str]:
    if name == ROOT:
        return {"aws_access_key_id": ROOT_KEY, "aws_secret_access_key": ROOT_KEY}
    if isinstance(role, str):
        role = AssumedRole(role)
    options = {"role_arn": role.arn, "source_profile": role.source, "role_session_name": name}
    return options if role.external_id is None else options | {"external_id": role.external_id}
