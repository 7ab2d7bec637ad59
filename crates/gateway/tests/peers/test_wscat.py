"""npm's wscat, as a person would use it."""

import json
import subprocess
import threading

import pytest

from conftest import needed

# Seconds after which something is taken for lost.
PATIENCE = 20


def wscat(*arguments, until):
    """Runs wscat until a line says what is waited for, and gives that line."""
    # It quits when its input ends, so that is kept open until all is heard.
    command = [needed("WSCAT"), "--no-color", "--wait", str(PATIENCE), *arguments]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, **streams) as process:
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        heard = []
        try:
            for line in process.stdout:
                heard.append(line)
                if until in line:
                    return line
        finally:
            watchdog.cancel()
            process.kill()
    pytest.fail(f"{until!r} is not in {heard}")


def test_wscat_sends_and_hears(gateway):
    ping = '{"action":"ping","data":"hé"}'
    line = wscat("-c", gateway.url, "-x", ping, until="pong")
    assert json.loads(line[line.index("{") :]) == {"type": "pong", "data": "hé"}


def test_wscat_is_told_forbidden(gateway):
    wscat("-c", gateway.url, "-x", "no json", until='{"message": "Forbidden", "connectionId":"')


def test_wscat_is_refused(gateway):
    refusal = "Unexpected server response: "
    wscat("-c", gateway.url + "?refuse=401", until=refusal + "401")
    wscat("-c", gateway.url + "/other", until=refusal + "403")
    wscat("-c", gateway.url, "-o", "https://evil.example", until=refusal + "403")
    wscat("-c", gateway.url, "-H", "Host: evil.example", until=refusal + "403")


def test_wscat_agrees_on_a_subprotocol(gateway):
    url = gateway.url + "?protocol=v2"
    line = wscat("-c", url, "-s", "v2", "-x", '{"action":"whoami"}', until="requestContext")
    event = json.loads(line[line.index("{") :])
    assert event["requestContext"]["eventType"] == "MESSAGE"
