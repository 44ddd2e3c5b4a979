//! The Connect protocol as far as clients use it: unary JSON, and server streams of framed JSON.
//!
//! Errors of a unary call are an HTTP status with a JSON body; errors of a stream are HTTP 200 with
//! the error in the last frame, because clients ignore the body of any other status.

use axum::body::Body;
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{json, Value};
use std::time::Duration;

const FLAG_END: u8 = 2;
const FRAME_HEADER_BYTES: usize = 5;

/// A call that failed, in the protocol's terms.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    code: &'static str,
    message: String,
}

impl RpcError {
    /// The request makes no sense as it is.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid_argument", message)
    }

    /// What it names does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("not_found", message)
    }

    /// What it would make exists.
    pub fn already_exists(message: impl Into<String>) -> Self {
        Self::new("already_exists", message)
    }

    /// This agent does not do that.
    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new("unimplemented", message)
    }

    /// It should have worked.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("internal", message)
    }

    /// The caller's limit has passed.
    pub fn deadline_exceeded() -> Self {
        Self::new("deadline_exceeded", "the time limit of the call has passed")
    }

    /// The user is not known.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new("unauthenticated", message)
    }

    /// A failed file operation.
    pub fn of_io(what: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let message = format!("{what}: {error}");
        match error.kind() {
            ErrorKind::NotFound => Self::not_found(message),
            ErrorKind::AlreadyExists => Self::already_exists(message),
            ErrorKind::PermissionDenied => Self::new("permission_denied", message),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self::new("resource_exhausted", message)
            }
            ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::InvalidInput => {
                Self::invalid(message)
            }
            _ => Self::internal(message),
        }
    }

    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    fn status(&self) -> StatusCode {
        let number = match self.code {
            "invalid_argument" => 400,
            "unauthenticated" => 401,
            "permission_denied" => 403,
            "not_found" => 404,
            "already_exists" => 409,
            "resource_exhausted" => 429,
            "unimplemented" => 501,
            "deadline_exceeded" => 504,
            _ => 500,
        };
        StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn json(&self) -> Value {
        json!({"code": self.code, "message": self.message})
    }

    /// The frame that ends a stream with this error.
    pub fn end_frame(&self) -> Bytes {
        frame(FLAG_END, &json!({ "error": self.json() }))
    }
}

impl IntoResponse for RpcError {
    fn into_response(self) -> Response {
        json_response(self.status(), &self.json())
    }
}

/// Answer of a unary call.
pub fn reply(result: Result<Value, RpcError>) -> Response {
    match result {
        Ok(message) => json_response(StatusCode::OK, &message),
        Err(error) => error.into_response(),
    }
}

/// A JSON answer.
pub fn json_response(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

/// Answer of a stream whose frames come from a body.
pub fn stream_response(body: Body) -> Response {
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "application/connect+json")],
        body,
    )
        .into_response()
}

/// A stream that fails before its first message.
pub fn failed_stream(error: &RpcError) -> Response {
    stream_response(Body::from(error.end_frame()))
}

/// The message of a unary request.
pub fn parse_unary(body: &[u8]) -> Result<Value, RpcError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|e| RpcError::invalid(format!("not JSON: {e}")))
}

/// The one message of a server-streaming request.
pub fn parse_framed(body: &[u8]) -> Result<Value, RpcError> {
    let broken = || RpcError::invalid("the request is not one framed message");
    let header = body.get(..FRAME_HEADER_BYTES).ok_or_else(broken)?;
    if header[0] != 0 {
        return Err(RpcError::unimplemented("compressed requests"));
    }
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    let payload = &body[FRAME_HEADER_BYTES..];
    if payload.len() != length {
        return Err(broken());
    }
    parse_unary(payload)
}

/// A message of a stream.
pub fn message_frame(message: &Value) -> Bytes {
    frame(0, message)
}

/// The frame that ends a stream well.
pub fn end_frame() -> Bytes {
    frame(FLAG_END, &json!({}))
}

fn frame(flags: u8, message: &Value) -> Bytes {
    let payload = message.to_string();
    let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + payload.len());
    frame.put_u8(flags);
    frame.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    frame.put_slice(payload.as_bytes());
    frame.freeze()
}

/// A header with a number of milliseconds or seconds.
pub fn duration_header(
    headers: &HeaderMap,
    name: &str,
    unit: fn(u64) -> Duration,
) -> Option<Duration> {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u64>().ok())
        .filter(|n| *n > 0)
        .map(unit)
}

/// Whether a private switch of our own control plane is on.
pub fn is_on(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|v| v == "1")
}

/// Text field under either of its two spellings.
pub fn text<'a>(message: &'a Value, camel: &str, snake: &str) -> Option<&'a str> {
    message
        .get(camel)
        .or_else(|| message.get(snake))
        .and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::{message_frame, parse_framed};
    use serde_json::json;

    #[test]
    fn a_frame_reads_back() {
        let frame = message_frame(&json!({"a": 1}));
        assert_eq!(parse_framed(&frame).expect("whole"), json!({"a": 1}));
        for length in 0..frame.len() {
            assert!(parse_framed(&frame[..length]).is_err(), "{length} bytes");
        }
    }
}
