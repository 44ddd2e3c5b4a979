//! Service `process.Process`.

use crate::connect::{
    duration_header, end_frame, failed_stream, is_on, message_frame, parse_framed, parse_unary,
    reply, stream_response, text, RpcError,
};
use crate::process::{Channel, Description, Event, InputError, Process, Selector};
use crate::reaper::Exit;
use crate::server::Agent;
use crate::spawn::{resolve, Plan, SpawnError, PATH};
use crate::users::{self, User};
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{json, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

const KEEPALIVE: Duration = Duration::from_secs(90);
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// Answers a call by its method's name.
pub async fn call(agent: Arc<Agent>, method: &str, headers: HeaderMap, body: Bytes) -> Response {
    match method {
        "Start" => start(&agent, &headers, &body).unwrap_or_else(|e| failed_stream(&e)),
        "Connect" => connect(&agent, &headers, &body).unwrap_or_else(|e| failed_stream(&e)),
        "List" => reply(Ok(list(&agent))),
        "SendSignal" => reply(send_signal(&agent, &body)),
        "SendInput" => reply(send_input(&agent, &body).await),
        "CloseStdin" => reply(close_stdin(&agent, &body).await),
        "Update" => reply(update(&agent, &body)),
        "StreamInput" => reply(stream_input(&agent, &body).await),
        other => reply(Err(RpcError::unimplemented(format!("method {other}")))),
    }
}

fn start(agent: &Arc<Agent>, headers: &HeaderMap, body: &[u8]) -> Result<Response, RpcError> {
    let message = parse_framed(body)?;
    let description = describe(&message)?;
    if let (Some(tag), true) = (&description.tag, is_on(headers, "x-wrenn-unique-tag")) {
        let taken = agent.processes.find(&Selector::Tag(tag.clone()));
        if taken.is_some_and(|p| p.is_alive()) {
            return Err(RpcError::already_exists(format!(
                "a process with tag {tag} is running"
            )));
        }
    }
    let user = agent.user(headers)?;
    let plan = plan(agent, &message, &description, user)?;
    let grace = duration_header(headers, "x-wrenn-drain-grace-ms", Duration::from_millis);
    let limit = duration_header(headers, "connect-timeout-ms", Duration::from_millis);
    match agent.processes.start(&plan, description, grace) {
        Ok((process, events)) => Ok(stream(process, events, headers, limit, true)),
        Err(error) if is_on(headers, "x-wrenn-shell-errors") => Ok(shell_failure(&error)),
        Err(SpawnError::Failed(_, error)) => Err(RpcError::of_io(&plan.command, &error)),
        Err(error) => Err(RpcError::invalid(error.to_string())),
    }
}

/// What a shell makes of a program that cannot be run: a message and 127 or 126.
fn shell_failure(error: &SpawnError) -> Response {
    let mut body = message_frame(&json!({"event": {"start": {"pid": 0}}})).to_vec();
    let stderr = BASE64_STANDARD.encode(format!("{error}\n"));
    body.extend(message_frame(
        &json!({"event": {"data": {"stderr": stderr}}}),
    ));
    body.extend(message_frame(&end_message(Exit::Code(
        error.shell_exit_code(),
    ))));
    body.extend(end_frame());
    stream_response(Body::from(body))
}

fn connect(agent: &Arc<Agent>, headers: &HeaderMap, body: &[u8]) -> Result<Response, RpcError> {
    let process = find(agent, &parse_framed(body)?)?;
    let events = process.subscribe(is_on(headers, "x-wrenn-replay"));
    let limit = duration_header(headers, "connect-timeout-ms", Duration::from_millis);
    Ok(stream(process, events, headers, limit, false))
}

/// Streams a process's events; `owns`: its limit kills the process, not only the stream.
fn stream(
    process: Arc<Process>,
    mut events: mpsc::Receiver<Event>,
    headers: &HeaderMap,
    limit: Option<Duration>,
    owns: bool,
) -> Response {
    let keepalive = duration_header(headers, "keepalive-ping-interval", Duration::from_secs)
        .unwrap_or(KEEPALIVE);
    let deadline = limit.map(|l| Instant::now() + l);
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let started = json!({"event": {"start": {"pid": process.pid}}});
        if sender.send(message_frame(&started)).await.is_err() {
            return;
        }
        loop {
            let frame = tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Output(channel, bytes)) => output_frame(channel, &bytes),
                    Some(Event::End(exit)) => {
                        let mut last = message_frame(&end_message(exit)).to_vec();
                        last.extend(end_frame());
                        // The listener may be gone; so are we, then.
                        let _ = sender.send(last.into()).await;
                        return;
                    }
                    None => return,
                },
                () = at(deadline) => {
                    if owns {
                        // A process that ended at this very moment needs no signal.
                        let _ = process.signal(libc::SIGKILL);
                    }
                    let _ = sender.send(RpcError::deadline_exceeded().end_frame()).await;
                    return;
                }
                () = tokio::time::sleep(keepalive) => {
                    message_frame(&json!({"event": {"keepalive": {}}}))
                }
                () = sender.closed() => return,
            };
            let sent = tokio::select! {
                sent = sender.send(frame) => sent.is_ok(),
                () = at(deadline) => {
                    if owns {
                        let _ = process.signal(libc::SIGKILL);
                    }
                    false
                }
            };
            if !sent {
                return;
            }
        }
    });
    let frames = futures_util::stream::unfold(receiver, |mut r| async move {
        r.recv()
            .await
            .map(|f| (Ok::<_, std::convert::Infallible>(f), r))
    });
    stream_response(Body::from_stream(frames))
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn output_frame(channel: Channel, bytes: &[u8]) -> Bytes {
    let name = match channel {
        Channel::Stdout => "stdout",
        Channel::Stderr => "stderr",
        Channel::Terminal => "pty",
    };
    message_frame(&json!({"event": {"data": {name: BASE64_STANDARD.encode(bytes)}}}))
}

