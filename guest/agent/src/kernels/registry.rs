//! All kernels, and the sessions that clients keep them under.

use super::actor::{Actor, Command, SharedState, State};
use super::clients::Feed;
use super::Program;
use crate::random;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::{mpsc, oneshot};

/// Names of the one kind of kernel there is; the first is the default.
pub const SPECIFICATIONS: [&str; 2] = ["wrenn", "python3"];

/// Commands on their way to a kernel's task.
const COMMANDS: usize = 64;

/// A kernel as others see it.
pub struct Kernel {
    /// A UUID.
    pub id: String,
    /// Of its specification.
    pub name: String,
    commands: mpsc::Sender<Command>,
    state: SharedState,
}

/// The kernel was shut down a moment ago.
#[derive(Debug)]
pub struct Gone;

impl Kernel {
    /// How it is.
    pub fn state(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Listens to it.
    pub async fn attach(&self, client: u64) -> Result<Feed, Gone> {
        self.wait_for(|done| Command::Attach(client, done)).await
    }

    /// Tells its task something that has no answer.
    pub async fn tell(&self, command: Command) -> Result<(), Gone> {
        self.commands.send(command).await.map_err(|_| Gone)
    }

    /// Tells its task something and waits until it is done.
    pub async fn wait_for<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Gone> {
        let (done, answer) = oneshot::channel();
        self.tell(command(done)).await?;
        answer.await.map_err(|_| Gone)
    }
}

/// A notebook's, or whatever a client calls its path.
#[derive(Clone)]
pub struct Session {
    /// A UUID.
    pub id: String,
    /// Which notebook.
    pub path: String,
    /// For people.
    pub name: String,
    /// `notebook`, `console`.
    pub kind: String,
    /// Its kernel.
    pub kernel: Arc<Kernel>,
}

/// All that there is.
pub struct Registry {
    /// Since when.
    pub started: SystemTime,
    program: Program,
    kernels: Mutex<Vec<Arc<Kernel>>>,
    sessions: Mutex<Vec<Session>>,
    clients: AtomicU64,
}

impl Registry {
    /// Without any yet.
    pub fn new(program: Program) -> Self {
        Self {
            started: SystemTime::now(),
            program,
            kernels: Mutex::default(),
            sessions: Mutex::default(),
            clients: AtomicU64::new(0),
        }
    }

    /// A number for one more client.
    pub fn client(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    /// Those that were not shut down, the oldest first.
    pub fn kernels(&self) -> MutexGuard<'_, Vec<Arc<Kernel>>> {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        kernels.retain(|kernel| !kernel.commands.is_closed());
        kernels
    }

    /// One of them.
    pub fn kernel(&self, id: &str) -> Option<Arc<Kernel>> {
        self.kernels()
            .iter()
            .find(|kernel| kernel.id == id)
            .cloned()
    }

    /// Starts one; it is there before it can do anything.
    pub fn start(&self, name: &str) -> std::io::Result<Arc<Kernel>> {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let state = Arc::new(Mutex::new(State {
            execution: "starting",
            last_activity: SystemTime::now(),
            connections: 0,
        }));
        let actor = Actor::new(
            self.program.clone(),
            random::uuid()?,
            receiver,
            Arc::clone(&state),
        );
        tokio::spawn(actor.run());
        let kernel = Arc::new(Kernel {
            id: random::uuid()?,
            name: name.to_owned(),
            commands,
            state,
        });
        self.kernels().push(Arc::clone(&kernel));
        Ok(kernel)
    }

    /// Those whose kernel was not shut down.
    pub fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| !session.kernel.commands.is_closed());
        sessions
    }
}
