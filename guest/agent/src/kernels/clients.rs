//! Who listens to a kernel. Nothing is dropped: while somebody is far behind, the kernel is not read,
//! so that it has to wait; who takes nothing for too long is cut off by its connection.

use axum::extract::ws::Utf8Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use tokio::sync::{mpsc, Notify};

/// What may be on its way to one client before the kernel has to wait.
const MOST_BEHIND: usize = 1 << 20;

/// What is on its way to one client.
#[derive(Default)]
pub struct Backlog {
    bytes: AtomicUsize,
    lessened: Arc<Notify>,
}

impl Backlog {
    /// The client has taken so many bytes.
    pub fn lessen(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.lessened.notify_one();
    }
}

/// The connection's end of it.
pub struct Feed {
    /// Messages in their order; it ends when the kernel does.
    pub messages: mpsc::UnboundedReceiver<Utf8Bytes>,
    /// To be told what was taken.
    pub backlog: Arc<Backlog>,
}

struct Client {
    messages: mpsc::UnboundedSender<Utf8Bytes>,
    backlog: Arc<Backlog>,
}

/// All of a kernel.
#[derive(Default)]
pub struct Clients {
    all: BTreeMap<u64, Client>,
    lessened: Arc<Notify>,
}

impl Clients {
    /// One more.
    pub fn add(&mut self, id: u64) -> Feed {
        let (sender, messages) = mpsc::unbounded_channel();
        let backlog = Arc::new(Backlog {
            bytes: AtomicUsize::new(0),
            lessened: Arc::clone(&self.lessened),
        });
        let client = Client {
            messages: sender,
            backlog: Arc::clone(&backlog),
        };
        self.all.insert(id, client);
        Feed { messages, backlog }
    }

    /// One less.
    pub fn remove(&mut self, id: u64) {
        self.all.remove(&id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether all take what they are sent.
    pub fn keep_up(&self) -> bool {
        let behind = |c: &Client| c.backlog.bytes.load(Ordering::Relaxed) >= MOST_BEHIND;
        !self.all.values().any(behind)
    }

    /// Waits until somebody has taken something.
    pub fn lessened(&self) -> Arc<Notify> {
        Arc::clone(&self.lessened)
    }

    /// To everybody.
    pub fn tell(&self, message: &Utf8Bytes) {
        for client in self.all.values() {
            client.send(message.clone());
        }
    }

    /// To one, if it is still there.
    pub fn answer(&self, id: u64, message: Utf8Bytes) {
        if let Some(client) = self.all.get(&id) {
            client.send(message);
        }
    }
}

impl Client {
    fn send(&self, message: Utf8Bytes) {
        self.backlog
            .bytes
            .fetch_add(message.len(), Ordering::Relaxed);
        // A connection that has just ended removes its client in a moment.
        let _ = self.messages.send(message);
    }
}
