//! Headers as they are on the wire: bytes, in order, duplicates kept.
//! May use the standard library only.
//! Must not fold, validate or reorder anything: a test asks what really arrived.

use std::fmt;

/// An ordered list of header fields. Names compare without case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// Takes any pairs of strings or bytes.
    pub fn of<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Self {
        Self(
            pairs
                .iter()
                .map(|(name, value)| (name.as_ref().to_vec(), value.as_ref().to_vec()))
                .collect(),
        )
    }

    /// As [`Headers::of`], with names in lower case, as Envoy holds them.
    pub fn lower<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Self {
        let mut headers = Self::of(pairs);
        for (name, _) in &mut headers.0 {
            name.make_ascii_lowercase();
        }
        headers
    }

    /// The first value of `name`.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.all(name).first().copied()
    }

    /// The first value of `name` as text; what is not UTF-8 becomes U+FFFD.
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<String> {
        self.get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Every value of `name`, in order.
    pub fn all(&self, name: impl AsRef<[u8]>) -> Vec<&[u8]> {
        self.0
            .iter()
            .filter(|(have, _)| have.eq_ignore_ascii_case(name.as_ref()))
            .map(|(_, value)| value.as_slice())
            .collect()
    }

    /// Whether `name` is there at all.
    pub fn has(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Appends a field, beside others of the same name.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        self.0.push((name.to_ascii_lowercase(), value.to_vec()));
    }

    /// Removes every field of this name.
    pub fn remove(&mut self, name: &[u8]) {
        self.0.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
    }

    /// Leaves exactly one field of this name, where the first one was.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        let place = self
            .0
            .iter()
            .position(|(have, _)| have.eq_ignore_ascii_case(name));
        self.remove(name);
        let field = (name.to_ascii_lowercase(), value.to_vec());
        self.0
            .insert(place.unwrap_or(self.0.len()).min(self.0.len()), field);
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.iter();
        f.debug_list()
            .entries(
                fields.map(|(name, value)| {
                    format!("{}: {}", name.escape_ascii(), value.escape_ascii())
                }),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_stay_and_replace_leaves_one() {
        let mut headers = Headers::of(&[("A", "1"), ("b", "2"), ("a", "3")]);
        assert_eq!(headers.all("a"), [b"1", b"3"]);
        headers.replace(b"a", b"4");
        assert_eq!(headers, Headers::of(&[("a", "4"), ("b", "2")]));
        headers.replace(b"c", b"\xff");
        assert_eq!(headers.get("c"), Some(&b"\xff"[..]));
        assert_eq!(headers.text("c").as_deref(), Some("\u{fffd}"));
    }
}
