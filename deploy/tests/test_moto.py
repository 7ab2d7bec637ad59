"""`cargo xtask deploy` with the real AWS CLI, before a fake of AWS: moto.

moto makes buckets, tables, queues, functions, roles and more out of a template, but neither APIs'
routes nor distributions; those are taken out of the template first, and stand-ins take the places of
their names. So this shows that the CLI's calls are right, that the page's objects get their headers,
and that the other resources' properties are ones that a second reader understands as well. It does
not show that AWS makes the stack.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import boto3
import pytest
from conftest import XTASK, Resolver
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"

# The types of the template that moto 5.2.5 makes.
KNOWN = {
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
