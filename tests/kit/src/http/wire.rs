//! Reading HTTP/1.1 heads and bodies off a connection, for the client and the upstream alike.
//! May use the standard library only.
//! Must not interpret header values beyond what frames the body.

use crate::headers::Headers;
use std::io::{self, BufRead, Read};

/// The first line of a message and its header fields; `None` at the end of the connection.
pub(super) fn read_head(from: &mut impl BufRead) -> io::Result<Option<(Vec<u8>, Headers)>> {
    let mut start = read_line(from)?;
    while start.as_deref() == Some(b"") {
        start = read_line(from)?;
    }
    let Some(start) = start else {
        return Ok(None);
    };
    let mut headers = Headers::default();
    loop {
        let line = read_line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some((start, headers)));
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.ok_or(io::ErrorKind::InvalidData)?);
        let value = value[1..].trim_ascii();
        headers.0.push((name.to_vec(), value.to_vec()));
    }
}

/// The body these headers announce. Without a length: to the end of the connection if `to_end`, else none.
pub(super) fn read_body(
    from: &mut impl BufRead,
    headers: &Headers,
    to_end: bool,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let coding = headers.text("transfer-encoding").unwrap_or_default();
    if coding.eq_ignore_ascii_case("chunked") {
        loop {
            let line = read_line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = String::from_utf8_lossy(&line);
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                while read_line(from)?.is_some_and(|trailer| !trailer.is_empty()) {}
                return Ok(body);
            }
            read_exactly(from, size, &mut body)?;
            read_line(from)?;
        }
    }
    match headers.text("content-length") {
        Some(length) => {
            let length = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            read_exactly(from, length, &mut body)?;
        }
        None if to_end => {
            from.read_to_end(&mut body)?;
        }
        None => {}
    }
    Ok(body)
}

fn read_exactly(from: &mut impl BufRead, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
    match from.take(length).read_to_end(into)? as u64 {
        read if read == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.pop_if(|byte| *byte == b'\r');
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_framed_by_length_or_by_chunks() {
        let mut text = &b"POST / HTTP/1.1\r\nA: \xff \r\nTransfer-Encoding: chunked\r\n\r\n\
            3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nt: 1\r\n\r\nGET /2 HTTP/1.1\r\ncontent-length: 2\r\n\r\nok"[..];
        let (start, headers) = read_head(&mut text).unwrap().unwrap();
        assert_eq!(start, b"POST / HTTP/1.1");
        assert_eq!(headers.get("a"), Some(&b"\xff"[..]));
        assert_eq!(read_body(&mut text, &headers, false).unwrap(), b"abcd");
        let (start, headers) = read_head(&mut text).unwrap().unwrap();
        assert_eq!(start, b"GET /2 HTTP/1.1");
        assert_eq!(read_body(&mut text, &headers, false).unwrap(), b"ok");
        assert!(read_head(&mut text).unwrap().is_none());
    }
}
