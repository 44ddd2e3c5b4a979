//! What a client asks of a download in its headers: a range, an encoding.

use axum::http::{header, HeaderMap};

/// Which part of a file is wanted.
pub enum Range {
    /// All of it.
    Whole,
    /// From the first byte to the one after the last.
    Part(u64, u64),
    /// None that exists.
    Impossible,
}

/// One range of bytes (RFC 9110, 14.1.2); anything else asked for means the whole file.
pub fn range(headers: &HeaderMap, size: u64) -> Range {
    let Some(text) = headers
        .get(header::RANGE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("bytes="))
        .filter(|v| !v.contains(','))
    else {
        return Range::Whole;
    };
    let Some((first, last)) = text.split_once('-') else {
        return Range::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Range::Impossible,
        (Ok(first), Ok(last)) if last >= first => {
            Range::Part(first, size.min(last.saturating_add(1)))
        }
        (Ok(first), Err(_)) if last.is_empty() => Range::Part(first, size),
        (Err(_), Ok(0)) => Range::Impossible,
        (Err(_), Ok(count)) if first.is_empty() && size > 0 => {
            Range::Part(size.saturating_sub(count), size)
        }
        _ => Range::Whole,
    }
}

/// How a file goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// Compressed.
    Gzip,
}

/// What the client takes (RFC 9110, 12.5.3). Compressing costs the capsule more than it saves on a
/// link within one machine, so it is for those only who refuse anything else.
pub fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let text = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let weight = |wanted: &str| {
        text.split(',').find_map(|item| {
            let (coding, parameter) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight = parameter.trim().strip_prefix("q=")?.trim().parse::<f32>();
            (coding.trim() == wanted).then_some(weight.unwrap_or(1.0) > 0.0)
        })
    };
    let any = weight("*");
    if weight("identity").or(any).unwrap_or(true) {
        Some(Encoding::Identity)
    } else if weight("gzip").or(any).unwrap_or(false) {
        Some(Encoding::Gzip)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{encoding, range, Encoding, Range};
    use axum::http::{header, HeaderMap, HeaderValue};

    fn asked(text: &'static str, size: u64) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static(text));
        match range(&headers, size) {
            Range::Part(start, end) => Some((start, end)),
            Range::Whole => Some((0, size)),
            Range::Impossible => None,
        }
    }

    #[test]
    fn ranges_are_clipped_to_the_file() {
        assert_eq!(asked("bytes=0-3", 10), Some((0, 4)));
        assert_eq!(asked("bytes=4-", 10), Some((4, 10)));
        assert_eq!(asked("bytes=4-100", 10), Some((4, 10)));
        assert_eq!(asked("bytes=-3", 10), Some((7, 10)));
        assert_eq!(asked("bytes=-30", 10), Some((0, 10)));
        assert_eq!(asked("bytes=10-", 10), None);
        assert_eq!(asked("bytes=5-4", 10), Some((0, 10)));
        assert_eq!(asked("lines=1-2", 10), Some((0, 10)));
        assert_eq!(asked("bytes=1-2,4-5", 10), Some((0, 10)));
    }

    #[test]
    fn gzip_is_only_for_those_who_take_nothing_else() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            encoding(&headers)
        };
        assert_eq!(encoding(&HeaderMap::new()), Some(Encoding::Identity));
        for (text, expected) in [
            ("", Some(Encoding::Identity)),
            ("gzip, deflate, br", Some(Encoding::Identity)),
            ("gzip;q=1.0, identity;q=0", Some(Encoding::Gzip)),
            ("gzip, *;q=0", Some(Encoding::Gzip)),
            ("identity, *;q=0", Some(Encoding::Identity)),
            ("*;q=0.0", None),
            ("br, identity;q=0", None),
            ("*, identity; q=0", Some(Encoding::Gzip)),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
