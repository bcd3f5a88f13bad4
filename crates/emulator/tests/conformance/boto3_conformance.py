#!/usr/bin/env python3
"""Checks that an emulator conforms to boto3's model of Amazon IVS Real-Time.

    python3 crates/emulator/tests/conformance/boto3_conformance.py http://127.0.0.1:4566

Calls every operation with valid and invalid input. The script checks each response
against expected values and, member by member, against the output shape that botocore
ships. It changes the emulator through the control API, and resets it at the end.
"""

import json
import re
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BASE = sys.argv[1].rstrip("/")
REGION = "us-east-1"
ABSENT = f"arn:aws:ivs:{REGION}:123456789012:"
results = []
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def client(**overrides):
    settings = {
        "region_name": REGION,
        "endpoint_url": BASE,
        "aws_access_key_id": "emulator",
        "aws_secret_access_key": "emulator",
        # boto3 must not validate parameters, so that the emulator has to reject them.
        "config": Config(
            retries={"total_max_attempts": 1},
            parameter_validation=False,
            proxies={},
        ),
    }
    return boto3.client("ivs-realtime", **{**settings, **overrides})


def record_responses(recorded):
    """Returns a dict that always holds the client's last raw response.

    The parsed response does not suffice: the parser drops unknown members.
    """
    raw = {}

    def record(http_response, **_):
        raw["status"] = http_response.status_code
        raw["headers"] = http_response.headers
        raw["body"] = http_response.content

    recorded.meta.events.register("after-call.ivs-realtime", record)
    return raw


ivs = client()
last = record_responses(ivs)
model = ivs.meta.service_model


def check(name, problem):
    """Records the result of a check: it failed if there is a `problem`."""
    results.append(not problem)
    print(f"FAILED {name}: {problem}" if problem else f"ok {name}", flush=True)


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}/_emulator/{path}", data, method=method)
    with direct.open(request, timeout=10) as response:
        return json.load(response)


def violations(shape, value, at=""):
    """Yields each violation of a shape of the model by a JSON value."""
    limits = shape.metadata
    kind = shape.type_name
    types = {
        "structure": dict, "map": dict, "list": list, "string": str,
        "boolean": bool, "integer": int, "timestamp": str,
    }
    if not isinstance(value, types[kind]):
        yield f"{at or 'the body'} is not a {kind}"
        return
    if kind == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"{at}.{name} is missing"
        for name, member in value.items():
            if name not in shape.members:
                yield f"{at}.{name} is not in the model"
            else:
                yield from violations(shape.members[name], member, f"{at}.{name}")
    elif kind == "map":
        for key, member in value.items():
            yield from violations(shape.key, key, f"{at}[{key}] (key)")
            yield from violations(shape.value, member, f"{at}[{key}]")
    elif kind == "list":
        for position, member in enumerate(value):
            yield from violations(shape.member, member, f"{at}[{position}]")
    if kind in ("string", "list", "map"):
        if not limits.get("min", 0) <= len(value) <= limits.get("max", len(value)):
            yield f"{at} has a length of {len(value)}"
    if kind == "string":
        if "enum" in limits and value not in limits["enum"]:
            yield f"{at} is not one of {limits['enum']}"
        if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
            yield f"{at} does not match {limits['pattern']}"


def headers_problem():
    if not re.fullmatch(r"[0-9a-f-]{36}", last["headers"].get("x-amzn-RequestId", "")):
        return "no x-amzn-RequestId"
    return None


def method_of(operation):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def succeeds(label, operation, problem=None, /, **members):
    """Calls the operation, which must succeed, and returns the parsed response.

    `problem` takes the parsed response, and returns a problem or None.
    """
    try:
        response = getattr(ivs, method_of(operation))(**members)
    except Exception as error:  # The check fails, and the script continues.
        check(label, repr(error))
        return {}
    shape = model.operation_model(operation).output_shape
    found = list(violations(shape, json.loads(last["body"])))
    if last["status"] != 200:
        found.append(f"status {last['status']}")
    if headers_problem():
        found.append(headers_problem())
    if problem and problem(response):
        found.append(problem(response))
    check(label, "; ".join(found))
    return response


DECLARED_BY_NAME = {
    "ValidationException": 400,
    "ResourceNotFoundException": 404,
    "ConflictException": 409,
}


