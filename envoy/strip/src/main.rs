//! `stepgate-strip IN OUT`: copies a module without the exports of callbacks that do nothing.
//! May use std: of the binary format, only sections and the export table matter.
//! Must not: change anything else.
//!
//! The SDK exports every callback of the ABI. The host calls what is exported, for every request and every piece of a body,
//! and each call into a VM costs about half a microsecond; what is not exported it does not call.

use std::process::ExitCode;

/// The callbacks the adapter has a use for. `proxy_on_request_body` waits for the bodies of login routes,
/// which trailers end as well.
const CALLBACKS: [&str; 11] = [
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_http_call_response",
    "proxy_on_delete",
];

const HEADER: usize = 8;
const EXPORTS: u8 = 7;

fn main() -> ExitCode {
    let mut paths = std::env::args_os().skip(1);
    let (Some(from), Some(to), None) = (paths.next(), paths.next(), paths.next()) else {
        eprintln!("usage: stepgate-strip IN OUT");
        return ExitCode::from(2);
    };
    let result = std::fs::read(&from)
        .map_err(|error| format!("{}: {error}", from.display()))
        .and_then(|module| strip(&module).ok_or(format!("{}: not a module", from.display())))
        .and_then(|module| {
            std::fs::write(&to, module).map_err(|error| format!("{}: {error}", to.display()))
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stepgate-strip: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_kept(name: &[u8]) -> bool {
    !name.starts_with(b"proxy_on_") || CALLBACKS.iter().any(|kept| kept.as_bytes() == name)
}

/// The module with fewer exports; `None` if the bytes are no module.
fn strip(module: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = module.split_at_checked(HEADER)?;
    if !header.starts_with(b"\0asm") {
        return None;
    }
    let mut out = header.to_vec();
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = number(after)?;
        let (content, after) = after.split_at_checked(size)?;
        let exports;
        let content = if *id == EXPORTS {
            exports = without_idle(content)?;
            &exports
        } else {
            content
        };
        out.push(*id);
        write_number(&mut out, content.len());
        out.extend_from_slice(content);
        rest = after;
    }
    Some(out)
}

/// The export table (a count, then per export: name, kind, index) without idle callbacks.
fn without_idle(table: &[u8]) -> Option<Vec<u8>> {
    let (count, mut rest) = number(table)?;
    let (mut kept, mut exports) = (0, Vec::new());
    for _ in 0..count {
        let start = rest;
        let (length, after) = number(rest)?;
        let (name, after) = after.split_at_checked(length)?;
        let (_kind, after) = after.split_first()?;
        let (_index, after) = number(after)?;
        if is_kept(name) {
            kept += 1;
            exports.extend_from_slice(start.get(..start.len() - after.len())?);
        }
        rest = after;
    }
    let mut out = Vec::new();
    write_number(&mut out, kept);
    out.extend(exports);
    Some(out)
}

/// An unsigned LEB128 number of 32 bits.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

fn write_number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(names: &[&str]) -> Vec<u8> {
        let mut table = vec![names.len() as u8];
        for (index, name) in names.iter().enumerate() {
            table.push(name.len() as u8);
            table.extend_from_slice(name.as_bytes());
            table.extend([0, index as u8]);
        }
        let mut module = b"\0asm\x01\0\0\0\x01\x01\0".to_vec();
        module.extend([EXPORTS, table.len() as u8]);
        module.extend(table);
        module.extend(*b"\x0b\x01\0");
        module
    }

    #[test]
    fn idle_callbacks_go_and_all_else_stays() {
        let full = module(&["memory", "proxy_on_tick", "proxy_on_log"]);
        let lean = module(&["memory", "proxy_on_tick"]);
        assert_eq!(strip(&full), Some(lean.clone()));
        assert_eq!(strip(&lean), Some(lean));
    }

    #[test]
    fn what_is_no_module_is_refused() {
        for bad in [
            &b""[..],
            b"\0asm",
            b"text of some sort",
            b"\0asm\x01\0\0\0\x07\xff",
        ] {
            assert_eq!(strip(bad), None);
        }
    }

    #[test]
    fn numbers_of_any_size_survive() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 27] {
            let mut bytes = Vec::new();
            write_number(&mut bytes, value);
            assert_eq!(number(&bytes), Some((value, &[][..])));
        }
    }
}
