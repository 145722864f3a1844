//! Header pairs in the ABI's form: read without copying, written for replies and callouts.
//! May use: std.
//! Must not: trust a length, or allocate while reading.
//!
//! Form: `count u32`, then `name length u32, value length u32` per pair, then per pair name, NUL, value, NUL.

/// The pairs of a serialized map. A length that does not fit ends the iteration.
#[derive(Clone)]
pub(crate) struct Pairs<'a> {
    left: u32,
    sizes: &'a [u8],
    bytes: &'a [u8],
}

fn u32_at_front(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, tail) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*head), tail))
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(map: &'a [u8]) -> Self {
        let empty = Self {
            left: 0,
            sizes: &[],
            bytes: &[],
        };
        let Some((count, rest)) = u32_at_front(map) else {
            return empty;
        };
        let Some((sizes, bytes)) = (count as usize)
            .checked_mul(8)
            .and_then(|size| rest.split_at_checked(size))
        else {
            return empty;
        };
        Self {
            left: count,
            sizes,
            bytes,
        }
    }

    fn part(&mut self, size: u32) -> Option<&'a [u8]> {
        let (part, rest) = self.bytes.split_at_checked(size as usize)?;
        // The terminating NUL.
        self.bytes = rest.get(1..)?;
        Some(part)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (name, rest) = u32_at_front(self.sizes)?;
        let (value, rest) = u32_at_front(rest)?;
        self.sizes = rest;
        let name = self.part(name)?;
        let value = self.part(value)?;
        Some((name, value))
    }
}

/// Serializes pairs.
pub(crate) fn serialize(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut map = Vec::with_capacity(64 + pairs.len() * 64);
    map.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
    for (name, value) in pairs {
        map.extend_from_slice(&(name.len() as u32).to_le_bytes());
        map.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        for part in [name, value] {
            map.extend_from_slice(part.as_bytes());
            map.push(0);
        }
    }
    map
}
