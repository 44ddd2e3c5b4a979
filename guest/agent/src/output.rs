//! Follows processes: reads what they write, and tells their end after the last byte.

use crate::process::{Channel, Event, Process};
use crate::reaper::Exit;
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, Notify};
use tokio::task::JoinSet;

const PIPE_CHUNK_BYTES: usize = 32 << 10;
const TERMINAL_CHUNK_BYTES: usize = 16 << 10;

/// A stream of a process that is read.
pub enum Output {
    /// A pipe of its own.
    Pipe(Channel, pipe::Receiver),
    /// The terminal, which is written to as well.
    Terminal,
}

/// Follows a process to its end, and its output a little longer.
pub async fn supervise(
    process: &Arc<Process>,
    outputs: Vec<Output>,
    exit: oneshot::Receiver<Exit>,
    drain_grace: Option<Duration>,
) {
    let heard = Arc::new(Heard::default());
    let mut readers = JoinSet::new();
    for output in outputs {
        let (process, heard) = (Arc::clone(process), Arc::clone(&heard));
        readers.spawn(async move {
            match output {
                Output::Pipe(channel, pipe) => read_pipe(&process, channel, pipe, &heard).await,
                Output::Terminal => read_terminal(&process, &heard).await,
            }
        });
    }
    // The reaper lives as long as the agent, so the promise is always kept.
    let exit = exit.await.unwrap_or(Exit::Code(-1));
    let drained = async { while readers.join_next().await.is_some() {} };
    match drain_grace {
        None => drained.await,
        Some(grace) => {
            tokio::pin!(drained);
            loop {
                tokio::select! {
                    () = &mut drained => break,
                    () = heard.notify.notified() => {}
                    () = tokio::time::sleep(grace) => {
                        // A slow listener is no silence: what was read must still reach it.
                        if heard.publishing.load(Ordering::Relaxed) == 0 {
                            break;
                        }
                    }
                }
            }
        }
    }
    process.end(exit).await;
    // Dropping the readers closes our ends: a child left behind gets SIGPIPE, not a full pipe.
}

/// Tells the supervisor whether output still comes.
#[derive(Default)]
struct Heard {
    notify: Notify,
    publishing: AtomicUsize,
}

impl Heard {
    async fn publish(&self, process: &Process, event: Event) {
        self.publishing.fetch_add(1, Ordering::Relaxed);
        process.publish(event).await;
        self.publishing.fetch_sub(1, Ordering::Relaxed);
        self.notify.notify_one();
    }
}

async fn read_pipe(process: &Process, channel: Channel, mut pipe: pipe::Receiver, heard: &Heard) {
    let mut buffer = vec![0; PIPE_CHUNK_BYTES];
    // An error ends the stream as its end does: there is nothing more to come from it.
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(&buffer[..length]);
        heard.publish(process, Event::Output(channel, bytes)).await;
    }
}

/// A terminal whose last user is gone reads as EIO (pty(7)).
async fn read_terminal(process: &Process, heard: &Heard) {
    use std::io::Read;
    let Some(terminal) = process.terminal.as_ref() else {
        return;
    };
    let mut buffer = vec![0; TERMINAL_CHUNK_BYTES];
    while let Ok(mut ready) = terminal.readable().await {
        match ready.try_io(|t| t.get_ref().read(&mut buffer)) {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(length)) => {
                drop(ready);
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                heard
                    .publish(process, Event::Output(Channel::Terminal, bytes))
                    .await;
            }
            Err(_not_ready) => {}
        }
    }
}