def fails(label, operation, code, status=None, using=None, /, **members):
    """Calls the operation, which must fail with this error code.

    `using` is another client and the dict of its last raw response.
    """
    caller, raw = using or (ivs, last)
    try:
        getattr(caller, method_of(operation))(**members)
    except ClientError as error:
        found = []
        got = error.response["Error"]["Code"]
        if got != code:
            found.append(f"code {got}, not {code}")
        status = status or DECLARED_BY_NAME[code]
        if raw["status"] != status:
            found.append(f"status {raw['status']}, not {status}")
        if raw["headers"].get("x-amzn-ErrorType") != code:
            found.append("no x-amzn-ErrorType")
        if "x-amzn-RequestId" not in raw["headers"]:
            found.append("no x-amzn-RequestId")
        declared = {shape.name: shape for shape in model.operation_model(operation).error_shapes}
        body = json.loads(raw["body"])
        if code in DECLARED_BY_NAME and code not in declared:
            found.append(f"{code} is not declared by {operation}")
        if code in declared:
            found.extend(violations(declared[code], body))
            if declared[code].metadata["error"]["httpStatusCode"] != raw["status"]:
                found.append("the status is not the declared one")
            if not body.get("exceptionMessage"):
                found.append("no exceptionMessage")
        elif not body.get("message"):
            found.append("no message")
        check(label, "; ".join(found))
    except Exception as error:
        check(label, repr(error))
    else:
        check(label, "the call succeeded")


def differs(expected):
    """Returns a function that reports members with unexpected values."""

    def problem(response):
        for path, value in expected.items():
            found = response
            for step in path.split("."):
                found = found.get(step) if isinstance(found, dict) else None
            if found != value:
                return f"{path} is {found!r}, not {value!r}"
        return None

    return problem


def stages():
    created = succeeds(
        "CreateStage", "CreateStage", differs({"stage.name": "studio", "stage.tags": {"a": "b"}}),
        name="studio", tags={"a": "b"},
    )
    arn = created["stage"]["arn"]
    succeeds("CreateStage without members", "CreateStage", differs({"stage.tags": {}}))
    succeeds("GetStage", "GetStage", differs({"stage": created["stage"]}), arn=arn)

    def urls(response):
        endpoints = response["stage"]["endpoints"]
        fits = (
            endpoints["rtmp"].startswith("rtmp://") and endpoints["rtmp"].endswith(":1935/app/")
            and endpoints["rtmps"].startswith("rtmps://")
            and endpoints["rtmps"].endswith(":443/app/")
            and endpoints["whip"].startswith("https://")
            and endpoints["events"].startswith("wss://")
        )
        return None if fits else f"implausible endpoints {endpoints}"

    succeeds("GetStage shows endpoints", "GetStage", urls, arn=arn)
    succeeds(
        "ListStages", "ListStages",
        lambda response: (
            None if arn in [row["arn"] for row in response["stages"]] else "not listed"
        ),
    )
    page = succeeds(
        "ListStages pages", "ListStages",
        lambda response: (
            None if len(response["stages"]) == 1 and response.get("nextToken") else "no page"
        ),
        maxResults=1,
    )
    succeeds(
        "ListStages follows a token", "ListStages",
        lambda response: None if response["stages"][0] != page["stages"][0] else "the same page",
        maxResults=1, nextToken=page["nextToken"],
    )
    invalid = "ValidationException"
    fails("CreateStage rejects a name", "CreateStage", invalid, name="a b")
    fails("CreateStage rejects a tag", "CreateStage", invalid, tags={"aws:a": "b"})
    fails("GetStage needs an ARN", "GetStage", invalid)
    fails("GetStage rejects an ARN", "GetStage", invalid, arn="stage")
    fails("GetStage does not find an absent resource", "GetStage", "ResourceNotFoundException",
          arn=ABSENT + "stage/x")
    fails("ListStages rejects maxResults 0", "ListStages", invalid, maxResults=0)
    fails("ListStages rejects maxResults 101", "ListStages", invalid, maxResults=101)
    fails("ListStages rejects a token", "ListStages", invalid, nextToken="nope")
    return arn


