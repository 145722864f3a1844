//! Which functions stay: of those whose code is the same to the byte, one.
//! May use walrus, and the parser beneath it for the bytes it does not show.
//! Must not: change what a function does.
//!
//! rustc merges functions while it still sees their types; many that differed there are the same code in the end: drops and
//! clones of lists of the same size, readers of fields with the same names. With their calls they make their callers the same.

use std::collections::BTreeMap;

use walrus::ir::{VisitorMut, dfs_pre_order_mut};
use walrus::{ElementItems, ExportItem, FunctionId, Module};
use wasmparser::{Parser, Payload};

use crate::read;

/// Leaves one of functions that are the same, until no two are.
///
/// # Errors
/// What walrus wrote cannot be read.
pub(crate) fn merge(mut module: Module) -> Result<Module, String> {
    loop {
        let bytes = module.emit_wasm();
        module = read(&bytes)?;
        let twins = twins(&module, &bytes)?;
        let before = module.funcs.iter().count();
        redirect(&mut module, &mut Redirect(twins));
        walrus::passes::gc::run(&mut module);
        if module.funcs.iter().count() == before {
            return Ok(module);
        }
    }
}

/// The functions that another one stands for, which comes before them in the module.
fn twins(module: &Module, bytes: &[u8]) -> Result<BTreeMap<FunctionId, FunctionId>, String> {
    let mut code = Vec::new();
    for part in Parser::new(0).parse_all(bytes) {
        if let Payload::CodeSectionEntry(body) = part.map_err(|error| error.to_string())? {
            code.push(body.as_bytes());
        }
    }
    let mut first = BTreeMap::new();
    let mut twins = BTreeMap::new();
    // walrus numbers the functions of a module it has just read as they stand there.
    for ((id, function), code) in module.funcs.iter_local().zip(code) {
        let stays = *first.entry((function.ty(), code)).or_insert(id);
        if stays != id {
            twins.insert(id, stays);
        }
    }
    Ok(twins)
}

struct Redirect(BTreeMap<FunctionId, FunctionId>);

impl VisitorMut for Redirect {
    fn visit_function_id_mut(&mut self, function: &mut FunctionId) {
        if let Some(stays) = self.0.get(function) {
            *function = *stays;
        }
    }
}

fn redirect(module: &mut Module, to: &mut Redirect) {
    for (_, function) in module.funcs.iter_local_mut() {
        let entry = function.entry_block();
        dfs_pre_order_mut(to, function, entry);
    }
    for element in module.elements.iter_mut() {
        if let ElementItems::Functions(functions) = &mut element.items {
            for function in functions {
                to.visit_function_id_mut(function);
            }
        }
    }
    for export in module.exports.iter_mut() {
        if let ExportItem::Function(function) = &mut export.item {
            to.visit_function_id_mut(function);
        }
    }
}

#[cfg(test)]
mod tests {
    use walrus::{FunctionBuilder, ValType};

    use super::*;

    /// Two chains of functions, exported at their ends, each function dropping its chain's number and calling the one before.
    fn module(numbers: [i32; 2], depth: usize) -> Module {
        let mut module = Module::default();
        for (name, number) in ["one", "other"].into_iter().zip(numbers) {
            let mut last = None;
            for _ in 0..depth {
                let mut function = FunctionBuilder::new(&mut module.types, &[], &[]);
                function.func_body().i32_const(number).drop();
                if let Some(last) = last {
                    function.func_body().call(last);
                }
                last = Some(function.finish(vec![], &mut module.funcs));
            }
            if let Some(last) = last {
                module.exports.add(name, last);
            }
        }
        module
    }

    fn functions(module: &Module) -> usize {
        module.funcs.iter().count()
    }

    #[test]
    fn functions_that_call_the_same_are_the_same() {
        let merged = merge(module([7, 7], 3)).unwrap();
        assert_eq!(functions(&merged), 3);
        assert_eq!(merged.exports.iter().count(), 2);
    }

    #[test]
    fn another_constant_is_another_function() {
        assert_eq!(functions(&merge(module([7, 8], 3)).unwrap()), 6);
    }

    #[test]
    fn another_type_is_another_function() {
        let mut two = Module::default();
        for parameter in [ValType::I32, ValType::I64] {
            let number = two.locals.add(parameter);
            let function = FunctionBuilder::new(&mut two.types, &[parameter], &[]);
            let function = function.finish(vec![number], &mut two.funcs);
            two.exports.add(&format!("{parameter:?}"), function);
        }
        assert_eq!(functions(&merge(two).unwrap()), 2);
    }

    #[test]
    fn the_table_points_to_the_one_that_stays() {
        let mut two = module([7, 7], 1);
        let both: Vec<_> = two.funcs.iter().map(walrus::Function::id).collect();
        let table = two
            .tables
            .add_local(false, 2, Some(2), walrus::RefType::FUNCREF);
        let kind = walrus::ElementKind::Active {
            table,
            offset: walrus::ConstExpr::Value(walrus::ir::Value::I32(0)),
        };
        let segment = two.elements.add(kind, ElementItems::Functions(both));
        two.tables.get_mut(table).elem_segments.insert(segment);
        two.exports.add("table", table);
        let merged = merge(two).unwrap();
        assert_eq!(functions(&merged), 1);
        let items = merged.elements.iter().map(|element| &element.items);
        let pointers: Vec<usize> = items
            .map(|items| match items {
                ElementItems::Functions(functions) => functions.len(),
                ElementItems::Expressions(..) => 0,
            })
            .collect();
        assert_eq!(pointers, [2]);
    }
}
