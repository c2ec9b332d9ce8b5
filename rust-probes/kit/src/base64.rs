//! Standard base64 with padding (RFC 4648, section 4), as the contract carries bytes.
//!
//! `#[serde(with = "kit::base64")]` puts it on a field of type `Vec<u8>`.

use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as text.
pub fn encode(data: &[u8]) -> String {
    let mut text = String::with_capacity(data.len().div_euclid(3) * 4 + 4);
    for chunk in data.chunks(3) {
        let group = (0..3).fold(0, |group, i| {
            group << 8 | u32::from(chunk.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            if i <= chunk.len() {
                text.push(char::from(ALPHABET[(group >> (18 - 6 * i)) as usize & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// The bytes that [`encode`] was given, or what is wrong with `text`.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    if text.len() % 4 != 0 {
        return Err(format!(
            "not base64: {} characters are no multiple of 4",
            text.len()
        ));
    }
    let digits = text
        .strip_suffix("==")
        .or_else(|| text.strip_suffix('='))
        .unwrap_or(text);
    let mut data = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in digits.as_bytes().chunks(4) {
        let mut group = 0;
        for &digit in chunk {
            group = group << 6 | value(digit)?;
        }
        group <<= 6 * (4 - chunk.len());
        data.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Ok(data)
}

fn value(digit: u8) -> Result<u32, String> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return Err(format!("not base64: byte {digit:#04x}")),
    };
    Ok(u32::from(value))
}

/// For `#[serde(with = "kit::base64")]`.
pub fn serialize<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(data))
}

/// For `#[serde(with = "kit::base64")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    decode(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Bytes, which the contract carries in base64; for optional ones, and for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_value_at_every_position_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for start in 0..4 {
            for end in 250..=256 {
                let data = &all[start..end];
                assert_eq!(decode(&encode(data)).as_deref(), Ok(data));
            }
        }
    }

    #[test]
    fn the_examples_of_rfc_4648() {
        for (data, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(data.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Ok(data.as_bytes()));
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in [
            "Zg", "Zg=", "Z===", "====", "Z=g=", "Zg==Zg==", "Zm9\n", "Zm-_", "é=",
        ] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
