//! Mutations of bytes from a seed: what libFuzzer does, small, on stable Rust and the same in every run.
//! May use the standard library.
//! Must not need luck: the same seed makes the same bytes.

/// Numbers from a seed (splitmix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `most`, which is not 0.
    pub fn below(&mut self, most: usize) -> usize {
        (self.number() % most as u64) as usize
    }
}

/// Longest result, in bytes.
const LONGEST: usize = 16 * 1024;

/// What parsers trip over.
const WORDS: [&[u8]; 20] = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff\xfe",
    b"\xc3\x28",
    b"%00",
    b"%252f",
    b"\r\n",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"{}",
    b"[[[[[[[[[[[[[[[[",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"NaN",
    b"//",
    b"::ffff:0:0/0",
    b"=;,.:",
];

/// The bytes with some of them changed, moved or gone, and parts of `other` among them.
#[must_use]
pub fn mutated(of: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = of.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(9) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.number() as u8;
                }
            }
            3 => drop(bytes.drain(at..end.max(at))),
            4 => bytes.truncate(at),
            5 => {
                let copy = bytes.get(at..end).unwrap_or_default().to_vec();
                bytes.splice(at..at, copy.repeat(1 + random.below(8)));
            }
            6 | 7 => {
                let word = WORDS[random.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            _ => {
                let from = random.below(other.len() + 1);
                let to = (from + random.below(64)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Random, mutated};

    #[test]
    fn a_seed_makes_the_same_bytes_and_others_make_others() {
        let run = |seed| {
            let mut random = Random::new(seed);
            let mut bytes = b"a seed".to_vec();
            for _ in 0..200 {
                bytes = mutated(&bytes, b"other", &mut random);
                assert!(bytes.len() <= LONGEST);
            }
            bytes
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
