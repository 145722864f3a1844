//! Stepgate's engine: what one request says, compared with how its identity normally behaves.
#![forbid(unsafe_code)]

pub mod signals;
