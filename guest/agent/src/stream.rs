//! Server streams: a first message, then whatever a source has, keepalives in between, and an end.

use crate::connect::{duration_header, end_frame, error_frame, Codec, Outgoing};
use crate::rpc_error::RpcError;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

const KEEPALIVE: Duration = Duration::from_secs(90);

/// What a source says.
pub enum Next<M> {
    /// A message.
    Message(M),
    /// The last message.
    Last(M),
    /// It ends without one.
    Failed(RpcError),
}

/// Where the messages of a stream come from.
pub trait Source: Send + 'static {
    /// Its messages.
    type Message: Outgoing;

    /// The one every stream starts with.
    fn first(&self) -> Self::Message;

    /// The one that fills silence.
    fn keepalive(&self) -> Self::Message;

    /// Waits for the next one. Giving up the wait loses nothing.
    fn next(&mut self) -> impl Future<Output = Next<Self::Message>> + Send;

    /// The caller's time limit has passed.
    fn out_of_time(&mut self) {}
}

/// Answers with a stream; limits and keepalive interval are in the request's headers.
pub fn answer(codec: Codec, headers: &HeaderMap, source: impl Source) -> Response {
    let keepalive = duration_header(headers, "keepalive-ping-interval", Duration::from_secs)
        .unwrap_or(KEEPALIVE);
    let deadline = duration_header(headers, "connect-timeout-ms", Duration::from_millis)
        .and_then(|limit| Instant::now().checked_add(limit));
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    tokio::spawn(feed(codec, source, sender, keepalive, deadline));
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let frame = receiver.recv().await?;
        Some((Ok::<_, Infallible>(frame), receiver))
    });
    codec.stream_response(Body::from_stream(frames))
}

/// Runs until the source ends, its time is over, or nobody listens any more.
async fn feed(
    codec: Codec,
    mut source: impl Source,
    listener: mpsc::Sender<Bytes>,
    keepalive: Duration,
    deadline: Option<Instant>,
) {
    let mut next = Next::Message(source.first());
    loop {
        let (frame, ended) = frame_of(codec, next);
        let sent = tokio::select! {
            sent = listener.send(frame) => sent.is_ok(),
            // The listener reads nothing, so it cannot be told; the source must be.
            () = at(deadline) => return source.out_of_time(),
        };
        if !sent || ended {
            return;
        }
        next = tokio::select! {
            next = source.next() => next,
            () = tokio::time::sleep(keepalive) => Next::Message(source.keepalive()),
            () = listener.closed() => return,
            () = at(deadline) => {
                source.out_of_time();
                // Whoever left does not need to know.
                let _ = listener.send(error_frame(&RpcError::deadline_exceeded())).await;
                return;
            }
        };
    }
}

/// The bytes to send, and whether they are the last.
fn frame_of<M: Outgoing>(codec: Codec, next: Next<M>) -> (Bytes, bool) {
    let (framed, ended) = match next {
        Next::Message(message) => (codec.frame(&message), false),
        Next::Last(message) => (
            codec.frame(&message).map(|frame| {
                let mut last = frame.to_vec();
                last.extend(end_frame());
                last.into()
            }),
            true,
        ),
        Next::Failed(error) => (Err(error), true),
    };
    match framed {
        Ok(frame) => (frame, ended),
        Err(error) => (error_frame(&error), true),
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
