"""Makes one call with grpcio and a standard retry policy, and prints its outcome."""

import json
import signal
import sys

import grpc

spec = json.loads(sys.argv[1])
options = [("grpc.service_config", json.dumps(spec["service_config"]))]
channel = grpc.insecure_channel(spec["address"], options=options)


def call(path, message):
    method = channel.unary_unary(path, request_serializer=None, response_deserializer=None)
    try:
        method(message, metadata=spec["metadata"], timeout=spec["timeout_ms"] / 1000)
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


if spec["warm_up"]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    call(spec["warm_up"], b"")
    print("ready", flush=True)
    signal.sigwait({signal.SIGUSR2})
print(call(spec["path"], bytes(spec["message"])), flush=True)