def creates(stage):
    whole = {
        "name": "camera_1-a", "stageArn": stage, "userId": "ü" * 128, "ingestProtocol": "RTMPS",
        "attributes": {"room": "studio ü"}, "redundantIngest": True,
        "tags": {"Tenant: a/b=c+d-e@f_g.h": "ü 1", "empty": ""},
    }
    expected = {f"ingestConfiguration.{name}": value for name, value in whole.items()}

    def problem(response):
        created = response["ingestConfiguration"]
        credentials = created.get("redundantIngestCredentials", [])
        keys = {created["streamKey"], *(row["streamKey"] for row in credentials)}
        if len(keys) != 3 or created["state"] != "INACTIVE" or not created["participantId"]:
            return f"{len(keys)} keys, {created['state']}, {created['participantId']!r}"
        return differs(expected)(response)

    name = "CreateIngestConfiguration"
    created = succeeds(name, name, problem, **whole)["ingestConfiguration"]
    succeeds(
        f"{name} with the protocol alone", name,
        lambda response: (
            None if response["ingestConfiguration"]["participantId"] else "no participant"
        ),
        ingestProtocol="RTMPS",
    )
    succeeds(f"{name} for no stage", name, ingestProtocol="RTMPS", stageArn="", name="", userId="")
    succeeds(f"{name} over RTMP", name, ingestProtocol="RTMP", insecureIngest=True)
    succeeds(
        f"{name} takes attributes of 1024 bytes", name,
        ingestProtocol="RTMPS", attributes={"é": "x" * 1022},
    )
    many = {f"key-{number}": "x" for number in range(51)}
    for what, members in {
        "no protocol": {"ingestProtocol": None},
        "an unknown protocol": {"ingestProtocol": "SRT"},
        "RTMP that is not insecure": {"ingestProtocol": "RTMP"},
        "RTMP with insecureIngest false": {"ingestProtocol": "RTMP", "insecureIngest": False},
        "a name with a space": {"name": "a b"},
        "a name of 129": {"name": "a" * 129},
        "a malformed stage": {"stageArn": "stage/1"},
        "the ARN of another kind": {"stageArn": created["arn"]},
        "an absent stage": {"stageArn": ABSENT + "stage/absent"},
        "a user of 129": {"userId": "u" * 129},
        "attributes of 1025 bytes": {"attributes": {"é": "x" * 1023}},
        "51 tags": {"tags": many},
        "a reserved tag": {"tags": {"AWS:x": "y"}},
        "a tag with no key": {"tags": {"": "y"}},
        "a tag key of 129": {"tags": {"k" * 129: "y"}},
        "a tag value of 257": {"tags": {"k": "v" * 257}},
        "a tag with a #": {"tags": {"k#": "v"}},
        "a combining mark in a tag's key": {"tags": {"e\u0301": "v"}},
        "a combining mark in a tag's value": {"tags": {"k": "e\u0301"}},
    }.items():
        members = {"ingestProtocol": "RTMPS", **members}
        members = {key: value for key, value in members.items() if value is not None}
        fails(f"{name} rejects {what}", name, "ValidationException", **members)
    fails(f"{name} rejects a number for a name", name, "SerializationException", 400,
          ingestProtocol="RTMPS", name=5)
    return created


def reads(stage, created):
    name = "GetIngestConfiguration"
    succeeds(name, name, differs({"ingestConfiguration": created}), arn=created["arn"])
    absent = ABSENT + "ingest-configuration/absent"
    fails(f"{name} does not find an absent resource", name, "ResourceNotFoundException", arn=absent)
    fails(f"{name} needs an ARN", name, "ValidationException")
    fails(f"{name} rejects the ARN of a stage", name, "ValidationException", arn=stage)

    name = "ListIngestConfigurations"

    def bare(response):
        for row in response["ingestConfigurations"]:
            if {"tags", "streamKey", "attributes"} & row.keys():
                return "a summary shows too much"
        return None if len(response["ingestConfigurations"]) == 5 else "not all"

    succeeds(name, name, bare)

    def only(response):
        arns = [row["arn"] for row in response["ingestConfigurations"]]
        return None if arns == [created["arn"]] else f"{arns}"

    succeeds(f"{name} by stage", name, only, filterByStageArn=stage)
    control("POST", "state", {"arn": created["arn"], "state": "ACTIVE"})
    succeeds(f"{name} by state", name, only, filterByState="ACTIVE")
    control("POST", "state", {"arn": created["arn"], "state": "INACTIVE"})
    arns, token = [], None
    for number in range(1, 4):
        following = {} if token is None else {"nextToken": token}
        page = succeeds(f"{name}, page {number}", name, maxResults=2, **following)
        arns.extend(row["arn"] for row in page["ingestConfigurations"])
        token = page.get("nextToken")
    check(f"{name} pages show all", None if len(set(arns)) == 5 and token is None else f"{arns}")
    invalid = "ValidationException"
    fails(f"{name} rejects two filters", name, invalid, filterByStageArn=stage, filterByState="ACTIVE")
    fails(f"{name} rejects a state", name, invalid, filterByState="IDLE")
    fails(f"{name} rejects a stage", name, invalid, filterByStageArn="")
    fails(f"{name} rejects maxResults 0", name, invalid, maxResults=0)
    fails(f"{name} rejects maxResults 101", name, invalid, maxResults=101)
    fails(f"{name} rejects a token", name, invalid, nextToken="nope")


