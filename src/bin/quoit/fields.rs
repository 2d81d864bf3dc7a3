//! Records by the layout of their fields, as in `at: u64, name: [text; 8]`.
//!
//! Knows nothing of the tool: `tests/tool/records.rs` compiles this very file.

use std::fmt::Write;

use serde_json::{Map, Value};

/// What is allowed where a type must be.
const TYPES: &str = "a type is u8 to u128, i8 to i128, f32, f64 (these with be at the end if \
                     big-endian), text, hex, or [TYPE; COUNT]";
/// No record needs more, and the parser's stack is limited.
const DEEPEST: usize = 8;

/// The fields of a record.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    fields: Vec<(String, Type)>,
    size: usize,
}

#[derive(Debug, Clone)]
enum Type {
    Number(Number),
    Text,
    Hex,
    Array(Box<Self>, usize),
}

#[derive(Debug, Clone, Copy)]
struct Number {
    /// Unsigned, signed or of floating point: `u`, `i` or `f`.
    kind: char,
    size: usize,
    is_big_endian: bool,
}

impl Fields {
    /// Reads a layout, or says what is wrong where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text, at: 0 };
        let mut fields: Vec<(String, Type)> = Vec::new();
        let mut size = 0_usize;
        while fields.is_empty() || !parser.peek().1.is_empty() {
            let start = parser.peek();
            let (name, found) = parser.field(fields.len())?;
            if name != "_" && fields.iter().any(|(other, _)| *other == name) {
                return Err(parser.wrong(start, "there is a field of this name already"));
            }
            let sum = size.checked_add(found.size());
            size = sum.ok_or_else(|| parser.wrong(start, "the record is too large"))?;
            fields.push((name, found));
            if !parser.peek().1.is_empty() {
                parser.expect(",", "after a field there is a comma, or the end")?;
            }
        }
        Ok(Self { fields, size })
    }

    /// Bytes of a record.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The fields as an object; the record has their size.
    pub(crate) fn json(&self, record: &[u8]) -> Value {
        let values = self.split(record);
        let pairs = values.map(|(name, found, bytes)| (name.to_owned(), found.json(bytes)));
        Value::Object(Map::from_iter(pairs))
    }

    /// The fields in a line.
    pub(crate) fn words(&self, record: &[u8]) -> String {
        let words = self.split(record).map(|(name, found, bytes)| {
            let words = found.words(bytes);
            match name.starts_with(|letter: char| letter.is_ascii_digit()) {
                true => words,
                false => format!("{name}={words}"),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Each field that is shown, with its bytes.
    fn split<'a>(
        &'a self,
        mut record: &'a [u8],
    ) -> impl Iterator<Item = (&'a str, &'a Type, &'a [u8])> {
        let all = self.fields.iter().map(move |(name, found)| {
            let (bytes, rest) = record.split_at(found.size());
            record = rest;
            (&**name, found, bytes)
        });
        all.filter(|&(name, ..)| name != "_")
    }
}

impl Type {
    /// Of a word; nothing if there is no such type.
    fn named(word: &str) -> Option<Self> {
        match word {
            "text" => Some(Self::Text),
            "hex" => Some(Self::Hex),
            _ => Number::named(word).map(Self::Number),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Number(number) => number.size,
            Self::Text | Self::Hex => 1,
            Self::Array(element, count) => element.size() * count,
        }
    }

    fn json(&self, bytes: &[u8]) -> Value {
        match self {
            Self::Number(number) => number.json(bytes),
            Self::Hex => hex(bytes).into(),
            Self::Text => String::from_utf8_lossy(without_zeros(bytes)).into(),
            Self::Array(element, _) if element.is_letter() => element.json(bytes),
            Self::Array(element, _) => {
                let all = bytes.chunks(element.size());
                all.map(|bytes| element.json(bytes)).collect()
            }
        }
    }

    fn words(&self, bytes: &[u8]) -> String {
        match self {
            Self::Number(number) => number.text(bytes),
            Self::Hex => hex(bytes),
            Self::Text => quoted(without_zeros(bytes)),
            Self::Array(element, _) if element.is_letter() => element.words(bytes),
            Self::Array(element, _) => {
                let all = bytes.chunks(element.size());
                let all: Vec<_> = all.map(|bytes| element.words(bytes)).collect();
                format!("[{}]", all.join(", "))
            }
        }
    }

    /// Its arrays are strings, or rows of digits.
    fn is_letter(&self) -> bool {
        matches!(self, Self::Text | Self::Hex)
    }
}

impl Number {
    fn named(word: &str) -> Option<Self> {
        let number = word.strip_suffix("be");
        let (kind, bits) = number.unwrap_or(word).split_at_checked(1)?;
        let size = match (kind, bits) {
            ("u" | "i", "8" | "16" | "32" | "64" | "128") | ("f", "32" | "64") => bits.parse(),
            _ => return None,
        };
        Some(Self {
            kind: kind.chars().next()?,
            size: size.unwrap_or(0_usize) / 8,
            is_big_endian: number.is_some(),
        })
    }

    /// In decimal, as short as it can be and still be this number.
    fn text(self, bytes: &[u8]) -> String {
        let mut all = [0; 16];
        let used = &mut all[..self.size];
        used.copy_from_slice(bytes);
        if self.is_big_endian {
            used.reverse();
        }
        let number = u128::from_le_bytes(all);
        let unused = 128 - 8 * self.size;
        match (self.kind, self.size) {
            ('u', _) => number.to_string(),
            ('i', _) => ((number << unused) as i128 >> unused).to_string(),
            (_, 4) => format!("{:?}", f32::from_bits(number as u32)),
            _ => format!("{:?}", f64::from_bits(number as u64)),
        }
    }

    /// What is not a number of JSON, or has 128 bits, is a string.
    fn json(self, bytes: &[u8]) -> Value {
        let text = self.text(bytes);
        let number = match self.kind {
            'f' => text.parse().ok().and_then(serde_json::Number::from_f64),
            _ if self.size > 8 => None,
            _ => text.parse().ok(),
        };
        number.map_or(Value::String(text), Value::Number)
    }
}

/// Bytes in hexadecimal, with nothing between them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let last = bytes.iter().rposition(|&byte| byte != 0);
    &bytes[..last.map_or(0, |last| last + 1)]
}

/// Text that cannot move a terminal's cursor, and shows bytes that are no text.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let valid = format!("{:?}", chunk.valid());
        text += &valid[1..valid.len() - 1];
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text + "\""
}

