//! Renders `docs/api.md` from the comments of the `.proto`. The test fails if the file
//! differs; with `BLESS=1` it writes the file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod render;

use std::{env, fs, path::Path};

use ivs_ingest_gateway::proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::FileDescriptorSet;

#[test]
fn the_api_reference_is_up_to_date() {
    let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut files = descriptors.file.iter();
    let file = files.find(|file| file.package() == "ivs.ingest.v1").unwrap();
    let rendered = render::markdown(file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &rendered).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == rendered,
        "docs/api.md differs from the .proto; run `BLESS=1 cargo test --test api_reference`"
    );
}
