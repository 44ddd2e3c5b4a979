//! Follows processes: reads what they write, and tells their end after the last byte.

use crate::process::{Channel, Event, Process};
use crate::reaper::Exit;
use bytes::Bytes;
use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch, Notify};
use tokio::task::JoinSet;

const PIPE_CHUNK_BYTES: usize = 32 << 10;
const TERMINAL_CHUNK_BYTES: usize = 16 << 10;
/// What a pipe can hold: a child that writes without end must not keep us at a last look.
const LAST_LOOK_BYTES: usize = 1 << 20;

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
    let (silence, silent) = watch::channel(false);
    let mut readers = JoinSet::new();
    for output in outputs {
        let reader = Reader {
            process: Arc::clone(process),
            heard: Arc::clone(&heard),
            silent: silent.clone(),
        };
        readers.spawn(async move {
            match output {
                Output::Pipe(channel, pipe) => reader.read_pipe(channel, pipe).await,
                Output::Terminal => reader.read_terminal().await,
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
                        // A slow listener is no silence: what was read must still reach it. And
                        // neither is a reader that got no turn on a busy machine: it looks once
                        // more before it stops.
                        if heard.publishing.load(Ordering::Relaxed) == 0 {
                            silence.send_replace(true);
                            drained.await;
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

/// Reads one stream until it ends, or until the supervisor takes it for silent.
struct Reader {
    process: Arc<Process>,
    heard: Arc<Heard>,
    silent: watch::Receiver<bool>,
}

impl Reader {
    async fn tell(&self, channel: Channel, bytes: &[u8]) {
        let event = Event::Output(channel, Bytes::copy_from_slice(bytes));
        self.heard.publish(&self.process, event).await;
    }

    async fn read_pipe(mut self, channel: Channel, mut pipe: pipe::Receiver) {
        let mut buffer = vec![0; PIPE_CHUNK_BYTES];
        loop {
            let length = tokio::select! {
                // An error ends the stream as its end does: nothing more comes from it.
                read = pipe.read(&mut buffer) => read.unwrap_or(0),
                // The sender lives until all readers have stopped.
                _ = self.silent.changed() => {
                    if let Ok(fd) = pipe.into_nonblocking_fd() {
                        self.look_once_more(channel, &mut File::from(fd)).await;
                    }
                    return;
                }
            };
            if length == 0 {
                return;
            }
            self.tell(channel, &buffer[..length]).await;
        }
    }

    /// A terminal whose last user is gone reads as EIO (pty(7)).
    async fn read_terminal(mut self) {
        let process = Arc::clone(&self.process);
        let Some(terminal) = process.terminal.as_ref() else {
            return;
        };
        let mut buffer = vec![0; TERMINAL_CHUNK_BYTES];
        loop {
            let ready = tokio::select! {
                ready = terminal.readable() => ready,
                _ = self.silent.changed() => {
                    self.look_once_more(Channel::Terminal, &mut terminal.get_ref()).await;
                    return;
                }
            };
            let Ok(mut ready) = ready else { return };
            match ready.try_io(|t| t.get_ref().read(&mut buffer)) {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(length)) => {
                    drop(ready);
                    self.tell(Channel::Terminal, &buffer[..length]).await;
                }
                Err(_not_ready) => {}
            }
        }
    }

    /// Takes what is there now, asking the kernel and not the event loop, which may not have heard
    /// of it yet. The descriptor does not block.
    async fn look_once_more(&self, channel: Channel, stream: &mut impl Read) {
        let mut buffer = vec![0; PIPE_CHUNK_BYTES];
        let mut taken = 0;
        while taken < LAST_LOOK_BYTES {
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => {
                    taken += length;
                    self.tell(channel, &buffer[..length]).await;
                }
                _ => return,
            }
        }
    }
}
