#!/usr/bin/env python3
"""Checks that an emulator keeps to the model of Amazon IVS Real-Time, as boto3 has it.

    python3 crates/emulator/tests/conformance/boto3_conformance.py http://127.0.0.1:4566

Calls every operation with what is valid and what is not. Each answer is checked by
hand and, member by member, against the output shape that botocore ships. It changes
the emulator through its control API, and resets it at the end.
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
        # Parameters are not validated here: the emulator must refuse them itself.
        "config": Config(
            retries={"total_max_attempts": 1},
            parameter_validation=False,
            proxies={},
        ),
    }
    return boto3.client("ivs-realtime", **{**settings, **overrides})


def watch(watched):
    """Keeps what was answered word by word, since a parser drops what it does not know."""
    seen = {}

    def keep(http_response, **_):
        seen["status"] = http_response.status_code
        seen["headers"] = http_response.headers
        seen["body"] = http_response.content

    watched.meta.events.register("after-call.ivs-realtime", keep)
    return seen


ivs = client()
last = watch(ivs)
model = ivs.meta.service_model


def check(name, problem):
    """`problem` is what is wrong, or nothing."""
    results.append(not problem)
    print(f"FAILED {name}: {problem}" if problem else f"ok {name}", flush=True)


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}/_emulator/{path}", data, method=method)
    with direct.open(request, timeout=10) as answer:
        return json.load(answer)


def breaches(shape, value, at=""):
    """Yields each way in which a JSON value breaks a shape of the model."""
    limits = shape.metadata
    kind = shape.type_name
    types = {
        "structure": dict, "map": dict, "list": list, "string": str,
        "boolean": bool, "integer": int, "timestamp": str,
    }
    if not isinstance(value, types[kind]):
        yield f"{at or 'the body'} is no {kind}"
        return
    if kind == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"{at}.{name} is missing"
        for name, member in value.items():
            if name not in shape.members:
                yield f"{at}.{name} is not in the model"
            else:
                yield from breaches(shape.members[name], member, f"{at}.{name}")
    elif kind == "map":
        for key, member in value.items():
            yield from breaches(shape.key, key, f"{at}[{key}] (key)")
            yield from breaches(shape.value, member, f"{at}[{key}]")
    elif kind == "list":
        for position, member in enumerate(value):
            yield from breaches(shape.member, member, f"{at}[{position}]")
    if kind in ("string", "list", "map"):
        if not limits.get("min", 0) <= len(value) <= limits.get("max", len(value)):
            yield f"{at} has a length of {len(value)}"
    if kind == "string":
        if "enum" in limits and value not in limits["enum"]:
            yield f"{at} is none of {limits['enum']}"
        if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
            yield f"{at} does not match {limits['pattern']}"


def headers_problem():
    if not re.fullmatch(r"[0-9a-f-]{36}", last["headers"].get("x-amzn-RequestId", "")):
        return "no x-amzn-RequestId"
    return None


def method_of(operation):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def succeeds(label, operation, problem=None, /, **members):
    """Calls it; `problem` gets the parsed answer and returns what is wrong with it."""
    try:
        answer = getattr(ivs, method_of(operation))(**members)
    except Exception as error:  # a check fails, the next ones still run
        check(label, repr(error))
        return {}
    shape = model.operation_model(operation).output_shape
    found = list(breaches(shape, json.loads(last["body"])))
    if last["status"] != 200:
        found.append(f"status {last['status']}")
    if headers_problem():
        found.append(headers_problem())
    if problem and problem(answer):
        found.append(problem(answer))
    check(label, "; ".join(found))
    return answer


DECLARED_BY_NAME = {
    "ValidationException": 400,
    "ResourceNotFoundException": 404,
    "ConflictException": 409,
}


def fails(label, operation, code, status=None, using=None, /, **members):
    """Expects an error; `using` is another client and what it was answered."""
    caller, seen = using or (ivs, last)
    try:
        getattr(caller, method_of(operation))(**members)
    except ClientError as error:
        found = []
        got = error.response["Error"]["Code"]
        if got != code:
            found.append(f"code {got}, not {code}")
        status = status or DECLARED_BY_NAME[code]
        if seen["status"] != status:
            found.append(f"status {seen['status']}, not {status}")
        if seen["headers"].get("x-amzn-ErrorType") != code:
            found.append("no x-amzn-ErrorType")
        if "x-amzn-RequestId" not in seen["headers"]:
            found.append("no x-amzn-RequestId")
        declared = {shape.name: shape for shape in model.operation_model(operation).error_shapes}
        body = json.loads(seen["body"])
        if code in DECLARED_BY_NAME and code not in declared:
            found.append(f"{code} is not declared by {operation}")
        if code in declared:
            found.extend(breaches(declared[code], body))
            if declared[code].metadata["error"]["httpStatusCode"] != seen["status"]:
                found.append("not the declared status")
            if not body.get("exceptionMessage"):
                found.append("no exceptionMessage")
        elif not body.get("message"):
            found.append("no message")
        check(label, "; ".join(found))
    except Exception as error:
        check(label, repr(error))
    else:
        check(label, "it succeeded")


def differs(expected):
    """Says which members of an answer are not as expected."""

    def problem(answer):
        for path, value in expected.items():
            found = answer
            for step in path.split("."):
                found = found.get(step) if isinstance(found, dict) else None
            if found != value:
                return f"{path} is {found!r}, not {value!r}"
        return None

    return problem


def stages():
    made = succeeds(
        "CreateStage", "CreateStage", differs({"stage.name": "studio", "stage.tags": {"a": "b"}}),
        name="studio", tags={"a": "b"},
    )
    arn = made["stage"]["arn"]
    succeeds("CreateStage without members", "CreateStage", differs({"stage.tags": {}}))
    succeeds("GetStage", "GetStage", differs({"stage": made["stage"]}), arn=arn)

    def urls(answer):
        endpoints = answer["stage"]["endpoints"]
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
        lambda answer: None if arn in [row["arn"] for row in answer["stages"]] else "not listed",
    )
    page = succeeds(
        "ListStages pages", "ListStages",
        lambda answer: None if len(answer["stages"]) == 1 and answer.get("nextToken") else "no page",
        maxResults=1,
    )
    succeeds(
        "ListStages follows a token", "ListStages",
        lambda answer: None if answer["stages"][0] != page["stages"][0] else "the same page",
        maxResults=1, nextToken=page["nextToken"],
    )
    invalid = "ValidationException"
    fails("CreateStage refuses a name", "CreateStage", invalid, name="a b")
    fails("CreateStage refuses a tag", "CreateStage", invalid, tags={"aws:a": "b"})
    fails("GetStage needs an ARN", "GetStage", invalid)
    fails("GetStage refuses an ARN", "GetStage", invalid, arn="stage")
    fails("GetStage finds nothing", "GetStage", "ResourceNotFoundException", arn=ABSENT + "stage/x")
    fails("ListStages refuses maxResults 0", "ListStages", invalid, maxResults=0)
    fails("ListStages refuses maxResults 101", "ListStages", invalid, maxResults=101)
    fails("ListStages refuses a token", "ListStages", invalid, nextToken="nope")
    return arn


def creates(stage):
    whole = {
        "name": "camera_1-a", "stageArn": stage, "userId": "ü" * 128, "ingestProtocol": "RTMPS",
        "attributes": {"room": "studio ü"}, "redundantIngest": True,
        "tags": {"Tenant: a/b=c+d-e@f_g.h": "ü 1", "empty": ""},
    }
    expected = {f"ingestConfiguration.{name}": value for name, value in whole.items()}

    def problem(answer):
        made = answer["ingestConfiguration"]
        credentials = made.get("redundantIngestCredentials", [])
        keys = {made["streamKey"], *(row["streamKey"] for row in credentials)}
        if len(keys) != 3 or made["state"] != "INACTIVE" or not made["participantId"]:
            return f"{len(keys)} keys, {made['state']}, {made['participantId']!r}"
        return differs(expected)(answer)

    name = "CreateIngestConfiguration"
    made = succeeds(name, name, problem, **whole)["ingestConfiguration"]
    succeeds(
        f"{name} with the protocol alone", name,
        lambda answer: None if answer["ingestConfiguration"]["participantId"] else "no participant",
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
        "the ARN of another kind": {"stageArn": made["arn"]},
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
        fails(f"{name} refuses {what}", name, "ValidationException", **members)
    fails(f"{name} refuses a number for a name", name, "SerializationException", 400,
          ingestProtocol="RTMPS", name=5)
    return made


def reads(stage, made):
    name = "GetIngestConfiguration"
    succeeds(name, name, differs({"ingestConfiguration": made}), arn=made["arn"])
    absent = ABSENT + "ingest-configuration/absent"
    fails(f"{name} finds nothing", name, "ResourceNotFoundException", arn=absent)
    fails(f"{name} needs an ARN", name, "ValidationException")
    fails(f"{name} refuses the ARN of a stage", name, "ValidationException", arn=stage)

    name = "ListIngestConfigurations"

    def bare(answer):
        for row in answer["ingestConfigurations"]:
            if {"tags", "streamKey", "attributes"} & row.keys():
                return "a summary shows too much"
        return None if len(answer["ingestConfigurations"]) == 5 else "not all"

    succeeds(name, name, bare)

    def only(answer):
        arns = [row["arn"] for row in answer["ingestConfigurations"]]
        return None if arns == [made["arn"]] else f"{arns}"

    succeeds(f"{name} by stage", name, only, filterByStageArn=stage)
    control("POST", "state", {"arn": made["arn"], "state": "ACTIVE"})
    succeeds(f"{name} by state", name, only, filterByState="ACTIVE")
    control("POST", "state", {"arn": made["arn"], "state": "INACTIVE"})
    arns, token = [], None
    for number in range(1, 4):
        following = {} if token is None else {"nextToken": token}
        page = succeeds(f"{name}, page {number}", name, maxResults=2, **following)
        arns.extend(row["arn"] for row in page["ingestConfigurations"])
        token = page.get("nextToken")
    check(f"{name} pages show all", None if len(set(arns)) == 5 and token is None else f"{arns}")
    invalid = "ValidationException"
    fails(f"{name} refuses two filters", name, invalid, filterByStageArn=stage, filterByState="ACTIVE")
    fails(f"{name} refuses a state", name, invalid, filterByState="IDLE")
    fails(f"{name} refuses a stage", name, invalid, filterByStageArn="")
    fails(f"{name} refuses maxResults 0", name, invalid, maxResults=0)
    fails(f"{name} refuses maxResults 101", name, invalid, maxResults=101)
    fails(f"{name} refuses a token", name, invalid, nextToken="nope")


def updates(stage, made):
    name = "UpdateIngestConfiguration"
    arn = made["arn"]
    at = "ingestConfiguration."
    succeeds(f"{name} without a change", name, differs({"ingestConfiguration": made}), arn=arn)
    succeeds(
        f"{name} leaves the stage", name,
        differs({f"{at}stageArn": "", f"{at}streamKey": made["streamKey"]}), arn=arn, stageArn="",
    )
    succeeds(
        f"{name} ends redundancy", name,
        differs({f"{at}redundantIngest": False, f"{at}redundantIngestCredentials": None}),
        arn=arn, redundantIngest=False,
    )
    succeeds(
        f"{name} joins a stage", name, differs({f"{at}stageArn": stage, f"{at}redundantIngest": True}),
        arn=arn, stageArn=stage, redundantIngest=True,
    )
    fails(f"{name} needs an ARN", name, "ValidationException", stageArn=stage)
    fails(f"{name} refuses a stage", name, "ValidationException", arn=arn, stageArn="stage/1")
    absent = ABSENT + "ingest-configuration/absent"
    fails(f"{name} finds nothing", name, "ResourceNotFoundException", arn=absent)
    fails(f"{name} finds no stage", name, "ResourceNotFoundException", arn=arn,
          stageArn=ABSENT + "stage/absent")
    control("POST", "state", {"arn": arn, "state": "ACTIVE"})
    fails(f"{name} refuses an active one", name, "ConflictException", arn=arn, stageArn="")


def deletes(made):
    """The configuration is active."""
    name = "DeleteIngestConfiguration"
    arn = made["arn"]
    fails(f"{name} refuses an active one", name, "ConflictException", arn=arn)
    succeeds(f"{name} by force", name, arn=arn, force=True)
    fails(f"{name} finds nothing", name, "ResourceNotFoundException", arn=arn)
    fails(f"{name} needs an ARN", name, "ValidationException")


def tags(stage, made):
    for what, arn in {"a stage": stage, "a configuration": made["arn"]}.items():
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
        fails(f"{name} finds nothing", name, "ResourceNotFoundException", resourceArn=absent, **members)
        fails(f"{name} refuses an ARN", name, "ValidationException", resourceArn="nope", **members)
    invalid = "ValidationException"
    fails("TagResource needs tags", "TagResource", invalid, resourceArn=stage)
    fails("TagResource refuses a reserved tag", "TagResource", invalid, resourceArn=stage,
          tags={"aws:a": "b"})
    fails("TagResource refuses more than 50", "TagResource", invalid, resourceArn=stage,
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
        fails(f"{what} is refused", "ListStages", code, 403, (other, watch(other)))
    try:
        direct.open(urllib.request.Request(f"{BASE}/ListStages", b"{}"), timeout=10)
        check("an unsigned call is refused", "it succeeded")
    except urllib.error.HTTPError as error:
        code = error.headers.get("x-amzn-ErrorType")
        fits = error.code == 403 and code == "MissingAuthenticationTokenException"
        check("an unsigned call is refused", None if fits else f"{error.code} {code}")


def throttling():
    control("POST", "settings", {"calls_per_second": 0.001})
    succeeds("a call within the rate", "ListStages")
    fails("a call beyond the rate", "ListStages", "ThrottlingException", 429)
    succeeds("another operation has a rate of its own", "ListIngestConfigurations")
    control("POST", "settings", {"calls_per_second": 0})


def main():
    control("POST", "reset")
    control("POST", "settings", {"calls_per_second": 0})
    stage = stages()
    made = creates(stage)
    reads(stage, made)
    tags(stage, made)
    updates(stage, made)
    deletes(made)
    signatures()
    throttling()
    control("POST", "reset")
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
