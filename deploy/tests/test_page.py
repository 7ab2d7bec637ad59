"""What CloudFront is told about the page."""

import json
import re
import subprocess

import pytest
from conftest import ROOT

# Of CloudFront's developer guide ("Use managed cache policies", "Use managed origin request policies").
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-68738e2966ac"


@pytest.fixture
def distribution(by_type):
    def find(variant="open"):
        (one,) = by_type("AWS::CloudFront::Distribution", variant).values()
        return one["DistributionConfig"]

    return find


def directives(policy):
    parts = (part.split() for part in policy.split(";"))
    return {name: values for name, *values in parts}


def policy_of(by_type, variant):
    (headers,) = by_type("AWS::CloudFront::ResponseHeadersPolicy", variant).values()
    text = headers["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    text = text["Fn::Sub"] if isinstance(text, dict) else text
    assert "\n" not in text
    return directives(text)


def policy_of_the_server():
    """The policy that the local server gives the page, where no script is inline."""
    source = (ROOT / "crates" / "server" / "src" / "ui.rs").read_text()
    # The other one is the service worker's.
    (text,) = re.findall(r'"(default-src [^"]*script-src [^"]*)"', source, re.DOTALL)
    text = re.sub(r"\\\s*\n\s*", "", text)
    return directives(re.sub(r"\{\w+\}", "", text))


@pytest.mark.parametrize("variant", ["open", "sign-in"])
def test_the_page_may_do_what_it_may_on_the_local_server(by_type, variant):
    here, there = policy_of(by_type, variant), policy_of_the_server()
    assert {**here, "connect-src": []} == {**there, "connect-src": []}
    assert "'unsafe-inline'" not in json.dumps(here)


def test_the_page_may_reach_its_backend_its_buckets_and_who_gives_out_tokens(by_type):
    own = [
        "'self'",
        "wss://${WebSocketApi}.execute-api.eu-west-1.amazonaws.com",
        "https://babelwire-sources-123456789012-eu-west-1.s3.eu-west-1.amazonaws.com",
        "https://babelwire-results-123456789012-eu-west-1.s3.eu-west-1.amazonaws.com",
    ]
    assert policy_of(by_type, "open")["connect-src"] == own
    cognito = "https://babelwire-123456789012.auth.eu-west-1.amazoncognito.com"
    assert policy_of(by_type, "sign-in")["connect-src"] == [*own, cognito]
    other = "https://translate-here.auth.eu-west-1.amazoncognito.com"
    assert policy_of(by_type, "everything")["connect-src"] == [*own, other]
    names = {one["BucketName"] for one in by_type("AWS::S3::Bucket").values()}
    assert {"babelwire-sources-123456789012-eu-west-1", "babelwire-results-123456789012-eu-west-1"} <= names


def test_no_script_of_the_page_is_inline():
    """The policy has no hash of one."""
    html = (ROOT / "index.html").read_text()
    assert re.findall(r"<script\b[^>]*>", html)
    for tag in re.findall(r"<script\b[^>]*>", html):
        assert "src=" in tag
    assert 'pattern_script = ""' in (ROOT / "Trunk.toml").read_text()


def test_browsers_are_told_to_be_careful(by_type):
    (headers,) = by_type("AWS::CloudFront::ResponseHeadersPolicy").values()
    security = headers["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert security["FrameOptions"]["FrameOption"] == "DENY"
    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] == 31_536_000
    assert all(one["Override"] is True for one in security.values())
    assert "ContentTypeOptions" in security


def test_the_bucket_is_read_with_a_signature_and_nobody_else_can(distribution, by_type):
    (site,) = [origin for origin in distribution()["Origins"] if origin["Id"] == "site"]
    assert site["OriginAccessControlId"] == {"Ref": "PageAccess"}
    access = by_type("AWS::CloudFront::OriginAccessControl")["PageAccess"]["OriginAccessControlConfig"]
    assert (access["SigningBehavior"], access["SigningProtocol"]) == ("always", "sigv4")


def test_answers_of_the_interface_are_never_kept_and_its_callers_are_passed_on_whole(distribution):
    (rest,) = distribution()["CacheBehaviors"]
    assert rest["PathPattern"] == "/api/*"
    assert rest["CachePolicyId"] == CACHING_DISABLED
    assert rest["OriginRequestPolicyId"] == ALL_VIEWER_EXCEPT_HOST_HEADER
    assert rest["ViewerProtocolPolicy"] == "https-only"
    assert {"GET", "POST", "DELETE"} <= set(rest["AllowedMethods"])
    assert "FunctionAssociations" not in rest


def test_the_page_s_files_are_kept_as_long_as_their_own_headers_say(distribution, by_type):
    caching = by_type("AWS::CloudFront::CachePolicy")["PageCaching"]["CachePolicyConfig"]
    assert (caching["MinTTL"], caching["DefaultTTL"], caching["MaxTTL"]) == (0, 0, 31_536_000)
    assert distribution()["DefaultCacheBehavior"]["CachePolicyId"] == {"Ref": "PageCaching"}
    assert distribution()["DefaultRootObject"] == "index.html"


def test_a_domain_of_one_s_own_comes_with_its_certificate(distribution):
    assert "Aliases" not in distribution("open")
    assert distribution("open")["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True}
    own = distribution("everything")
    assert own["Aliases"] == ["babelwire.example.org"]
    assert own["ViewerCertificate"]["AcmCertificateArn"].startswith("arn:aws:acm:us-east-1:")
    assert own["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"


@pytest.fixture(scope="module")
def served(by_type, tmp_path_factory):
    """Where the function at CloudFront's edge sends a request, as Node.js runs it."""
    function = by_type("AWS::CloudFront::Function")["PageFunction"]
    assert function["AutoPublish"] is True
    script = tmp_path_factory.mktemp("edge") / "function.js"
    asked = "console.log(JSON.stringify(JSON.parse(process.argv[2]).map((event) => handler(event).uri)));"
    script.write_text(function["FunctionCode"] + asked)

    def ask(*requests):
        events = []
        for uri, accepted in requests:
            headers = {} if accepted is None else {"accept-encoding": {"value": accepted}}
            events.append({"request": {"method": "GET", "uri": uri, "querystring": {}, "headers": headers}})
        done = subprocess.run(["node", script, json.dumps(events)], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return ask


def test_a_browser_that_takes_brotli_gets_the_compressed_copy(served):
    assert served(
        ("/", "gzip, deflate, br, zstd"),
        ("/app-0123456789abcdef_bg.wasm", "br"),
        ("/locales/de.json", "gzip;q=0.5, BR;q=1.0"),
    ) == ["/index.html.br", "/app-0123456789abcdef_bg.wasm.br", "/locales/de.json.br"]


def test_one_that_does_not_gets_the_file_itself(served):
    assert served(
        ("/", None),
        ("/sw.js", "gzip"),
        ("/sw.js", "br;q=0"),
        ("/sw.js", "br;q=0.000, gzip"),
        ("/sw.js", "brotli"),
        ("/sw.js", "*"),
    ) == ["/index.html"] + ["/sw.js"] * 5


def test_the_configuration_has_no_copy(served):
    assert served(("/config.json", "br"), ("/config.json", None)) == ["/config.json"] * 2


def test_two_stacks_of_one_name_in_two_regions_do_not_meet(by_type):
    """What belongs to CloudFront is the account's, in all regions."""

    def names(value):
        if isinstance(value, dict):
            yield from (one for key, one in value.items() if key == "Name" and isinstance(one, str))
            yield from (name for one in value.values() for name in names(one))

    for kind in ["OriginAccessControl", "CachePolicy", "Function", "ResponseHeadersPolicy"]:
        (one,) = by_type(f"AWS::CloudFront::{kind}").values()
        assert list(names(one)) == ["babelwire-eu-west-1"], kind
