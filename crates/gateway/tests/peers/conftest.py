"""Starts the example gateway, one for each test that asks for one."""

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
import pytest
from botocore.config import Config
from websockets.sync.client import connect


def needed(variable):
    try:
        return os.environ[variable]
    except KeyError:
        pytest.exit(f"{variable} is not set: README.md says what it is", returncode=2)


@dataclass
class Gateway:
    process: subprocess.Popen
    address: str

    @property
    def url(self):
        return f"ws://{self.address}/live"

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def connect(self, query="", **options):
        # Pings of the client's own would keep idle connections alive.
        options = {"ping_interval": None, "compression": None, **options}
        return connect(self.url + query, **options)

    def management(self, **config):
        """AWS's own client, with credentials that mean nothing here."""
        return boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=f"http://{self.address}/live",
            region_name="eu-central-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=Config(retries={"max_attempts": 0}, proxies={}, **config),
        )


@contextmanager
def running(*options):
    program = needed("BABELWIRE_GATEWAY_EXAMPLE")
    process = subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        prefix = "listening on http://"
        assert line.startswith(prefix), f"the gateway did not start: {line!r}"
        yield Gateway(process, line.removeprefix(prefix).strip())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """A proxy of the environment has no business between these two."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def gateway():
    """A gateway with the real limits, where nobody else comes and goes."""
    with running() as gateway:
        yield gateway


@pytest.fixture
def gateway_with():
    """Starts a gateway with options of its own."""
    started = []

    def start(*options):
        context = running(*options)
        started.append(context)
        return context.__enter__()

    yield start
    for context in started:
        context.__exit__(None, None, None)
