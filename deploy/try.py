"""Runs a package's functions, each against a runtime interface of Lambda that hands it one event.

The interface is the part of version 2018-06-01 that a function cannot do without ("Using the Lambda
runtime API for custom runtimes"). AWS itself is not there, and every call to it is refused; the events
are ones that need none. So an answer shows that the program starts on this system, reads its
environment and its event, and answers.
"""

import argparse
import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# How long a function may take for its start and one event, in seconds. An emulator is slow.
PATIENCE = 120

# Nobody listens on port 9 ("discard") of this machine.
NOWHERE = "http://127.0.0.1:9"

ENVIRONMENT = {
    **{
        f"BABELWIRE_TABLE_{table}": table.lower()
        for table in ["TRANSLATIONS", "SEGMENTS", "CONNECTIONS", "SUBSCRIPTIONS", "LOOKS", "MARKS"]
    },
    **{f"BABELWIRE_BUCKET_{bucket}": bucket.lower() for bucket in ["SOURCES", "TEXTS", "RESULTS"]},
    "BABELWIRE_QUEUE_WORK": f"{NOWHERE}/work",
    "BABELWIRE_QUEUE_NEWS": f"{NOWHERE}/news",
    "BABELWIRE_CONNECTIONS_URL": f"{NOWHERE}/live",
    "BABELWIRE_AUTH_JWKS_URL": f"{NOWHERE}/jwks.json",
    "BABELWIRE_AUTH_ISSUER": NOWHERE,
    "BABELWIRE_AUTH_AUDIENCE": "page",
    "AWS_ENDPOINT_URL": NOWHERE,
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_LAMBDA_FUNCTION_NAME": "try",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_LOG_GROUP_NAME": "try",
    "AWS_LAMBDA_LOG_STREAM_NAME": "try",
}

WEBSOCKET_CONTEXT = {
    "apiId": "abcdefghij",
    "connectedAt": 1583348638000,
    "connectionId": "TXzPWdnOjoECGjA=",
    "domainName": "abcdefghij.execute-api.eu-west-1.amazonaws.com",
    "extendedRequestId": "TXzPWGVvjoEFgbA=",
    "identity": {"sourceIp": "192.0.2.1"},
    "messageDirection": "IN",
    "requestId": "TXzPWGVvjoEFgbA=",
    "requestTime": "04/Mar/2020:19:03:58 +0000",
    "requestTimeEpoch": 1583348638390,
    "stage": "live",
}

EVENTS = {
    "authorizer": {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:abcdefghij/live/$connect",
        "headers": {"Sec-WebSocket-Protocol": "babelwire"},
        "requestContext": {**WEBSOCKET_CONTEXT, "routeKey": "$connect", "eventType": "CONNECT"},
    },
    "notifier": {
        "Records": [
            {
                "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                # What S3 says when notifications are set up.
                "body": json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "sources"}),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:events",
                "awsRegion": "eu-west-1",
            }
        ]
    },
    "rest": {
        "version": "2.0",
        "routeKey": "GET /api/health",
        "rawPath": "/api/health",
        "rawQueryString": "",
        "headers": {"host": "example.org"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdefghij",
            "domainName": "example.org",
            "http": {
                "method": "GET",
                "path": "/api/health",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "try",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "GET /api/health",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": False,
    },
    "translator": {"Records": []},
    "websocket": {
        "requestContext": {**WEBSOCKET_CONTEXT, "routeKey": "ping", "eventType": "MESSAGE", "messageId": "a="},
        "body": json.dumps({"action": "ping", "data": "hello"}),
        "isBase64Encoded": False,
    },
}


# What an answer has to be.
EXPECTED = {
    # API Gateway makes a 401 of these words.
    "authorizer": lambda kind, answer: kind == "error" and answer["errorMessage"] == "Unauthorized",
    "notifier": lambda kind, answer: kind == "response" and answer == {"batchItemFailures": []},
    "rest": lambda kind, answer: kind == "response" and json.loads(answer["body"])["status"] == "ok",
    "translator": lambda kind, answer: kind == "response" and answer == {"batchItemFailures": []},
    "websocket": lambda kind, answer: kind == "response"
    and json.loads(answer["body"]) == {"type": "pong", "data": "hello"},
}


class Interface:
    """Gives out one event, and keeps what comes back."""

    def __init__(self, event):
        self.event = json.dumps(event).encode()
        self.answered = threading.Event()
        self.answer = None
        self.asked_at = None
        self.answered_at = None
        interface = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if not self.path.endswith("/runtime/invocation/next"):
                    self.send_error(404)
                elif interface.asked_at is None:
                    interface.asked_at = time.monotonic()
                    deadline = int((time.time() + PATIENCE) * 1000)
                    self.send_response(200)
                    self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
                    self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
                    self.send_header(
                        "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:try"
                    )
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(interface.event)))
                    self.end_headers()
                    self.wfile.write(interface.event)
                else:
                    # There is no second event: the function is stopped while it waits.
                    interface.answered.wait()
                    time.sleep(PATIENCE)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = self.read_chunks()
                interface.answered_at = time.monotonic()
                interface.answer = (self.path.rpartition("/")[2], body)
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                interface.answered.set()

            def read_chunks(self):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                # A function is killed while it waits for its next event.
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def run(name, program, under):
    interface = Interface(EVENTS[name])
    host, port = interface.server.server_address
    environment = {**ENVIRONMENT, "AWS_LAMBDA_RUNTIME_API": f"{host}:{port}"}
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        process = subprocess.Popen(
            [*under, str(program)], env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=program.parent
        )
        try:
            deadline = began + PATIENCE
            while not interface.answered.wait(0.1) and process.poll() is None and time.monotonic() < deadline:
                pass
            memory = peak_memory(process.pid)
        finally:
            process.kill()
            process.wait()
            interface.server.shutdown()
        log.seek(0)
        said = log.read().decode(errors="replace")
    if interface.answer is None:
        print(f"{name}: no answer (exit code {process.returncode})\n{said}")
        return False
    kind, body = interface.answer
    try:
        fits = EXPECTED[name](kind, json.loads(body))
    except (ValueError, LookupError, TypeError):
        fits = False
    start, event = interface.asked_at or began, interface.answered_at
    words = "answered" if fits else "gave the wrong answer"
    print(f"{name}: {words} ({kind}); asked for work after {start - began:.2f} s, answered {event - start:.2f} s")
    print(f"    later, {memory}; {body[:160].decode(errors='replace')}")
    if not fits:
        print(said)
    return fits


def peak_memory(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "memory unknown"
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return f"{int(line.split()[1]) / 1024:.0f} MiB at most"


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("functions", type=Path, help="the folder with the zips")
    options.add_argument("--under", default="", help="what runs programs for arm64 here")
    given = options.parse_args()
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(EVENTS):
            with zipfile.ZipFile(given.functions / f"{name}.zip") as archive:
                (entry,) = archive.infolist()
                program = Path(archive.extract(entry, Path(folder, name)))
            # As Lambda does: the zip says what may be run.
            program.chmod(stat.S_IMODE(entry.external_attr >> 16))
            if not os.access(program, os.X_OK):
                sys.exit(f"{name}.zip holds a file that may not be run")
            fine &= run(name, program, shlex.split(given.under))
    sys.exit(0 if fine else "Not every function runs.")


if __name__ == "__main__":
    main()
