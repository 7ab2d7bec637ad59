"""What is made, and what is not."""

import hashlib
import json
import re

import pytest
from conftest import DEPLOY, ROOT, VARIANTS, Resolver, cfn_lint, write_json

TABLES_WITH_EXPIRY = {"Translations", "Connections", "Subscriptions", "Looks", "Marks"}
TABLES_THAT_CAN_GO_BACK = {"Translations", "Segments"}
SIGN_IN_TYPES = ("AWS::Cognito::", "AWS::ApiGatewayV2::Authorizer")


def test_cfn_lint_finds_nothing_in_the_template_as_it_is_written():
    assert cfn_lint(DEPLOY / "template.yaml") == (0, "")


def test_cfn_lint_finds_nothing_once_it_is_expanded(expanded, tmp_path):
    assert "Transform" not in expanded
    assert cfn_lint(write_json(tmp_path / "expanded.json", expanded)) == (0, "")


def test_the_linter_would_find_something(expanded, tmp_path):
    broken = json.loads(json.dumps(expanded))
    del broken["Resources"]["RestFunction"]["Properties"]["Role"]
    code, said = cfn_lint(write_json(tmp_path / "broken.json", broken))
    assert code != 0
    assert "'Role' is a required property" in said


@pytest.mark.parametrize("variant", VARIANTS)
def test_cfn_lint_finds_nothing_in_what_would_be_made(expanded, variant, tmp_path):
    made = Resolver(expanded, VARIANTS[variant], pseudo={}).template(expanded)
    del made["Parameters"]
    assert cfn_lint(write_json(tmp_path / "made.json", made)) == (0, "")


def test_without_sign_in_nothing_of_it_is_made(resolved):
    resources = resolved["open"]["Resources"]
    assert not [name for name, one in resources.items() if one["Type"].startswith(SIGN_IN_TYPES)]
    assert not [name for name in resources if "Authorizer" in name or "UserPool" in name or "SignIn" in name]
    assert "cognito" not in json.dumps([resources, resolved["open"]["Outputs"]]).lower()
    kinds = {one.get("Properties", {}).get("AuthorizationType", "NONE") for one in resources.values()}
    assert kinds == {"NONE"}


def constant(file, name):
    """A number or a text that the functions have in their code."""
    source = (ROOT / "crates" / "aws" / "src" / "functions" / file).read_text()
    (value,) = re.findall(rf"const {name}: \S+ = (.+);", source)
    return json.loads(value)


def routes(by_type, api, variant):
    found = by_type("AWS::ApiGatewayV2::Route", variant).values()
    return {one["RouteKey"]: one for one in found if one["ApiId"] == {"Ref": api}}


def test_with_sign_in_nobody_gets_further_than_health_and_the_interface_s_description(by_type):
    rest = routes(by_type, "HttpApi", "sign-in")
    assert rest.keys() == {"ANY /api/{proxy+}", "GET /api/health", "GET /api/openapi.json"}
    assert rest["ANY /api/{proxy+}"]["AuthorizationType"] == "JWT"
    assert rest["ANY /api/{proxy+}"]["AuthorizerId"] == {"Ref": "HttpAuthorizer"}
    live = routes(by_type, "WebSocketApi", "sign-in")
    assert live["$connect"]["AuthorizationType"] == "CUSTOM"
    assert live["$connect"]["AuthorizerId"] == {"Ref": "WebSocketAuthorizer"}
    authorizers = by_type("AWS::ApiGatewayV2::Authorizer", "sign-in")
    assert authorizers["WebSocketAuthorizer"]["AuthorizerType"] == "REQUEST"
    assert authorizers["WebSocketAuthorizer"]["IdentitySource"] == ["route.request.header.Sec-WebSocket-Protocol"]
    assert authorizers["HttpAuthorizer"]["AuthorizerType"] == "JWT"


