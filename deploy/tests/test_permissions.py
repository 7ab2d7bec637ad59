"""What each function may do: exactly this, and exactly what the code calls."""

import re

import pytest
from botocore import xform_name
from botocore.session import Session
from conftest import ROOT, VARIANTS

CONNECTIONS = {("execute-api:ManageConnections", f"WebSocketApi/live/{method}/@connections/*") for method in ["POST", "DELETE"]}


def allow(actions, *resources):
    return {(action, resource) for action in actions.split() for resource in resources}


def tables(actions, *resources):
    return allow(" ".join(f"dynamodb:{action}" for action in actions.split()), *resources)


def buckets(actions, *resources):
    return allow(" ".join(f"s3:{action}" for action in actions.split()), *resources)


def own_logs(function):
    return allow("logs:CreateLogStream logs:PutLogEvents", f"{function}Logs")


def taken_from(*queues):
    return allow("sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes", *queues)


def sent_to(*queues):
    return allow("sqs:SendMessage", *queues)


# By function: what for, as (action, resource). `Table`, `Bucket` and `Queue` are the template's.
PERMISSIONS = {
    "Websocket": [
        own_logs("Websocket"),
        # Whose connection it is, and whose translation.
        tables("GetItem", "TranslationsTable"),
        # Comes, goes, subscribes, and is told what another one says to all.
        tables("GetItem PutItem UpdateItem DeleteItem", "ConnectionsTable"),
        tables("Query", "ConnectionsTable/index/audience"),
        tables("PutItem BatchWriteItem", "SubscriptionsTable"),
        tables("GetItem PutItem UpdateItem DeleteItem Query BatchWriteItem", "LooksTable"),
        sent_to("NewsQueue"),
        CONNECTIONS,
    ],
    "Rest": [
        own_logs("Rest"),
        tables("GetItem PutItem UpdateItem BatchGetItem", "TranslationsTable"),
        tables("Query", "TranslationsTable/index/newest", "TranslationsTable/index/changes"),
        # Reads, notes checkpoints while it reads, and marks what is to be tried again.
        tables("Query BatchGetItem BatchWriteItem", "SegmentsTable"),
        # A translation is deleted: who followed it, and looked at it, does so no more.
        tables("UpdateItem", "ConnectionsTable"),
        tables("Query BatchWriteItem", "SubscriptionsTable"),
        tables("Query UpdateItem BatchWriteItem", "LooksTable"),
        sent_to("WorkQueue", "NewsQueue"),
        # What a signed URL permits is what its signer may do.
        buckets("GetObject", "SourcesBucket/*", "TextsBucket/*", "ResultsBucket/*"),
        buckets("PutObject", "SourcesBucket/*", "ResultsBucket/downloads/*"),
        buckets("AbortMultipartUpload", "ResultsBucket/downloads/*"),
        # Without it S3 would not say that an object is not there.
        buckets("ListBucket", "SourcesBucket", "TextsBucket", "ResultsBucket"),
        allow("translate:ListLanguages", "*"),
    ],
    "Notifier": [
        own_logs("Notifier"),
        # A source came; perhaps in place of an older one, whose segments go.
        tables("GetItem PutItem", "TranslationsTable"),
        tables("Query BatchWriteItem", "SegmentsTable"),
        # Connections that are gone are forgotten.
        tables("GetItem DeleteItem", "ConnectionsTable"),
        tables("Query", "ConnectionsTable/index/audience"),
        tables("GetItem BatchWriteItem", "SubscriptionsTable"),
        tables("GetItem DeleteItem Query BatchWriteItem", "LooksTable"),
        tables("GetItem UpdateItem", "MarksTable"),
        taken_from("EventsQueue", "NewsQueue"),
        sent_to("WorkQueue", "NewsQueue"),
        # Bytes that come for a translation that was deleted.
        buckets("DeleteObject", "SourcesBucket/*", "ResultsBucket/*"),
        CONNECTIONS,
    ],
    "Translator": [
        own_logs("Translator"),
        tables("GetItem PutItem UpdateItem BatchGetItem", "TranslationsTable"),
        tables("Query", "TranslationsTable/index/open"),
        tables("PutItem Query BatchGetItem BatchWriteItem", "SegmentsTable"),
        tables("GetItem UpdateItem DeleteItem", "ConnectionsTable"),
        tables("Query BatchWriteItem", "SubscriptionsTable"),
        tables("GetItem DeleteItem Query BatchWriteItem", "LooksTable"),
        # Leases.
        tables("GetItem UpdateItem DeleteItem", "MarksTable"),
        taken_from("WorkQueue"),
        sent_to("WorkQueue", "NewsQueue"),
        buckets("GetObject", "SourcesBucket/*", "TextsBucket/*"),
        buckets("PutObject AbortMultipartUpload", "TextsBucket/*", "ResultsBucket/*"),
        # Sweeps what a deleted translation left.
        buckets("DeleteObject", "SourcesBucket/*", "TextsBucket/*", "ResultsBucket/*"),
        buckets("ListBucket", "SourcesBucket", "TextsBucket"),
        # The second of them is what Translate asks in the caller's name when it detects a language.
        allow("translate:TranslateText translate:ListLanguages comprehend:DetectDominantLanguage", "*"),
        CONNECTIONS,
    ],
    # Cognito's keys are public.
    "Authorizer": [own_logs("Authorizer")],
}

