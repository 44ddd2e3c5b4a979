//! Uploads that fail early: the rest is read and thrown away before the answer goes out.
//!
//! A server that answers and closes while its client still writes resets the connection, and with
//! it the answer: the client would see a broken pipe instead of a full disk (RFC 9112, 9.6).

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::sync::mpsc;

/// A client that has not sent everything after this long has to live with a reset.
const PATIENCE: Duration = Duration::from_secs(60);

type Chunk = Result<Bytes, axum::Error>;

/// Wraps `POST /files`.
pub async fn uploads(request: Request, next: Next) -> Response {
    if request.method() != Method::POST || request.uri().path() != "/files" {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let (sender, receiver) = mpsc::channel(1);
    let pump = tokio::spawn(pump(body.into_data_stream(), sender));
    let chunks = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let chunk: Chunk = receiver.recv().await?;
        Some((chunk, receiver))
    });
    let request = Request::from_parts(head, Body::from_stream(chunks));
    let response = next.run(request).await;
    if !response.status().is_success() {
        // Late or not, the answer goes out now.
        let _ = tokio::time::timeout(PATIENCE, pump).await;
    }
    response
}

/// Passes a body on for as long as somebody takes it, and reads it to its end in any case.
async fn pump(mut body: BodyDataStream, taker: mpsc::Sender<Chunk>) {
    while let Some(chunk) = body.next().await {
        let broken = chunk.is_err();
        // Nobody takes it any more: then it is thrown away.
        let _ = taker.send(chunk).await;
        if broken {
            return;
        }
    }
}