def test_a_preflight_needs_no_token(by_type):
    preflight = routes(by_type, "HttpApi", "everything")["OPTIONS /api/{proxy+}"]
    assert preflight.get("AuthorizationType", "NONE") == "NONE"


def test_whoever_signs_in_is_a_public_client_with_a_code(by_type):
    (client,) = by_type("AWS::Cognito::UserPoolClient", "sign-in").values()
    assert client["GenerateSecret"] is False
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["CallbackURLs"] == [{"Fn::Sub": "https://${Page.DomainName}/"}]


def test_the_websocket_has_every_route_of_the_server_and_no_default(by_type):
    source = (ROOT / "crates" / "live" / "src" / "lib.rs").read_text()
    (listed,) = re.findall(r"const ACTIONS: \[&str; \d+\] = \[(.*?)\];", source, re.DOTALL)
    actions = set(re.findall(r'"(\w+)"', listed))
    assert len(actions) == 5
    live = routes(by_type, "WebSocketApi", "open")
    assert live.keys() == actions | {"$connect", "$disconnect"}
    answers = {
        one["RouteId"]["Ref"]: one["RouteResponseKey"]
        for one in by_type("AWS::ApiGatewayV2::RouteResponse", "open").values()
    }
    for action in actions:
        assert live[action]["RouteResponseSelectionExpression"] == "$default"
    names = {name for name, one in by_type("AWS::ApiGatewayV2::Route", "open").items() if one["RouteKey"] in actions}
    assert answers == dict.fromkeys(names, "$default")
    (api,) = [one for one in by_type("AWS::ApiGatewayV2::Api").values() if one["ProtocolType"] == "WEBSOCKET"]
    assert api["RouteSelectionExpression"] == "$request.body.action"


def test_a_deployment_is_named_after_the_routes_it_holds(written):
    """CloudFormation makes a new deployment only for a new name, and a stage without one would go on
    with the old routes: without its authorizer, say."""
    resources = written["Resources"]
    parts = {
        name: one["Properties"]
        for name, one in resources.items()
        if one["Type"].startswith("AWS::ApiGatewayV2::")
        and one["Type"].rpartition("::")[2] in {"Api", "Route", "RouteResponse", "Integration", "Authorizer"}
        and "Http" not in json.dumps([name, one["Properties"].get("ApiId")])
    }
    assert len(parts) == 15
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
    deployments = {name for name, one in resources.items() if one["Type"] == "AWS::ApiGatewayV2::Deployment"}
    assert deployments == {f"OpenDeployment{digest}", f"SignInDeployment{digest}"}, "rename them to these"
    routes = {name for name, one in resources.items() if one["Type"].startswith("AWS::ApiGatewayV2::Route")}
    for name in deployments:
        assert set(resources[name]["DependsOn"]) == {one for one in routes if one in parts}


def test_the_stage_has_the_deployment_with_sign_in_only_with_it(by_type):
    for variant, kind in [("open", "Open"), ("sign-in", "SignIn"), ("everything", "SignIn")]:
        stage = by_type("AWS::ApiGatewayV2::Stage", variant)["WebSocketStage"]
        assert stage["DeploymentId"]["Ref"].startswith(f"{kind}Deployment")
        deployments = by_type("AWS::ApiGatewayV2::Deployment", variant)
        assert list(deployments) == [stage["DeploymentId"]["Ref"]]


