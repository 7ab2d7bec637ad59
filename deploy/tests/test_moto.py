"""`cargo xtask deploy` with the real AWS CLI, before a fake of AWS: moto.

moto makes buckets, tables, queues, functions, roles and more out of a template, but neither APIs'
routes nor distributions; those are taken out of the template first, and stand-ins take the places of
their names. It passes over some properties too (expiry of tables, notifications of buckets). So this
shows that the CLI knows the calls, that the page's objects get their headers, and that a second reader
understands the rest. It does not show that AWS makes the stack.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from conftest import PAGE, XTASK, Resolver
from moto.cloudformation.models import ChangeSet
from moto.core.common_models import CloudFormationModel
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
DOMAIN = "d111111abcdef8.cloudfront.net"

# What moto makes of a template.
MADE = {
    "AWS::DynamoDB::Table",
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
}


def known_part(template, distribution):
    """The part of a template that moto makes, as it is without any parameter but the code's bucket."""
    parameters = {"CodeBucket": template["Parameters"]["CodeBucket"]}
    whole = Resolver(template, {"CodeBucket": {"Ref": "CodeBucket"}}, pseudo={}).template(template)
    resources = {name: one for name, one in whole["Resources"].items() if one["Type"] in MADE}
    left_out = whole["Resources"].keys() - resources.keys()

    def stand_in(name, attribute=None):
        if name == "Page":
            return DOMAIN if attribute == "DomainName" else distribution
        return f"{name.lower()}1"

    def replace(value):
        if isinstance(value, list):
            return [replace(one) for one in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"Ref"} and value["Ref"] in left_out:
            return stand_in(value["Ref"])
        if value.keys() == {"Fn::GetAtt"} and value["Fn::GetAtt"][0] in left_out:
            return stand_in(*value["Fn::GetAtt"])
        if value.keys() == {"Fn::Sub"}:
            name = re.compile(r"\$\{(\w+)(?:\.(\w+))?\}")
            put = lambda found: stand_in(*found.groups()) if found[1] in left_out else found[0]
            return {"Fn::Sub": name.sub(put, value["Fn::Sub"])}
        return {key: replace(one) for key, one in value.items() if not (key == "DependsOn" and one in left_out)}

    return {**whole, "Parameters": parameters, "Resources": replace(resources), "Outputs": replace(whole["Outputs"])}


