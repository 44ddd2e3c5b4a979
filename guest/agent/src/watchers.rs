//! Watchers of clients that cannot hold a stream: changes are kept until they are asked for.

use crate::messages::filesystem::FilesystemEvent;
use crate::random;
use crate::rpc_error::{Code, RpcError};
use crate::watch::WatchError;
use crate::watch_rpc::{failed, Changes};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// The kernel gives a user 128 watchers by default; the capsule's programs need some too.
const WATCHER_LIMIT: usize = 64;
/// Changes kept for a client that does not ask.
const BACKLOG_LIMIT: usize = 1 << 16;

/// All watchers; thread-safe.
#[derive(Default)]
pub struct Watchers {
    table: Mutex<HashMap<String, Watcher>>,
}

struct Watcher {
    gathered: Arc<Mutex<Gathered>>,
    gathering: AbortHandle,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.gathering.abort();
    }
}

#[derive(Default)]
struct Gathered {
    events: Vec<FilesystemEvent>,
    failure: Option<RpcError>,
}

impl Watchers {
    /// Begins to gather and returns the watcher's name.
    pub fn add(&self, changes: Changes) -> Result<String, RpcError> {
        let id = random::id().map_err(|e| RpcError::of_io("naming the watcher", &e))?;
        let mut table = self.lock();
        if table.len() >= WATCHER_LIMIT {
            return Err(RpcError::new(
                Code::ResourceExhausted,
                format!("there are {WATCHER_LIMIT} watchers already"),
            ));
        }
        let gathered = Arc::<Mutex<Gathered>>::default();
        let gathering = tokio::spawn(gather(changes, Arc::clone(&gathered))).abort_handle();
        table.insert(
            id.clone(),
            Watcher {
                gathered,
                gathering,
            },
        );
        Ok(id)
    }

    /// What a watcher gathered since the last call; its failure once, after what came before it.
    pub fn take(&self, id: &str) -> Result<Vec<FilesystemEvent>, RpcError> {
        let table = self.lock();
        let watcher = table.get(id).ok_or_else(|| unknown(id))?;
        let mut gathered = locked(&watcher.gathered);
        match gathered.failure.take() {
            Some(failure) if gathered.events.is_empty() => Err(failure),
            failure => {
                gathered.failure = failure;
                Ok(std::mem::take(&mut gathered.events))
            }
        }
    }

    /// Ends a watcher.
    pub fn remove(&self, id: &str) -> Result<(), RpcError> {
        self.lock().remove(id).map(drop).ok_or_else(|| unknown(id))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Watcher>> {
        locked(&self.table)
    }
}

/// Gathers until the watcher is removed or the kernel gives up.
async fn gather(mut changes: Changes, into: Arc<Mutex<Gathered>>) {
    loop {
        let change = changes.next().await;
        let mut gathered = locked(&into);
        match change {
            Ok(event) if gathered.events.len() < BACKLOG_LIMIT => gathered.events.push(event),
            Ok(_) => gathered.failure = Some(failed(&WatchError::Lost)),
            Err(error) => {
                gathered.failure = Some(failed(&error));
                if matches!(error, WatchError::Io(_)) {
                    return;
                }
            }
        }
    }
}

fn unknown(id: &str) -> RpcError {
    RpcError::not_found(format!("watcher with id {id} not found"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