def test_no_bucket_is_public_and_all_are_encrypted(by_type):
    buckets = by_type("AWS::S3::Bucket")
    assert buckets.keys() == {"SourcesBucket", "TextsBucket", "ResultsBucket", "SiteBucket"}
    for bucket in buckets.values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert "AccessControl" not in bucket
        assert "WebsiteConfiguration" not in bucket
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def test_every_bucket_s_policy_wants_tls_and_lets_in_the_page_s_distribution_alone(by_type):
    policies = by_type("AWS::S3::BucketPolicy")
    assert {policy["Bucket"]["Ref"] for policy in policies.values()} == by_type("AWS::S3::Bucket").keys()
    for policy in policies.values():
        statements = policy["PolicyDocument"]["Statement"]
        (denied,) = [one for one in statements if one["Effect"] == "Deny"]
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert denied["Principal"] == "*"
        allowed = [one for one in statements if one["Effect"] == "Allow"]
        if policy["Bucket"]["Ref"] != "SiteBucket":
            assert allowed == []
            continue
        (allowed,) = allowed
        assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
        assert allowed["Action"] == "s3:GetObject"
        assert allowed["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"].endswith(":distribution/${Page}")


def test_files_are_kept_for_ever_or_as_long_as_a_parameter_says(by_type):
    def rules(variant, bucket):
        all_of = by_type("AWS::S3::Bucket", variant)[bucket]["LifecycleConfiguration"]["Rules"]
        return {rule["Id"]: rule for rule in all_of if rule["Status"] == "Enabled"}

    for bucket in ["SourcesBucket", "TextsBucket", "ResultsBucket"]:
        assert "old-files" not in rules("open", bucket)
        assert rules("everything", bucket)["old-files"]["ExpirationInDays"] == 30
    downloads = rules("open", "ResultsBucket")["downloads"]
    assert (downloads["Prefix"], downloads["ExpirationInDays"]) == (constant("rest.rs", "DOWNLOADS"), 1)


def test_the_page_s_origin_may_upload_and_download_and_no_other_unless_named(by_type):
    own = [{"Fn::Sub": "https://${Page.DomainName}"}]
    sources = by_type("AWS::S3::Bucket", "open")["SourcesBucket"]["CorsConfiguration"]["CorsRules"]
    assert {method: rule["AllowedOrigins"] for rule in sources for method in rule["AllowedMethods"]} == {
        "PUT": own,
        "GET": own,
    }
    http = by_type("AWS::ApiGatewayV2::Api", "open")["HttpApi"]
    assert "CorsConfiguration" not in http
    http = by_type("AWS::ApiGatewayV2::Api", "everything")["HttpApi"]
    assert http["CorsConfiguration"]["AllowOrigins"] == ["https://example.org", "https://example.net"]
    assert http["CorsConfiguration"]["ExposeHeaders"] == ["content-disposition"]


