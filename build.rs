//! Compiles `proto/` into the messages and the service of `src/proto.rs`, with
//! protox: no system protoc is needed.

use std::{env, error::Error, fs, path::PathBuf, process::Command};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rustc-env=VERSION={}", version()?);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_file("ivs/ingest/v1/ingest_service.proto")?;

    // The encoded form keeps custom options (`buf.validate`), which prost_types drops.
    let encoded = compiler.encode_file_descriptor_set();
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out_dir.join("ingest_descriptor.bin"), &encoded)?;

    let mut descriptors = prost_types::FileDescriptorSet::decode(encoded.as_slice())?;
    // Only options refer to these: there is nothing in them to generate code for.
    descriptors.file.retain(|file| file.package() != "buf.validate");
    tonic_prost_build::configure()
        .build_transport(false)
        // In key order: a fingerprint, a log line and an answer are the same each time.
        .btree_map(".ivs.ingest.v1")
        // Their Debug is written by hand, without the stream keys.
        .skip_debug([
            ".ivs.ingest.v1.IngestConfiguration",
            ".ivs.ingest.v1.RedundantIngestCredential",
        ])
        .compile_fds(descriptors)?;
    Ok(())
}

/// The version, and in release builds the commit, with `-dirty` if files differ from it.
/// Other builds leave it out: each commit would compile everything again.
fn version() -> Result<String, env::VarError> {
    let version = env::var("CARGO_PKG_VERSION")?;
    if env::var("PROFILE")? != "release" {
        return Ok(version);
    }
    for path in ["HEAD", "index", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", path]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    // Sources without their repository have no commit.
    Ok(commit.map_or(version.clone(), |commit| format!("{version} ({commit})")))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.is_empty()).then(|| text.trim().to_owned())
}
