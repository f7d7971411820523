"""Profiles of the local cloud: what botocore reads, and what never leaks in."""

from pathlib import Path

import pytest

from gtplus_cli.local.profiles import ROOT, AssumedRole, Profiles

REVIEWER = "arn:aws:iam::000000000000:role/Reviewer"


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return Profiles(
        file=tmp_path / "aws-config",
        endpoint="https://127.0.0.1:4000",
        ca_bundle=tmp_path / "authority.pem",
        region="eu-central-1",
        api_url="https://127.0.0.1:4000/{api_id}/$default",
    )


def test_the_file_is_what_aws_tools_read(profiles: Profiles, tmp_path: Path) -> None:
    profiles.write({"reviewer": AssumedRole(REVIEWER, source="caller", external_id="42"), "caller": REVIEWER})
    common = (
        f"region = eu-central-1\nendpoint_url = https://127.0.0.1:4000\nca_bundle = {tmp_path / 'authority.pem'}\n"
        "gtplus_api_url = https://127.0.0.1:4000/{api_id}/$default\n"
    )
    assert profiles.file.read_text() == (
        f"[profile root]\n{common}aws_access_key_id = test\naws_secret_access_key = test\n\n"
        f"[profile reviewer]\n{common}role_arn = {REVIEWER}\nsource_profile = caller\n"
        "role_session_name = reviewer\nexternal_id = 42\n\n"
        f"[profile caller]\n{common}role_arn = {REVIEWER}\nsource_profile = root\nrole_session_name = caller\n\n"
    )


def test_reads_back_what_it_wrote(profiles: Profiles) -> None:
    assert profiles.read() == {}
    roles = {"a": AssumedRole(REVIEWER), "b": AssumedRole(REVIEWER, source="a", external_id="1%2")}
    profiles.write(roles)
    assert profiles.read() == roles
    profiles.write({})
    assert profiles.read() == {}


def test_root_cannot_be_given_to_a_role(profiles: Profiles) -> None:
    with pytest.raises(ValueError, match='"root" is the account\'s own profile'):
        profiles.write({ROOT: REVIEWER})


def test_a_session_takes_nothing_from_the_environment(profiles: Profiles, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ENDPOINT_URL": "https://elsewhere.example",
        "AWS_ENDPOINT_URL_SQS": "https://elsewhere.example",
        "AWS_CONFIG_FILE": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    profiles.write({})
    session = profiles.session()
    credentials = session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.token) == ("test", None)
    assert session.region_name == "eu-central-1"
    for service in ("sqs", "s3", "sts"):
        client = session.client(service)  # type: ignore[call-overload]
        assert client.meta.endpoint_url == "https://127.0.0.1:4000"
        assert client.meta.config.proxies == {}


def test_the_environment_names_a_profile_or_the_root_key_but_never_both(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    root, reviewer = profiles.environment(), profiles.environment("reviewer")
    assert root["AWS_ACCESS_KEY_ID"] == "test"
    assert "AWS_PROFILE" not in root
    assert reviewer["AWS_PROFILE"] == "reviewer"
    assert not [name for name in reviewer if "KEY" in name]
    assert reviewer["NO_PROXY"] == reviewer["no_proxy"] == "intranet.example,127.0.0.1,localhost"
    assert reviewer["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
