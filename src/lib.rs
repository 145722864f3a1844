//! Stepgate's engine: what one request says, compared with how its identity normally behaves, and what follows.
//!
//! Data flows one way: [`signals`] → [`baseline`] → [`evidence`] → [`score`] → [`policy`] → [`decision`] → [`headers`].
//! [`assess`] is the whole line as a pure function of values; time, keys and randomness are arguments. A module uses only
//! modules earlier in the line.
#![forbid(unsafe_code)]

pub mod assess;
pub mod audit;
pub mod baseline;
mod challenge;
pub mod decision;
pub mod evidence;
pub mod feed;
pub mod headers;
pub mod judgement;
pub mod metrics;
pub mod observe;
mod place;
pub mod policy;
pub mod receipt;
pub mod redirect;
pub mod score;
pub mod signals;
pub mod signature;
mod sorted;
pub mod token;
