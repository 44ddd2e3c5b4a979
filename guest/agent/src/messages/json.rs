//! What protobuf's JSON mapping writes in its own way: bytes, enumerations, 64-bit numbers, times.

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::{Engine, BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads base64 with and without padding, as the mapping demands.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes are base64.
pub mod base64_bytes {
    use super::{Deserialize, Deserializer, Engine, Serializer, BASE64_STANDARD, LENIENT};
    use bytes::Bytes;

    /// Writes it padded.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    /// Reads it padded or not.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        LENIENT
            .decode(text.as_bytes())
            .map(Bytes::from)
            .map_err(|e| serde::de::Error::custom(format!("bytes are not base64: {e}")))
    }
}

/// 64-bit numbers are texts, for JavaScript knows none.
pub fn int64<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// An enumeration as it comes in: by name or by number.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum NameOrNumber {
    /// By name.
    Name(String),
    /// By number.
    Number(i32),
}

/// A moment (`google.protobuf.Timestamp`).
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Timestamp {
    /// Whole seconds since 1970.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// The rest, never negative.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Serialize for Timestamp {
    /// As RFC 3339. Times before 1970 are shown as 1970: no client has a use for them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since = match (u64::try_from(self.seconds), u32::try_from(self.nanos)) {
            (Ok(seconds), Ok(nanos)) => Duration::new(seconds.min(LAST_SECOND), nanos),
            _ => Duration::ZERO,
        };
        let time: SystemTime = UNIX_EPOCH + since;
        serializer.collect_str(&humantime::format_rfc3339_nanos(time))
    }
}

/// End of the year 9999, the last that RFC 3339 can write.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn times_that_cannot_be_written_are_brought_in_range() {
        let shown = |seconds, nanos| {
            serde_json::to_string(&Timestamp { seconds, nanos }).expect("serializes")
        };
        assert_eq!(shown(1, 5), "\"1970-01-01T00:00:01.000000005Z\"");
        assert_eq!(shown(-1, 5), "\"1970-01-01T00:00:00.000000000Z\"");
        assert_eq!(shown(i64::MAX, 0), "\"9999-12-31T23:59:59.000000000Z\"");
    }
}
