//! The envelope of a signed binary message (protocol 2.10): a map of `token_binding` and `payload`.

use super::item::{Item, Items, NotConvertible};

/// A signed binary message, taken apart and not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBound<'a> {
    /// Version of token binding.
    pub version: u64,
    /// How it is signed.
    pub scheme: &'a str,
    /// Number of the message.
    pub sequence: u64,
    /// Signature in base64.
    pub signature: &'a str,
    /// Fingerprint of the client's certificate.
    pub fingerprint: Option<&'a str>,
    /// What is signed.
    pub payload: &'a [u8],
}

/// Takes a signed binary message apart.
///
/// # Errors
/// It is no such map: a member is missing, repeated, unknown or of another type, or something follows.
pub fn token_bound(message: &[u8]) -> Result<TokenBound<'_>, NotConvertible> {
    let mut items = Items::new(message);
    let (mut proof, mut payload) = (None, None);
    for _ in 0..map(&mut items)? {
        match text(items.next()?)? {
            "token_binding" => set(&mut proof, read_proof(&mut items)?)?,
            "payload" => match items.next()? {
                Item::Bin(bytes) => set(&mut payload, bytes)?,
                _ => return Err(NotConvertible),
            },
            _ => return Err(NotConvertible),
        }
    }
    items.end()?;
    let proof = proof.ok_or(NotConvertible)?;
    Ok(TokenBound {
        version: proof.version,
        scheme: proof.scheme,
        sequence: proof.sequence,
        signature: proof.signature,
        fingerprint: proof.fingerprint,
        payload: payload.ok_or(NotConvertible)?,
    })
}

struct Proof<'a> {
    version: u64,
    scheme: &'a str,
    sequence: u64,
    signature: &'a str,
    fingerprint: Option<&'a str>,
}

fn read_proof<'a>(items: &mut Items<'a>) -> Result<Proof<'a>, NotConvertible> {
    let (mut version, mut scheme, mut sequence, mut signature, mut fingerprint) = (None, None, None, None, None);
    for _ in 0..map(items)? {
        let name = text(items.next()?)?;
        let value = items.next()?;
        match name {
            "version" => set(&mut version, number(value)?)?,
            "scheme" => set(&mut scheme, text(value)?)?,
            "sequence" => set(&mut sequence, number(value)?)?,
            "signature" => set(&mut signature, text(value)?)?,
            "fingerprint" => {
                let value = match value {
                    Item::Nil => None,
                    value => Some(text(value)?),
                };
                set(&mut fingerprint, value)?;
            }
            _ => return Err(NotConvertible),
        }
    }
    Ok(Proof {
        version: version.ok_or(NotConvertible)?,
        scheme: scheme.ok_or(NotConvertible)?,
        sequence: sequence.ok_or(NotConvertible)?,
        signature: signature.ok_or(NotConvertible)?,
        fingerprint: fingerprint.flatten(),
    })
}

/// Every pair takes a byte at least, so a map that announces more than there is ends with the message.
fn map(items: &mut Items<'_>) -> Result<u32, NotConvertible> {
    match items.next()? {
        Item::Map(pairs) => Ok(pairs),
        _ => Err(NotConvertible),
    }
}

fn text(item: Item<'_>) -> Result<&str, NotConvertible> {
    match item {
        Item::Str(bytes) => str::from_utf8(bytes).map_err(|_| NotConvertible),
        _ => Err(NotConvertible),
    }
}

fn number(item: Item<'_>) -> Result<u64, NotConvertible> {
    match item {
        Item::Unsigned(number) => Ok(number),
        Item::Signed(number) => u64::try_from(number).map_err(|_| NotConvertible),
        _ => Err(NotConvertible),
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Result<(), NotConvertible> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(NotConvertible),
    }
}