def updates(stage, created):
    name = "UpdateIngestConfiguration"
    arn = created["arn"]
    at = "ingestConfiguration."
    succeeds(f"{name} without a change", name, differs({"ingestConfiguration": created}), arn=arn)
    succeeds(
        f"{name} detaches the stage", name,
        differs({f"{at}stageArn": "", f"{at}streamKey": created["streamKey"]}),
        arn=arn, stageArn="",
    )
    succeeds(
        f"{name} disables redundant ingest", name,
        differs({f"{at}redundantIngest": False, f"{at}redundantIngestCredentials": None}),
        arn=arn, redundantIngest=False,
    )
    succeeds(
        f"{name} attaches a stage", name,
        differs({f"{at}stageArn": stage, f"{at}redundantIngest": True}),
        arn=arn, stageArn=stage, redundantIngest=True,
    )
    fails(f"{name} needs an ARN", name, "ValidationException", stageArn=stage)
    fails(f"{name} rejects a stage", name, "ValidationException", arn=arn, stageArn="stage/1")
    absent = ABSENT + "ingest-configuration/absent"
    fails(f"{name} does not find an absent resource", name, "ResourceNotFoundException", arn=absent)
    fails(f"{name} does not find an absent stage", name, "ResourceNotFoundException", arn=arn,
          stageArn=ABSENT + "stage/absent")
    control("POST", "state", {"arn": arn, "state": "ACTIVE"})
    fails(f"{name} rejects an active one", name, "ConflictException", arn=arn, stageArn="")


def deletes(created):
    """The configuration must be active."""
    name = "DeleteIngestConfiguration"
    arn = created["arn"]
    fails(f"{name} rejects an active one", name, "ConflictException", arn=arn)
    succeeds(f"{name} by force", name, arn=arn, force=True)
    fails(f"{name} does not find an absent resource", name, "ResourceNotFoundException", arn=arn)
    fails(f"{name} needs an ARN", name, "ValidationException")


def tags(stage, created):
    for what, arn in {"a stage": stage, "a configuration": created["arn"]}.items():
        before = ivs.list_tags_for_resource(resourceArn=arn)["tags"]
        succeeds(f"TagResource of {what}", "TagResource", resourceArn=arn,
                 tags={"a/b+c d": "é", "second": "2"})
        succeeds(f"ListTagsForResource of {what}", "ListTagsForResource",
                 differs({"tags": {**before, "a/b+c d": "é", "second": "2"}}), resourceArn=arn)
        succeeds(f"UntagResource of {what}", "UntagResource", resourceArn=arn,
                 tagKeys=["a/b+c d", "second", "absent"])
        succeeds(f"UntagResource of {what} took effect", "ListTagsForResource",
                 differs({"tags": before}), resourceArn=arn)
    absent = ABSENT + "stage/absent"
    for name, members in {
        "ListTagsForResource": {},
        "TagResource": {"tags": {"a": "b"}},
        "UntagResource": {"tagKeys": ["a"]},
    }.items():
        fails(f"{name} does not find an absent resource", name, "ResourceNotFoundException",
              resourceArn=absent, **members)
        fails(f"{name} rejects an ARN", name, "ValidationException", resourceArn="nope", **members)
    invalid = "ValidationException"
    fails("TagResource needs tags", "TagResource", invalid, resourceArn=stage)
    fails("TagResource rejects a reserved tag", "TagResource", invalid, resourceArn=stage,
          tags={"aws:a": "b"})
    fails("TagResource rejects more than 50", "TagResource", invalid, resourceArn=stage,
          tags={f"key-{number}": "x" for number in range(50)})
    fails("UntagResource needs keys", "UntagResource", invalid, resourceArn=stage, tagKeys=[])


def signatures():
    wrong = "InvalidSignatureException"
    unknown = "UnrecognizedClientException"
    for what, code, overrides in [
        ("a wrong secret", wrong, {"aws_secret_access_key": "wrong"}),
        ("another region", wrong, {"region_name": "eu-west-1"}),
        ("an unknown key", unknown, {"aws_access_key_id": "other"}),
        ("a session token", unknown, {"aws_session_token": "token"}),
    ]:
        other = client(**overrides)
        fails(f"{what} is rejected", "ListStages", code, 403, (other, record_responses(other)))
    try:
        direct.open(urllib.request.Request(f"{BASE}/ListStages", b"{}"), timeout=10)
        check("an unsigned call is rejected", "the call succeeded")
    except urllib.error.HTTPError as error:
        code = error.headers.get("x-amzn-ErrorType")
        fits = error.code == 403 and code == "MissingAuthenticationTokenException"
        check("an unsigned call is rejected", None if fits else f"{error.code} {code}")


def throttling():
    control("POST", "settings", {"calls_per_second": 0.001})
    succeeds("a call within the rate", "ListStages")
    fails("a call beyond the rate", "ListStages", "ThrottlingException", 429)
    succeeds("another operation has its own rate", "ListIngestConfigurations")
    control("POST", "settings", {"calls_per_second": 0})


def main():
    control("POST", "reset")
    control("POST", "settings", {"calls_per_second": 0})
    stage = stages()
    created = creates(stage)
    reads(stage, created)
    tags(stage, created)
    updates(stage, created)
    deletes(created)
    signatures()
    throttling()
    control("POST", "reset")
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
