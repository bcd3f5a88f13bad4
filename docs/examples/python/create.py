"""Creates one ingest configuration and keeps its `request_id` until the outcome is known.

From the top of the repository:

    pip install grpcio grpcio-status grpcio-tools
    mkdir -p target/python
    python -m grpc_tools.protoc -I proto --python_out=target/python --grpc_python_out=target/python \
        ivs/ingest/v1/ingest_service.proto buf/validate/validate.proto
    PYTHONPATH=target/python python docs/examples/python/create.py --address 127.0.0.1:50051 \
        --tenant acme --stage arn:aws:ivs:us-east-1:123456789012:stage/AcmeStudio0001
"""

import argparse
import itertools
import json
import random
import sys
import time
import uuid

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from ivs.ingest.v1 import ingest_service_pb2 as api
from ivs.ingest.v1 import ingest_service_pb2_grpc as services

ERROR_DOMAIN = "ivs-ingest-gateway"
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.2, 5.0


def gateway_error(error):
    """Returns the reason and the retry delay in seconds; each is None if it is absent."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the details contradict the status: not the gateway's
        status = None
    reason, delay_s = None, None
    for detail in status.details if status else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
            reason = info.reason
        elif detail.Unpack(retry):
            delay_s = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, delay_s


def violations(error):
    """Returns the rules that fields of the request violate, as text."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        status = None
    bad_request = error_details_pb2.BadRequest()
    if not any(detail.Unpack(bad_request) for detail in (status.details if status else ())):
        return []
    return [f"{found.field}: {found.description}" for found in bad_request.field_violations]


def create(stub, request, tenant, attempt_timeout_s, budget_s):
    """Returns the configuration and the number of attempts; raises the last error."""
    end = time.monotonic() + budget_s
    backoff_s = FIRST_BACKOFF_S
    for attempt in itertools.count(1):
        try:
            response = stub.CreateIngestConfiguration(
                request,  # the same in each attempt
                timeout=min(attempt_timeout_s, end - time.monotonic()),
                metadata=[("x-tenant-id", tenant)],
            )
            return response.ingest_configuration, attempt
        except grpc.RpcError as error:
            reason, delay_s = gateway_error(error)
            if reason is None:
                # The network or a proxy made this error. The gateway may have created the
                # configuration, or may still do so: only the same request_id finds out. The
                # jitter keeps many clients from returning in the same moment.
                delay_s = random.uniform(backoff_s / 2, backoff_s)
                backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
            # Else the gateway made it, and knows: without RetryInfo no retry can help.
            retries = delay_s is not None and time.monotonic() + delay_s < end
            next_step = f"retry in {delay_s * 1000:.0f} ms" if retries else "no retry"
            reason = reason or "no ErrorInfo"
            print(f"attempt {attempt}: {error.code().name}, {reason}, {next_step}", file=sys.stderr)
            if not retries:
                raise
            time.sleep(delay_s)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True, metavar="HOST:PORT")
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--stage", required=True, metavar="ARN")
    parser.add_argument("--request-id", default=str(uuid.uuid4()))
    parser.add_argument("--attempt-timeout-ms", type=int, default=10_000)
    parser.add_argument("--budget-ms", type=int, default=60_000)
    options = parser.parse_args()

    request = api.CreateIngestConfigurationRequest(
        stage_arn=options.stage,
        ingest_protocol=api.INGEST_PROTOCOL_RTMPS,
        # Made once, before the first attempt.
        request_id=options.request_id,
    )
    with grpc.insecure_channel(options.address) as channel:
        stub = services.IngestServiceStub(channel)
        timeouts_s = options.attempt_timeout_ms / 1000, options.budget_ms / 1000
        try:
            created, attempts = create(stub, request, options.tenant, *timeouts_s)
        except grpc.RpcError as error:
            message = f"request_id {options.request_id}: {error.details()}"
            sys.exit("\n".join([message, *violations(error)]))
    fields = ("arn", "stream_key", "ingest_endpoint")
    print(json.dumps({field: getattr(created, field) for field in fields} | {"attempts": attempts}))


main()
