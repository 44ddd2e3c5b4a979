//! A kernel's process: its start, the socket to it, and its end.

use super::output::Outputs;
use super::Program;
use bytes::{Buf, BytesMut};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{pipe, OwnedReadHalf, OwnedWriteHalf};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep_until, Instant};

/// Where a kernel finds the socket.
const GATEWAY: i32 = 3;

/// Where it finds a byte for each message that it waits for to be taken.
const TAKEN: i32 = 4;

/// Kernels go before the programs that serve them when memory runs out (proc(5)).
const OOM_SCORE: &str = "500";

/// What a kernel that has said all may still take to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Room for so much of what it says; most messages are shorter.
const AT_ONCE: usize = 1 << 14;

/// It runs, or has just ended.
pub struct Process {
    child: Child,
    group: i32,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    taken: pipe::Sender,
    received: BytesMut,
    /// So much of it has no end of a line.
    searched: usize,
    unsent: BytesMut,
    /// Since when it cannot be heard any more.
    closed: Option<Instant>,
    /// What it and all that it starts print.
    pub outputs: Outputs,
}

/// Something that a kernel did.
pub enum Event {
    /// A message.
    Line(BytesMut),
    /// There is something to read of that output.
    Output(usize),
    /// It has ended.
    Ended(ExitStatus),
}

impl Process {
    /// Starts one, in a process group of its own.
    pub fn start(program: &Program) -> io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        let (out_writer, out_reader) = pipe::pipe()?;
        let (err_writer, err_reader) = pipe::pipe()?;
        let (taken, taken_reader) = pipe::pipe()?;
        let taken_reader = taken_reader.into_blocking_fd()?;
        let descriptors = (theirs.as_raw_fd(), taken_reader.as_raw_fd());
        let mut command = Command::new(&program.name);
        command
            .args(&program.arguments)
            .stdin(Stdio::null())
            .stdout(blocking(out_writer)?)
            .stderr(blocking(err_writer)?)
            .process_group(0)
            .kill_on_drop(true);
        // SAFETY: between fork and exec only dup2 and fcntl are called, which are safe there; both
        // descriptors are open, because their owners live until after the start.
        unsafe {
            command.pre_exec(move || hand_over(descriptors.0, descriptors.1));
        }
        let child = command.spawn()?;
        drop((theirs, taken_reader));
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let group = group.ok_or_else(|| io::Error::other("it ended at once"))?;
        if let Err(error) = std::fs::write(format!("/proc/{group}/oom_score_adj"), OOM_SCORE) {
            eprintln!("kernels: cannot mark kernel {group} as the first to go: {error}");
        }
        ours.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(ours)?.into_split();
        Ok(Self {
            child,
            group,
            reader,
            writer,
            taken,
            received: BytesMut::new(),
            searched: 0,
            unsent: BytesMut::new(),
            closed: None,
            outputs: Outputs::new(out_reader, err_reader),
        })
    }

    /// Puts a line on its way; `next` sends it.
    pub fn send(&mut self, line: &[u8]) {
        self.unsent.extend_from_slice(line);
    }

    /// Lets it go on that waits for its message to be taken.
    pub fn taken(&self) {
        // It waits for one at a time, so there is room for the byte unless it has ended.
        let _ = self.taken.try_write(&[1]);
    }

    /// A message that is here already.
    pub fn line(&mut self) -> Option<BytesMut> {
        let new = &self.received[self.searched..];
        let Some(end) = new.iter().position(|b| *b == b'\n') else {
            self.searched = self.received.len();
            return None;
        };
        let length = self.searched + end + 1;
        self.searched = 0;
        Some(self.received.split_to(length))
    }

    /// Waits for the next event; may be dropped at any time.
    ///
    /// `listens`: whether anything but its end is waited for. Who does not listen makes it wait.
    pub async fn next(&mut self, listens: bool) -> io::Result<Event> {
        loop {
            if listens {
                if let Some(line) = self.line() {
                    return Ok(Event::Line(line));
                }
            }
            self.received.reserve(AT_ONCE);
            let closed = self.closed.unwrap_or_else(Instant::now);
            tokio::select! {
                biased; // what was printed to both outputs at once is told in the usual order
                ended = self.child.wait() => return Ok(Event::Ended(ended?)),
                sent = self.writer.write(&self.unsent), if !self.unsent.is_empty() => {
                    // A kernel that is gone cannot be written to; its end is what matters.
                    let count = sent.unwrap_or(self.unsent.len());
                    self.unsent.advance(count);
                }
                read = self.reader.read_buf(&mut self.received), if listens && self.closed.is_none() => {
                    if read.unwrap_or(0) == 0 {
                        self.closed = Some(Instant::now());
                    }
                }
                () = sleep_until(closed + FAREWELL), if self.closed.is_some() => {
                    // It cannot be asked any more, so it is of no use to anybody.
                    self.kill();
                    return Ok(Event::Ended(self.child.wait().await?));
                }
                ready = self.outputs.readable(0), if listens => { ready?; return Ok(Event::Output(0)); }
                ready = self.outputs.readable(1), if listens => { ready?; return Ok(Event::Output(1)); }
            }
        }
    }

    /// Reads what an ended process has still said.
    pub fn last_words(&mut self) {
        // The end of the stream and the lack of more mean the same here.
        while self
            .reader
            .try_read_buf(&mut self.received)
            .is_ok_and(|count| count > 0)
        {}
    }

    /// As control-C does it, for all that it has started.
    pub fn interrupt(&self) {
        self.signal(libc::SIGINT);
    }

    /// Ends it and all that it has started.
    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    /// Ends it and waits.
    pub async fn end(mut self) -> io::Result<()> {
        self.kill();
        self.child.wait().await.map(|_| ())
    }

    fn signal(&self, signal: i32) {
        // A process that was waited for has no id any more, and its number may be another's.
        if self.child.id().is_some() {
            // SAFETY: kill takes numbers only; the group is the child's own.
            unsafe { libc::kill(-self.group, signal) };
        }
    }
}

fn blocking(writer: pipe::Sender) -> io::Result<OwnedFd> {
    writer.into_blocking_fd()
}

/// Puts both where a kernel looks for them; what was there before is closed.
fn hand_over(gateway: i32, taken: i32) -> io::Result<()> {
    let check = |result: i32| match result {
        -1 => Err(io::Error::last_os_error()),
        descriptor => Ok(descriptor),
    };
    // SAFETY: the calls take numbers only.
    unsafe {
        // Out of the way first: either may have the number that the other one is to get.
        let gateway = check(libc::fcntl(gateway, libc::F_DUPFD_CLOEXEC, TAKEN + 1))?;
        let taken = check(libc::fcntl(taken, libc::F_DUPFD_CLOEXEC, TAKEN + 1))?;
        check(libc::dup2(gateway, GATEWAY))?;
        check(libc::dup2(taken, TAKEN))?;
    }
    Ok(())
}

/// How a process ended, for people.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (_, Some(libc::SIGKILL)) => {
            "it was killed (signal 9), most likely because memory ran out".to_owned()
        }
        (_, Some(signal)) => format!("it was ended by signal {signal}"),
        (Some(code), _) => format!("it ended by itself with exit code {code}"),
        _ => "it ended".to_owned(),
    }
}
