//! One kernel: the only task that touches its process. It asks the process one thing at a time and
//! knows, therefore, what each output belongs to.

use super::clients::Feed;
use super::output::{Outputs, Printed};
use super::process::{describe, Event, Process};
use super::voice::{Voice, NOTHING};
use super::wire::{quote, Asked, Said};
use super::Program;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Requests that one kernel keeps in mind.
const MOST_WAITING: usize = 1000;

/// A kernel that ends so often before it has begun is given up.
const MOST_STARTS: u32 = 3;

/// What its task is told.
pub enum Command {
    /// Somebody listens from now on.
    Attach(u64, oneshot::Sender<Feed>),
    /// And does not any more.
    Detach(u64),
    /// A message of a client.
    Ask(Asked),
    /// Control-C.
    Interrupt(oneshot::Sender<()>),
    /// Begin anew.
    Restart(oneshot::Sender<()>),
    /// End for good.
    End(oneshot::Sender<()>),
}

/// What others may know of a kernel.
#[derive(Clone, Debug)]
pub struct State {
    /// Jupyter's word.
    pub execution: &'static str,
    /// When it last did something.
    pub last_activity: SystemTime,
    /// How many clients there are.
    pub connections: usize,
}

/// The same, shared.
pub type SharedState = Arc<Mutex<State>>;

/// What becomes of the process.
enum Life {
    Alive(Stage, Box<Process>),
    /// And why.
    Dead(String),
}

/// How far a process has come.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Starting,
    Ready,
    /// A cell has asked it to end, and it is not asked any more.
    Ending,
}

pub struct Actor {
    program: Program,
    commands: mpsc::Receiver<Command>,
    state: SharedState,
    voice: Voice,
    life: Life,
    starts: u32,
    info: Option<Box<RawValue>>,
    current: Option<Asked>,
    /// Whether the kernel has begun with it; before that it would not notice an interruption.
    began: bool,
    interrupted: bool,
    waiting: VecDeque<Asked>,
}

impl Actor {
    pub fn new(
        program: Program,
        session: String,
        commands: mpsc::Receiver<Command>,
        state: SharedState,
    ) -> Self {
        Self {
            program,
            commands,
            state,
            voice: Voice::new(session),
            life: Life::Dead("it has not been started".to_owned()),
            starts: 0,
            info: None,
            current: None,
            began: false,
            interrupted: false,
            waiting: VecDeque::new(),
        }
    }

    /// Lives until the kernel is ended for good.
    pub async fn run(mut self) {
        self.start();
        loop {
            let listens = self.voice.clients.keep_up();
            let lessened = self.voice.clients.lessened();
            let tell_at = self.process().and_then(|process| process.outputs.tell_at());
            let told_at = tell_at.unwrap_or_else(Instant::now);
            tokio::select! {
                command = self.commands.recv() => {
                    let Some(command) = command else { break };
                    if let Some(done) = self.obey(command).await {
                        self.stop().await;
                        self.voice.status("dead");
                        // Whoever asked may be gone.
                        let _ = done.send(());
                        return;
                    }
                }
                () = lessened.notified(), if !listens => {}
                () = tokio::time::sleep_until(told_at), if tell_at.is_some() => self.tell_output(Outputs::tell),
                event = next(&mut self.life, listens) => match event {
                    Ok(Event::Line(line)) => self.hear(&line),
                    Ok(Event::Output(which)) => self.tell_output(|outputs| outputs.read(which)),
                    Ok(Event::Ended(status)) => self.mourn(status),
                    Err(error) => self.give_up(format!("it cannot be reached: {error}")),
                },
            }
        }
        self.stop().await;
    }

    fn start(&mut self) {
        self.starts += 1;
        match Process::start(&self.program) {
            Ok(process) => {
                self.life = Life::Alive(Stage::Starting, Box::new(process));
                self.enter("starting");
            }
            Err(error) => self.give_up(format!("it cannot be started: {error}")),
        }
    }

    async fn stop(&mut self) {
        let life = std::mem::replace(&mut self.life, Life::Dead("it was shut down".to_owned()));
        if let Life::Alive(_, process) = life {
            if let Err(error) = process.end().await {
                eprintln!("kernels: cannot wait for a kernel: {error}");
            }
        }
    }

