//! All processes that were started through the agent, and the memory of those that ended.

use crate::messages::process::{ProcessConfig, Selector};
use crate::output::supervise;
use crate::process::{Event, Process};
use crate::reaper::Reaper;
use crate::spawn::{self, Plan, SpawnError};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the end of a process is remembered for a late subscriber.
const REMEMBERED: Duration = Duration::from_secs(30);

/// A process to start.
pub struct Order {
    /// What to run, worked out.
    pub plan: Plan,
    /// As it was asked for.
    pub config: ProcessConfig,
    /// Name to find it by.
    pub tag: Option<String>,
    /// Whether no other live process may have that tag.
    pub unique_tag: bool,
    /// How long output of left-over children is awaited after its end; for ever if absent.
    pub drain_grace: Option<Duration>,
}

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another one has its tag.
    #[error("a process with tag {0} is running")]
    TagTaken(String),
    /// The program cannot be run.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// All processes; thread-safe.
pub struct Processes {
    table: Mutex<Table>,
    reaper: Arc<Reaper>,
}

#[derive(Default)]
struct Table {
    by_pid: HashMap<i32, Arc<Process>>,
    /// Unique tags of processes that are being started.
    reserved: HashSet<String>,
}

impl Table {
    fn tagged(&self, tag: &str) -> Option<&Arc<Process>> {
        let with_tag = self.by_pid.values();
        with_tag
            .filter(|p| p.tag.as_deref() == Some(tag))
            // A live one first; of several, the one that was started last is as good a guess as any.
            .max_by_key(|p| (p.is_alive(), p.pid))
    }
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
    pub fn start(
        self: &Arc<Self>,
        order: Order,
    ) -> Result<(Arc<Process>, mpsc::Receiver<Event>), StartError> {
        let _reservation = self.reserve(&order)?;
        let mut streams = None;
        let (pid, exit) = self.reaper.start(|| {
            let (pid, opened) = spawn::spawn(&order.plan)?;
            streams = Some(opened);
            Ok::<_, SpawnError>(pid)
        })?;
        let failed = |e| SpawnError::Failed(order.plan.command.clone(), e);
        let streams = streams.ok_or_else(|| failed(io::ErrorKind::Other.into()))?;
        let (process, outputs, receiver) = Process::new(pid, order.config, order.tag, streams)
            .map_err(|error| {
                // Nobody could ever reach it; its group dies with it.
                match spawn::signal_group(pid, libc::SIGKILL) {
                    Ok(()) => failed(error),
                    Err(worse) => failed(worse),
                }
            })?;
        self.lock().by_pid.insert(pid, Arc::clone(&process));
        let (table, supervised) = (Arc::clone(self), Arc::clone(&process));
        tokio::spawn(async move {
            supervise(&supervised, outputs, exit, order.drain_grace).await;
            tokio::time::sleep(REMEMBERED).await;
            table.forget(&supervised);
        });
        Ok((process, receiver))
    }

    /// Keeps a unique tag from others until the process is in the table.
    fn reserve(self: &Arc<Self>, order: &Order) -> Result<Option<Reservation>, StartError> {
        let Some(tag) = order.tag.as_ref().filter(|_| order.unique_tag) else {
            return Ok(None);
        };
        let mut table = self.lock();
        let taken = table.tagged(tag).is_some_and(|p| p.is_alive());
        if taken || !table.reserved.insert(tag.clone()) {
            return Err(StartError::TagTaken(tag.clone()));
        }
        Ok(Some(Reservation {
            processes: Arc::clone(self),
            tag: tag.clone(),
        }))
    }

    /// Finds a live process, or one that ended a short while ago.
    pub fn find(&self, selector: &Selector) -> Option<Arc<Process>> {
        let table = self.lock();
        let found = match selector {
            Selector::Pid(pid) => i32::try_from(*pid).ok().and_then(|p| table.by_pid.get(&p)),
            Selector::Tag(tag) => table.tagged(tag),
        };
        found.cloned()
    }

    /// Those that live, by id.
    pub fn live(&self) -> Vec<Arc<Process>> {
        let mut live: Vec<_> = self.lock().by_pid.values().cloned().collect();
        live.retain(|p| p.is_alive());
        live.sort_by_key(|p| p.pid);
        live
    }

    fn forget(&self, process: &Arc<Process>) {
        let mut table = self.lock();
        // Its id may have been given to another process meanwhile.
        let present = table.by_pid.get(&process.pid);
        if present.is_some_and(|p| Arc::ptr_eq(p, process)) {
            table.by_pid.remove(&process.pid);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tag that is kept while its process is started.
struct Reservation {
    processes: Arc<Processes>,
    tag: String,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.processes.lock().reserved.remove(&self.tag);
    }
}
