//! Generates the client from the `.proto`. protox compiles it: no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Your copy of the gateway's folder `proto`.
    let proto = "../../../proto";
    println!("cargo::rerun-if-changed={proto}");
    let mut files = protox::compile(["ivs/ingest/v1/ingest_service.proto"], [proto])?;
    // The validation rules are options, which need no code.
    files.file.retain(|file| file.package() != "buf.validate");
    tonic_prost_build::configure().build_server(false).compile_fds(files)?;
    Ok(())
}
