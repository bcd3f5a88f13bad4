// Makes one call with grpc-js and a standard retry policy, and prints its outcome.
const grpc = require("@grpc/grpc-js");

const spec = JSON.parse(process.argv[2]);
const options = { "grpc.service_config": JSON.stringify(spec.service_config) };
const client = new grpc.Client(spec.address, grpc.credentials.createInsecure(), options);
const metadata = new grpc.Metadata();
for (const [key, value] of spec.metadata) metadata.add(key, value);
const raw = (bytes) => bytes;

function call(path, message) {
  const deadline = Date.now() + spec.timeout_ms;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, raw, raw, message, metadata, { deadline }, (error) =>
      resolve(error ? grpc.status[error.code] : "OK"),
    );
  });
}

async function main() {
  if (spec.warm_up) {
    const awake = setInterval(() => {}, 1000); // A signal handler alone does not keep Node running.
    const signalled = new Promise((resolve) => process.once("SIGUSR2", resolve));
    await call(spec.warm_up, Buffer.alloc(0));
    console.log("ready");
    await signalled;
    clearInterval(awake);
  }
  console.log(await call(spec.path, Buffer.from(spec.message)));
  client.close();
}

main();
