//! Which calls stay calls: those of all but small functions go through the table.
//! May use walrus.
//! Must not: change what a function does.
//!
//! Envoy runs V8 without its first compiler, so V8 knows no call counts and copies ("inlines") whatever is called, panics and the
//! allocator first, until a function is several times as large as it was. That was half of the time in which it compiles
//! the module, while rustc has inlined already what is worth it. V8 does not see through an indirect call.

use std::collections::{BTreeMap, BTreeSet};

use walrus::ir::{
    Call, CallIndirect, Const, Instr, InstrLocId, InstrSeq, Value, Visitor, VisitorMut,
    dfs_in_order, dfs_pre_order_mut,
};
use walrus::{ConstExpr, ElementItems, ElementKind, FunctionId, Module, RefType, TableId, TypeId};

/// From so many instructions on a function is called through the table. An indirect call costs some ten instructions more: less
/// than the work of a function of this size, while smaller ones are called hundreds of times in a request.
pub(crate) const LARGE: usize = 120;

/// Turns every direct call of a large function into one through the table.
///
/// # Errors
/// The module has several tables of functions, which rustc never writes.
pub(crate) fn through_the_table(module: &mut Module) -> Result<(), String> {
    let large = large_and_called(module);
    if large.is_empty() {
        return Ok(());
    }
    let several = |error| format!("more than one table of functions: {error:#}");
    let table = match module.tables.main_function_table().map_err(several)? {
        Some(table) => table,
        None => module.tables.add_local(false, 0, Some(0), RefType::FUNCREF),
    };
    let first = module.tables.get(table).initial;
    let places: BTreeMap<FunctionId, Place> = large
        .iter()
        .zip(first..)
        .map(|(function, index)| {
            let index = i32::try_from(index).map_err(|_| "the table is full")?;
            let ty = module.funcs.get(*function).ty();
            Ok((*function, Place { index, ty }))
        })
        .collect::<Result<_, &str>>()?;
    let offset = i32::try_from(first).map_err(|_| "the table is full")?;
    let added = large.len() as u64;
    let segment = module.elements.add(
        ElementKind::Active {
            table,
            offset: ConstExpr::Value(Value::I32(offset)),
        },
        ElementItems::Functions(large),
    );
    let longer = module.tables.get_mut(table);
    longer.initial += added;
    longer.maximum = longer.maximum.map(|maximum| maximum + added);
    longer.elem_segments.insert(segment);
    let mut redirect = Redirect { places, table };
    for (_, function) in module.funcs.iter_local_mut() {
        let entry = function.entry_block();
        dfs_pre_order_mut(&mut redirect, function, entry);
    }
    Ok(())
}

/// The functions that move, in the order of the module.
fn large_and_called(module: &Module) -> Vec<FunctionId> {
    let mut called = Called(BTreeSet::new());
    for (_, function) in module.funcs.iter_local() {
        dfs_in_order(&mut called, function, function.entry_block());
    }
    let large = module.funcs.iter_local().filter(|(id, function)| {
        let mut size = Size(0);
        dfs_in_order(&mut size, function, function.entry_block());
        size.0 >= LARGE && called.0.contains(id)
    });
    large.map(|(id, _)| id).collect()
}

/// Which functions are called by name.
struct Called(BTreeSet<FunctionId>);

impl Visitor<'_> for Called {
    fn visit_call(&mut self, call: &Call) {
        self.0.insert(call.func);
    }
}

/// How many instructions there are.
struct Size(usize);

impl Visitor<'_> for Size {
    fn visit_instr(&mut self, _: &Instr, _: &InstrLocId) {
        self.0 += 1;
    }
}

/// Where a function is in the table, and its type.
struct Place {
    index: i32,
    ty: TypeId,
}

struct Redirect {
    places: BTreeMap<FunctionId, Place>,
    table: TableId,
}

impl VisitorMut for Redirect {
    fn start_instr_seq_mut(&mut self, sequence: &mut InstrSeq) {
        let instructions = std::mem::take(&mut sequence.instrs);
        for (instruction, location) in instructions {
            let place = match &instruction {
                Instr::Call(call) => self.places.get(&call.func),
                _ => None,
            };
            let Some(&Place { index, ty }) = place else {
                sequence.instrs.push((instruction, location));
                continue;
            };
            let value = Value::I32(index);
            let table = self.table;
            let call = Instr::CallIndirect(CallIndirect { ty, table });
            let index = Instr::Const(Const { value });
            sequence
                .instrs
                .extend([(index, location), (call, location)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use walrus::{FunctionBuilder, ValType};

    use super::*;

    /// Two functions of about so many instructions, the second of which calls the first.
    fn module(instructions: usize) -> Module {
        let mut module = Module::default();
        let number = module.locals.add(ValType::I32);
        let mut called = FunctionBuilder::new(&mut module.types, &[ValType::I32], &[]);
        for _ in 0..instructions / 2 {
            called.func_body().local_get(number).drop();
        }
        let called = called.finish(vec![number], &mut module.funcs);
        let mut caller = FunctionBuilder::new(&mut module.types, &[], &[]);
        caller
            .func_body()
            .block(None, |block| {
                block.i32_const(7).call(called);
            })
            .i32_const(8)
            .call(called);
        let caller = caller.finish(vec![], &mut module.funcs);
        module.exports.add("caller", caller);
        module
    }

    /// How often which function is called directly, and which indices through the table.
    #[derive(Default)]
    struct Calls {
        direct: usize,
        through_the_table: Vec<i32>,
        last: i32,
    }

    impl Visitor<'_> for Calls {
        fn visit_call(&mut self, _: &Call) {
            self.direct += 1;
        }

        fn visit_const(&mut self, constant: &Const) {
            if let Value::I32(value) = constant.value {
                self.last = value;
            }
        }

        fn visit_call_indirect(&mut self, _: &CallIndirect) {
            self.through_the_table.push(self.last);
        }
    }

    /// What a module that was written and read again calls, and how long its table is.
    fn calls(mut module: Module) -> (Calls, Option<u64>) {
        let module = Module::from_buffer(&module.emit_wasm()).unwrap();
        let mut calls = Calls::default();
        for (_, function) in module.funcs.iter_local() {
            dfs_in_order(&mut calls, function, function.entry_block());
        }
        let table = module.tables.iter().next();
        (calls, table.map(|table| table.initial))
    }

    #[test]
    fn large_functions_are_called_through_the_table() {
        let mut large = module(LARGE);
        through_the_table(&mut large).unwrap();
        let (calls, table) = calls(large);
        assert_eq!(calls.direct, 0);
        assert_eq!(calls.through_the_table, [0, 0]);
        assert_eq!(table, Some(1));
    }

    #[test]
    fn a_table_that_is_there_grows_at_its_end() {
        let mut large = module(LARGE);
        large.tables.add_local(false, 3, Some(3), RefType::FUNCREF);
        through_the_table(&mut large).unwrap();
        let (calls, table) = calls(large);
        assert_eq!(calls.through_the_table, [3, 3]);
        assert_eq!(table, Some(4));
    }

    #[test]
    fn small_functions_are_called_as_before() {
        let mut small = module(LARGE - 10);
        through_the_table(&mut small).unwrap();
        let (calls, table) = calls(small);
        assert_eq!(calls.direct, 2);
        assert_eq!(table, None);
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let once = crate::strip(&module(LARGE).emit_wasm()).unwrap();
        assert_eq!(crate::strip(&once).unwrap(), once);
    }
}
