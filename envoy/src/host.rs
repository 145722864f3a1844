//! The host calls, declared here: every status comes back as a value, every value as bytes.
//! May use: the proxy-wasm ABI 0.2.1.
//! Must not: panic, convert to text, or be bypassed: the SDK's own wrappers panic on what a stranger can cause.
//!
//! The host allocates what it returns with `proxy_on_memory_allocate`, which the SDK exports as a boxed slice of exactly
//! the size asked for; [`owned`] takes such a slice over.
#![allow(unsafe_code, reason = "the ABI is pointers and lengths")]

use std::fmt::Write;
use std::ptr;
use std::time::Duration;

/// Result of a host call: the ABI's status when it is not `Ok`.
pub(crate) type HostResult<T> = Result<T, Status>;

/// A status of the ABI other than `Ok`. Any number a host may return is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u32);

impl Status {
    pub(crate) const NOT_FOUND: Self = Self(1);
    pub(crate) const CAS_MISMATCH: Self = Self(8);
    pub(crate) const UNIMPLEMENTED: Self = Self(12);
}

/// Which header map is meant.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum MapType {
    Request = 0,
    RequestTrailers = 1,
    Response = 2,
    HttpCallResponse = 6,
}

#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum BufferType {
    HttpRequestBody = 0,
    HttpCallResponseBody = 4,
    PluginConfiguration = 7,
}

#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

mod abi;

const fn check(status: u32) -> HostResult<()> {
    if status == 0 {
        Ok(())
    } else {
        Err(Status(status))
    }
}

/// Calls the host and takes over what it returns. A null pointer is an empty value.
fn owned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> HostResult<Vec<u8>> {
    let mut data: *mut u8 = ptr::null_mut();
    let mut size = 0usize;
    let status = call(&raw mut data, &raw mut size);
    let bytes = if data.is_null() {
        Vec::new()
    } else {
        // SAFETY: the host allocated `size` bytes with `proxy_on_memory_allocate`: a boxed slice of that length, given away.
        unsafe { Vec::from_raw_parts(data, size, size) }
    };
    check(status).map(|()| bytes)
}

/// More bytes than most lines have.
const USUAL_LINE: usize = 1024;

/// Sends what is logged to the host, which knows the level and where lines go.
pub(crate) struct HostLog;

impl log::Log for HostLog {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = match record.level() {
            log::Level::Trace => 0,
            log::Level::Debug => 1,
            log::Level::Info => 2,
            log::Level::Warn => 3,
            log::Level::Error => 4,
        };
        let mut line = String::with_capacity(USUAL_LINE);
        let _infallible = line.write_fmt(*record.args());
        // SAFETY: pointer and length of a live slice. A line that cannot be written is no reason to fail a request.
        let _unlogged = unsafe { abi::proxy_log(level, line.as_ptr(), line.len()) };
    }

    fn flush(&self) {}
}

/// Milliseconds since 1970; 0 when the host has no clock.
pub(crate) fn now_ms() -> i64 {
    now_us() / 1000
}

/// Microseconds since 1970; 0 when the host has no clock.
pub(crate) fn now_us() -> i64 {
    let mut nanoseconds = 0u64;
    // SAFETY: a pointer to a live integer.
    let status = unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    check(status).map_or(0, |()| (nanoseconds / 1000) as i64)
}

pub(crate) fn set_tick_period(milliseconds: u32) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { abi::proxy_set_tick_period_milliseconds(milliseconds) })
}

pub(crate) fn buffer(kind: BufferType, most: usize) -> HostResult<Vec<u8>> {
    // SAFETY: out-pointers live through the call.
    owned(|data, size| unsafe { abi::proxy_get_buffer_bytes(kind as u32, 0, most, data, size) })
}

/// All pairs of a map, in the ABI's form (see `pairs`).
pub(crate) fn header_pairs(kind: MapType) -> HostResult<Vec<u8>> {
    // SAFETY: out-pointers live through the call.
    owned(|data, size| unsafe { abi::proxy_get_header_map_pairs(kind as u32, data, size) })
}

pub(crate) fn header(kind: MapType, name: &str) -> HostResult<Vec<u8>> {
    // SAFETY: slices and out-pointers live through the call.
    owned(|data, size| unsafe {
        abi::proxy_get_header_map_value(kind as u32, name.as_ptr(), name.len(), data, size)
    })
}

