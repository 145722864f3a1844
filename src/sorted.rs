//! Sorting what is seldom sorted.
//! May use: std.
//! Must not: be used for many items where a request passes often: it takes longer than std's sort.

use std::collections::BinaryHeap;

/// The items in order. By a heap: std's sort writes some 5 KB into the module for every type it is used with, a heap a tenth.
pub(crate) fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let heap: BinaryHeap<T> = items.into_iter().collect();
    heap.into_sorted_vec()
}
