// Creates one ingest configuration and keeps its `request_id` until the outcome is known.
//
// From the top of the repository:
//
//     npm ci --prefix docs/examples/node
//     node docs/examples/node/create.mjs --address 127.0.0.1:50051 \
//         --tenant acme --stage arn:aws:ivs:us-east-1:123456789012:stage/AcmeStudio0001

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const ERROR_DOMAIN = "ivs-ingest-gateway";
const FIRST_BACKOFF_MS = 200;
const LAST_BACKOFF_MS = 5000;

// The part of google/rpc/status.proto and google/rpc/error_details.proto that the rule needs.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message FieldViolation { string field = 1; string description = 2; }
  message BadRequest { repeated FieldViolation field_violations = 1; }
`, { keepCase: true });

// Returns the reason and the retry delay, each undefined if it is absent, and the rules that
// fields of the request violate.
function gatewayError(error) {
  let reason, delayMs, violations = [];
  const [encoded] = error.metadata?.get("grpc-status-details-bin") ?? [];
  let details = [];
  try {
    if (encoded) details = root.lookupType("Status").decode(encoded).details;
  } catch {
    // Malformed details are not the gateway's.
  }
  for (const { type_url, value } of details) {
    if (type_url === "type.googleapis.com/google.rpc.ErrorInfo") {
      const info = root.lookupType("ErrorInfo").decode(value);
      if (info.domain === ERROR_DOMAIN) reason = info.reason;
    } else if (type_url === "type.googleapis.com/google.rpc.RetryInfo") {
      const { seconds, nanos } = root.lookupType("RetryInfo").decode(value).retry_delay;
      delayMs = Number(seconds) * 1000 + nanos / 1e6;
    } else if (type_url === "type.googleapis.com/google.rpc.BadRequest") {
      const { field_violations } = root.lookupType("BadRequest").decode(value);
      violations = field_violations.map(({ field, description }) => `${field}: ${description}`);
    }
  }
  return { reason, delayMs, violations };
}

// Returns the configuration and the number of attempts; throws the last error.
async function create(client, request, tenant, attemptTimeoutMs, budgetMs) {
  const metadata = new grpc.Metadata();
  metadata.set("x-tenant-id", tenant);
  const end = Date.now() + budgetMs;
  let backoffMs = FIRST_BACKOFF_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const deadline = Math.min(Date.now() + attemptTimeoutMs, end);
      const response = await new Promise((resolve, reject) => {
        const done = (error, response) => (error ? reject(error) : resolve(response));
        // The request is the same in each attempt.
        client.createIngestConfiguration(request, metadata, { deadline }, done);
      });
      return { created: response.ingest_configuration, attempts: attempt };
    } catch (error) {
      let { reason, delayMs } = gatewayError(error);
      if (reason === undefined) {
        // The network or a proxy made this error. The gateway may have created the
        // configuration, or may still do so: only the same request_id finds out. The
        // jitter keeps many clients from returning in the same moment.
        delayMs = backoffMs * (0.5 + Math.random() / 2);
        backoffMs = Math.min(backoffMs * 2, LAST_BACKOFF_MS);
      }
      // Else the gateway made it, and knows: without RetryInfo no retry can help.
      const retries = delayMs !== undefined && Date.now() + delayMs < end;
      const next = retries ? `retry in ${delayMs.toFixed()} ms` : "no retry";
      const code = grpc.status[error.code];
      console.error(`attempt ${attempt}: ${code}, ${reason ?? "no ErrorInfo"}, ${next}`);
      if (!retries) throw error;
      await sleep(delayMs);
    }
  }
}

const { values: options } = parseArgs({
  options: {
    address: { type: "string" },
    tenant: { type: "string" },
    stage: { type: "string" },
    "request-id": { type: "string", default: randomUUID() },
    "attempt-timeout-ms": { type: "string", default: "10000" },
    "budget-ms": { type: "string", default: "60000" },
  },
});
for (const name of ["address", "tenant", "stage"]) {
  if (options[name] === undefined) {
    console.error(`--${name} is required`);
    process.exit(2);
  }
}
const definition = protoLoader.loadSync("ivs/ingest/v1/ingest_service.proto", {
  includeDirs: ["proto"],
  keepCase: true,
});
const { IngestService } = grpc.loadPackageDefinition(definition).ivs.ingest.v1;
const client = new IngestService(options.address, grpc.credentials.createInsecure());
const request = {
  stage_arn: options.stage,
  ingest_protocol: "INGEST_PROTOCOL_RTMPS",
  // Made once, before the first attempt.
  request_id: options["request-id"],
};
const timeoutsMs = [Number(options["attempt-timeout-ms"]), Number(options["budget-ms"])];
try {
  const { created, attempts } = await create(client, request, options.tenant, ...timeoutsMs);
  const { arn, stream_key, ingest_endpoint } = created;
  console.log(JSON.stringify({ arn, stream_key, ingest_endpoint, attempts }));
} catch (error) {
  const message = `request_id ${request.request_id}: ${error.details ?? error}`;
  console.error([message, ...gatewayError(error).violations].join("\n"));
  process.exitCode = 1;
}
client.close();
