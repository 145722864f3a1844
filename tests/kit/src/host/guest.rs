//! One call from the module: its arguments, and reading and writing its memory.
//! May use wasmi and the state of the VM.
//! Must not decide what a host function does.

use super::process::INVALID_MEMORY;
use super::state::State;
use crate::headers::Headers;
use wasmi::{Caller, Error, Extern, Memory, Val};

/// Why a host function ended early: with a status for the module, or with a trap.
pub(super) enum Stop {
    Status(u32),
    Trap(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Trap(error)
    }
}

pub(super) struct Call<'c, 's> {
    pub(super) caller: Caller<'s, State>,
    pub(super) args: &'c [Val],
}

impl Call<'_, '_> {
    pub(super) fn arg(&self, index: usize) -> u32 {
        match self.args.get(index) {
            Some(Val::I32(value)) => *value as u32,
            _ => 0,
        }
    }

    pub(super) fn wide(&self, index: usize) -> u64 {
        match self.args.get(index) {
            Some(Val::I64(value)) => *value as u64,
            _ => 0,
        }
    }

    pub(super) fn state(&mut self) -> &mut State {
        self.caller.data_mut()
    }

    fn memory(&self) -> Result<Memory, Stop> {
        let memory = self.caller.get_export("memory");
        memory
            .and_then(Extern::into_memory)
            .ok_or_else(|| Stop::Trap(Error::new("the module exports no memory")))
    }

    /// The bytes at an address.
    pub(super) fn read(&self, at: u32, len: u32) -> Result<Vec<u8>, Stop> {
        let memory = self.memory()?.data(&self.caller);
        let (at, len) = (at as usize, len as usize);
        let bytes = at.checked_add(len).and_then(|end| memory.get(at..end));
        bytes
            .map(<[u8]>::to_vec)
            .ok_or(Stop::Status(INVALID_MEMORY))
    }

    /// The bytes two arguments (address, length) point at.
    pub(super) fn bytes(&self, index: usize) -> Result<Vec<u8>, Stop> {
        self.read(self.arg(index), self.arg(index + 1))
    }

    /// As [`Call::bytes`], as text.
    pub(super) fn text(&self, index: usize) -> Result<String, Stop> {
        Ok(String::from_utf8_lossy(&self.bytes(index)?).into_owned())
    }

    /// The pair list two arguments point at.
    pub(super) fn pairs(&self, index: usize) -> Result<Headers, Stop> {
        Ok(decode(&self.bytes(index)?))
    }

    /// Writes at an address.
    pub(super) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Stop> {
        let memory = self.memory()?;
        memory
            .write(&mut self.caller, at as usize, bytes)
            .map_err(|_| Stop::Status(INVALID_MEMORY))
    }

    /// Writes a word at the address in an argument.
    pub(super) fn word(&mut self, index: usize, value: u32) -> Result<(), Stop> {
        self.write(self.arg(index), &value.to_le_bytes())
    }

    /// Hands bytes over: memory from the module, then address and length where two arguments point.
    pub(super) fn give(&mut self, index: usize, bytes: &[u8]) -> Result<(), Stop> {
        let mut at = 0;
        if !bytes.is_empty() {
            let find = |name| self.caller.get_export(name).and_then(Extern::into_func);
            let allocate = find("proxy_on_memory_allocate")
                .or_else(|| find("malloc"))
                .ok_or_else(|| Error::new("the module exports no allocator"))?;
            let allocate = allocate.typed::<u32, u32>(&self.caller)?;
            at = allocate.call(&mut self.caller, bytes.len() as u32)?;
            if at == 0 {
                return Err(Stop::Status(INVALID_MEMORY));
            }
            self.write(at, bytes)?;
        }
        self.word(index, at)?;
        self.word(index + 1, bytes.len() as u32)
    }
}

/// A pair list in the layout of the ABI: count, all lengths, then names and values with a NUL after each.
pub(super) fn encode(headers: &Headers) -> Vec<u8> {
    let mut bytes = (headers.0.len() as u32).to_le_bytes().to_vec();
    for (name, value) in &headers.0 {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in &headers.0 {
        for part in [name, value] {
            bytes.extend(part);
            bytes.push(0);
        }
    }
    bytes
}

/// Reads a pair list. As in the proxy, one that is malformed, over 1 MiB or over 1024 pairs reads as empty.
pub(super) fn decode(bytes: &[u8]) -> Headers {
    read_pairs(bytes).unwrap_or_default()
}

fn read_pairs(bytes: &[u8]) -> Option<Headers> {
    let word = |at: usize| -> Option<usize> {
        let word = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(word) as usize)
    };
    let count = word(0)?;
    if bytes.len() > 1 << 20 || count > 1024 {
        return None;
    }
    let mut at = 4 + 8 * count;
    let mut part = |len: usize| -> Option<Vec<u8>> {
        let part = bytes.get(at..at.checked_add(len)?)?.to_vec();
        at += len + 1;
        (bytes.get(at - 1) == Some(&0)).then_some(part)
    };
    (0..count)
        .map(|index| Some((part(word(4 + 8 * index)?)?, part(word(8 + 8 * index)?)?)))
        .collect::<Option<Vec<_>>>()
        .map(Headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pair_lists_survive_and_broken_ones_are_empty() {
        let headers = Headers::of(&[(&b"a"[..], &b"\xff"[..]), (b"", b""), (b"a", b"2")]);
        let bytes = encode(&headers);
        assert_eq!(decode(&bytes), headers);
        assert_eq!(decode(&bytes[..bytes.len() - 1]), Headers::default());
        assert_eq!(decode(&[255; 40]), Headers::default());
        assert_eq!(decode(b""), Headers::default());
        let many = Headers(vec![(b"a".to_vec(), vec![]); 1025]);
        assert_eq!(decode(&encode(&many)), Headers::default());
    }
}
