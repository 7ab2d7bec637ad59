"""`cargo xtask deploy`, on a machine without an account.

With a stand-in of the AWS CLI these tests show which calls are made, in what order, and what is made
of their answers. They do not show that AWS takes the calls: that the real CLI knows them, and that a
fake of AWS (moto) does what they ask for as far as it knows how, is in `test_moto.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEPLOY, XTASK

OUTPUTS = {
    "PageUrl": "https://d111111abcdef8.cloudfront.net/",
    "PageDistribution": "EDFDVBD6EXAMPLE",
    "PageTarget": "d111111abcdef8.cloudfront.net",
    "SiteBucket": "babelwire-site-123456789012-eu-west-1",
    "WebSocketUrl": "wss://abcdefghij.execute-api.eu-west-1.amazonaws.com/live",
    "ApiUrl": "https://klmnopqrst.execute-api.eu-west-1.amazonaws.com/api",
}
SIGN_IN_OUTPUTS = {
    "SignInUrl": "https://babelwire-123456789012.auth.eu-west-1.amazoncognito.com",
    "SignInClientId": "1example23456789",
    "UserPool": "eu-west-1_example",
}


def stack(outputs):
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    return json.dumps({"Stacks": [{"Outputs": listed}]})


class Standin:
    """What the AWS CLI answers, and what it was told."""

    def __init__(self, folder, package_folder):
        self.folder = folder
        self.package = package_folder
        programs = [DEPLOY / "tests" / "standin", Path(sys.executable).parent, os.environ["PATH"]]
        self.path = os.pathsep.join(map(str, programs))
        self.answers = [
            {"to": "sts get-caller-identity", "says": json.dumps({"Account": "123456789012"})},
            {"to": "apigateway get-account", "says": json.dumps({"cloudwatchRoleArn": "arn:aws:iam::1:role/logs"})},
            {"to": "cloudformation describe-stacks", "says": stack(OUTPUTS)},
        ]

    def answer(self, to, **answer):
        self.answers.insert(0, {"to": to, **answer})

    def deploy(self, *arguments):
        (self.folder / "answers").write_text(json.dumps(self.answers))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"PATH": self.path, "STANDIN": str(self.folder)}
        assert XTASK, "BABELWIRE_XTASK is not set: run `cargo xtask test deploy`"
        command = [XTASK, "deploy", "--package", str(self.package), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def calls(self):
        try:
            lines = (self.folder / "calls").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def call(self, *begin):
        found = [call for call in self.calls() if call[: len(begin)] == list(begin)]
        assert found, f"there was no call of {begin}"
        return found[-1]


@pytest.fixture
def standin(tmp_path, package_folder):
    return Standin(tmp_path, package_folder)


def option(call, name):
    return call[call.index(name) + 1]


def parameters(call):
    begin = call.index("--parameter-overrides") + 1
    taken = [one for one in call[begin:] if "=" in one]
    return dict(one.split("=", 1) for one in taken)


def test_a_deployment_goes_from_the_code_over_the_stack_to_the_page(standin):
    done = standin.deploy("--region", "eu-west-1")
    assert done.returncode == 0, done.stderr
    steps = []
    for call in standin.calls():
        step = " ".join(call[:2])
        if not steps or steps[-1] != step:
            steps.append(step)
    assert steps == [
        "sts get-caller-identity",
        "apigateway get-account",
        "s3api head-bucket",
        "s3 cp",
        "cloudformation deploy",
        "cloudformation describe-stacks",
        "s3 cp",
        "cloudfront create-invalidation",
    ]
    assert all(option(call, "--region") == "eu-west-1" for call in standin.calls())
    assert f"Babelwire is deployed: {OUTPUTS['PageUrl']}" in done.stdout


def test_the_stack_gets_the_package_s_template_and_the_bucket_with_its_code(standin):
    assert standin.deploy("--region", "eu-west-1", "--stack", "words").returncode == 0
    call = standin.call("cloudformation", "deploy")
    bucket = "words-code-123456789012-eu-west-1"
    assert option(call, "--stack-name") == "words"
    assert option(call, "--template-file") == str(standin.package / "template.json")
    assert option(call, "--s3-bucket") == bucket
    assert option(call, "--capabilities") == "CAPABILITY_IAM"
    assert parameters(call) == {"CodeBucket": bucket, "WebSocketLogs": "on"}
    template = json.loads((standin.package / "template.json").read_text())
    wanted = {one["Properties"]["Code"]["S3Key"] for one in template["Resources"].values() if "Code" in one.get("Properties", {})}
    uploaded = {call[4] for call in standin.calls() if call[:2] == ["s3", "cp"] and f"s3://{bucket}/" in call[4]}
    assert uploaded == {f"s3://{bucket}/{key}" for key in wanted}
    assert len(uploaded) == 5


def test_every_file_of_the_page_has_its_type_its_encoding_and_how_long_it_keeps(standin):
    assert standin.deploy("--region", "eu-west-1").returncode == 0
    site = f"s3://{OUTPUTS['SiteBucket']}/"
    uploads = {call[4].removeprefix(site): call for call in standin.calls() if call[:2] == ["s3", "cp"] and site in call[4]}
    page = {file.relative_to(standin.package / "page").as_posix() for file in (standin.package / "page").rglob("*") if file.is_file()}
    assert uploads.keys() == page | {"config.json"}
    types = {name: option(call, "--content-type") for name, call in uploads.items()}
    assert types["app-0123456789abcdef_bg.wasm"] == types["app-0123456789abcdef_bg.wasm.br"] == "application/wasm"
    assert types["index.html.br"] == "text/html; charset=utf-8"
    assert types["sw.js"] == "text/javascript; charset=utf-8"
    assert types["manifest.webmanifest"] == "application/manifest+json"
    for name, call in uploads.items():
        assert ("--content-encoding" in call) == name.endswith(".br"), name
        if name.endswith(".br"):
            assert option(call, "--content-encoding") == "br"
        kept = option(call, "--cache-control")
        assert kept == ("public, max-age=31536000, immutable" if "0123456789abcdef" in name else "no-cache"), name


def test_what_the_page_names_is_there_before_the_page(standin):
    assert standin.deploy("--region", "eu-west-1").returncode == 0
    site = f"s3://{OUTPUTS['SiteBucket']}/"
    order = [call[4].removeprefix(site) for call in standin.calls() if call[:2] == ["s3", "cp"] and site in call[4]]
    assert order[-3:] == ["config.json", "index.html", "index.html.br"]
    hashed = [index for index, name in enumerate(order) if "0123456789abcdef" in name]
    assert hashed == list(range(len(hashed)))


def test_the_page_learns_where_its_backend_is(standin):
    # The stand-in cannot keep a file; the command leaves it where it was written.
    assert standin.deploy("--region", "eu-west-1").returncode == 0
    config = json.loads(Path(standin_config(standin)).read_text())
    assert config == {"websocketUrl": OUTPUTS["WebSocketUrl"], "apiUrl": "api"}


def standin_config(standin):
    (call,) = [call for call in standin.calls() if call[:2] == ["s3", "cp"] and call[4].endswith("/config.json")]
    return call[3]


def test_with_sign_in_the_page_learns_where_people_sign_in(standin):
    standin.answer("cloudformation describe-stacks", says=stack(OUTPUTS | SIGN_IN_OUTPUTS))
    done = standin.deploy("--region", "eu-west-1", "--sign-in")
    assert done.returncode == 0, done.stderr
    assert parameters(standin.call("cloudformation", "deploy"))["SignIn"] == "cognito"
    config = json.loads(Path(standin_config(standin)).read_text())
    url = SIGN_IN_OUTPUTS["SignInUrl"]
    assert config["signIn"] == {
        "authorizeUrl": f"{url}/oauth2/authorize",
        "tokenUrl": f"{url}/oauth2/token",
        "clientId": "1example23456789",
        "scope": "openid",
        "logoutUrl": f"{url}/logout?client_id=1example23456789"
        "&logout_uri=https%3A%2F%2Fd111111abcdef8.cloudfront.net%2F",
    }
    assert "at your cost" not in done.stdout


def test_whoever_opens_it_to_everybody_is_told_what_that_means(standin):
    done = standin.deploy("--region", "eu-west-1", "--no-sign-in")
    assert parameters(standin.call("cloudformation", "deploy"))["SignIn"] == "none"
    assert "at your cost" in done.stdout


def test_what_is_not_said_stays_as_it_was(standin):
    assert standin.deploy("--region", "eu-west-1", "--set", "Languages=en, es").returncode == 0
    given = parameters(standin.call("cloudformation", "deploy"))
    assert given.keys() == {"CodeBucket", "WebSocketLogs", "Languages"}
    assert given["Languages"] == "en, es"


def test_a_parameter_that_there_is_not_is_a_word_of_warning(standin):
    done = standin.deploy("--region", "eu-west-1", "--set", "AlarmMail=you@example.org")
    assert "There is no parameter AlarmMail" in done.stdout


@pytest.mark.parametrize(
    ("region", "constraint"), [("eu-west-1", "LocationConstraint=eu-west-1"), ("us-east-1", None)]
)
def test_a_missing_bucket_for_the_code_is_made_where_the_stack_will_be(standin, region, constraint):
    standin.answer("s3api head-bucket", code=254, complains="An error occurred (404)")
    assert standin.deploy("--region", region).returncode == 0
    call = standin.call("s3api", "create-bucket")
    bucket = f"babelwire-code-123456789012-{region}"
    assert option(call, "--bucket") == bucket
    assert ("--create-bucket-configuration" in call) == (constraint is not None)
    if constraint:
        assert option(call, "--create-bucket-configuration") == constraint
    assert option(standin.call("s3api", "put-public-access-block"), "--bucket") == bucket


def test_a_bucket_of_somebody_else_is_not_used(standin):
    standin.answer("s3api head-bucket", code=254, complains="An error occurred (403)")
    standin.answer("s3api create-bucket", code=254, complains="BucketAlreadyExists")
    done = standin.deploy("--region", "eu-west-1")
    assert done.returncode != 0
    assert "BucketAlreadyExists" in done.stderr
    assert not [call for call in standin.calls() if call[:2] == ["s3", "cp"]]
    assert option(standin.call("s3api", "head-bucket"), "--expected-bucket-owner") == "123456789012"


def test_an_account_without_a_role_for_gateway_logs_is_given_one(standin):
    standin.answer("apigateway get-account", says=json.dumps({"throttleSettings": {}}))
    assert standin.deploy("--region", "eu-west-1").returncode == 0
    assert parameters(standin.call("cloudformation", "deploy"))["WebSocketLogs"] == "on-with-role"


def test_without_the_right_to_ask_for_it_there_are_no_gateway_logs(standin):
    standin.answer("apigateway get-account", code=254, complains="AccessDeniedException")
    done = standin.deploy("--region", "eu-west-1")
    assert done.returncode == 0
    assert "The WebSocket will have no access log" in done.stdout
    assert "WebSocketLogs" not in parameters(standin.call("cloudformation", "deploy"))


def test_without_the_aws_cli_it_says_what_to_install(standin, tmp_path):
    standin.path = str(tmp_path)
    done = standin.deploy("--region", "eu-west-1")
    assert done.returncode != 0
    assert "there is no AWS CLI" in done.stderr
    assert "awscli" in done.stderr


def test_without_credentials_it_says_where_the_cli_takes_them_from(standin):
    standin.answer("sts get-caller-identity", code=253, complains="Unable to locate credentials")
    done = standin.deploy("--region", "eu-west-1")
    assert done.returncode != 0
    assert "aws configure" in done.stderr
    assert "Unable to locate credentials" in done.stderr
    assert len(standin.calls()) == 1


def test_without_a_region_it_asks_for_one(standin):
    standin.answer("configure get region", code=1)
    done = standin.deploy()
    assert done.returncode != 0
    assert "--region" in done.stderr


def test_the_region_of_the_cli_s_configuration_is_taken(standin):
    standin.answer("configure get region", says="eu-north-1\n")
    assert standin.deploy().returncode == 0
    assert option(standin.call("cloudformation", "deploy"), "--region") == "eu-north-1"


def test_a_name_that_no_bucket_can_have_is_refused_at_once(standin):
    done = standin.deploy("--region", "eu-west-1", "--stack", "Babelwire")
    assert done.returncode != 0
    assert "lower-case" in done.stderr
    assert standin.calls() == []


def test_a_stack_that_fails_says_why_and_leaves_the_page_alone(standin):
    standin.answer("cloudformation deploy", code=255, complains="Failed to create/update the stack")
    standin.answer("cloudformation describe-stack-events", says="RestFunction\tNo such runtime")
    done = standin.deploy("--region", "eu-west-1")
    assert done.returncode != 0
    assert "RestFunction\tNo such runtime" in done.stderr
    assert not [call for call in standin.calls() if call[:2] == ["cloudfront", "create-invalidation"]]
    assert not [call for call in standin.calls() if OUTPUTS["SiteBucket"] in " ".join(call)]


def test_a_folder_that_is_no_package_is_refused_in_words(standin, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    standin.package = empty
    done = standin.deploy("--region", "eu-west-1")
    assert done.returncode != 0
    assert "cargo xtask package" in done.stderr