fn end_message(exit: Exit) -> Value {
    let end = match exit {
        Exit::Code(0) => json!({"exited": true, "status": "exit status 0"}),
        Exit::Code(code) => {
            let status = format!("exit status {code}");
            json!({"exitCode": code, "exited": true, "status": status, "error": status})
        }
        Exit::Signal(signal) => {
            let status = format!("signal: {}", signal_name(signal));
            json!({"exitCode": -1, "exited": false, "status": status, "error": status})
        }
    };
    json!({"event": {"end": end}})
}

/// As Go prints them, which clients compare with.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "hangup",
        libc::SIGINT => "interrupt",
        libc::SIGQUIT => "quit",
        libc::SIGILL => "illegal instruction",
        libc::SIGABRT => "aborted",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "floating point exception",
        libc::SIGKILL => "killed",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGPIPE => "broken pipe",
        libc::SIGALRM => "alarm clock",
        libc::SIGTERM => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

fn describe(message: &Value) -> Result<Description, RpcError> {
    let process = message.get("process").unwrap_or(&Value::Null);
    let command = text(process, "cmd", "cmd").unwrap_or_default();
    if command.is_empty() {
        return Err(RpcError::invalid("process.cmd is empty"));
    }
    let strings = |value: Option<&Value>| -> Result<Vec<String>, RpcError> {
        let Some(list) = value.and_then(Value::as_array) else {
            return Ok(Vec::new());
        };
        list.iter()
            .map(|v| v.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| RpcError::invalid("process.args must be texts"))
    };
    let mut variables = HashMap::new();
    if let Some(given) = process.get("envs").and_then(Value::as_object) {
        for (name, value) in given {
            let value = value
                .as_str()
                .ok_or_else(|| RpcError::invalid("process.envs must be texts"))?;
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(RpcError::invalid(format!(
                    "variable {name:?} cannot be set"
                )));
            }
            variables.insert(name.clone(), value.to_owned());
        }
    }
    Ok(Description {
        command: command.to_owned(),
        arguments: strings(process.get("args"))?,
        variables,
        directory: text(process, "cwd", "cwd").map(str::to_owned),
        tag: text(message, "tag", "tag").map(str::to_owned),
    })
}

