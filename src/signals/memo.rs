//! What was made of the same bytes before: users keep their browsers, and what a browser says is long.
//! May use: std.
//! Must not: grow, keep an order, or know bytes by less than all of them.

/// A table of a fixed number of places. Bytes have one place; the ones asked for last hold it.
#[derive(Clone, Debug)]
pub struct Memo<V>(Vec<Option<(Vec<u8>, V)>>);

impl<V: Copy> Memo<V> {
    /// An empty one of so many places.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self((0..places).map(|_| None).collect())
    }

    /// What `make` makes of these bytes, now or the last time. Whoever chooses bytes for one place has `make` called, as all had
    /// without this.
    pub fn get(&mut self, bytes: &[u8], make: impl FnOnce() -> V) -> V {
        let place = spread(bytes) as usize % self.0.len().max(1);
        let Some(slot) = self.0.get_mut(place) else {
            return make();
        };
        match slot {
            Some((known, value)) => {
                if known != bytes {
                    *value = make();
                    known.clear();
                    known.extend_from_slice(bytes);
                }
                *value
            }
            None => slot.insert((bytes.to_vec(), make())).1,
        }
    }
}

/// Bits that differ where the bytes differ, mostly.
fn spread(bytes: &[u8]) -> u64 {
    // The multiplier of FxHash, which spreads into the upper bits.
    const SPREAD: u64 = 0x517c_c1b7_2722_0a95;
    let (words, rest) = bytes.as_chunks::<8>();
    let tail = rest
        .iter()
        .fold(bytes.len() as u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mixed = words
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .chain([tail]);
    let hash = mixed.fold(0u64, |hash, word| {
        (hash.rotate_left(5) ^ word).wrapping_mul(SPREAD)
    });
    hash >> 40
}

#[cfg(test)]
mod tests {
    use super::Memo;

    #[test]
    fn what_is_remembered_is_what_would_be_made() {
        const PLACES: usize = 16;
        let mut memo = Memo::new(PLACES);
        let text = |number: usize| "x".repeat(number % 40) + &number.to_string();
        let mut made = 0;
        // More than there are places, each twice in a row and once more after all the others.
        for number in (0..PLACES * 4).flat_map(|n| [n, n]).chain(0..PLACES * 4) {
            let got = memo.get(text(number).as_bytes(), || {
                made += 1;
                number
            });
            assert_eq!(got, number);
        }
        assert!((PLACES * 4..=PLACES * 8).contains(&made), "{made}");
    }

    #[test]
    fn nothing_at_all_is_bytes_like_any_other_and_no_place_remembers_nothing() {
        let mut memo = Memo::new(1);
        assert_eq!(memo.get(b"", || 1), 1);
        assert_eq!(memo.get(b"", || 2), 1);
        assert_eq!(memo.get(b"a", || 3), 3);
        assert_eq!(Memo::new(0).get(b"a", || 4), 4);
    }
}