/// Sets the only value of a header.
pub(crate) fn replace_request_header(name: &str, value: &[u8]) -> HostResult<()> {
    // SAFETY: pointers and lengths of live slices.
    check(unsafe {
        abi::proxy_replace_header_map_value(
            MapType::Request as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Adds a value to a header, beside those it has.
pub(crate) fn add_header(kind: MapType, name: &str, value: &[u8]) -> HostResult<()> {
    // SAFETY: pointers and lengths of live slices.
    check(unsafe {
        abi::proxy_add_header_map_value(
            kind as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Removes every value of a header.
pub(crate) fn remove_header(kind: MapType, name: &[u8]) -> HostResult<()> {
    // SAFETY: pointer and length of a live slice.
    check(unsafe { abi::proxy_remove_header_map_value(kind as u32, name.as_ptr(), name.len()) })
}

/// A property; `path` has its elements joined by NUL.
pub(crate) fn property(path: &str) -> HostResult<Vec<u8>> {
    // SAFETY: slices and out-pointers live through the call.
    owned(|data, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub(crate) fn set_property(path: &str, value: &[u8]) -> HostResult<()> {
    // SAFETY: pointers and lengths of live slices.
    check(unsafe {
        abi::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len())
    })
}

/// A value of shared data and its CAS number.
pub(crate) fn shared(key: &str) -> HostResult<(Vec<u8>, u32)> {
    let mut cas = 0u32;
    // SAFETY: slices and out-pointers live through the call.
    owned(|data, size| unsafe {
        abi::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    })
    .map(|bytes| (bytes, cas))
}

/// Stores a value if its CAS number still holds. 0 stores without a check; a missing key accepts any.
pub(crate) fn set_shared(key: &str, value: &[u8], cas: u32) -> HostResult<()> {
    // SAFETY: pointers and lengths of live slices.
    check(unsafe {
        abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    })
}

/// Answers the client. `details` becomes `%RESPONSE_CODE_DETAILS%`.
pub(crate) fn reply(
    status: u16,
    details: &str,
    headers: &[u8],
    body: &str,
    grpc_status: u8,
) -> HostResult<()> {
    // SAFETY: pointers and lengths of live slices.
    check(unsafe {
        abi::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            i32::from(grpc_status),
        )
    })
}

/// Makes a stream or a root the one that host calls are about, from a callback of another.
pub(crate) fn activate(context: u32) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { abi::proxy_set_effective_context(context) })
}

/// Lets a request go on that was held.
pub(crate) fn resume_request() -> HostResult<()> {
    const REQUEST: u32 = 0;
    // SAFETY: no pointers.
    check(unsafe { abi::proxy_continue_stream(REQUEST) })
}

/// Whether the host can call out and deliver the answer to `context`.
pub(crate) fn can_call_out(context: u32) -> bool {
    let takes_calls = takes_calls();
    // SAFETY: no pointers.
    takes_calls && unsafe { abi::proxy_set_effective_context(context) } == 0
}

/// Whether a call would be answered with a status that the SDK's wrapper knows; on any other it stops the VM. An empty call is a
/// bad argument where calls are taken.
fn takes_calls() -> bool {
    let mut token = 0u32;
    let nothing = [0u8; 4];
    // SAFETY: pointers and lengths of live slices, a pointer to a live integer.
    let status = unsafe {
        abi::proxy_http_call(
            nothing.as_ptr(),
            0,
            nothing.as_ptr(),
            nothing.len(),
            nothing.as_ptr(),
            0,
            nothing.as_ptr(),
            nothing.len(),
            1,
            &raw mut token,
        )
    };
    matches!(status, 2 | 10)
}

/// Calls out. The one wrapper of the SDK that is used: its dispatcher must know the call to deliver the answer.
pub(crate) fn call(
    cluster: &str,
    headers: Vec<(&str, &str)>,
    timeout: Duration,
) -> Result<u32, &'static str> {
    // A host that took calls at the start may not take them now.
    if !takes_calls() {
        return Err("the host takes no calls");
    }
    proxy_wasm::hostcalls::dispatch_http_call(cluster, headers, None, vec![], timeout)
        .map_err(|_| "the host does not know the cluster")
}

pub(crate) fn define_metric(kind: MetricType, name: &str) -> HostResult<u32> {
    let mut id = 0u32;
    // SAFETY: pointer and length of a live slice, a pointer to a live integer.
    check(unsafe { abi::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })
        .map(|()| id)
}

pub(crate) fn increment_metric(id: u32, by: i64) {
    // SAFETY: no pointers. A metric that cannot be counted is no reason to fail a request.
    let _uncounted = unsafe { abi::proxy_increment_metric(id, by) };
}

pub(crate) fn record_metric(id: u32, value: u64) {
    // SAFETY: no pointers. A metric that cannot be recorded is no reason to fail a request.
    let _uncounted = unsafe { abi::proxy_record_metric(id, value) };
}

/// Calls a function of the host by name.
pub(crate) fn foreign_function(name: &str, arguments: &[u8]) -> HostResult<Vec<u8>> {
    // SAFETY: slices and out-pointers live through the call.
    owned(|data, size| unsafe {
        abi::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            size,
        )
    })
}