class Cloud:
    """moto, and what was deployed to it."""

    def __init__(self, endpoint, folder):
        self.endpoint = endpoint
        self.package = folder

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=Config(s3={"addressing_style": "path"}),
        )

    def deploy(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_CONFIG_FILE": os.devnull,
        }
        assert XTASK, "BABELWIRE_XTASK is not set: run `cargo xtask test deploy`"
        command = [XTASK, "deploy", "--region", REGION, "--package", str(self.package)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def outputs(self):
        (stack,) = self.client("cloudformation").describe_stacks(StackName="babelwire")["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


@pytest.fixture(scope="module")
def outputs_of_change_sets():
    """moto 5.2.5 gives a stack that a change set makes the outputs of the empty template that it
    begins with; this gives it those of the change set's."""
    apply = ChangeSet.apply

    def apply_with_outputs(change_set):
        apply(change_set)
        change_set.stack.template_dict = change_set.template_dict
        change_set.stack.output_map = change_set.stack._create_output_map()

    ChangeSet.apply = apply_with_outputs
    yield
    ChangeSet.apply = apply


@pytest.fixture(scope="module")
def cloud(package_folder, tmp_path_factory, outputs_of_change_sets):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    folder = tmp_path_factory.mktemp("moto") / "package"
    shutil.copytree(package_folder, folder)
    # moto takes an S3 host for a bucket's name unless it is this one.
    cloud = Cloud(f"http://localhost:{port}", folder)
    made = cloud.client("cloudfront").create_distribution(
        DistributionConfig={
            "CallerReference": "page",
            "Comment": "stands where the template's would be",
            "Enabled": True,
            "Origins": {
                "Quantity": 1,
                "Items": [{"Id": "site", "DomainName": "site.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}],
            },
            "DefaultCacheBehavior": {"TargetOriginId": "site", "ViewerProtocolPolicy": "redirect-to-https"},
        }
    )
    cloud.distribution = made["Distribution"]["Id"]
    template = json.loads((folder / "template.json").read_text())
    (folder / "template.json").write_text(json.dumps(known_part(template, cloud.distribution), indent=1))
    cloud.said = cloud.deploy()
    yield cloud
    server.stop()


def test_moto_makes_what_it_is_said_to_make(cloud):
    def all_below(kind):
        for one in kind.__subclasses__():
            yield one
            yield from all_below(one)

    known = {one.cloudformation_type() for one in all_below(CloudFormationModel)}
    assert MADE <= known
    listed = cloud.client("cloudformation").describe_stack_resources(StackName="babelwire")["StackResources"]
    template = json.loads((cloud.package / "template.json").read_text())
    assert {one["LogicalResourceId"] for one in listed} == template["Resources"].keys()
    assert {one["ResourceType"] for one in listed} == MADE


def test_the_tables_have_their_keys_and_their_indexes(cloud):
    client = cloud.client("dynamodb")
    found = {}
    for name in client.list_tables()["TableNames"]:
        table = client.describe_table(TableName=name)["Table"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        keys = [one["AttributeName"] for one in table["KeySchema"]]
        indexes = {one["IndexName"] for one in table.get("GlobalSecondaryIndexes", [])}
        found[re.fullmatch(r"babelwire-(\w+)Table-\w+", name)[1]] = (keys, indexes)
    assert found == {
        "Translations": (["id"], {"newest", "changes", "open"}),
        "Segments": (["text", "number"], set()),
        "Connections": (["id"], {"audience"}),
        "Subscriptions": (["translation", "connection"], set()),
        "Looks": (["translation", "watcher"], set()),
        "Marks": (["key"], set()),
    }


def test_the_functions_have_their_code_from_the_bucket(cloud):
    client = cloud.client("lambda")
    functions = client.list_functions()["Functions"]
    listed = json.loads((cloud.package / "contents.json").read_text())
    sizes = {one["size"] for one in listed if "key" in one}
    assert len(functions) == 4, "there is no sign-in, and so no authorizer"
    for function in functions:
        assert function["CodeSize"] in sizes
        assert function["Runtime"] == "provided.al2023"
    mappings = client.list_event_source_mappings()["EventSourceMappings"]
    assert sorted(one["EventSourceArn"].rpartition(":")[2].split("-")[1] for one in mappings) == [
        "EventsQueue",
        "NewsQueue",
        "WorkQueue",
    ]


def test_every_object_of_the_page_is_there_with_its_headers(cloud):
    s3, bucket = cloud.client("s3"), cloud.outputs()["SiteBucket"]
    assert bucket == "babelwire-site-123456789012-eu-west-1"
    there = {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert there == {name + end for name in PAGE for end in ["", ".br"] if name + end != "config.json.br"}
    head = lambda key: s3.head_object(Bucket=bucket, Key=key)
    wasm = head("app-0123456789abcdef_bg.wasm.br")
    assert wasm["ContentType"] == "application/wasm"
    assert wasm["ContentEncoding"] == "br"
    assert wasm["CacheControl"] == "public, max-age=31536000, immutable"
    page = head("index.html")
    assert page["ContentType"] == "text/html; charset=utf-8"
    assert page["CacheControl"] == "no-cache"
    assert "ContentEncoding" not in page
    assert s3.get_object(Bucket=bucket, Key="index.html.br")["Body"].read() == b"brotli of <!doctype html>"


def test_the_page_s_configuration_names_the_stack_s_own_websocket(cloud):
    s3, outputs = cloud.client("s3"), cloud.outputs()
    found = s3.get_object(Bucket=outputs["SiteBucket"], Key="config.json")
    assert json.loads(found["Body"].read()) == {"websocketUrl": outputs["WebSocketUrl"], "apiUrl": "api"}
    assert found["ContentType"] == "application/json"
    assert found["CacheControl"] == "no-cache"
    assert re.fullmatch(r"wss://\w+\.execute-api\.eu-west-1\.amazonaws\.com/live", outputs["WebSocketUrl"])


def test_the_distribution_is_told_to_forget_the_old_page(cloud):
    listed = cloud.client("cloudfront").list_invalidations(DistributionId=cloud.distribution)
    assert listed["InvalidationList"]["Quantity"] >= 1


def test_a_second_deployment_changes_what_changed(cloud):
    (cloud.package / "page" / "sw.js").write_text("self; // newer")
    said = cloud.deploy()
    assert "Making the bucket" in cloud.said
    assert "Making the bucket" not in said
    body = cloud.client("s3").get_object(Bucket=cloud.outputs()["SiteBucket"], Key="sw.js")["Body"]
    assert body.read() == b"self; // newer"


def test_the_code_s_bucket_is_not_public(cloud):
    block = cloud.client("s3").get_public_access_block(Bucket="babelwire-code-123456789012-eu-west-1")
    assert set(block["PublicAccessBlockConfiguration"].values()) == {True}
