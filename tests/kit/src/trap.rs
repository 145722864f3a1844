//! The module that ships, but for one callback that traps when a test wants it to.
//! May use walrus.
//! Must not change anything else: what survives a trap is to be what survives in production.

use walrus::ir::{BinaryOp, Value};
use walrus::{ConstExpr, ExportItem, FunctionBuilder, InstrSeqBuilder, LocalId, Module, ValType};

/// The module with a callback that traps when its second argument, for headers their number, is above `most`.
pub fn trapping(module: &[u8], callback: &str, most: i32) -> Vec<u8> {
    let mut module = Module::from_buffer(module).expect("a module");
    wrap(&mut module, callback, |body, arguments| {
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
    });
    module.emit_wasm()
}

/// The module that traps in the first tick after a request with more headers than `most`, which itself goes on as ever.
pub fn trapping_in_tick(module: &[u8], most: i32) -> Vec<u8> {
    let mut module = Module::from_buffer(module).expect("a module");
    let no = ConstExpr::Value(Value::I32(0));
    let armed = module.globals.add_local(ValType::I32, true, false, no);
    wrap(
        &mut module,
        "proxy_on_request_headers",
        |body, arguments| {
            body.global_get(armed)
                .local_get(arguments[1])
                .i32_const(most)
                .binop(BinaryOp::I32GtS)
                .binop(BinaryOp::I32Or)
                .global_set(armed);
        },
    );
    wrap(&mut module, "proxy_on_tick", |body, _| {
        body.global_get(armed).if_else(
            None,
            |now| {
                now.unreachable();
            },
            |_| {},
        );
    });
    module.emit_wasm()
}

/// Puts instructions before those of a callback.
fn wrap(
    module: &mut Module,
    callback: &str,
    before: impl FnOnce(&mut InstrSeqBuilder<'_>, &[LocalId]),
) {
    let found = module.exports.iter().find_map(|export| match export.item {
        ExportItem::Function(function) if export.name == callback => Some((export.id(), function)),
        _ => None,
    });
    let (export, inner) = found.unwrap_or_else(|| panic!("no callback `{callback}`"));
    let signature = module.types.get(module.funcs.get(inner).ty());
    let (takes, gives) = (signature.params().to_vec(), signature.results().to_vec());
    let arguments = takes
        .iter()
        .map(|ty| module.locals.add(*ty))
        .collect::<Vec<_>>();
    let mut outer = FunctionBuilder::new(&mut module.types, &takes, &gives);
    let mut body = outer.func_body();
    before(&mut body, &arguments);
    for argument in &arguments {
        body.local_get(*argument);
    }
    body.call(inner);
    let outer = outer.finish(arguments, &mut module.funcs);
    module.exports.get_mut(export).item = ExportItem::Function(outer);
}
