//! The Connect protocol: unary calls, and streams of framed messages, each as JSON or protobuf.
//!
//! Errors of a unary call are an HTTP status with a JSON body; errors of a stream are HTTP 200 with
//! the error in the last frame, because clients ignore the body of any other status.

use crate::rpc_error::RpcError;
use axum::body::{to_bytes, Body, BodyDataStream};
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{json, Value};
use std::time::Duration;

const FLAG_COMPRESSED: u8 = 1;
const FLAG_END: u8 = 2;
const FRAME_HEADER_BYTES: usize = 5;
/// Longest message of a call; files go by `/files`.
const MESSAGE_LIMIT_BYTES: usize = 64 << 20;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As text.
    Json,
    /// By field numbers.
    Proto,
}

/// A message that comes in.
pub trait Incoming: prost::Message + Default + DeserializeOwned {}
impl<M: prost::Message + Default + DeserializeOwned> Incoming for M {}

/// A message that goes out.
pub trait Outgoing: prost::Message + Serialize + Send + 'static {}
impl<M: prost::Message + Serialize + Send + 'static> Outgoing for M {}

impl Codec {
    /// What a unary request is written in.
    pub fn of_unary(headers: &HeaderMap) -> Option<Self> {
        match content_type(headers).as_str() {
            "application/json" => Some(Codec::Json),
            "application/proto" => Some(Codec::Proto),
            _ => None,
        }
    }

    /// What a streaming request is written in.
    pub fn of_stream(headers: &HeaderMap) -> Option<Self> {
        match content_type(headers).as_str() {
            "application/connect+json" => Some(Codec::Json),
            "application/connect+proto" => Some(Codec::Proto),
            _ => None,
        }
    }

    fn decode<M: Incoming>(self, bytes: &[u8]) -> Result<M, RpcError> {
        match self {
            Codec::Proto => M::decode(bytes)
                .map_err(|e| RpcError::invalid(format!("not the expected message: {e}"))),
            Codec::Json if bytes.is_empty() => Ok(M::default()),
            Codec::Json => serde_json::from_slice(bytes)
                .or_else(|_| serde_json::from_value(without_nulls(serde_json::from_slice(bytes)?)))
                .map_err(|e| RpcError::invalid(format!("not the expected JSON: {e}"))),
        }
    }

    fn encode<M: Outgoing>(self, message: &M) -> Result<Vec<u8>, RpcError> {
        match self {
            Codec::Proto => Ok(message.encode_to_vec()),
            Codec::Json => serde_json::to_vec(message)
                .map_err(|e| RpcError::internal(format!("the answer cannot be written: {e}"))),
        }
    }

    /// A message of a stream.
    pub fn frame<M: Outgoing>(self, message: &M) -> Result<Bytes, RpcError> {
        Ok(frame(0, &self.encode(message)?))
    }

    /// Answers a unary call.
    pub fn reply<M: Outgoing>(self, result: Result<M, RpcError>) -> Response {
        let kind = match self {
            Codec::Json => "application/json",
            Codec::Proto => "application/proto",
        };
        match result.and_then(|message| self.encode(&message)) {
            Ok(bytes) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
            Err(error) => json_response(error.status(), &error),
        }
    }

    /// Answers a client stream: its one message, and the end.
    pub fn reply_framed<M: Outgoing>(self, result: Result<M, RpcError>) -> Response {
        match result.and_then(|message| self.frame(&message)) {
            Ok(message) => {
                let mut frames = message.to_vec();
                frames.extend(end_frame());
                self.stream_response(Body::from(frames))
            }
            Err(error) => self.failed_stream(&error),
        }
    }

    /// Answers with a stream whose frames come from a body.
    pub fn stream_response(self, frames: Body) -> Response {
        let kind = match self {
            Codec::Json => "application/connect+json",
            Codec::Proto => "application/connect+proto",
        };
        ([(header::CONTENT_TYPE, kind)], frames).into_response()
    }

    /// Answers with a stream that fails before its first message.
    pub fn failed_stream(self, error: &RpcError) -> Response {
        self.stream_response(Body::from(error_frame(error)))
    }

    /// The message of a unary request.
    pub async fn read_unary<M: Incoming>(self, body: Body) -> Result<M, RpcError> {
        self.decode(&read_whole(body).await?)
    }

    /// The one message of a server-streaming request.
    pub async fn read_framed<M: Incoming>(self, body: Body) -> Result<M, RpcError> {
        let mut frames = Frames::new(self, body);
        let message = frames.next().await?;
        match (message, frames.next::<M>().await?) {
            (Some(message), None) => Ok(message),
            _ => Err(RpcError::invalid(
                "the request is not exactly one framed message",
            )),
        }
    }
}

/// The messages of a request as they arrive.
pub struct Frames {
    codec: Codec,
    body: BodyDataStream,
    buffer: BytesMut,
    ended: bool,
}

impl Frames {
    /// Of that body.
    pub fn new(codec: Codec, body: Body) -> Self {
        Self {
            codec,
            body: body.into_data_stream(),
            buffer: BytesMut::new(),
            ended: false,
        }
    }

    /// The next message; none after the end.
    pub async fn next<M: Incoming>(&mut self) -> Result<Option<M>, RpcError> {
        if self.ended {
            return Ok(None);
        }
        if !self.fill(FRAME_HEADER_BYTES).await? {
            self.ended = true;
            return if self.buffer.is_empty() {
                Ok(None)
            } else {
                Err(cut_short())
            };
        }
        let flags = self.buffer.get_u8();
        let length = self.buffer.get_u32() as usize;
        if length > MESSAGE_LIMIT_BYTES {
            return Err(too_long());
        }
        if flags & FLAG_COMPRESSED != 0 {
            return Err(RpcError::unimplemented("compressed messages"));
        }
        if !self.fill(length).await? {
            return Err(cut_short());
        }
        let payload = self.buffer.split_to(length);
        if flags & FLAG_END != 0 {
            self.ended = true;
            return Ok(None);
        }
        self.codec.decode(&payload).map(Some)
    }

