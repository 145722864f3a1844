//! What is normal: bounded records per identity, per source and for the population, and the pages they live in.
//! May use: signals.
//! Must not: decide, or know where the pages are stored.

pub mod account;
pub mod bytes;
pub mod decay;
pub mod hours;
pub mod identity;
pub mod lately;
pub mod ongoing;
pub mod page;
pub mod population;
pub mod profile;
pub mod rate;
pub mod recent;
pub mod revocation;
pub mod session;
mod share;
pub mod snapshot;
pub mod source;
pub mod tally;
pub mod values;
