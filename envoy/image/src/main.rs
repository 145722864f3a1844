//! `stepgate-image MODULE ARCHIVE [LABEL=VALUE]...`: an image of one layer with one file, as an OCI archive.
//! May use: the module's bytes and what it is told; crates for tar, gzip and digests.
//! Must not: ask a clock, a registry or a daemon: the same arguments give the same bytes.
//!
//! The image is the "compat" variant of the Wasm Image Specification, what `FROM scratch` and `COPY plugin.wasm ./` give: Istio
//! and Envoy Gateway take the file `plugin.wasm` out of its last layer.

use std::io::{self, Write};
use std::process::ExitCode;

use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The one name the fetchers look for.
const FILE: &str = "plugin.wasm";
/// Prefix of the predefined annotation keys (OCI image specification, annotations).
const ANNOTATION: &str = "org.opencontainers.image.";
/// Labels that may be given; the others are those of this crate.
const GIVEN: [&str; 3] = ["source", "revision", "created"];
const USAGE: &str =
    "usage: stepgate-image MODULE ARCHIVE [source=URL] [revision=COMMIT] [created=TIME]";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("stepgate-image: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let [module, archive, labels @ ..] = arguments else {
        return Err(USAGE.to_owned());
    };
    let labels = annotations(labels)?;
    let wasm = std::fs::read(module).map_err(|error| format!("{module}: {error}"))?;
    if !wasm.starts_with(b"\0asm") {
        return Err(format!("{module}: is no WebAssembly module"));
    }
    let image = Image::of(&wasm, &labels).map_err(|error| format!("{archive}: {error}"))?;
    std::fs::write(archive, &image.archive).map_err(|error| format!("{archive}: {error}"))?;
    Ok(format!(
        "{archive}: {} bytes\n  image  sha256:{}\n  module sha256:{}",
        image.archive.len(),
        image.digest,
        digest(&wasm)
    ))
}

/// The annotations of the image: also its labels, since tools of Docker show only those.
fn annotations(given: &[String]) -> Result<Map<String, Value>, String> {
    let mut all = Map::new();
    let mut add = |name: &str, value: &str| {
        all.insert(format!("{ANNOTATION}{name}"), value.into());
    };
    add("title", "stepgate");
    add(
        "description",
        "An inline defence against anomalous logins, for Envoy",
    );
    add("version", env!("CARGO_PKG_VERSION"));
    add("licenses", env!("CARGO_PKG_LICENSE"));
    for label in given {
        match label.split_once('=') {
            Some((name, value)) if GIVEN.contains(&name) && !value.is_empty() => add(name, value),
            _ => {
                let allowed = GIVEN.join(", ");
                return Err(format!(
                    "`{label}`: is no label; allowed: {allowed}, as NAME=VALUE"
                ));
            }
        }
    }
    Ok(all)
}

/// An archive and the digest of the manifest in it.
struct Image {
    archive: Vec<u8>,
    digest: String,
}

impl Image {
    fn of(wasm: &[u8], annotations: &Map<String, Value>) -> io::Result<Self> {
        let mut layer = tar::Builder::new(Vec::new());
        append(&mut layer, FILE, wasm)?;
        let layer = layer.into_inner()?;
        let packed = gzip(&layer)?;

        let mut config = json!({
            // A tool that puts the image into an index names its platform, and the fetchers ask for this one.
            "architecture": "amd64",
            "os": "linux",
            "config": { "Labels": annotations },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))] },
            "history": [{ "created_by": format!("COPY {FILE} ./") }],
        });
        let created = annotations.get(&format!("{ANNOTATION}created"));
        if let (Some(config), Some(created)) = (config.as_object_mut(), created) {
            config.insert("created".into(), created.clone());
        }
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("config.v1+json", &config),
            "layers": [descriptor("layer.v1.tar+gzip", &packed)],
            "annotations": annotations,
        });
        let manifest = manifest.to_string().into_bytes();
        let mut named = descriptor("manifest.v1+json", &manifest);
        if let Some(named) = named.as_object_mut() {
            let tag = json!({ format!("{ANNOTATION}ref.name"): env!("CARGO_PKG_VERSION") });
            named.insert("annotations".into(), tag);
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [named],
        });

        let mut archive = tar::Builder::new(Vec::new());
        let layout = json!({ "imageLayoutVersion": "1.0.0" }).to_string();
        append(&mut archive, "oci-layout", layout.as_bytes())?;
        append(&mut archive, "index.json", index.to_string().as_bytes())?;
        for blob in [&manifest, &config, &packed] {
            append(
                &mut archive,
                &format!("blobs/sha256/{}", digest(blob)),
                blob,
            )?;
        }
        Ok(Self {
            archive: archive.into_inner()?,
            digest: digest(&manifest),
        })
    }
}

fn descriptor(kind: &str, blob: &[u8]) -> Value {
    json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": format!("sha256:{}", digest(blob)),
        "size": blob.len(),
    })
}

/// Adds a file that belongs to root and to no moment.
fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive.append_data(&mut header, name, bytes)
}

/// Without a name or a time in its header (RFC 1952 §2.3).
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = GzBuilder::new()
        .operating_system(255)
        .write(Vec::new(), Compression::best());
    packed.write_all(bytes)?;
    packed.finish()
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
