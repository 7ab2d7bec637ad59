"""The template as it is written, as AWS would expand it, and as it is for given parameters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# The translator of SAM asks for a region, and finds none on a machine without an account.
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")

DEPLOY = Path(__file__).resolve().parents[1]
ROOT = DEPLOY.parent
sys.path.insert(0, str(DEPLOY))

import package  # noqa: E402

# What the pseudo parameters are in these tests.
PSEUDO = {
    "AWS::StackName": "babelwire",
    "AWS::AccountId": "123456789012",
    "AWS::Region": "eu-west-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}

# Parameters that make a difference in what there is.
VARIANTS = {
    "open": {},
    "sign-in": {"SignIn": "cognito"},
    "everything": {
        "SignIn": "cognito",
        "SelfSignUp": "yes",
        "SignInDomain": "translate-here",
        "PageDomain": "babelwire.example.org",
        "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-1111-2222-333344445555",
        "MoreOrigins": ["https://example.org", "https://example.net"],
        "AlarmEmail": "ops@example.org",
        "KeepFilesDays": 30,
        "WebSocketLogs": "on-with-role",
    },
}

NOTHING = object()


class Resolver:
    """Evaluates conditions and `Fn::If` for given parameters. What CloudFormation would only know
    once something is made (`Ref` and `Fn::GetAtt` of resources) stays as it is."""

    def __init__(self, template, parameters, pseudo=PSEUDO):
        self.conditions = template.get("Conditions", {})
        self.values = {**pseudo, "CodeBucket": "code"}
        for name, parameter in template["Parameters"].items():
            value = parameters.get(name, parameter.get("Default", self.values.get(name)))
            if parameter["Type"] == "CommaDelimitedList" and isinstance(value, str):
                value = value.split(",")
            self.values[name] = value
        unknown = parameters.keys() - template["Parameters"].keys()
        assert not unknown, f"there are no parameters {unknown}"

    def condition(self, name):
        return self.truth(self.conditions[name])

    def truth(self, value):
        ((function, arguments),) = value.items()
        match function:
            case "Condition":
                return self.condition(arguments)
            case "Fn::Not":
                return not self.truth(arguments[0])
            case "Fn::And":
                return all(self.truth(one) for one in arguments)
            case "Fn::Or":
                return any(self.truth(one) for one in arguments)
            case "Fn::Equals":
                one, other = (self.resolve(argument) for argument in arguments)
                return str(one) == str(other)
        raise AssertionError(f"unknown condition {value}")

    def resolve(self, value):
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NOTHING]
        if not isinstance(value, dict):
            return value
        if value == {"Ref": "AWS::NoValue"}:
            return NOTHING
        if value.keys() == {"Ref"} and value["Ref"] in self.values:
            return self.values[value["Ref"]]
        if value.keys() == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            return self.resolve(then if self.condition(condition) else otherwise)
        if value.keys() == {"Fn::Join"}:
            between, parts = self.resolve(value["Fn::Join"])
            if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
                return between.join(parts)
            return {"Fn::Join": [between, parts]}
        if value.keys() == {"Fn::Sub"}:
            return self.substitute(value["Fn::Sub"])
        resolved = ((name, self.resolve(one)) for name, one in value.items())
        return {name: one for name, one in resolved if one is not NOTHING}

    def substitute(self, argument):
        text, own = argument if isinstance(argument, list) else (argument, {})
        for name, value in self.resolve(own).items():
            assert isinstance(value, str) or "Fn::Sub" in value, (name, value)
            inner = value if isinstance(value, str) else value["Fn::Sub"]
            text = text.replace("${" + name + "}", inner)
        for name, value in self.values.items():
            text = text.replace("${" + name + "}", str(value))
        return {"Fn::Sub": text} if "${" in text else text

    def template(self, template):
        """The template with the resources and outputs that there will be, and without conditions."""
        result = {name: value for name, value in template.items() if name != "Conditions"}
        for section in ["Resources", "Outputs"]:
            result[section] = {
                name: self.resolve({key: value for key, value in one.items() if key != "Condition"})
                for name, one in template[section].items()
                if "Condition" not in one or self.condition(one["Condition"])
            }
        return result


@pytest.fixture(scope="session")
def written():
    """The template as it is in the repository."""
    return package.read_template()


@pytest.fixture(scope="session")
def expanded(written):
    """The template as CloudFormation gets it."""
    return package.expand(written, {name: f"functions/{name}.zip" for name in package.FUNCTIONS})


@pytest.fixture(scope="session")
def resolved(expanded):
    """By the name of a variant: what would be made."""
    return {name: Resolver(expanded, given).template(expanded) for name, given in VARIANTS.items()}


@pytest.fixture(scope="session")
def by_type(resolved):
    """The resources of a variant that have a type, by their names."""

    def find(kind, variant="everything"):
        resources = resolved[variant]["Resources"]
        found = {name: one.get("Properties", {}) for name, one in resources.items() if one["Type"] == kind}
        assert found, f"there is no {kind}"
        return found

    return find


def cfn_lint(path):
    """What cfn-lint has to say about a file, warnings and hints included."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--format", "parseable", "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1))
    return path


# The program with the project's commands, which runs these tests.
XTASK = os.environ.get("BABELWIRE_XTASK")

PAGE = {
    "index.html": "<!doctype html>",
    "sw.js": "self;",
    "manifest.webmanifest": "{}",
    "encodings.txt": "utf-8",
    "locales/de.json": "{}",
    "config.json": '{"websocketUrl":"live"}',
    "app-0123456789abcdef.js": "export {};",
    "app-0123456789abcdef_bg.wasm": "wasm",
    "page-0123456789abcdef.css": "html{}",
    "icon-0123456789abcdef.svg": "<svg/>",
}


def elf(machine, more=b""):
    """The head of a program for Linux, as far as it is looked at."""
    head = bytearray(64)
    head[:4] = b"\x7fELF"
    head[18:20] = machine.to_bytes(2, "little")
    return bytes(head) + more


def build(folder, machine=package.EM_AARCH64):
    """What a package is made of: the page is small, and the functions do not run."""
    for name in package.FUNCTIONS:
        program = folder / "binaries" / f"babelwire-{name}" / "bootstrap"
        program.parent.mkdir(parents=True)
        program.write_bytes(elf(machine, name.encode()))
    for name, text in PAGE.items():
        file = folder / "page" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.with_name(file.name + ".br").write_bytes(b"brotli of " + text.encode())
    return folder


def pack(built, out):
    """Runs what `cargo xtask package` runs at its end."""
    command = [sys.executable, str(DEPLOY / "package.py")]
    command += ["--binaries", str(built / "binaries"), "--page", str(built / "page"), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def package_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    done = pack(build(folder), folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "out"
