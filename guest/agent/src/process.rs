//! One process that was started through the agent: who listens to it, and what it is sent.
//!
//! Every chunk of output goes to all subscribers and waits for each: a slow subscriber slows the
//! process down, nothing is dropped. Output that nobody listens to is discarded, so that a process
//! never blocks for lack of a listener.

use crate::messages::process::ProcessConfig;
use crate::output::Output;
use crate::reaper::Exit;
use crate::scrollback::Scrollback;
use crate::spawn::{self, Streams};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::unix::AsyncFd;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, Mutex as AsyncMutex};

/// Chunks that wait for a subscriber before its process is slowed down.
const BACKLOG: usize = 16;

/// Where bytes were written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The terminal.
    Terminal,
}

/// What a subscriber hears, in order; the end is the last.
#[derive(Clone, Debug)]
pub enum Event {
    /// Raw bytes.
    Output(Channel, Bytes),
    /// It ended.
    End(Exit),
}

/// A process, or its memory.
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// As it was asked for.
    pub config: ProcessConfig,
    /// Name to find it by.
    pub tag: Option<String>,
    state: Mutex<State>,
    stdin: AsyncMutex<Option<pipe::Sender>>,
    pub(crate) terminal: Option<AsyncFd<File>>,
    input_order: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    subscribers: Vec<mpsc::Sender<Event>>,
    scrollback: Option<Scrollback>,
    end: Option<Exit>,
}

/// Input that cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// There is no such stream.
    #[error("the process has no {0}")]
    NoStream(&'static str),
    /// It was closed, or the process is gone.
    #[error("the process takes no input: {0}")]
    Closed(io::Error),
}

impl Process {
    /// Takes over a process that was just started; the receiver hears everything from its first
    /// byte, once its outputs are read.
    pub fn new(
        pid: i32,
        config: ProcessConfig,
        tag: Option<String>,
        streams: Streams,
    ) -> io::Result<(Arc<Self>, Vec<Output>, mpsc::Receiver<Event>)> {
        let (first, receiver) = mpsc::channel(BACKLOG);
        let mut outputs = Vec::new();
        for (channel, stream) in [
            (Channel::Stdout, streams.stdout),
            (Channel::Stderr, streams.stderr),
        ] {
            if let Some(fd) = stream {
                outputs.push(Output::Pipe(channel, pipe::Receiver::from_owned_fd(fd)?));
            }
        }
        let terminal = streams.terminal.map(asynchronous).transpose()?;
        if terminal.is_some() {
            outputs.push(Output::Terminal);
        }
        let process = Self {
            pid,
            config,
            tag,
            state: Mutex::new(State {
                subscribers: vec![first],
                scrollback: terminal.is_some().then(Scrollback::default),
                end: None,
            }),
            stdin: AsyncMutex::new(streams.stdin.map(pipe::Sender::from_owned_fd).transpose()?),
            terminal,
            input_order: AsyncMutex::new(()),
        };
        Ok((Arc::new(process), outputs, receiver))
    }

    /// Hears everything from now on; with `replay`, first what the terminal showed last.
    pub fn subscribe(&self, replay: bool) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let mut state = self.lock();
        if replay {
            if let Some(shown) = state.scrollback.as_ref().map(Scrollback::contents) {
                if !shown.is_empty() {
                    // The channel is new and has room.
                    let _ = sender.try_send(Event::Output(Channel::Terminal, shown.into()));
                }
            }
        }
        match state.end {
            Some(exit) => {
                let _ = sender.try_send(Event::End(exit));
            }
            None => {
                // A silent process would remember those that left for ever.
                state.subscribers.retain(|s| !s.is_closed());
                state.subscribers.push(sender);
            }
        }
        receiver
    }

    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        self.lock().end.is_none()
    }

    /// Signals it and its whole group.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        if !self.is_alive() {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        spawn::signal_group(self.pid, signal)
    }

    /// Writes to its standard input; returns when all was taken.
    pub async fn write_stdin(&self, bytes: &[u8]) -> Result<(), InputError> {
        let mut stdin = self.stdin.lock().await;
        let pipe = stdin
            .as_mut()
            .ok_or(InputError::NoStream("standard input"))?;
        pipe.write_all(bytes).await.map_err(InputError::Closed)
    }

    /// Ends its standard input.
    pub async fn close_stdin(&self) -> Result<(), InputError> {
        let closed = self.stdin.lock().await.take();
        closed
            .map(drop)
            .ok_or(InputError::NoStream("standard input"))
    }

    /// Types into its terminal, one caller after the other.
    pub async fn write_terminal(&self, mut bytes: &[u8]) -> Result<(), InputError> {
        use std::io::Write;
        let terminal = self
            .terminal
            .as_ref()
            .ok_or(InputError::NoStream("terminal"))?;
        let _turn = self.input_order.lock().await;
        while !bytes.is_empty() {
            let mut ready = terminal.writable().await.map_err(InputError::Closed)?;
            match ready.try_io(|t| t.get_ref().write(bytes)) {
                Ok(Ok(0)) => return Err(InputError::Closed(io::ErrorKind::WriteZero.into())),
                Ok(Ok(written)) => bytes = &bytes[written..],
                Ok(Err(error)) => return Err(InputError::Closed(error)),
                Err(_not_ready) => {}
            }
        }
        Ok(())
    }

    /// Changes the size of its terminal.
    pub fn resize(&self, size: (u16, u16)) -> Result<(), InputError> {
        let terminal = self
            .terminal
            .as_ref()
            .ok_or(InputError::NoStream("terminal"))?;
        spawn::resize(terminal.get_ref(), size).map_err(InputError::Closed)
    }

    /// Hands an event to every subscriber and waits for each; forgets those that left.
    pub async fn publish(&self, event: Event) {
        let subscribers = {
            let mut state = self.lock();
            if let (Event::Output(Channel::Terminal, bytes), Some(scrollback)) =
                (&event, state.scrollback.as_mut())
            {
                scrollback.push(bytes);
            }
            state.subscribers.clone()
        };
        let mut left = false;
        for subscriber in &subscribers {
            left |= subscriber.send(event.clone()).await.is_err();
        }
        if left {
            self.lock().subscribers.retain(|s| !s.is_closed());
        }
    }

    /// Tells every subscriber, now and later, how it ended.
    pub async fn end(&self, exit: Exit) {
        let subscribers = {
            let mut state = self.lock();
            state.end = Some(exit);
            std::mem::take(&mut state.subscribers)
        };
        for subscriber in subscribers {
            // One that left does not need to know.
            let _ = subscriber.send(Event::End(exit)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn asynchronous(file: File) -> io::Result<AsyncFd<File>> {
    let fd = file.as_raw_fd();
    // SAFETY: the descriptor is open (fcntl(2)).
    let result = unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the file owns its descriptor and is only ever dropped with the AsyncFd around it.
    unsafe { AsyncFd::register(file) }.map_err(|error| error.into_parts().1)
}
