//! The `proxy_*` functions of ABI 0.2.1, as Envoy answers them.
//! May use the guest's memory and the state.
//! Must not call into the module but to allocate, nor wait for anything.

use super::guest::{Call, Stop, encode};
use super::process::{BAD_ARGUMENT, NOT_FOUND, OK, UNIMPLEMENTED};
use super::state::{HttpCall, LocalReply, LogLine, Phase};
use wasmi::Error;

pub(super) type Handler = fn(&mut Call<'_, '_>) -> Result<u32, Stop>;

/// The function behind an import of module `env`.
pub(super) fn find(name: &str) -> Option<Handler> {
    Some(match name {
        "proxy_log" => log,
        "proxy_get_log_level" => |call| {
            let level = call.state().log_level;
            call.word(0, level).map(|()| OK)
        },
        "proxy_get_current_time_nanoseconds" => |call| {
            let now = call.state().now;
            call.write(call.arg(0), &now.to_le_bytes()).map(|()| OK)
        },
        "proxy_set_tick_period_milliseconds" => set_tick_period,
        "proxy_get_buffer_bytes" => get_buffer,
        "proxy_set_buffer_bytes" => set_buffer,
        "proxy_get_header_map_pairs" => get_pairs,
        "proxy_set_header_map_pairs" => set_pairs,
        "proxy_get_header_map_value" => get_value,
        "proxy_get_header_map_size" => get_size,
        "proxy_remove_header_map_value" => |call| {
            let name = call.bytes(1)?;
            let map = call.arg(0);
            edit(call, map, |headers| headers.remove(&name))
        },
        "proxy_replace_header_map_value" => |call| {
            let (name, value, map) = (call.bytes(1)?, call.bytes(3)?, call.arg(0));
            edit(call, map, |headers| headers.replace(&name, &value))
        },
        "proxy_add_header_map_value" => |call| {
            let (name, value, map) = (call.bytes(1)?, call.bytes(3)?, call.arg(0));
            edit(call, map, |headers| headers.add(&name, &value))
        },
        "proxy_get_property" => get_property,
        "proxy_set_property" => set_property,
        "proxy_get_shared_data" => get_shared,
        "proxy_set_shared_data" => set_shared,
        "proxy_continue_stream" => |call| {
            let direction = call.arg(0);
            Ok(call.state().resume(direction))
        },
        "proxy_close_stream" => close_stream,
        "proxy_send_local_response" => send_reply,
        "proxy_http_call" => http_call,
        "proxy_set_effective_context" => set_active,
        "proxy_call_foreign_function" => call_foreign,
        "proxy_done" => |call| {
            call.state().done = true;
            Ok(OK)
        },
        "proxy_define_metric" => define_metric,
        "proxy_get_metric" => get_metric,
        "proxy_record_metric" => |call| {
            let (id, value) = (call.arg(0), call.wide(1));
            Ok(call.state().process.borrow_mut().metrics.record(id, value))
        },
        "proxy_increment_metric" => |call| {
            let (id, offset) = (call.arg(0), call.wide(1) as i64);
            let process = call.state().process.clone();
            let mut process = process.borrow_mut();
            Ok(process.metrics.increment(id, offset))
        },
        // Nothing here serves gRPC callouts or queues: a module must live without them.
        "proxy_register_shared_queue"
        | "proxy_resolve_shared_queue"
        | "proxy_dequeue_shared_queue"
        | "proxy_enqueue_shared_queue"
        | "proxy_grpc_call"
        | "proxy_grpc_stream"
        | "proxy_grpc_send"
        | "proxy_grpc_cancel"
        | "proxy_grpc_close"
        | "proxy_get_status" => |_| Ok(UNIMPLEMENTED),
        _ => return None,
    })
}

fn log(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (level, text) = (call.arg(0), call.text(1)?);
    if level > 5 {
        return Ok(BAD_ARGUMENT);
    }
    call.state().logs.push(LogLine { level, text });
    Ok(OK)
}

fn set_tick_period(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (period, active) = (call.arg(0), call.state().active);
    match call.state().roots.iter_mut().find(|root| root.id == active) {
        Some(root) => root.tick_ms = period,
        None => return Ok(NOT_FOUND),
    }
    Ok(OK)
}

fn get_buffer(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (kind, start, len) = (call.arg(0), call.arg(1) as usize, call.arg(2) as usize);
    let Some(buffer) = call.state().buffer(kind) else {
        return Ok(match kind {
            0 | 1 => return call.give(3, &[]).map(|()| OK), // no body is an empty body
            4 | 6 | 7 => NOT_FOUND,
            _ => BAD_ARGUMENT,
        });
    };
    let end = start.saturating_add(len).min(buffer.len());
    let bytes = buffer.get(start..end).unwrap_or_default().to_vec();
    call.give(3, &bytes).map(|()| OK)
}

fn set_buffer(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (kind, start, len) = (call.arg(0), call.arg(1) as usize, call.arg(2) as usize);
    let bytes = call.bytes(3)?;
    let buffer = match kind {
        0 | 1 => call.state().buffer(kind),
        _ => None,
    };
    let Some(buffer) = buffer else {
        return Ok(BAD_ARGUMENT);
    };
    if start == 0 {
        buffer.splice(..len.min(buffer.len()), bytes);
    } else if start >= buffer.len() {
        buffer.extend(bytes);
    } else {
        return Ok(BAD_ARGUMENT);
    }
    Ok(OK)
}

