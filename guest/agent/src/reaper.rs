//! The one place that waits for children: those this agent started, and as PID 1 every orphan.
//!
//! A child is started while the table is locked, so its end cannot be seen before it is expected.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

type Waiting = HashMap<i32, oneshot::Sender<Exit>>;

/// Knows who waits for which child.
#[derive(Default)]
pub struct Reaper {
    waiting: Mutex<Waiting>,
}

impl Reaper {
    /// Starts a child and returns its id with a promise of its end.
    pub fn start<E>(
        &self,
        spawn: impl FnOnce() -> Result<i32, E>,
    ) -> Result<(i32, oneshot::Receiver<Exit>), E> {
        let mut waiting = self.lock();
        let pid = spawn()?;
        let (sender, receiver) = oneshot::channel();
        waiting.insert(pid, sender);
        Ok((pid, receiver))
    }

    /// Reaps everything that has ended (waitpid(2)); called on each SIGCHLD.
    pub fn reap(&self) {
        loop {
            let mut waiting = self.lock();
            let mut status = 0;
            // SAFETY: the status is a valid place to write to.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
            if pid <= 0 {
                return;
            }
            let exit = if libc::WIFSIGNALED(status) {
                Exit::Signal(libc::WTERMSIG(status))
            } else {
                Exit::Code(libc::WEXITSTATUS(status))
            };
            if let Some(sender) = waiting.remove(&pid) {
                // Nobody waits any more: the process was given up, its end is no news.
                let _ = sender.send(exit);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
