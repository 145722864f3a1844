//! Plain lines: one flat object of texts without escapes, lists of them and short numbers, which is what most tools write.
//! May use: std. Must not: read a line otherwise than `walk` would; what it is not sure of it leaves to that.
//! Most of the time of a replay went into finding the ends of short texts and proving each of them UTF-8; here eight bytes are
//! looked at together, and a line is proved once.

use std::borrow::Cow;

use super::fields::{Field, object};
use super::read::{Value, put};
use super::{Event, Order};

/// Digits of a number that is exact as an `f64`, with or without a point: fewer than 2^53.
const DIGITS: usize = 15;
/// Powers of ten, each exact.
const TENS: [f64; DIGITS + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// Fills an empty event; `None` where the line is not plain, or bad: then the event is no use.
pub(super) fn fill<'a>(event: &mut Event<'a>, line: &'a [u8], order: &mut Order) -> Option<()> {
    let mut rest = Rest {
        line: std::str::from_utf8(line).ok()?,
        at: 0,
    };
    rest.symbol(b'{')?;
    let mut before = None;
    loop {
        rest.space();
        let expected = order.expected(before);
        let field = if expected.is_some_and(|field| rest.key(field).is_some()) {
            expected
        } else {
            let key = rest.text()?;
            rest.symbol(b':')?;
            let field = Field::of(key);
            match field {
                Some(field) => order.came(before, field),
                None if object(key).is_some() => return None,
                None => {}
            }
            field
        };
        rest.space();
        let value = rest.value()?;
        if let Some(field) = field {
            put(event, field, value).ok()?;
            before = Some(field);
        }
        rest.space();
        match rest.byte()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    rest.space();
    rest.peek().is_none().then_some(())
}

/// A line, and how far it was read.
struct Rest<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn symbol(&mut self, wanted: u8) -> Option<()> {
        self.space();
        (self.byte()? == wanted).then_some(())
    }

    /// A key that is expected; where something else stands nothing is read.
    fn key(&mut self, field: Field) -> Option<()> {
        let rest = self.line.as_bytes().get(self.at..)?;
        let rest = rest.strip_prefix(field.key().as_bytes())?;
        self.at = self.line.len() - rest.len();
        Some(())
    }

    /// A text between quotes, without escapes.
    fn text(&mut self) -> Option<&'a str> {
        let bytes = self.line.as_bytes();
        let from = self.at + 1;
        let end = from + end_of_text(bytes.get(from..)?);
        if (self.byte()?, bytes.get(end)?) != (b'"', &b'"') {
            return None;
        }
        self.at = end + 1;
        self.line.get(from..end)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => self.text().map(|text| Value::Text(Cow::Borrowed(text))),
            b'-' | b'0'..=b'9' => self.number(),
            b'[' => self.list(),
            b'n' => {
                let word = self.line.get(self.at..self.at + 4)?;
                self.at += 4;
                (word == "null").then_some(Value::Null)
            }
            _ => None,
        }
    }

    fn list(&mut self) -> Option<Value<'a>> {
        self.symbol(b'[')?;
        let mut list = Vec::new();
        self.space();
        if self.peek()? == b']' {
            self.byte()?;
            return Some(Value::List(list));
        }
        loop {
            self.space();
            list.push(Cow::Borrowed(self.text()?));
            self.space();
            match self.byte()? {
                b',' => {}
                b']' => return Some(Value::List(list)),
                _ => return None,
            }
        }
    }

    /// Adds at most so many digits to a number, and one too many where there are more; how many it took.
    fn digits(&mut self, most: usize, number: &mut u64) -> usize {
        let from = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek()
            && self.at - from <= most
        {
            *number = *number * 10 + u64::from(digit - b'0');
            self.at += 1;
        }
        self.at - from
    }

    /// A number of few digits and without an exponent: a whole one, or a quotient of two whole ones that are exact, which is
    /// the nearest `f64` there is.
    fn number(&mut self) -> Option<Value<'a>> {
        let negative = self.peek()? == b'-';
        if negative {
            self.byte()?;
        }
        let zero = self.peek()? == b'0';
        let mut number = 0;
        let whole = self.digits(DIGITS, &mut number);
        if whole == 0 || whole > DIGITS || (zero && whole > 1) {
            return None;
        }
        let mut fraction = 0;
        if self.peek()? == b'.' {
            self.byte()?;
            let mut after = number;
            fraction = self.digits(DIGITS - whole, &mut after);
            if fraction == 0 || whole + fraction > DIGITS {
                return None;
            }
            number = after;
        } else if !negative {
            return Some(Value::Whole(number));
        } else if number == 0 {
            return None;
        }
        let value = number as f64 / TENS.get(fraction)?;
        Some(Value::Number(if negative { -value } else { value }))
    }
}

