;; A filter by hand: enough of the ABI to check the host with.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $dispatch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
  (import "env" "proxy_not_there" (func $absent (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 4096))
  (data (i32.const 0) "key")
  (data (i32.const 8) "x-in")
  (data (i32.const 16) "x-out")
  (data (i32.const 24) "denied")
  (data (i32.const 32) "source\00address")
  (data (i32.const 48) "jwks")
  ;; one pair list: :path /k, :method GET, :authority j
  (data (i32.const 64) "\03\00\00\00\05\00\00\00\02\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\01\00\00\00:path\00/k\00:method\00GET\00:authority\00j\00")
  ;; an iovec of "denied"
  (data (i32.const 160) "\18\00\00\00\06\00\00\00")

  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (global.get $top)
    (global.set $top (i32.add (global.get $top) (local.get $size))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
    (drop (call $sizes (i32.const 200) (i32.const 204)))
    (drop (call $environ (i32.const 208) (i32.const 1024)))
    (if (i32.load (i32.const 200)) (then
      (drop (call $log (i32.const 2) (i32.load (i32.const 208)) (i32.load (i32.const 204))))))
    (i32.const 1))
  ;; refuses an empty configuration, logs any other, asks for ticks, calls for keys
  (func (export "proxy_on_configure") (param $id i32) (param $size i32) (result i32)
    (if (i32.eqz (local.get $size)) (then (return (i32.const 0))))
    (drop (call $buffer (i32.const 7) (i32.const 0) (local.get $size) (i32.const 200) (i32.const 204)))
    (drop (call $log (i32.const 2) (i32.load (i32.const 200)) (i32.load (i32.const 204))))
    (drop (call $period (i32.const 1000)))
    (drop (call $dispatch (i32.const 48) (i32.const 4) (i32.const 64) (i32.const 62)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 500) (i32.const 200)))
    (i32.const 1))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (drop (call $buffer (i32.const 4) (i32.const 0) (i32.const 100) (i32.const 200) (i32.const 204)))
    (drop (call $log (i32.const 3) (i32.load (i32.const 200)) (i32.load (i32.const 204)))))
  ;; copies x-in to x-out, else replies 403; writes the value under "key" with compare-and-swap until it succeeds
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (local $status i32)
    (local.set $status
      (call $header (i32.const 0) (i32.const 8) (i32.const 4) (i32.const 200) (i32.const 204)))
    (if (i32.ne (local.get $status) (i32.const 0)) (then
      (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0)
        (i32.const 24) (i32.const 6) (i32.const 64) (i32.const 62) (i32.const 7)))
      (return (i32.const 1))))
    (drop (call $add (i32.const 0) (i32.const 16) (i32.const 5)
      (i32.load (i32.const 200)) (i32.load (i32.const 204))))
    (loop $again
      (i32.store (i32.const 212) (i32.const -1))
      (drop (call $get (i32.const 0) (i32.const 3) (i32.const 220) (i32.const 224) (i32.const 212)))
      (local.set $status (call $set (i32.const 0) (i32.const 3)
        (i32.load (i32.const 200)) (i32.load (i32.const 204)) (i32.load (i32.const 212))))
      (br_if $again (i32.eq (local.get $status) (i32.const 8))))
    (i32.const 0))
  ;; holds the body back until its end
  (func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
    (i32.eqz (local.get $end)))
  ;; the request headers are out of reach here: logs the status of asking as its level
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (drop (call $log
      (call $header (i32.const 0) (i32.const 8) (i32.const 4) (i32.const 200) (i32.const 204))
      (i32.const 0) (i32.const 3)))
    (i32.const 0))
  (func (export "proxy_on_tick") (param i32) (drop (call $absent (i32.const 1))))
  ;; replies, where it must not, if there is no source.address; else logs that, writes to standard error and dies
  (func (export "proxy_on_log") (param i32)
    (if (call $property (i32.const 32) (i32.const 14) (i32.const 200) (i32.const 204)) (then
      (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))))
    (drop (call $log (i32.const 1) (i32.load (i32.const 200)) (i32.load (i32.const 204))))
    (drop (call $write (i32.const 2) (i32.const 160) (i32.const 1) (i32.const 200)))
    (unreachable)))
