//! Which field came after which in the lines before: a tool writes its fields in the same order, line after line.
//! May use: the names of fields. Must not: be needed: a line is read the same whatever was expected.

use super::fields::Field;

/// What to expect in the next line. It changes how fast a line is read, and nothing else.
#[derive(Debug, Clone)]
pub struct Order {
    first: Option<Field>,
    after: [Option<Field>; Field::COUNT],
}

impl Default for Order {
    fn default() -> Self {
        Self {
            first: None,
            after: [None; Field::COUNT],
        }
    }
}

impl Order {
    fn slot(&mut self, before: Option<Field>) -> Option<&mut Option<Field>> {
        match before {
            None => Some(&mut self.first),
            Some(field) => self.after.get_mut(field as usize),
        }
    }

    /// The field expected after this one, or first.
    pub(super) fn expected(&mut self, before: Option<Field>) -> Option<Field> {
        self.slot(before).copied().flatten()
    }

    /// Another one came.
    pub(super) fn came(&mut self, before: Option<Field>, field: Field) {
        if let Some(slot) = self.slot(before) {
            *slot = Some(field);
        }
    }
}
