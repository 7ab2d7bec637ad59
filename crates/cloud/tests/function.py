#!/usr/bin/env python3
"""A function that does what its event says, over Lambda's runtime API and nothing else."""

import json
import os
import time
import urllib.request

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime"


def post(path, body):
    request = urllib.request.Request(API + path, data=json.dumps(body).encode(), method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        print("refused:", error.code, flush=True)


if os.environ.get("FAILS_AT_INIT"):
    post("/init/error", {"errorType": "Unready", "errorMessage": "no table today"})
    raise SystemExit(1)

count = 0
while True:
    with urllib.request.urlopen(API + "/invocation/next") as invocation:
        event = json.load(invocation)
        request = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
        deadline = int(invocation.headers["Lambda-Runtime-Deadline-Ms"])
    count += 1
    left = deadline - time.time() * 1000
    time.sleep(event.get("sleep", 0))
    if "exit" in event:
        os._exit(event["exit"])
    if "fail" in event:
        error = {"errorType": "Odd", "errorMessage": event["fail"]}
        post(f"/invocation/{request}/error", error)
        continue
    answer = {"count": count, "process": os.getpid(), "left": left}
    answer["long"] = "x" * event.get("long", 0)
    post(f"/invocation/{request}/response", answer)
