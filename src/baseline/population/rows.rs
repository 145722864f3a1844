//! A bounded table of rows in ascending order of key; the row of least weight makes room.
//! May use: nothing else.
//! Must not: hold two rows of one key, or more of them than its bound.

/// What stands in a table.
pub(super) trait Row {
    /// An empty row.
    fn new(key: u32) -> Self;
    /// What it is looked up by.
    fn key(&self) -> u32;
    /// How much would be lost with it.
    fn weight(&self) -> f64;
}

/// At most `MOST` rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows<R, const MOST: usize>(Vec<R>);

impl<R, const MOST: usize> Default for Rows<R, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Row, const MOST: usize> Rows<R, MOST> {
    /// Rows that were read; `None`: too many, or out of order.
    pub(super) fn read(rows: Vec<R>) -> Option<Self> {
        let sorted = rows.is_sorted_by(|a, b| a.key() < b.key());
        (rows.len() <= MOST && sorted).then_some(Self(rows))
    }

    pub(super) fn get(&self, key: u32) -> Option<&R> {
        let index = self.0.binary_search_by_key(&key, Row::key).ok()?;
        self.0.get(index)
    }

    /// The row of a key, made if it is not there.
    pub(super) fn row(&mut self, key: u32) -> Option<&mut R> {
        let index = match self.0.binary_search_by_key(&key, Row::key) {
            Ok(index) => index,
            Err(_) => {
                self.make_room();
                let index = self.0.partition_point(|row| row.key() < key);
                self.0.insert(index, R::new(key));
                index
            }
        };
        self.0.get_mut(index)
    }

    fn make_room(&mut self) {
        if self.0.len() < MOST {
            return;
        }
        let rows = self.0.iter().enumerate();
        let least = rows.min_by(|(_, a), (_, b)| {
            let lighter = a.weight().total_cmp(&b.weight());
            lighter.then(a.key().cmp(&b.key()))
        });
        if let Some(index) = least.map(|(index, _)| index) {
            self.0.remove(index);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &R> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut R> {
        self.0.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Counted(u32, f64);

    impl Row for Counted {
        fn new(key: u32) -> Self {
            Self(key, 0.0)
        }

        fn key(&self) -> u32 {
            self.0
        }

        fn weight(&self) -> f64 {
            self.1
        }
    }

    #[test]
    fn the_lightest_makes_room_and_of_two_the_smaller_key() {
        let mut rows = Rows::<Counted, 3>::default();
        for (key, weight) in [(7, 2.0), (3, 1.0), (5, 1.0)] {
            rows.row(key).unwrap().1 += weight;
        }
        rows.row(4).unwrap().1 += 9.0;
        let left: Vec<_> = rows.iter().cloned().collect();
        assert_eq!(left, [Counted(4, 9.0), Counted(5, 1.0), Counted(7, 2.0)]);
        assert_eq!((rows.get(3), rows.get(5)), (None, Some(&Counted(5, 1.0))));
        assert_eq!(Rows::read(left), Some(rows));
    }

    #[test]
    fn what_could_not_be_a_table_is_not_read_as_one() {
        let read = |keys: &[u32]| {
            let rows = keys.iter().map(|key| Counted::new(*key)).collect();
            Rows::<_, 3>::read(rows).is_some()
        };
        assert!(read(&[]) && read(&[1, 2, 3]));
        assert!(!read(&[2, 1]) && !read(&[1, 1]) && !read(&[1, 2, 3, 4]));
    }
}