def test_sources_and_results_make_events_and_texts_none(by_type):
    buckets = by_type("AWS::S3::Bucket")
    for name in ["SourcesBucket", "ResultsBucket"]:
        told = buckets[name]["NotificationConfiguration"]["QueueConfigurations"]
        assert {one["Event"] for one in told} == {"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}
        assert {one["Queue"]["Fn::GetAtt"][0] for one in told} == {"EventsQueue"}
    assert "NotificationConfiguration" not in buckets["TextsBucket"]
    (policy,) = by_type("AWS::SQS::QueuePolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    named = [f"arn:aws:s3:::{buckets[name]['BucketName']}" for name in ["SourcesBucket", "ResultsBucket"]]
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == named


def test_every_queue_has_one_for_dead_letters(by_type):
    queues = by_type("AWS::SQS::Queue")
    assert queues.keys() == {
        name for queue in ["Events", "News", "Work"] for name in (f"{queue}Queue", f"{queue}DeadLetters")
    }
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True
        if name.endswith("DeadLetters"):
            assert queue["MessageRetentionPeriod"] == 14 * 86_400
        else:
            redrive = queue["RedrivePolicy"]
            dead = {"Fn::GetAtt": [name.replace("Queue", "DeadLetters"), "Arn"]}
            assert redrive == {"deadLetterTargetArn": dead, "maxReceiveCount": constant("mod.rs", "MOST_RECEIVES")}


def test_a_message_stays_hidden_for_longer_than_its_function_may_take(by_type):
    functions, queues = by_type("AWS::Lambda::Function"), by_type("AWS::SQS::Queue")
    mappings = by_type("AWS::Lambda::EventSourceMapping").values()
    served = {one["EventSourceArn"]["Fn::GetAtt"][0]: one for one in mappings}
    assert {queue: one["FunctionName"]["Ref"] for queue, one in served.items()} == {
        "EventsQueue": "NotifierFunction",
        "NewsQueue": "NotifierFunction",
        "WorkQueue": "TranslatorFunction",
    }
    for queue, mapping in served.items():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert queues[queue]["VisibilityTimeout"] > functions[mapping["FunctionName"]["Ref"]]["Timeout"]
    assert served["WorkQueue"]["BatchSize"] == 1


def test_tables_are_on_demand_and_expire_and_go_back_as_they_should(by_type):
    tables = {name.removesuffix("Table"): one for name, one in by_type("AWS::DynamoDB::Table").items()}
    assert tables.keys() == TABLES_WITH_EXPIRY | TABLES_THAT_CAN_GO_BACK
    for name, table in tables.items():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        expiry = table.get("TimeToLiveSpecification")
        wanted = {"AttributeName": "expires", "Enabled": True} if name in TABLES_WITH_EXPIRY else None
        assert expiry == wanted, name
        recovery = table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled", False)
        assert recovery == (name in TABLES_THAT_CAN_GO_BACK), name


def test_every_log_is_thrown_away_some_day(by_type):
    groups = by_type("AWS::Logs::LogGroup")
    for name, group in groups.items():
        assert group["RetentionInDays"] == 30, name
    for name, function in by_type("AWS::Lambda::Function").items():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups, name


def test_alarms_are_made_for_whoever_wants_to_hear_them(by_type, resolved):
    kinds = {one["Type"] for one in resolved["sign-in"]["Resources"].values()}
    assert not {"AWS::CloudWatch::Alarm", "AWS::SNS::Topic"} & kinds
    alarms = by_type("AWS::CloudWatch::Alarm")
    heard = {json.dumps(dimension["Value"]) for alarm in alarms.values() for dimension in alarm["Dimensions"]}
    for queue in ["Events", "News", "Work"]:
        assert json.dumps({"Fn::GetAtt": [f"{queue}DeadLetters", "QueueName"]}) in heard
    for function in by_type("AWS::Lambda::Function"):
        watched = {one["MetricName"] for one in alarms.values() if {"Ref": function} == one["Dimensions"][0]["Value"]}
        assert watched == {"Errors", "Throttles"}, function
    assert {"5xx", "IntegrationError"} <= {one["MetricName"] for one in alarms.values()}
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]


def test_functions_run_what_is_packaged_for_as_long_as_whoever_calls_them_waits(by_type):
    functions = by_type("AWS::Lambda::Function")
    for name, function in functions.items():
        assert function["Runtime"] == "provided.al2023", name
        assert function["Architectures"] == ["arm64"], name
        assert function["Code"]["S3Key"] == f"functions/{name.removesuffix('Function').lower()}.zip"
    assert {name: one["Timeout"] for name, one in functions.items()} == {
        "WebsocketFunction": 29,
        "RestFunction": 29,
        "NotifierFunction": 60,
        "TranslatorFunction": 900,
        "AuthorizerFunction": 10,
    }


def test_lost_work_is_looked_for_every_five_minutes(by_type):
    (rule,) = by_type("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    (target,) = rule["Targets"]
    assert json.loads(target["Input"]) == {"task": "recover"}
    assert target["Arn"] == {"Fn::GetAtt": ["TranslatorFunction", "Arn"]}


def test_only_named_callers_may_call_a_function(by_type):
    permissions = by_type("AWS::Lambda::Permission")
    for name, permission in permissions.items():
        assert permission["Principal"] in {"apigateway.amazonaws.com", "events.amazonaws.com"}, name
        assert permission["SourceArn"], name