/// Where a text ends, or something begins that is not plain: a quote, an escape or a control character. Eight bytes at a time,
/// by the borrows of a subtraction (H. S. Warren, Hacker's Delight, 6-1).
fn end_of_text(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word & HIGH;
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // Borrows go upwards: the lowest of the bits is right.
        let found = below(word, b' ')
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    text.len() - tail.len() + tail.iter().position(ends).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use proptest::prelude::*;

    fn plain(line: &str) -> Option<Event<'_>> {
        plain_like(line, &mut Order::default())
    }

    fn plain_like<'a>(line: &'a str, order: &mut Order) -> Option<Event<'a>> {
        let mut event = read::untimed();
        fill(&mut event, line.as_bytes(), order).map(|()| event)
    }

    /// Keys with values that are right, wrong, or written in some way that is not plain.
    fn member() -> impl Strategy<Value = String> {
        let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
        let key = prop_oneof![
            8 => proptest::sample::select(names),
            1 => proptest::sample::select(vec!["x", "source", "user", "", "@timestamp"]),
        ];
        let value = prop_oneof![
            4 => "\"[ -!#-\\[\\]-~äß€𝄞]{0,20}\"",
            1 => "\"[ -~]{0,12}\"",
            1 => "\"(2026-0[1-9]-1[0-9]T0[0-9]:30:00(\\.[0-9]{1,9})?Z|success|human)\"",
            3 => "-?[0-9]{1,12}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
            1 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{0,20})?",
            1 => "\\[ ?(\"[a-z]{0,9}\"( , ?\"[a-z\\\\]{0,3}\"){0,3})? ?\\]",
            1 => proptest::sample::select(vec!["null", "true", "false", "{}", "{\"as.number\": 7}", "[1]", "nul", "\u{7f}"])
                .prop_map(str::to_owned),
        ];
        (key, " {0,2}", value)
            .prop_map(|(key, space, value)| format!("\"{key}\"{space}:{space}{value}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn a_plain_line_is_read_as_any_other(
            members in proptest::collection::vec(member(), 1..5),
            comma in ",[ \t]?",
            end in "[ \r]?",
        ) {
            let line = format!("{{\"@timestamp\":1.5,{}}}{end}", members.join(&comma));
            let walked = read::walked(line.as_bytes());
            let mut order = Order::default();
            let first = plain_like(&line, &mut order);
            // Now its own order is expected.
            prop_assert_eq!(&plain_like(&line, &mut order), &first, "{}", line);
            if let Some(event) = first {
                prop_assert_eq!(Ok(event), walked, "{}", line);
            }
        }
    }

    #[test]
    fn what_tools_write_is_plain() {
        for line in [
            r#"{"@timestamp": 1600057950.6, "event.action": "login", "source.geo.location.lat": -60.4, "source.as.number": 1001}"#,
            r#"{"@timestamp":"2026-01-05T00:00:00.206Z","user.roles":["a","b"],"user.id":"ü","unknown":[],"event.id":null}"#,
        ] {
            let walked = read::walked(line.as_bytes());
            assert!(walked.is_ok());
            assert_eq!(plain(line).ok_or(()), walked.map_err(drop));
        }
    }

    #[test]
    fn what_was_expected_makes_no_difference() {
        let lines = [
            r#"{"@timestamp":1,"user.id":"a","user.roles":["b"],"event.id":"c"}"#,
            r#"{ "@timestamp" : 1 , "user.id" :"a","user.id":"b"}"#,
            r#"{"user.id":"user.id","@timestamp":2}"#,
            r#"{"@timestamp":1,"user.id2":"a","user.i":"d","event.id":"e"}"#,
            r#"{"@timestamp":1,"user.id"}"#,
            r#"{"@timestamp":1,"user.id"#,
            r#"{"@timestamp":1,"#,
        ];
        let mut order = Order::default();
        for line in lines.iter().chain(lines.iter().rev()) {
            assert_eq!(plain_like(line, &mut order), plain(line), "{line}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left() {
        for line in [
            "",
            "{",
            "{}",
            r#"{"@timestamp":1}x"#,
            r#"{"@timestamp":01}"#,
            r#"{"@timestamp":-0}"#,
            r#"{"@timestamp":1.}"#,
            r#"{"@timestamp":1e3}"#,
            r#"{"@timestamp":1234567890123456}"#,
            r#"{"@timestamp":12345678901.23456}"#,
            r#"{"@timestamp":123456789012345.12345678901234567890}"#,
            r#"{"@timestamp":1,"user.id":"a\u0062"}"#,
            r#"{"@timestamp":1,"user":{"id":"a"}}"#,
            "{\"@timestamp\":1,\"user.id\":\"a\tb\"}",
        ] {
            assert_eq!(plain(line), None, "{line}");
        }
    }

    #[test]
    fn a_text_ends_at_the_first_byte_that_is_not_plain() {
        for length in 0..40 {
            for end in [b'"', b'\\', b'\n', 0, 31] {
                let mut text = vec![0xc3; length];
                assert_eq!(end_of_text(&text), length);
                text.push(end);
                text.extend([b'"', 1, b'x', b'\\', b' ', b'!', 0x80, 0xff]);
                assert_eq!(end_of_text(&text), length, "{end}");
            }
        }
    }
}