    /// Whether that many bytes are there, waiting for them.
    async fn fill(&mut self, length: usize) -> Result<bool, RpcError> {
        while self.buffer.len() < length {
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    return Err(RpcError::invalid(format!("the request broke off: {error}")))
                }
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

fn cut_short() -> RpcError {
    RpcError::invalid("a frame is cut short")
}

fn too_long() -> RpcError {
    RpcError::invalid(format!(
        "a message has more than {MESSAGE_LIMIT_BYTES} bytes"
    ))
}

/// A request's whole body.
pub async fn read_whole(body: Body) -> Result<Bytes, RpcError> {
    to_bytes(body, MESSAGE_LIMIT_BYTES)
        .await
        .map_err(|e| RpcError::invalid(format!("the request is too long or broke off: {e}")))
}

/// Protobuf's JSON mapping takes a null for an absent field.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(name, field)| (name, without_nulls(field)))
            .collect(),
        other => other,
    }
}

/// Refuses a request whose content type this method does not take.
pub fn unsupported() -> Response {
    let mut response = StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    response.headers_mut().insert(
        header::HeaderName::from_static("accept-post"),
        header::HeaderValue::from_static(
            "application/json, application/proto, application/connect+json, \
             application/connect+proto",
        ),
    );
    response
}

/// A JSON answer of a plain route.
pub fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A failure of a plain route.
pub fn refuse(status: StatusCode, message: &str) -> Response {
    json_response(
        status,
        &json!({"code": status.as_u16(), "message": message}),
    )
}

/// The frame that ends a stream well.
pub fn end_frame() -> Bytes {
    frame(FLAG_END, b"{}")
}

/// The frame that ends a stream with an error; JSON in either codec.
pub fn error_frame(error: &RpcError) -> Bytes {
    frame(FLAG_END, json!({ "error": error }).to_string().as_bytes())
}

fn frame(flags: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + payload.len());
    frame.put_u8(flags);
    frame.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    frame.put_slice(payload);
    frame.freeze()
}

/// The content type without its parameters.
fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(';').next())
        .map(|v| v.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

/// A header that is a number.
pub fn number_header(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// A header with a number of milliseconds or seconds, of which 0 means none.
pub fn duration_header(
    headers: &HeaderMap,
    name: &str,
    unit: fn(u64) -> Duration,
) -> Option<Duration> {
    number_header(headers, name).filter(|n| *n > 0).map(unit)
}

/// Whether a private switch of our own control plane is on.
pub fn is_on(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|v| v == "1")
}

#[cfg(test)]
mod tests {
    use super::{frame, Codec, Frames};
    use crate::messages::process::{Input, Selector, SendInputRequest, StartRequest};
    use axum::body::Body;
    use bytes::Bytes;
    use prost::Message;

    #[tokio::test]
    async fn a_frame_that_is_cut_anywhere_is_an_error() {
        let whole = frame(0, br#"{"process":{"cmd":"ls"}}"#);
        let request: StartRequest = Codec::Json
            .read_framed(Body::from(whole.clone()))
            .await
            .expect("whole");
        assert_eq!(request.process.expect("process").cmd, "ls");
        for length in 0..whole.len() {
            let cut = Body::from(whole.slice(..length));
            let read = Codec::Json.read_framed::<StartRequest>(cut).await;
            assert!(read.is_err(), "{length} bytes");
        }
    }

    #[tokio::test]
    async fn nothing_is_read_beyond_the_end_frame() {
        let mut bytes = frame(0, b"{}").to_vec();
        bytes.extend(frame(2, b"{}"));
        bytes.extend(b"rubbish");
        let mut frames = Frames::new(Codec::Json, Body::from(bytes));
        assert!(frames
            .next::<StartRequest>()
            .await
            .expect("first")
            .is_some());
        assert!(frames.next::<StartRequest>().await.expect("end").is_none());
        assert!(frames.next::<StartRequest>().await.expect("end").is_none());
    }

    #[test]
    fn nulls_unknown_fields_and_unpadded_bytes_are_read() {
        let text = br#"{"process":{"pid":7,"x":1},"input":{"stdin":"aGk"},"new":null}"#;
        let request: SendInputRequest = Codec::Json.decode(text).expect("lenient");
        assert_eq!(
            request.process.and_then(|p| p.selector),
            Some(Selector::Pid(7))
        );
        assert_eq!(
            request.input.and_then(|i| i.input),
            Some(Input::Stdin(Bytes::from_static(b"hi")))
        );
        let start: StartRequest = Codec::Json
            .decode(br#"{"process":{"cmd":"ls","args":null,"cwd":null},"tag":null}"#)
            .expect("nulls");
        assert_eq!(start.process.expect("process").args, Vec::<String>::new());
    }

    #[test]
    fn the_binary_encoding_uses_the_documented_numbers() {
        // {process: {pid: 7}, input: {stdin: "hi"}} by hand (protobuf.dev, "Encoding").
        let bytes = [0x0a, 2, 0x08, 7, 0x12, 4, 0x0a, 2, b'h', b'i'];
        let request: SendInputRequest = Codec::Proto.decode(&bytes).expect("valid");
        assert_eq!(request.encode_to_vec(), bytes);
        assert!(Codec::Proto.decode::<SendInputRequest>(&[0x0a, 9]).is_err());
    }
}