fn plan(
    agent: &Agent,
    message: &Value,
    description: &Description,
    user: User,
) -> Result<Plan, RpcError> {
    let base = agent.base_directory(&user);
    let directory = match &description.directory {
        Some(given) => resolve(given, &user.home, &base),
        None => base,
    };
    let exists = directory.is_dir();
    let directory = if exists {
        directory
    } else if description.directory.is_none() {
        "/".into() // a user without a home must still be able to run something
    } else {
        return Err(RpcError::invalid(format!(
            "cwd '{}' does not exist",
            directory.display()
        )));
    };
    let terminal = message.get("pty").filter(|p| p.is_object()).map(size_of);
    let mut environment = std::collections::BTreeMap::new();
    environment.insert("PATH".to_owned(), PATH.to_owned());
    environment.insert("HOME".to_owned(), user.home.display().to_string());
    environment.insert("USER".to_owned(), user.name.clone());
    environment.insert("LOGNAME".to_owned(), user.name.clone());
    environment.extend(agent.identity.variables());
    environment.extend(description.variables.clone());
    if terminal.is_some() {
        environment
            .entry("TERM".to_owned())
            .or_insert_with(|| "xterm-256color".to_owned());
    }
    Ok(Plan {
        command: description.command.clone(),
        arguments: description.arguments.clone(),
        environment,
        directory,
        user,
        stdin: terminal.is_none()
            && message
                .get("stdin")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        terminal,
    })
}

fn size_of(pty: &Value) -> (u16, u16) {
    let side = |name: &str, default: u16| {
        pty.get("size")
            .and_then(|s| s.get(name))
            .and_then(Value::as_u64)
            .and_then(|n| u16::try_from(n).ok())
            .filter(|n| *n > 0)
            .unwrap_or(default)
    };
    (side("cols", DEFAULT_SIZE.0), side("rows", DEFAULT_SIZE.1))
}

fn list(agent: &Agent) -> Value {
    let processes: Vec<_> = agent
        .processes
        .live()
        .iter()
        .map(|p| {
            let d = &p.description;
            let mut config = json!({"cmd": d.command, "args": d.arguments, "envs": d.variables});
            if let Some(directory) = &d.directory {
                config["cwd"] = json!(directory);
            }
            let mut entry = json!({"config": config, "pid": p.pid});
            if let Some(tag) = &d.tag {
                entry["tag"] = json!(tag);
            }
            entry
        })
        .collect();
    json!({ "processes": processes })
}

fn selector(message: &Value) -> Result<Selector, RpcError> {
    let process = message.get("process").unwrap_or(&Value::Null);
    if let Some(pid) = process.get("pid").and_then(Value::as_i64) {
        let pid = i32::try_from(pid).map_err(|_| RpcError::invalid("pid is out of range"))?;
        return Ok(Selector::Pid(pid));
    }
    match text(process, "tag", "tag") {
        Some(tag) => Ok(Selector::Tag(tag.to_owned())),
        None => Err(RpcError::invalid("process must name a pid or a tag")),
    }
}

fn find(agent: &Agent, message: &Value) -> Result<Arc<Process>, RpcError> {
    let selector = selector(message)?;
    agent.processes.find(&selector).ok_or_else(|| {
        RpcError::not_found(match selector {
            Selector::Pid(pid) => format!("process with pid {pid} not found"),
            Selector::Tag(tag) => format!("process with tag {tag} not found"),
        })
    })
}

