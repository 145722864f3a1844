//! `stepgate-strip IN OUT`: copies a module without what its host has no use for.
//! May use walrus, which knows the binary format.
//! Must not: change what is left, but for what stands there twice (`twins`) and how its parts call each other (`calls`).
//!
//! The SDK exports every callback of the ABI. The host calls what is exported, for every request and every piece of a body,
//! and each call into a VM costs about half a microsecond; what is not exported it does not call. Code that only those
//! callbacks reached goes with them, and so do the names of functions: they are in the module it was made from.

mod calls;
mod twins;

use std::path::Path;
use std::process::ExitCode;

use walrus::{Module, ModuleConfig};

/// The callbacks the adapter has a use for. `proxy_on_request_body` waits for the bodies of login routes, which trailers end as
/// well.
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

fn main() -> ExitCode {
    let mut paths = std::env::args_os().skip(1);
    let (Some(from), Some(to), None) = (paths.next(), paths.next(), paths.next()) else {
        eprintln!("usage: stepgate-strip IN OUT");
        return ExitCode::from(2);
    };
    match copy(Path::new(&from), Path::new(&to)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stepgate-strip: {error}");
            ExitCode::FAILURE
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let module = std::fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    let module = strip(&module).map_err(|error| format!("{}: {error}", from.display()))?;
    std::fs::write(to, module).map_err(|error| format!("{}: {error}", to.display()))
}

fn is_idle(export: &str) -> bool {
    export.starts_with("proxy_on_") && !CALLBACKS.contains(&export)
}

fn read(module: &[u8]) -> Result<Module, String> {
    ModuleConfig::new()
        .generate_name_section(false)
        .generate_producers_section(false)
        .parse(module)
        .map_err(|error| format!("not a module: {error:#}"))
}

fn strip(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut module = read(module)?;
    let idle: Vec<_> = module
        .exports
        .iter()
        .filter(|export| is_idle(&export.name))
        .map(walrus::Export::id)
        .collect();
    for export in idle {
        module.exports.delete(export);
    }
    walrus::passes::gc::run(&mut module);
    module = twins::merge(module)?;
    calls::through_the_table(&mut module)?;
    Ok(module.emit_wasm())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that exports functions of these names, each calling one of its own.
    fn module(names: &[&str]) -> Vec<u8> {
        let mut module = walrus::Module::default();
        for (name, number) in names.iter().zip(1..) {
            let mut inner = walrus::FunctionBuilder::new(&mut module.types, &[], &[]);
            inner.name(format!("{name}_inner"));
            inner.func_body().i32_const(number).drop();
            let inner = inner.finish(vec![], &mut module.funcs);
            let mut outer = walrus::FunctionBuilder::new(&mut module.types, &[], &[]);
            outer.func_body().call(inner);
            let outer = outer.finish(vec![], &mut module.funcs);
            module.exports.add(name, outer);
        }
        module.emit_wasm()
    }

    fn read(module: &[u8]) -> (Vec<String>, usize, bool) {
        let module = walrus::Module::from_buffer(module).unwrap();
        let exports = module.exports.iter().map(|export| export.name.clone());
        let named = module.funcs.iter().any(|function| function.name.is_some());
        (exports.collect(), module.funcs.iter().count(), named)
    }

    #[test]
    fn idle_callbacks_go_with_their_code_and_the_names() {
        let full = module(&["memory", "proxy_on_tick", "proxy_on_log"]);
        assert_eq!(read(&full).1, 6);
        let (exports, functions, named) = read(&strip(&full).unwrap());
        assert_eq!(exports, ["memory", "proxy_on_tick"]);
        assert_eq!(functions, 4);
        assert!(!named);
    }

    #[test]
    fn stripping_twice_is_stripping_once() {
        let once = strip(&module(&["memory", "proxy_on_tick", "proxy_on_log"])).unwrap();
        assert_eq!(strip(&once).unwrap(), once);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        for bad in [
            &b""[..],
            b"\0asm",
            b"text of some sort",
            b"\0asm\x01\0\0\0\x07\xff",
        ] {
            assert!(strip(bad).unwrap_err().starts_with("not a module"));
        }
    }
}
