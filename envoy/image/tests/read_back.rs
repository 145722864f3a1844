//! The archive, read as a registry stores it and as Istio's fetcher takes the module out of the image.
//! May use: the built tool, and crates for tar, gzip and digests.
//! Must not: know how the tool puts an image together.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what is not there fails it"
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A directory of its own, removed when dropped.
struct Workspace(PathBuf);

impl Workspace {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("stepgate-image-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_stepgate-image"))
            .current_dir(&self.0)
            .args(arguments)
            .output()
            .unwrap()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The built module where there is one, else a module of no functions.
fn module() -> Vec<u8> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/stepgate.wasm");
    std::fs::read(built).unwrap_or_else(|_| b"\0asm\x01\0\0\0".to_vec())
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name and content of every file of a tar archive.
fn files(archive: impl Read) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            assert!(entry.header().entry_type().is_file());
            assert_eq!(entry.header().mtime().unwrap(), 0);
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let name = entry.path().unwrap().display().to_string();
            (name, content)
        })
        .collect()
}

const LABELS: [&str; 3] = [
    "source=https://git.example/stepgate",
    "revision=0123456789abcdef",
    "created=2026-01-02T03:04:05Z",
];

fn built(name: &str) -> (Vec<u8>, Vec<u8>, String) {
    let work = Workspace::new(name);
    let wasm = module();
    std::fs::write(work.0.join("m.wasm"), &wasm).unwrap();
    let output = work.run(&[&["m.wasm", "image.tar"][..], &LABELS].concat());
    assert!(output.status.success(), "{output:?}");
    let archive = std::fs::read(work.0.join("image.tar")).unwrap();
    (wasm, archive, String::from_utf8(output.stdout).unwrap())
}

/// The blob a descriptor names, if it is what the descriptor says.
fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();
    let bytes = &files[&format!("blobs/sha256/{hex}")];
    assert_eq!(descriptor["size"], bytes.len());
    assert_eq!(sha256(bytes), hex);
    bytes
}

#[test]
fn istio_would_find_the_module_in_it() {
    let (wasm, archive, said) = built("found");
    let files: BTreeMap<_, _> = files(archive.as_slice()).into_iter().collect();
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(json(&files["oci-layout"])["imageLayoutVersion"], "1.0.0");
    let index = json(&files["index.json"]);
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    let named = &index["manifests"][0];
    assert_eq!(
        named["annotations"]["org.opencontainers.image.ref.name"],
        env!("CARGO_PKG_VERSION")
    );
    assert!(said.contains(named["digest"].as_str().unwrap()), "{said}");
    assert!(
        said.contains(&format!("module sha256:{}", sha256(&wasm))),
        "{said}"
    );

    let manifest = json(blob(&files, named));
    for (of, kind) in [
        (&manifest["mediaType"], "manifest.v1+json"),
        (&named["mediaType"], "manifest.v1+json"),
        (&manifest["config"]["mediaType"], "config.v1+json"),
        // What the fetcher compares the last layer's type with before it unpacks it.
        (&manifest["layers"][0]["mediaType"], "layer.v1.tar+gzip"),
    ] {
        assert_eq!(*of, format!("application/vnd.oci.image.{kind}"));
    }
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let layer = blob(&files, &manifest["layers"][0]);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(layer)
        .read_to_end(&mut unpacked)
        .unwrap();
    let held = crate::files(unpacked.as_slice());
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].0, "plugin.wasm");
    assert!(held[0].1 == wasm, "the module is another");

    let config = json(blob(&files, &manifest["config"]));
    let layers = &config["rootfs"]["diff_ids"];
    assert_eq!(layers[0], format!("sha256:{}", sha256(&unpacked)));
    assert_eq!(layers.as_array().unwrap().len(), 1);
    assert_eq!(config["created"], "2026-01-02T03:04:05Z");
    assert_eq!(config["config"]["Labels"], manifest["annotations"]);
    for (label, value) in [
        ("version", env!("CARGO_PKG_VERSION")),
        ("licenses", env!("CARGO_PKG_LICENSE")),
        ("source", "https://git.example/stepgate"),
        ("revision", "0123456789abcdef"),
    ] {
        assert_eq!(
            manifest["annotations"][format!("org.opencontainers.image.{label}")],
            value
        );
    }
    // Nothing else is in it.
    assert_eq!(files.len(), 5);
}

#[test]
fn the_same_module_makes_the_same_bytes() {
    let (_, one, _) = built("one");
    let (_, two, _) = built("two");
    assert!(one == two);
}

#[test]
fn what_is_no_module_or_no_label_is_refused() {
    let work = Workspace::new("refused");
    std::fs::write(work.0.join("text"), "no module").unwrap();
    std::fs::write(work.0.join("m.wasm"), module()).unwrap();
    for (arguments, said) in [
        (&["text", "image.tar"][..], "text: is no WebAssembly module"),
        (
            &["m.wasm", "image.tar", "version=9"],
            "`version=9`: is no label; allowed: source, revision, created, as NAME=VALUE",
        ),
        (
            &["m.wasm", "image.tar", "source="],
            "`source=`: is no label",
        ),
        (&["m.wasm"], "usage: stepgate-image"),
        (&["none.wasm", "image.tar"], "none.wasm: No such file"),
    ] {
        let output = work.run(arguments);
        assert!(!output.status.success());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(said), "{error}");
        assert!(!work.0.join("image.tar").exists());
    }
}