fn send_signal(agent: &Agent, body: &[u8]) -> Result<Value, RpcError> {
    let message = parse_unary(body)?;
    let process = find(agent, &message)?;
    let signal = match message.get("signal") {
        Some(Value::String(name)) if name == "SIGNAL_SIGKILL" => libc::SIGKILL,
        Some(Value::String(name)) if name == "SIGNAL_SIGTERM" => libc::SIGTERM,
        Some(Value::Number(n)) if n.as_i64() == Some(9) => libc::SIGKILL,
        Some(Value::Number(n)) if n.as_i64() == Some(15) => libc::SIGTERM,
        _ => return Err(RpcError::unimplemented("signals other than KILL and TERM")),
    };
    process
        .signal(signal)
        .map_err(|_| RpcError::not_found(format!("process with pid {} not found", process.pid)))?;
    Ok(json!({}))
}

async fn send_input(agent: &Agent, body: &[u8]) -> Result<Value, RpcError> {
    let message = parse_unary(body)?;
    let process = find(agent, &message)?;
    deliver(&process, &message).await?;
    Ok(json!({}))
}

async fn deliver(process: &Process, message: &Value) -> Result<(), RpcError> {
    let input = message.get("input").unwrap_or(&Value::Null);
    let decode = |text: &str| {
        BASE64_STANDARD
            .decode(text)
            .map_err(|e| RpcError::invalid(format!("input is not base64: {e}")))
    };
    let result = match (text(input, "pty", "pty"), text(input, "stdin", "stdin")) {
        (Some(bytes), _) => process.write_terminal(&decode(bytes)?).await,
        (None, Some(bytes)) => process.write_stdin(&decode(bytes)?).await,
        (None, None) => return Err(RpcError::invalid("input must hold stdin or pty")),
    };
    result.map_err(input_error)
}

async fn close_stdin(agent: &Agent, body: &[u8]) -> Result<Value, RpcError> {
    let process = find(agent, &parse_unary(body)?)?;
    process.close_stdin().await.map_err(input_error)?;
    Ok(json!({}))
}

fn update(agent: &Agent, body: &[u8]) -> Result<Value, RpcError> {
    let message = parse_unary(body)?;
    let process = find(agent, &message)?;
    if let Some(pty) = message.get("pty").filter(|p| p.is_object()) {
        process.resize(size_of(pty)).map_err(input_error)?;
    }
    Ok(json!({}))
}

/// A client stream: every frame in order, the first names the process.
async fn stream_input(agent: &Agent, body: &[u8]) -> Result<Value, RpcError> {
    let mut process = None;
    let mut rest = body;
    while !rest.is_empty() {
        let length = rest
            .get(1..5)
            .map(|l| u32::from_be_bytes([l[0], l[1], l[2], l[3]]) as usize)
            .and_then(|l| l.checked_add(5))
            .filter(|end| *end <= rest.len())
            .ok_or_else(|| RpcError::invalid("a frame is cut short"))?;
        if rest[0] != 0 {
            break; // the end of the stream
        }
        let message = parse_framed(&rest[..length])?;
        rest = &rest[length..];
        let event = message.get("event").unwrap_or(&message);
        if let Some(start) = event.get("start") {
            process = Some(find(agent, start)?);
        } else if let Some(data) = event.get("data") {
            let target: &Arc<Process> = process
                .as_ref()
                .ok_or_else(|| RpcError::invalid("the first message must be start"))?;
            deliver(target, data).await?;
        }
    }
    Ok(json!({}))
}

fn input_error(error: InputError) -> RpcError {
    RpcError::internal(error.to_string())
}

impl Agent {
    /// The user a request names, or the default one.
    pub fn user(&self, headers: &HeaderMap) -> Result<User, RpcError> {
        let name = headers
            .get("authorization")
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Basic "))
            .and_then(|v| BASE64_STANDARD.decode(v).ok())
            .and_then(|v| String::from_utf8(v).ok())
            .and_then(|v| v.split(':').next().map(str::to_owned))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| self.identity.default_user());
        users::find(&name)
            .ok_or_else(|| RpcError::unauthenticated(format!("user '{name}' does not exist")))
    }
}
