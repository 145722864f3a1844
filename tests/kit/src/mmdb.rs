//! Databases in MaxMind's format, small enough to know what is in them.
//! May use serde_json for what is looked up.
//! Must not: read one, or know what a field means.
//!
//! The format is version 2.0 of the MaxMind DB specification: a binary tree over the bits of an address, a data section, metadata.

use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Between the tree and the data.
const SEPARATOR: [u8; 16] = [0; 16];
const METADATA: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Where a branch of the tree leads.
#[derive(Clone, Copy, Debug)]
enum Branch {
    Nowhere,
    Node(usize),
    /// An offset in the data section.
    Data(usize),
}

/// A database of IPv4 networks.
#[derive(Debug)]
pub struct Database {
    kind: String,
    nodes: Vec<[Branch; 2]>,
    data: Vec<u8>,
}

impl Database {
    /// An empty one of a type such as `GeoLite2-City`.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            nodes: vec![[Branch::Nowhere; 2]],
            data: Vec::new(),
        }
    }

    /// Adds what is found for addresses of a network, `203.0.113.0/24`. Networks must not overlap.
    pub fn with(mut self, network: &str, found: &Value) -> Self {
        let (base, bits) = network.split_once('/').expect("a network has a length");
        let base = u32::from(base.parse::<Ipv4Addr>().expect("an IPv4 address"));
        let bits: u32 = bits.parse().expect("a length");
        let data = Branch::Data(self.data.len());
        encode(found, &mut self.data);
        let mut node = 0;
        for bit in 0..bits {
            let side = (base >> (31 - bit) & 1) as usize;
            if bit + 1 == bits {
                self.nodes[node][side] = data;
                break;
            }
            node = match self.nodes[node][side] {
                Branch::Node(next) => next,
                Branch::Nowhere => {
                    self.nodes.push([Branch::Nowhere; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Branch::Node(next);
                    next
                }
                Branch::Data(_) => panic!("{network} lies in another network"),
            };
        }
        self
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut bytes = Vec::new();
        for branch in self.nodes.iter().flatten() {
            let record = match branch {
                Branch::Nowhere => count,
                Branch::Node(node) => *node,
                Branch::Data(offset) => count + SEPARATOR.len() + offset,
            };
            bytes.extend((record as u32).to_be_bytes());
        }
        bytes.extend(SEPARATOR);
        bytes.extend(&self.data);
        bytes.extend(METADATA);
        // Readers insist on the width of each number.
        let numbers = [
            ("binary_format_major_version", UINT16, 2),
            ("binary_format_minor_version", UINT16, 0),
            ("build_epoch", UINT64, 1_750_000_000),
            ("ip_version", UINT16, 4),
            ("node_count", UINT32, count as u64),
            ("record_size", UINT16, 32),
        ];
        let rest = [
            ("database_type", json!(self.kind)),
            ("description", json!({ "en": "made for a test" })),
            ("languages", json!(["en"])),
        ];
        control(MAP, numbers.len() + rest.len(), &mut bytes);
        for (key, kind, value) in numbers {
            encode(&key.into(), &mut bytes);
            encode_number(kind, value, &mut bytes);
        }
        for (key, value) in rest {
            encode(&key.into(), &mut bytes);
            encode(&value, &mut bytes);
        }
        bytes
    }
}

const TEXT: u8 = 2;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;
const LIST: u8 = 11;

/// A value of the data section: texts, maps, lists, and numbers as 32 bits.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            control(TEXT, text.len(), out);
            out.extend(text.as_bytes());
        }
        Value::Object(map) => {
            control(MAP, map.len(), out);
            for (key, value) in map {
                encode(&Value::from(key.as_str()), out);
                encode(value, out);
            }
        }
        Value::Array(list) => {
            control(LIST, list.len(), out);
            list.iter().for_each(|value| encode(value, out));
        }
        Value::Number(number) => {
            let number = number.as_u64().expect("a whole number");
            encode_number(UINT32, number, out);
        }
        other => panic!("{other} has no form here"),
    }
}

fn encode_number(kind: u8, value: u64, out: &mut Vec<u8>) {
    let width = match kind {
        UINT16 => 2,
        UINT32 => 4,
        _ => 8,
    };
    control(kind, width, out);
    out.extend(&value.to_be_bytes()[8 - width..]);
}

/// Type and size of what follows; types from 8 on take a byte more.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    assert!(size < 29, "{size} is too long for a test");
    let size = size as u8;
    if kind < 8 {
        out.push(kind << 5 | size);
    } else {
        out.extend([size, kind - 7]);
    }
}
