//! `Start` and `Connect` of `process.Process`: works out what to run, and streams its events.

use crate::connect::{is_on, number_header, Codec};
use crate::messages::process::{
    DataEvent, EndEvent, Event, EventResponse, Output, ProcessConfig, ProcessEvent, ProcessRequest,
    Pty, StartEvent, StartRequest,
};
use crate::messages::Empty;
use crate::process::{self, Channel, Process};
use crate::process_rpc::find;
use crate::processes::{Order, StartError};
use crate::reaper::Exit;
use crate::rpc_error::RpcError;
use crate::server::Agent;
use crate::spawn::{resolve, Plan, SpawnError, PATH};
use crate::stream::{self, Next, Source};
use crate::users::User;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Output that lies in a pipe already must be read even if no grace is given.
const SHORTEST_GRACE: Duration = Duration::from_millis(10);
const DEFAULT_SIZE: (u16, u16) = (80, 24);
const TERMINAL_KIND: &str = "xterm-256color";

/// Starts a process and streams its events.
pub async fn start(
    agent: &Arc<Agent>,
    codec: Codec,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, RpcError> {
    let request: StartRequest = codec.read_framed(body).await?;
    let order = order(agent, headers, request)?;
    let command = order.plan.command.clone();
    match agent.processes.start(order) {
        Ok((process, events)) => Ok(stream::answer(
            codec,
            headers,
            Events {
                process,
                events,
                owns: true,
            },
        )),
        Err(StartError::TagTaken(tag)) => Err(RpcError::already_exists(
            StartError::TagTaken(tag).to_string(),
        )),
        Err(StartError::Spawn(error)) if is_on(headers, "x-wrenn-shell-errors") => {
            Ok(stream::answer(codec, headers, ShellFailure::new(&error)))
        }
        Err(StartError::Spawn(SpawnError::Failed(_, error))) => {
            Err(RpcError::of_io(&command, &error))
        }
        Err(StartError::Spawn(error)) => Err(RpcError::invalid(error.to_string())),
    }
}

/// Streams the events of a process that runs already, or has just ended.
pub async fn connect(
    agent: &Arc<Agent>,
    codec: Codec,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, RpcError> {
    let request: ProcessRequest = codec.read_framed(body).await?;
    let process = find(agent, request.process)?;
    let events = process.subscribe(is_on(headers, "x-wrenn-replay"));
    Ok(stream::answer(
        codec,
        headers,
        Events {
            process,
            events,
            owns: false,
        },
    ))
}

/// The events of one process for one listener.
struct Events {
    process: Arc<Process>,
    events: mpsc::Receiver<process::Event>,
    /// Whether the process must end with the listener's time limit.
    owns: bool,
}

impl Source for Events {
    type Message = EventResponse;

    fn first(&self) -> EventResponse {
        started(self.process.pid.cast_unsigned())
    }

    fn keepalive(&self) -> EventResponse {
        message(Event::Keepalive(Empty {}))
    }

    async fn next(&mut self) -> Next<EventResponse> {
        match self.events.recv().await {
            Some(process::Event::Output(channel, bytes)) => Next::Message(output(channel, bytes)),
            Some(process::Event::End(exit)) => Next::Last(ended(exit)),
            None => Next::Failed(RpcError::internal("the process is no longer followed")),
        }
    }

    fn out_of_time(&mut self) {
        if self.owns {
            // A process that ended at this very moment needs no signal.
            let _ = self.process.signal(libc::SIGKILL);
        }
    }
}

/// What a shell makes of a program that cannot be run: a message and 127 or 126.
struct ShellFailure {
    said: Option<Bytes>,
    exit_code: i32,
}

impl ShellFailure {
    fn new(error: &SpawnError) -> Self {
        Self {
            said: Some(format!("{error}\n").into()),
            exit_code: error.shell_exit_code(),
        }
    }
}

impl Source for ShellFailure {
    type Message = EventResponse;

    fn first(&self) -> EventResponse {
        started(0)
    }

    fn keepalive(&self) -> EventResponse {
        message(Event::Keepalive(Empty {}))
    }

    async fn next(&mut self) -> Next<EventResponse> {
        match self.said.take() {
            Some(text) => Next::Message(output(Channel::Stderr, text)),
            None => Next::Last(ended(Exit::Code(self.exit_code))),
        }
    }
}

fn message(event: Event) -> EventResponse {
    EventResponse {
        event: Some(ProcessEvent { event: Some(event) }),
    }
}

fn started(pid: u32) -> EventResponse {
    message(Event::Start(StartEvent { pid }))
}

fn output(channel: Channel, bytes: Bytes) -> EventResponse {
    message(Event::Data(DataEvent {
        output: Some(match channel {
            Channel::Stdout => Output::Stdout(bytes),
            Channel::Stderr => Output::Stderr(bytes),
            Channel::Terminal => Output::Pty(bytes),
        }),
    }))
}

fn ended(exit: Exit) -> EventResponse {
    let (exit_code, exited, status) = match exit {
        Exit::Code(code) => (code, true, format!("exit status {code}")),
        Exit::Signal(signal) => (-1, false, format!("signal: {}", signal_name(signal))),
    };
    message(Event::End(EndEvent {
        exit_code,
        exited,
        error: (exit != Exit::Code(0)).then(|| status.clone()),
        status,
    }))
}

/// As Go prints them, which clients compare with.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "hangup",
        libc::SIGINT => "interrupt",
        libc::SIGQUIT => "quit",
        libc::SIGILL => "illegal instruction",
        libc::SIGTRAP => "trace/breakpoint trap",
        libc::SIGABRT => "aborted",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "floating point exception",
        libc::SIGKILL => "killed",
        libc::SIGUSR1 => "user defined signal 1",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGUSR2 => "user defined signal 2",
        libc::SIGPIPE => "broken pipe",
        libc::SIGALRM => "alarm clock",
        libc::SIGTERM => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// What a request asks for, checked and with everything filled in.
fn order(agent: &Agent, headers: &HeaderMap, request: StartRequest) -> Result<Order, RpcError> {
    let config = request.process.unwrap_or_default();
    check(&config)?;
    let user = agent.user(headers)?;
    let terminal = request.pty.map(size_of);
    Ok(Order {
        plan: Plan {
            command: config.cmd.clone(),
            arguments: config.args.clone(),
            environment: environment(agent, &config, &user, terminal.is_some()),
            directory: directory(agent, &config, &user)?,
            user,
            terminal,
            stdin: terminal.is_none() && request.stdin.unwrap_or(true),
        },
        config,
        tag: request.tag.filter(|t| !t.is_empty()),
        unique_tag: is_on(headers, "x-wrenn-unique-tag"),
        drain_grace: number_header(headers, "x-wrenn-drain-grace-ms")
            .map(|millis| Duration::from_millis(millis).max(SHORTEST_GRACE)),
    })
}

/// Refuses what the kernel could not take (execve(2)).
fn check(config: &ProcessConfig) -> Result<(), RpcError> {
    if config.cmd.is_empty() {
        return Err(RpcError::invalid("process.cmd is empty"));
    }
    let texts = config.args.iter().chain([&config.cmd]).chain(&config.cwd);
    if texts.chain(config.envs.values()).any(|t| t.contains('\0')) {
        return Err(RpcError::invalid("process holds a zero byte"));
    }
    let unnamed = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
    match config.envs.keys().find(unnamed) {
        Some(name) => Err(RpcError::invalid(format!(
            "variable {name:?} cannot be set"
        ))),
        None => Ok(()),
    }
}

fn directory(agent: &Agent, config: &ProcessConfig, user: &User) -> Result<PathBuf, RpcError> {
    let base = agent.base_directory(user);
    let given = config.cwd.as_deref().unwrap_or_default();
    let directory = resolve(given, &user.home, &base);
    if directory.is_dir() {
        Ok(directory)
    } else if given.is_empty() {
        Ok("/".into()) // a user without a home must still be able to run something
    } else {
        Err(RpcError::invalid(format!(
            "cwd '{}' does not exist",
            directory.display()
        )))
    }
}

fn environment(
    agent: &Agent,
    config: &ProcessConfig,
    user: &User,
    terminal: bool,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), user.home.display().to_string()),
        ("USER".to_owned(), user.name.clone()),
        ("LOGNAME".to_owned(), user.name.clone()),
    ]);
    environment.extend(agent.identity.variables());
    environment.extend(config.envs.clone());
    if terminal {
        environment
            .entry("TERM".to_owned())
            .or_insert_with(|| TERMINAL_KIND.to_owned());
    }
    environment
}

/// Columns and rows; absent ones as terminals have always had.
pub fn size_of(pty: Pty) -> (u16, u16) {
    let size = pty.size.unwrap_or_default();
    let side = |given: u32, default: u16| match u16::try_from(given) {
        Ok(0) => default,
        Ok(side) => side,
        Err(_) => u16::MAX,
    };
    (
        side(size.cols, DEFAULT_SIZE.0),
        side(size.rows, DEFAULT_SIZE.1),
    )
}
