//! A client's connection to a kernel: messages both ways, each a JSON text.

use super::actor::Command;
use super::registry::Kernel;
use super::wire::Asked;
use axum::extract::ws::{close_code, CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use std::sync::Arc;
use std::time::Duration;

/// Who takes nothing for so long is cut off, because the kernel waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Carries messages until either side ends.
pub async fn join(mut socket: WebSocket, client: u64, kernel: Arc<Kernel>) {
    let why = carry(&mut socket, client, &kernel).await;
    // A kernel that was shut down has no clients any more.
    let _ = kernel.tell(Command::Detach(client)).await;
    if let Some((code, reason)) = why {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        // Who is cut off, or has gone, does not take this either.
        let _ = tokio::time::timeout(PATIENCE, socket.send(Message::Close(Some(frame)))).await;
    }
}

/// Gives back why the connection is closed, unless the client did it.
async fn carry(
    socket: &mut WebSocket,
    client: u64,
    kernel: &Kernel,
) -> Option<(u16, &'static str)> {
    const GONE: Option<(u16, &str)> = Some((close_code::NORMAL, "the kernel was shut down"));
    let Ok(mut feed) = kernel.attach(client).await else {
        return GONE;
    };
    loop {
        tokio::select! {
            message = feed.messages.recv() => {
                let Some(message) = message else { return GONE };
                let mut taken = message.len();
                // All that is there goes as one write.
                let mut sent = socket.feed(Message::Text(message));
                loop {
                    match tokio::time::timeout(PATIENCE, sent).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return None,
                        Err(_) => return Some((close_code::POLICY, "nothing was taken for a minute")),
                    }
                    let Ok(more) = feed.messages.try_recv() else { break };
                    taken += more.len();
                    sent = socket.feed(Message::Text(more));
                }
                match tokio::time::timeout(PATIENCE, socket.flush()).await {
                    Ok(Ok(())) => feed.backlog.lessen(taken),
                    Ok(Err(_)) => return None,
                    Err(_) => return Some((close_code::POLICY, "nothing was taken for a minute")),
                }
            }
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => {
                    let Ok(asked) = Asked::parse(client, &text) else {
                        return Some((close_code::INVALID, "this is no Jupyter message"));
                    };
                    if kernel.tell(Command::Ask(asked)).await.is_err() {
                        return GONE;
                    }
                }
                Some(Ok(Message::Binary(_))) => {
                    return Some((close_code::UNSUPPORTED, "binary messages are not understood here"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {} // answered by the library
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            }
        }
    }
}