# Actions that know no resource ("Actions, resources, and condition keys" of either service).
WITHOUT_RESOURCE = {
    "translate:TranslateText",
    "translate:ListLanguages",
    "comprehend:DetectDominantLanguage",
}

# Calls whose action has another name than the call ("Actions, resources, and condition keys" of
# Amazon S3 and of API Gateway management).
ACTION_OF = {
    "s3:HeadObject": "s3:GetObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "apigatewaymanagementapi:PostToConnection": "execute-api:ManageConnections",
    "apigatewaymanagementapi:DeleteConnection": "execute-api:ManageConnections",
}

# Actions that are not calls of the code: whoever calls the function uses them, or AWS does on the
# way.
NOT_CALLED = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "s3:ListBucket",
    "comprehend:DetectDominantLanguage",
}


def in_words(resource):
    """A policy's resource by the template's names."""
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        name, attribute = resource["Fn::GetAtt"]
        assert attribute == "Arn"
        return name
    text = resource["Fn::Sub"]
    text = re.sub(r"^\$\{(\w+)\.Arn\}", r"\1", text)
    return re.sub(r"^arn:aws:execute-api:eu-west-1:123456789012:\$\{(\w+)\}", r"\1", text)


def granted(by_type, variant="everything"):
    """By role: every (action, resource)."""
    roles = {}
    for name, role in by_type("AWS::IAM::Role", variant).items():
        assert "ManagedPolicyArns" not in role or name == "ApiGatewayRole", name
        pairs = set()
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement.keys() == {"Effect", "Action", "Resource"}
                assert statement["Effect"] == "Allow"
                as_list = lambda value: value if isinstance(value, list) else [value]
                for action in as_list(statement["Action"]):
                    for resource in as_list(statement["Resource"]):
                        pairs.add((action, in_words(resource)))
        roles[name] = pairs
    return roles


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_function_may_do_exactly_what_is_listed(by_type, variant):
    roles = granted(by_type, variant)
    expected = {f"{name}Role": set().union(*lists) for name, lists in PERMISSIONS.items()}
    if variant == "open":
        del expected["AuthorizerRole"]
    if variant == "everything":
        expected["ApiGatewayRole"] = set()
    assert roles.keys() == expected.keys()
    for name, pairs in roles.items():
        assert sorted(pairs) == sorted(expected[name]), name


def test_every_function_has_a_role_of_its_own_and_nothing_is_added_to_it(by_type):
    for name, function in by_type("AWS::Lambda::Function").items():
        assert function["Role"] == {"Fn::GetAtt": [name.replace("Function", "Role"), "Arn"]}
    for name, role in by_type("AWS::IAM::Role").items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        service = "apigateway" if name == "ApiGatewayRole" else "lambda"
        assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_no_action_is_a_pattern_and_no_resource_is_everything(by_type):
    for name, pairs in granted(by_type).items():
        for action, resource in pairs:
            assert "*" not in action, (name, action)
            assert resource != "*" or action in WITHOUT_RESOURCE, (name, action)


def called():
    """The actions that the code's calls need, by the names that the SDK gives to calls."""
    session = Session()
    calls = {}
    for service in ["dynamodb", "s3", "sqs", "translate", "apigatewaymanagementapi"]:
        for operation in session.get_service_model(service).operation_names:
            name = f"{service}:{operation}"
            calls.setdefault(xform_name(operation), []).append(ACTION_OF.get(name, name))
    sources = {
        file: re.split(r"#\[cfg\(test\)\]\s*mod tests", file.read_text())[0]
        for file in (ROOT / "crates" / "aws" / "src").rglob("*.rs")
        if file.name != "fake_translate.rs"
    }
    assert sources
    found = set()
    for text in sources.values():
        for method in set(re.findall(r"\.(\w+)\(\)", text)) & calls.keys():
            found.update(calls[method])
    return found


def test_what_may_be_done_is_what_the_code_calls(by_type):
    allowed = {action for pairs in granted(by_type).values() for action, _ in pairs}
    assert sorted(allowed - NOT_CALLED) == sorted(called())


def test_a_function_is_told_of_what_it_may_use_and_of_nothing_else(by_type):
    roles = granted(by_type)
    for name, function in by_type("AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        told = {value["Ref"] for value in variables.values() if isinstance(value, dict) and "Ref" in value}
        pairs = roles[name.replace("Function", "Role")]
        used = {resource.partition("/")[0] for _, resource in pairs}
        # All tables or none, all buckets or none: a name is no permission.
        for queue in ["WorkQueue", "NewsQueue"]:
            assert (queue in told) == (("sqs:SendMessage", queue) in pairs), (name, queue)
        for kind in ["Bucket", "Table"]:
            assert any(one.endswith(kind) for one in told) == any(one.endswith(kind) for one in used), name
        assert ("BABELWIRE_CONNECTIONS_URL" in variables) == ("WebSocketApi" in used), name
        assert ("BABELWIRE_AUTH_JWKS_URL" in variables) == (name == "AuthorizerFunction")


def test_what_a_function_is_told_is_what_it_reads(by_type):
    source = (ROOT / "crates" / "aws" / "src" / "config.rs").read_text()
    known = set(re.findall(r"BABELWIRE_[A-Z0-9_]*[A-Z0-9]", source))
    for name, function in by_type("AWS::Lambda::Function").items():
        variables = {one for one in function["Environment"]["Variables"] if one.startswith("BABELWIRE_")}
        assert variables <= known, name
