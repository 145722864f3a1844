//! What one request says, typed. Each parser here is pure and never fails on what a stranger sends.
//! May use: std, serde, libm. Must not: know Envoy, read a clock or a file.
//! Absent and malformed stay different values for whoever decides.

pub mod address;
pub mod bearer;
pub mod countries;
pub mod credential;
pub mod ecs;
pub mod features;
pub mod from_event;
mod grant;
pub mod keyed;
mod language;
pub mod login;
pub mod memo;
pub mod request;
pub(crate) mod route;
mod tried;
pub mod user_agent;