    fn process(&mut self) -> Option<&mut Process> {
        match &mut self.life {
            Life::Alive(_, process) => Some(process),
            Life::Dead(_) => None,
        }
    }

    fn is_in(&self, wanted: Stage) -> bool {
        matches!(self.life, Life::Alive(stage, _) if stage == wanted)
    }

    /// Does as it is told; gives back whom to tell that the kernel has ended for good.
    async fn obey(&mut self, command: Command) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Attach(id, answer) => {
                // A connection that has ended meanwhile says so next.
                let _ = answer.send(self.voice.clients.add(id));
            }
            Command::Detach(id) => self.voice.clients.remove(id),
            Command::Ask(asked) => return self.ask(asked).await,
            Command::Interrupt(done) => {
                self.interrupt();
                // Whoever asked may be gone; so it is below.
                let _ = done.send(());
            }
            Command::Restart(done) => {
                self.restart().await;
                let _ = done.send(());
            }
            Command::End(done) => return Some(done),
        }
        let count = self.voice.clients.len();
        self.change(|state| state.connections = count);
        None
    }

    async fn ask(&mut self, asked: Asked) -> Option<oneshot::Sender<()>> {
        match asked.kind.as_str() {
            "kernel_info_request" => match self.info.clone() {
                Some(info) => self.voice.answer(&asked, info.get()),
                None => self.wait(asked),
            },
            "interrupt_request" => {
                self.interrupt();
                self.voice.answer(&asked, r#"{"status":"ok"}"#);
            }
            "shutdown_request" => {
                let restart = asked.wants_restart();
                self.voice
                    .answer(&asked, &format!(r#"{{"status":"ok","restart":{restart}}}"#));
                if !restart {
                    return Some(oneshot::channel().0);
                }
                self.restart().await;
            }
            "execute_request"
            | "complete_request"
            | "inspect_request"
            | "is_complete_request"
            | "history_request"
            | "comm_info_request"
            | "comm_open"
            | "comm_msg"
            | "comm_close" => {
                self.wait(asked);
            }
            kind if asked.reply_kind().is_some() => {
                let why = format!("{kind} is not known here");
                self.voice.fail(&asked, "NotImplemented", &why);
            }
            _ => {} // nobody waits for an answer, such as to an input_reply
        }
        None
    }

    fn wait(&mut self, asked: Asked) {
        if let Life::Dead(why) = &self.life {
            let why = format!("the kernel is dead: {why}; restart it");
            self.voice.fail(&asked, "KernelDied", &why);
        } else if self.waiting.len() >= MOST_WAITING {
            let why = format!("{MOST_WAITING} requests wait already");
            self.voice.fail(&asked, "KernelBusy", &why);
        } else {
            self.waiting.push_back(asked);
            self.go_on();
        }
    }

    /// Asks the kernel for the next thing, if it has nothing to do.
    fn go_on(&mut self) {
        while self.current.is_none() {
            if !self.is_in(Stage::Ready) {
                return;
            }
            let Some(asked) = self.waiting.pop_front() else {
                return;
            };
            if let ("kernel_info_request", Some(info)) = (asked.kind.as_str(), self.info.clone()) {
                self.voice.answer(&asked, info.get());
                continue;
            }
            self.tell_output(Outputs::flush); // of what was asked before
            if let Some(process) = self.process() {
                process.send(&asked.to_kernel());
            }
            self.began = asked.kind != "execute_request";
            self.interrupted = false;
            self.voice.turn_to(&asked);
            self.current = Some(asked);
            self.enter("busy");
            self.voice.status("busy");
        }
    }

    fn hear(&mut self, line: &[u8]) {
        let said: Said = match serde_json::from_slice(line) {
            Ok(said) => said,
            Err(error) => {
                eprintln!("kernels: a kernel said what is no message: {error}");
                return;
            }
        };
        let content = said.content.get();
        // That is said before the cell prints anything, all else after.
        if said.began.is_some() || said.publish.as_deref() == Some("execute_input") {
            self.began = true;
            if self.interrupted {
                self.interrupt();
            }
        } else {
            self.tell_output(Outputs::flush);
        }
        if let Some(kind) = said.publish {
            let metadata = said.metadata.as_deref().map_or(NOTHING, RawValue::get);
            self.voice.publish(&kind, content, metadata);
            if said.waits {
                if let Some(process) = self.process() {
                    process.taken();
                }
            }
        } else if said.reply.is_some() {
            self.done(content);
        } else if said.ready.is_some() {
            self.info = Some(said.content);
            self.turn(Stage::Ready);
            self.begin();
        } else if said.ending.is_some() {
            self.turn(Stage::Ending);
        }
    }

    fn turn(&mut self, next: Stage) {
        if let Life::Alive(stage, _) = &mut self.life {
            *stage = next;
        }
    }

    /// The kernel is there.
    fn begin(&mut self) {
        self.starts = 0;
        self.enter("idle");
        self.voice.status("idle");
        self.go_on();
    }

    /// What was asked is done.
    fn done(&mut self, content: &str) {
        let Some(asked) = self.current.take() else {
            return;
        };
        self.voice.reply(&asked, content);
        self.enter("idle");
        self.voice.status("idle");
        if asked.stops_on_error() && is_error(content) {
            self.abort(&asked.session);
        }
        self.go_on();
    }

    /// Lets go what a session has asked for after something that failed.
    fn abort(&mut self, session: &str) {
        let is_after = |a: &Asked| a.session == session && a.kind == "execute_request";
        let (aborted, kept) = self.waiting.drain(..).partition(is_after);
        self.waiting = kept;
        for asked in Vec::from(aborted) {
            self.voice.answer(&asked, r#"{"status":"aborted"}"#);
        }
    }

    fn interrupt(&mut self) {
        if self.current.is_some() && !self.began {
            self.interrupted = true;
            return;
        }
        if let Some(process) = self.process() {
            process.interrupt();
        }
    }

    async fn restart(&mut self) {
        self.stop().await;
        self.fail_all(
            "KernelRestarted",
            "the kernel was restarted; its variables are gone",
        );
        self.starts = 0;
        self.voice.status("restarting");
        self.start();
    }

    /// The kernel has ended by itself.
    fn mourn(&mut self, status: ExitStatus) {
        let how = describe(status);
        let mut lines = Vec::new();
        if let Some(process) = self.process() {
            process.last_words();
            while let Some(line) = process.line() {
                lines.push(line);
            }
        }
        // No more is asked of it while what it has still said is heard.
        let waiting = std::mem::take(&mut self.waiting);
        for line in lines {
            self.hear(&line);
        }
        self.tell_output(Outputs::flush);
        self.waiting = waiting;
        if self.starts >= MOST_STARTS {
            self.give_up(how);
            return;
        }
        if !self.is_in(Stage::Ending) {
            let why =
                format!("the kernel has died: {how}. It is started anew; its variables are gone");
            self.fail_all("KernelDied", &why);
        }
        self.voice.status("restarting");
        self.start();
    }

    fn give_up(&mut self, why: String) {
        self.fail_all(
            "KernelDied",
            &format!("the kernel is dead: {why}; restart it"),
        );
        self.life = Life::Dead(why);
        self.enter("dead");
        self.voice.status("dead");
    }

    fn fail_all(&mut self, name: &str, why: &str) {
        let current = self.current.take();
        let waiting = std::mem::take(&mut self.waiting);
        for asked in current.into_iter().chain(waiting) {
            self.voice.fail(&asked, name, why);
        }
    }

    /// Tells what was printed and is to be told now.
    fn tell_output(&mut self, printed: impl FnOnce(&mut Outputs) -> Vec<Printed>) {
        let Some(process) = self.process() else {
            return;
        };
        for Printed { name, text } in printed(&mut process.outputs) {
            let text = quote(&text);
            let content = format!(r#"{{"name":"{name}","text":{text}}}"#);
            self.voice.publish("stream", &content, NOTHING);
        }
    }

    fn enter(&mut self, word: &'static str) {
        self.change(|state| {
            state.execution = word;
            state.last_activity = SystemTime::now();
        });
    }

    fn change(&self, by: impl FnOnce(&mut State)) {
        by(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn next(life: &mut Life, listens: bool) -> io::Result<Event> {
    match life {
        Life::Alive(_, process) => process.next(listens).await,
        Life::Dead(_) => std::future::pending().await,
    }
}

fn is_error(content: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Reply<'a> {
        #[serde(borrow, default)]
        status: std::borrow::Cow<'a, str>,
    }
    serde_json::from_str::<Reply>(content).is_ok_and(|reply| reply.status == "error")
}