fn get_pairs(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let kind = call.arg(0);
    let pairs = call.state().map(kind).cloned().unwrap_or_default();
    if pairs.0.is_empty() {
        call.give(1, &[])?;
    } else {
        call.give(1, &encode(&pairs))?;
    }
    Ok(OK)
}

fn set_pairs(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (kind, pairs) = (call.arg(0), call.pairs(1)?);
    edit(call, kind, |headers| *headers = pairs)
}

fn get_value(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (kind, name) = (call.arg(0), call.bytes(1)?);
    let state = call.state();
    let value = match state.map(kind) {
        Some(headers) => headers.get(&name).map(<[u8]>::to_vec),
        None if state.phase == Phase::Log && kind < 8 => return Ok(NOT_FOUND),
        None => return Ok(BAD_ARGUMENT),
    };
    match value {
        Some(value) => call.give(3, &value).map(|()| OK),
        None => Ok(NOT_FOUND),
    }
}

fn get_size(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let kind = call.arg(0);
    let Some(headers) = call.state().map(kind) else {
        return Ok(BAD_ARGUMENT);
    };
    let size = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len();
    let total = headers.0.iter().map(size).sum::<usize>() as u32;
    call.word(1, total).map(|()| OK)
}

fn edit(
    call: &mut Call<'_, '_>,
    kind: u32,
    change: impl FnOnce(&mut crate::headers::Headers),
) -> Result<u32, Stop> {
    match call.state().map_mut(kind) {
        Some(headers) => change(headers),
        None => return Ok(BAD_ARGUMENT),
    }
    Ok(OK)
}

fn get_property(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let path = call.bytes(0)?;
    match call.state().property(&path) {
        Some(value) => call.give(2, &value).map(|()| OK),
        None => Ok(NOT_FOUND),
    }
}

fn set_property(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (path, value) = (call.bytes(0)?, call.bytes(2)?);
    let state = call.state();
    match state.streams.get_mut(&state.active) {
        Some(stream) => stream.written.insert(path, value),
        None => return Ok(NOT_FOUND),
    };
    Ok(OK)
}

fn get_shared(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let key = call.bytes(0)?;
    let process = call.state().process.clone();
    let Some((value, cas)) = process
        .borrow()
        .data
        .get(&key)
        .map(|(value, cas)| (value.to_vec(), cas))
    else {
        return Ok(NOT_FOUND);
    };
    call.give(2, &value)?;
    call.word(4, cas).map(|()| OK)
}

fn set_shared(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (key, value, cas) = (call.bytes(0)?, call.bytes(2)?, call.arg(4));
    let state = call.state();
    let process = state.process.clone();
    let data = &mut process.borrow_mut().data;
    if let Some((left, meddle)) = &mut state.meddle
        && cas != 0
        && *left > 0
    {
        *left -= 1;
        meddle(data, &key);
    }
    Ok(data.set(&key, &value, cas))
}

fn close_stream(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let direction = call.arg(0);
    let state = call.state();
    match state.streams.get_mut(&state.active) {
        Some(stream) => stream.closed.push(direction),
        None => return Ok(BAD_ARGUMENT),
    }
    Ok(OK)
}

fn send_reply(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let reply = LocalReply {
        status: call.arg(0),
        details: call.bytes(1)?,
        body: call.bytes(3)?,
        headers: call.pairs(5)?,
        grpc_status: call.arg(7) as i32,
    };
    let state = call.state();
    if state.phase == Phase::Log {
        return Err(Error::new("Envoy crashes on a local reply in the log phase").into());
    }
    if let Some(stream) = state.streams.get_mut(&state.active) {
        stream.reply.get_or_insert(reply);
    }
    Ok(OK)
}

fn http_call(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let state = call.state();
    let (token, context) = (state.calls.len() as u32 + 1, state.active);
    let request = HttpCall {
        token,
        context,
        upstream: call.text(0)?,
        headers: call.pairs(2)?,
        body: call.bytes(4)?,
        trailers: call.pairs(6)?,
        timeout_ms: call.arg(8),
        answered: false,
    };
    let state = call.state();
    let complete = [":path", ":method", ":authority"]
        .iter()
        .all(|name| request.headers.has(name));
    let clusters = state.clusters.as_ref();
    if !complete || clusters.is_some_and(|known| !known.contains(&request.upstream)) {
        return Ok(BAD_ARGUMENT);
    }
    state.calls.push(request);
    call.word(9, token).map(|()| OK)
}

fn set_active(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let id = call.arg(0);
    let state = call.state();
    let known = state.streams.contains_key(&id) || state.roots.iter().any(|root| root.id == id);
    if !known {
        return Ok(BAD_ARGUMENT);
    }
    state.active = id;
    Ok(OK)
}

fn call_foreign(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (name, arguments) = (call.text(0)?, call.bytes(2)?);
    let Some(function) = call.state().foreign.get_mut(&name) else {
        return Ok(NOT_FOUND);
    };
    match function(&arguments) {
        Ok(result) => call.give(4, &result).map(|()| OK),
        Err(status) => Ok(status),
    }
}

fn define_metric(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (kind, name) = (call.arg(0), call.text(1)?);
    let process = call.state().process.clone();
    let defined = process.borrow_mut().metrics.define(kind, name);
    match defined {
        Ok(id) => call.word(3, id).map(|()| OK),
        Err(status) => Ok(status),
    }
}

fn get_metric(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let id = call.arg(0);
    let read = call.state().process.borrow().metrics.read(id);
    match read {
        Ok(value) => call.write(call.arg(1), &value.to_le_bytes()).map(|()| OK),
        Err(status) => Ok(status),
    }
}
