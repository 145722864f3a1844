//! The module that ships, but for one callback that traps when a test wants it to.
//! May use walrus.
//! Must not change anything else: what survives a trap is to be what survives in production.

use walrus::ir::BinaryOp;
use walrus::{ExportItem, FunctionBuilder, Module};

/// The module with a callback that traps when its second argument, for headers their number, is above `most`.
pub fn trapping(module: &[u8], callback: &str, most: i32) -> Vec<u8> {
    let mut module = Module::from_buffer(module).expect("a module");
    let found = module.exports.iter().find_map(|export| match export.item {
        ExportItem::Function(function) if export.name == callback => Some((export.id(), function)),
        _ => None,
    });
    let (export, inner) = found.unwrap_or_else(|| panic!("no callback `{callback}`"));
    let signature = module.types.get(module.funcs.get(inner).ty());
    let (takes, gives) = (signature.params().to_vec(), signature.results().to_vec());
    let arguments: Vec<_> = takes.iter().map(|ty| module.locals.add(*ty)).collect();
    let mut outer = FunctionBuilder::new(&mut module.types, &takes, &gives);
    let mut body = outer.func_body();
    body.local_get(arguments[1])
        .i32_const(most)
        .binop(BinaryOp::I32GtS)
        .if_else(
            None,
            |too_many| {
                too_many.unreachable();
            },
            |_| {},
        );
    for argument in &arguments {
        body.local_get(*argument);
    }
    body.call(inner);
    let outer = outer.finish(arguments, &mut module.funcs);
    module.exports.get_mut(export).item = ExportItem::Function(outer);
    module.emit_wasm()
}
