//! Messages of `process.Process`.

use super::json::{base64_bytes, NameOrNumber};
use super::Empty;
use bytes::Bytes;
use prost::{Message, Oneof};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::HashMap;

/// Size of a terminal in characters.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct PtySize {
    /// Width.
    #[prost(uint32, tag = "1")]
    pub cols: u32,
    /// Height.
    #[prost(uint32, tag = "2")]
    pub rows: u32,
}

/// A terminal.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Pty {
    /// Its size.
    #[prost(message, optional, tag = "1")]
    pub size: Option<PtySize>,
}

/// What to run.
#[derive(Clone, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessConfig {
    /// Program.
    #[prost(string, tag = "1")]
    pub cmd: String,
    /// Its arguments.
    #[prost(string, repeated, tag = "2")]
    pub args: Vec<String>,
    /// Variables beyond the usual ones.
    #[prost(map = "string, string", tag = "3")]
    pub envs: HashMap<String, String>,
    /// Working directory.
    #[prost(string, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
}

/// A running process.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct ProcessInfo {
    /// As it was asked for.
    #[prost(message, optional, tag = "1")]
    pub config: Option<ProcessConfig>,
    /// Its id.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    /// Name to find it by.
    #[prost(string, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Answer of `List`.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct ListResponse {
    /// All that run, by id.
    #[prost(message, repeated, tag = "1")]
    pub processes: Vec<ProcessInfo>,
}

/// Request of `Start`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct StartRequest {
    /// What to run.
    #[prost(message, optional, tag = "1")]
    pub process: Option<ProcessConfig>,
    /// Gives it a terminal instead of pipes.
    #[prost(message, optional, tag = "2")]
    pub pty: Option<Pty>,
    /// Name to find it by.
    #[prost(string, optional, tag = "3")]
    pub tag: Option<String>,
    /// Whether standard input is a pipe; it is, unless said otherwise.
    #[prost(bool, optional, tag = "4")]
    pub stdin: Option<bool>,
}

/// Message of the streams of `Start` and `Connect`.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct EventResponse {
    /// What happened.
    #[prost(message, optional, tag = "1")]
    pub event: Option<ProcessEvent>,
}

/// Something that happened to a process.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct ProcessEvent {
    /// What it was.
    #[prost(oneof = "Event", tags = "1, 2, 3, 4")]
    #[serde(flatten)]
    pub event: Option<Event>,
}

/// Kinds of events.
#[derive(Clone, PartialEq, Eq, Oneof, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// It runs; always the first.
    #[prost(message, tag = "1")]
    Start(StartEvent),
    /// It wrote.
    #[prost(message, tag = "2")]
    Data(DataEvent),
    /// It ended; always the last.
    #[prost(message, tag = "3")]
    End(EndEvent),
    /// The connection lives.
    #[prost(message, tag = "4")]
    Keepalive(Empty),
}

/// A process runs.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize)]
pub struct StartEvent {
    /// Its id.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
}

/// A process wrote.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct DataEvent {
    /// What, and where to.
    #[prost(oneof = "Output", tags = "1, 2, 3")]
    #[serde(flatten)]
    pub output: Option<Output>,
}

/// Raw output by its stream.
#[derive(Clone, PartialEq, Eq, Oneof, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// Standard output.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "base64_bytes")]
    Stdout(Bytes),
    /// Standard error.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "base64_bytes")]
    Stderr(Bytes),
    /// Terminal.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "base64_bytes")]
    Pty(Bytes),
}

/// A process ended.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndEvent {
    /// What it returned; -1 if a signal ended it.
    #[prost(sint32, tag = "1")]
    pub exit_code: i32,
    /// Whether it ended by itself.
    #[prost(bool, tag = "2")]
    pub exited: bool,
    /// For people.
    #[prost(string, tag = "3")]
    pub status: String,
    /// The same if it did not succeed.
    #[prost(string, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Which process is meant.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct ProcessSelector {
    /// By what.
    #[prost(oneof = "Selector", tags = "1, 2")]
    #[serde(flatten)]
    pub selector: Option<Selector>,
}

/// Ways to name a process.
#[derive(Clone, PartialEq, Eq, Oneof, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Selector {
    /// By id.
    #[prost(uint32, tag = "1")]
    Pid(u32),
    /// By tag.
    #[prost(string, tag = "2")]
    Tag(String),
}

/// Request of `Connect` and `CloseStdin`, and first message of `StreamInput`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct ProcessRequest {
    /// Which process.
    #[prost(message, optional, tag = "1")]
    pub process: Option<ProcessSelector>,
}

/// Request of `Update`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct UpdateRequest {
    /// Which process.
    #[prost(message, optional, tag = "1")]
    pub process: Option<ProcessSelector>,
    /// Its new terminal size.
    #[prost(message, optional, tag = "2")]
    pub pty: Option<Pty>,
}

/// Request of `SendInput`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct SendInputRequest {
    /// Which process.
    #[prost(message, optional, tag = "1")]
    pub process: Option<ProcessSelector>,
    /// What to write.
    #[prost(message, optional, tag = "2")]
    pub input: Option<ProcessInput>,
}

/// Something to write to a process.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct ProcessInput {
    /// What, and where to.
    #[prost(oneof = "Input", tags = "1, 2")]
    #[serde(flatten)]
    pub input: Option<Input>,
}

/// Raw input by its stream.
#[derive(Clone, PartialEq, Eq, Oneof, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// Standard input.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "base64_bytes")]
    Stdin(Bytes),
    /// Terminal.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "base64_bytes")]
    Pty(Bytes),
}

/// Request of `SendSignal`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct SendSignalRequest {
    /// Which process.
    #[prost(message, optional, tag = "1")]
    pub process: Option<ProcessSelector>,
    /// Number of the signal; an enumeration on the wire.
    #[prost(int32, tag = "2")]
    #[serde(deserialize_with = "signal")]
    pub signal: i32,
}

fn signal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    Ok(match NameOrNumber::deserialize(deserializer)? {
        NameOrNumber::Number(number) => number,
        NameOrNumber::Name(name) => match name.as_str() {
            "SIGNAL_SIGKILL" => libc::SIGKILL,
            "SIGNAL_SIGTERM" => libc::SIGTERM,
            _ => 0,
        },
    })
}

/// Message of the stream of `StreamInput`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct StreamInputRequest {
    /// What it is about.
    #[prost(oneof = "InputEvent", tags = "1, 2, 3")]
    #[serde(flatten)]
    pub event: Option<InputEvent>,
}

/// Kinds of input messages.
#[derive(Clone, PartialEq, Eq, Oneof, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InputEvent {
    /// Names the process; the first.
    #[prost(message, tag = "1")]
    Start(ProcessRequest),
    /// Something to write.
    #[prost(message, tag = "2")]
    Data(DataInput),
    /// The connection lives.
    #[prost(message, tag = "3")]
    Keepalive(Empty),
}

/// Something to write to the process of the stream.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct DataInput {
    /// What to write; field 2, as in `SendInputRequest`.
    #[prost(message, optional, tag = "2")]
    pub input: Option<ProcessInput>,
}
