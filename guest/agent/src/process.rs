//! The processes that were started through the agent, their output and their end.
//!
//! One supervising task owns each process. Its readers hand every chunk to all subscribers and wait
//! for each: a slow subscriber slows the process down, nothing is dropped. Output that nobody
//! listens to is discarded, so that a process never blocks for lack of a listener.

use crate::reaper::{Exit, Reaper};
use crate::scrollback::Scrollback;
use crate::spawn::{self, Plan, SpawnError, Streams};
use bytes::Bytes;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, Mutex as AsyncMutex, Notify};
use tokio::task::JoinSet;

/// Chunks that wait for a subscriber before its process is slowed down.
const BACKLOG: usize = 16;
const PIPE_CHUNK_BYTES: usize = 32 << 10;
const TERMINAL_CHUNK_BYTES: usize = 16 << 10;
/// How long the end of a process is remembered for a late subscriber.
const REMEMBERED: Duration = Duration::from_secs(30);

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

/// What the caller said of a process, for listings.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Program.
    pub command: String,
    /// Arguments.
    pub arguments: Vec<String>,
    /// Variables of the request.
    pub variables: HashMap<String, String>,
    /// Directory of the request.
    pub directory: Option<String>,
    /// Name to find it by.
    pub tag: Option<String>,
}

/// A process, or its memory.
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// What the caller said.
    pub description: Description,
    state: Mutex<State>,
    stdin: AsyncMutex<Option<pipe::Sender>>,
    terminal: Option<AsyncFd<File>>,
    input_order: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    subscribers: Vec<mpsc::Sender<Event>>,
    scrollback: Option<Scrollback>,
    end: Option<Exit>,
}

/// Which process is meant.
#[derive(Debug)]
pub enum Selector {
    /// By id.
    Pid(i32),
    /// By tag.
    Tag(String),
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

/// All processes; thread-safe.
#[derive(Default)]
pub struct Processes {
    table: Mutex<HashMap<i32, Arc<Process>>>,
    reaper: Arc<Reaper>,
}

impl Processes {
    /// With the reaper of this program.
    pub fn new(reaper: Arc<Reaper>) -> Self {
        Self {
            table: Mutex::default(),
            reaper,
        }
    }

    /// Starts a process; the receiver hears everything from the first byte.
    ///
    /// `drain_grace`: how long output of left-over children is awaited after its end; for ever if
    /// absent.
    pub fn start(
        self: &Arc<Self>,
        plan: &Plan,
        description: Description,
        drain_grace: Option<Duration>,
    ) -> Result<(Arc<Process>, mpsc::Receiver<Event>), SpawnError> {
        let mut streams = None;
        let (pid, exit) = self.reaper.start(|| {
            let (pid, opened) = spawn::spawn(plan)?;
            streams = Some(opened);
            Ok::<_, SpawnError>(pid)
        })?;
        let failed = |e| SpawnError::Failed(plan.command.clone(), e);
        let streams = streams.ok_or_else(|| failed(io::ErrorKind::Other.into()))?;
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let (process, outputs) = Process::new(pid, description, streams, sender).map_err(failed)?;
        self.lock().insert(pid, Arc::clone(&process));
        let (table, supervised) = (Arc::clone(self), Arc::clone(&process));
        tokio::spawn(async move {
            supervise(&supervised, outputs, exit, drain_grace).await;
            tokio::time::sleep(REMEMBERED).await;
            table.forget(&supervised);
        });
        Ok((process, receiver))
    }

    /// Finds a live process, or one that ended a short while ago.
    pub fn find(&self, selector: &Selector) -> Option<Arc<Process>> {
        let table = self.lock();
        match selector {
            Selector::Pid(pid) => table.get(pid).cloned(),
            Selector::Tag(tag) => {
                let mut found: Vec<_> = table
                    .values()
                    .filter(|p| p.description.tag.as_deref() == Some(tag))
                    .collect();
                found.sort_by_key(|p| !p.is_alive());
                found.first().map(|p| Arc::clone(p))
            }
        }
    }

    /// Those that live.
    pub fn live(&self) -> Vec<Arc<Process>> {
        let mut live: Vec<_> = self
            .lock()
            .values()
            .filter(|p| p.is_alive())
            .cloned()
            .collect();
        live.sort_by_key(|p| p.pid);
        live
    }

    fn forget(&self, process: &Arc<Process>) {
        let mut table = self.lock();
        // Its id may have been given to another process meanwhile.
        if table
            .get(&process.pid)
            .is_some_and(|p| Arc::ptr_eq(p, process))
        {
            table.remove(&process.pid);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Arc<Process>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream of a process that is read.
enum Output {
    Pipe(Channel, pipe::Receiver),
    Terminal,
}

impl Process {
    fn new(
        pid: i32,
        description: Description,
        streams: Streams,
        first: mpsc::Sender<Event>,
    ) -> io::Result<(Arc<Self>, Vec<Output>)> {
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
            description,
            state: Mutex::new(State {
                subscribers: vec![first],
                scrollback: terminal.is_some().then(Scrollback::default),
                end: None,
            }),
            stdin: AsyncMutex::new(streams.stdin.map(writer).transpose()?),
            terminal,
            input_order: AsyncMutex::new(()),
        };
        Ok((Arc::new(process), outputs))
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
            None => state.subscribers.push(sender),
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
    async fn publish(&self, event: Event) {
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

    async fn end(&self, exit: Exit) {
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

/// Follows a process to its end, and its output a little longer.
async fn supervise(
    process: &Arc<Process>,
    outputs: Vec<Output>,
    exit: tokio::sync::oneshot::Receiver<Exit>,
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

fn writer(fd: OwnedFd) -> io::Result<pipe::Sender> {
    pipe::Sender::from_owned_fd(fd)
}

fn asynchronous(file: File) -> io::Result<AsyncFd<File>> {
    use std::os::fd::AsRawFd;
    let fd = file.as_fd().as_raw_fd();
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