/// Reads a layout from left to right.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// The next word or sign, which is empty at the end, and its place.
    fn peek(&self) -> (usize, &'a str) {
        let rest = self.text[self.at..].trim_start();
        let word = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let sign = rest.chars().next().map_or(0, char::len_utf8);
        (self.text.len() - rest.len(), &rest[..word.max(sign)])
    }

    fn next(&mut self) -> (usize, &'a str) {
        let (start, token) = self.peek();
        self.at = start + token.len();
        (start, token)
    }

    /// Whether this sign comes next; it is read then.
    fn takes(&mut self, sign: &str) -> bool {
        let found = self.peek().1 == sign;
        self.at = if found {
            self.next().0 + sign.len()
        } else {
            self.at
        };
        found
    }

    fn expect(&mut self, sign: &str, what: &str) -> Result<(), String> {
        let next = self.peek();
        self.takes(sign)
            .then_some(())
            .ok_or_else(|| self.wrong(next, what))
    }

    /// A field; without a name it has that of its place.
    fn field(&mut self, place: usize) -> Result<(String, Type), String> {
        let start = self.at;
        let name = self.next();
        if !name.1.starts_with(is_part) || !self.takes(":") {
            self.at = start;
            return Ok((place.to_string(), self.a_type(0)?));
        }
        if name.1.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Err(self.wrong(name, "a name begins with a letter or _"));
        }
        Ok((name.1.to_owned(), self.a_type(0)?))
    }

    fn a_type(&mut self, depth: usize) -> Result<Type, String> {
        let word = self.next();
        if word.1 != "[" {
            return Type::named(word.1).ok_or_else(|| self.wrong(word, TYPES));
        }
        if depth == DEEPEST {
            return Err(self.wrong(word, "arrays of arrays go 8 deep at most"));
        }
        let element = self.a_type(depth + 1)?;
        self.expect(";", "in an array ; and a count follow the type")?;
        let number = self.next();
        let count = match number.1.parse::<usize>() {
            Ok(count) if count > 0 => count,
            _ => return Err(self.wrong(number, "a count is a number from 1 on")),
        };
        if element.size().checked_mul(count).is_none() {
            return Err(self.wrong(number, "the array is too large"));
        }
        self.expect("]", "after its count an array ends with ]")?;
        Ok(Type::Array(Box::new(element), count))
    }

    /// What is wrong, and where: the line, and marks under this word or sign of it.
    fn wrong(&self, (at, token): (usize, &str), what: &str) -> String {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let line = line.replace(char::is_control, " ");
        let indent = self.text[start..at].chars().count();
        let marks = "^".repeat(token.chars().count().max(1));
        format!("{what}\n  {line}\n  {:indent$}{marks}", "")
    }
}

/// Of a word.
fn is_part(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}
