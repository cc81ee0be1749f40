//! The one form of a JSON object that both sides sign: compact, members sorted, no needless escapes.

use super::super::wire::json_strict;
use super::SAFE_INTEGER_MAX;
use std::borrow::Cow;
use std::cmp::Ordering;

/// What a version signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Members sorted by their UTF-8 bytes, numbers as they are written.
    One,
    /// Members sorted by UTF-16 code units, integers only.
    Two,
}

/// A text that has no such form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is no JSON, is no JSON that others could read (D2), repeats a member, or has a number that version 2 does not
    /// sign.
    Malformed,
    /// It is JSON, but no object.
    NoObject,
}

/// A message in two parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Canonical<'a> {
    /// The message without its proof, in canonical form.
    pub(super) text: Vec<u8>,
    /// The proof as it was written: the value of the member `token_binding`.
    pub(super) proof: Option<&'a str>,
}

/// Takes a message apart.
pub(super) fn canonical(json: &str, rules: Rules) -> Result<Canonical<'_>, Flaw> {
    json_strict::check(json).map_err(|_| Flaw::Malformed)?;
    let mut writer = Writer {
        json,
        at: 0,
        rules,
        out: Vec::with_capacity(json.len()),
        proof: None,
    };
    writer.space();
    let is_object = writer.peek() == Some(b'{');
    writer.value(true).ok_or(Flaw::Malformed)?;
    if !is_object {
        return Err(Flaw::NoObject);
    }
    Ok(Canonical {
        text: writer.out,
        proof: writer.proof,
    })
}

/// Reads JSON that was checked, and writes it in canonical form. It calls itself no deeper than the check allows.
struct Writer<'a> {
    json: &'a str,
    at: usize,
    rules: Rules,
    out: Vec<u8>,
    proof: Option<&'a str>,
}

/// A member that was written: its name, and where its value begins and ends in the output.
struct Member<'a> {
    name: Cow<'a, str>,
    start: usize,
    end: usize,
}

impl<'a> Writer<'a> {
    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Takes the value that begins here. `top`: it is the message itself, whose proof is left out.
    fn value(&mut self, top: bool) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(top),
            b'[' => self.array(),
            b'"' => {
                let text = self.string()?;
                write_string(&text, &mut self.out)
            }
            _ => self.scalar(),
        }
    }

    fn object(&mut self, top: bool) -> Option<()> {
        let base = self.out.len();
        let mut members = Vec::new();
        self.at += 1;
        self.space();
        while self.peek()? != b'}' {
            let name = self.string()?;
            self.space();
            // The colon.
            self.at += 1;
            self.space();
            let (start, from) = (self.out.len(), self.at);
            self.value(false)?;
            if top && name == "token_binding" {
                self.proof = self.json.get(from..self.at);
            }
            let end = self.out.len();
            members.push(Member { name, start, end });
            self.separator();
        }
        self.at += 1;
        let order = |a: &Member<'_>, b: &Member<'_>| compare(&a.name, &b.name, self.rules);
        members.sort_unstable_by(order);
        if members.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return None;
        }
        let mut sorted = Vec::with_capacity(self.out.len() - base + 8 * members.len());
        sorted.push(b'{');
        for member in members {
            if top && member.name == "token_binding" {
                continue;
            }
            if sorted.len() > 1 {
                sorted.push(b',');
            }
            write_string(&member.name, &mut sorted)?;
            sorted.push(b':');
            sorted.extend_from_slice(self.out.get(member.start..member.end)?);
        }
        sorted.push(b'}');
        self.out.truncate(base);
        self.out.append(&mut sorted);
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        self.at += 1;
        self.out.push(b'[');
        self.space();
        let mut first = true;
        while self.peek()? != b']' {
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.value(false)?;
            self.separator();
        }
        self.at += 1;
        self.out.push(b']');
        Some(())
    }

    /// The comma behind a value, if there is one, and the space around it.
    fn separator(&mut self) {
        self.space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.space();
        }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        let mut escapes = false;
        loop {
            self.at += 1;
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escapes = true;
                    self.at += 1;
                }
                _ => {}
            }
        }
        self.at += 1;
        let quoted = self.json.get(start..self.at)?;
        if escapes {
            serde_json::from_str(quoted).ok().map(Cow::Owned)
        } else {
            quoted.get(1..quoted.len() - 1).map(Cow::Borrowed)
        }
    }

    /// A number or a literal.
    fn scalar(&mut self) -> Option<()> {
        let start = self.at;
        while !matches!(
            self.peek(),
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b']' | b'}')
        ) {
            self.at += 1;
        }
        let text = self.json.get(start..self.at)?;
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if is_number && self.rules == Rules::Two && !is_safe_integer(text) {
            return None;
        }
        self.out.extend_from_slice(text.as_bytes());
        Some(())
    }
}

/// Whether a number is an integer that every parser reads alike. Minus zero is none.
fn is_safe_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    number != "-0"
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u64>().is_ok_and(|value| value <= SAFE_INTEGER_MAX)
}

fn compare(a: &str, b: &str, rules: Rules) -> Ordering {
    match rules {
        Rules::One => a.cmp(b),
        Rules::Two => a.encode_utf16().cmp(b.encode_utf16()),
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) -> Option<()> {
    serde_json::to_writer(out, text).ok()
}
