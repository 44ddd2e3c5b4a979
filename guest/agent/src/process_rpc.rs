//! Service `process.Process`: finds processes and passes input, sizes and signals on to them.

use crate::connect::{unsupported, Codec, Frames};
use crate::messages::process::{
    Input, InputEvent, ListResponse, ProcessInfo, ProcessInput, ProcessRequest, ProcessSelector,
    Selector, SendInputRequest, SendSignalRequest, StreamInputRequest, UpdateRequest,
};
use crate::messages::Empty;
use crate::process::{InputError, Process};
use crate::rpc_error::RpcError;
use crate::server::Agent;
use crate::start;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;

/// Answers a call by its method's name.
pub async fn call(agent: Arc<Agent>, method: &str, headers: HeaderMap, body: Body) -> Response {
    let is_stream = matches!(method, "Start" | "Connect" | "StreamInput");
    let codec = if is_stream {
        Codec::of_stream(&headers)
    } else {
        Codec::of_unary(&headers)
    };
    let Some(codec) = codec else {
        return unsupported();
    };
    match method {
        "Start" => start::start(&agent, codec, &headers, body)
            .await
            .unwrap_or_else(|e| codec.failed_stream(&e)),
        "Connect" => start::connect(&agent, codec, &headers, body)
            .await
            .unwrap_or_else(|e| codec.failed_stream(&e)),
        "StreamInput" => codec.reply_framed(stream_input(&agent, codec, body).await),
        "List" => codec.reply(codec.read_unary(body).await.map(|Empty {}| list(&agent))),
        "SendSignal" => codec.reply(send_signal(&agent, codec, body).await),
        "SendInput" => codec.reply(send_input(&agent, codec, body).await),
        "CloseStdin" => codec.reply(close_stdin(&agent, codec, body).await),
        "Update" => codec.reply(update(&agent, codec, body).await),
        other => codec.reply::<Empty>(Err(RpcError::unimplemented(format!("no method {other}")))),
    }
}

fn list(agent: &Agent) -> ListResponse {
    let live = agent.processes.live();
    ListResponse {
        processes: live
            .iter()
            .map(|process| ProcessInfo {
                config: Some(process.config.clone()),
                pid: process.pid.cast_unsigned(),
                tag: process.tag.clone(),
            })
            .collect(),
    }
}

/// The process a request names.
pub fn find(agent: &Agent, named: Option<ProcessSelector>) -> Result<Arc<Process>, RpcError> {
    let selector = named
        .and_then(|n| n.selector)
        .ok_or_else(|| RpcError::invalid("process must name a pid or a tag"))?;
    agent
        .processes
        .find(&selector)
        .ok_or_else(|| match selector {
            Selector::Pid(pid) => not_found(pid),
            Selector::Tag(tag) => RpcError::not_found(format!("process with tag {tag} not found")),
        })
}

fn not_found(pid: u32) -> RpcError {
    RpcError::not_found(format!("process with pid {pid} not found"))
}

async fn send_signal(agent: &Agent, codec: Codec, body: Body) -> Result<Empty, RpcError> {
    let request: SendSignalRequest = codec.read_unary(body).await?;
    let process = find(agent, request.process)?;
    if !matches!(request.signal, libc::SIGKILL | libc::SIGTERM) {
        return Err(RpcError::unimplemented("signals other than KILL and TERM"));
    }
    match process.signal(request.signal) {
        Ok(()) => Ok(Empty {}),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
            Err(not_found(process.pid.cast_unsigned()))
        }
        Err(error) => Err(RpcError::of_io("the signal cannot be sent", &error)),
    }
}

async fn send_input(agent: &Agent, codec: Codec, body: Body) -> Result<Empty, RpcError> {
    let request: SendInputRequest = codec.read_unary(body).await?;
    let process = find(agent, request.process)?;
    deliver(&process, request.input).await
}

async fn deliver(process: &Process, input: Option<ProcessInput>) -> Result<Empty, RpcError> {
    match input.and_then(|i| i.input) {
        Some(Input::Stdin(bytes)) => process.write_stdin(&bytes).await,
        Some(Input::Pty(bytes)) => process.write_terminal(&bytes).await,
        None => return Err(RpcError::invalid("input must hold stdin or pty")),
    }
    .map(|()| Empty {})
    .map_err(input_error)
}

async fn close_stdin(agent: &Agent, codec: Codec, body: Body) -> Result<Empty, RpcError> {
    let request: ProcessRequest = codec.read_unary(body).await?;
    let process = find(agent, request.process)?;
    process.close_stdin().await.map_err(input_error)?;
    Ok(Empty {})
}

async fn update(agent: &Agent, codec: Codec, body: Body) -> Result<Empty, RpcError> {
    let request: UpdateRequest = codec.read_unary(body).await?;
    let process = find(agent, request.process)?;
    if let Some(pty) = request.pty {
        process.resize(start::size_of(pty)).map_err(input_error)?;
    }
    Ok(Empty {})
}

/// A client stream: every message in order as it arrives, the first names the process.
async fn stream_input(agent: &Agent, codec: Codec, body: Body) -> Result<Empty, RpcError> {
    let mut messages = Frames::new(codec, body);
    let mut process = None;
    while let Some(message) = messages.next::<StreamInputRequest>().await? {
        match (message.event, &process) {
            (Some(InputEvent::Start(start)), _) => process = Some(find(agent, start.process)?),
            (Some(InputEvent::Data(data)), Some(process)) => {
                deliver(process, data.input).await?;
            }
            (Some(InputEvent::Data(_)), None) => {
                return Err(RpcError::invalid("the first message must be start"))
            }
            (Some(InputEvent::Keepalive(_)) | None, _) => {}
        }
    }
    Ok(Empty {})
}

fn input_error(error: InputError) -> RpcError {
    RpcError::internal(error.to_string())
}
