//! Files to read, by name or `-` for stdin, gzipped or not.
//! May use: std, flate2.
//! Must not: look at what a file holds beyond its first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::Failure;

const BUFFER: usize = 256 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How a file is named in messages.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Size in bytes as it lies there, for a progress bar; absent for pipes.
pub(crate) fn size(path: &Path) -> Option<u64> {
    let data = path.metadata().ok().filter(|_| !is_stdin(path))?;
    data.is_file().then_some(data.len())
}

/// Opens a file for reading. `count` sees the bytes taken from it, before unpacking.
pub(crate) fn open(
    path: &Path,
    count: impl FnMut(u64) + Send + 'static,
) -> Result<Box<dyn BufRead + Send>, Failure> {
    let failed = |error: io::Error| Failure::new(format!("{}: {}", name(path), reason(&error)));
    let raw: Box<dyn Read + Send> = if is_stdin(path) {
        Box::new(io::stdin())
    } else {
        let file = File::open(path).map_err(failed)?;
        if file.metadata().is_ok_and(|data| data.is_dir()) {
            let how = match path.join("kustomization.yaml").is_file() {
                true => "; `kubectl kustomize` prints what it makes, and `-` reads that",
                false => "",
            };
            return Err(Failure::new(format!("{}: is a directory{how}", name(path))));
        }
        Box::new(file)
    };
    let mut raw = Counted { raw, count };
    let mut magic = Vec::with_capacity(2);
    (&mut raw).take(2).read_to_end(&mut magic).map_err(failed)?;
    let packed = magic == GZIP;
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(magic).chain(raw));
    Ok(if packed {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole)))
    } else {
        Box::new(whole)
    })
}

/// Reads a whole text file.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    open(path, |_| {})?
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("{}: {}", name(path), reason(&error))))?;
    Ok(text)
}

/// The words of an error without the number of the operating system.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read".to_owned(),
        io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}

struct Counted<R, C> {
    raw: R,
    count: C,
}

impl<R: Read, C: FnMut(u64)> Read for Counted<R, C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.raw.read(buffer)?;
        (self.count)(length as u64);
        Ok(length)
    }
}
