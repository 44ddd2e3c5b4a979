//! Messages of `filesystem.Filesystem`.

use super::json::{int64, Timestamp};
use super::Empty;
use prost::{Enumeration, Message, Oneof};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::HashMap;

/// Request of `Stat`, `MakeDir` and `Remove`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct PathRequest {
    /// Which path.
    #[prost(string, tag = "1")]
    pub path: String,
}

/// Request of `Move`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct MoveRequest {
    /// From where.
    #[prost(string, tag = "1")]
    pub source: String,
    /// To where.
    #[prost(string, tag = "2")]
    pub destination: String,
}

/// Request of `Chmod`, which only this agent has.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct ChmodRequest {
    /// Of which path.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Permission bits.
    #[prost(uint32, tag = "2")]
    pub mode: u32,
}

/// Request of `ListDir`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct ListDirRequest {
    /// Which directory.
    #[prost(string, tag = "1")]
    pub path: String,
    /// How many levels; 0 means 1.
    #[prost(uint32, tag = "2")]
    pub depth: u32,
}

/// Request of `WatchDir` and `CreateWatcher`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct WatchRequest {
    /// Which directory.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Whether what is below counts too.
    #[prost(bool, tag = "2")]
    pub recursive: bool,
    /// Whether events describe what they are about.
    #[prost(bool, tag = "3")]
    #[serde(alias = "includeEntry")]
    pub include_entry: bool,
    /// Whether the directory may lie on a file system that tells of some changes only.
    #[prost(bool, tag = "4")]
    #[serde(alias = "allowNetworkMounts")]
    pub allow_network_mounts: bool,
}

/// Names a watcher: answer of `CreateWatcher`, request of the other two.
#[derive(Clone, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WatcherId {
    /// Its name.
    #[prost(string, tag = "1")]
    #[serde(alias = "watcher_id")]
    pub watcher_id: String,
}

/// Answer that describes one path.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct EntryResponse {
    /// What is there.
    #[prost(message, optional, tag = "1")]
    pub entry: Option<EntryInfo>,
}

/// Answer of `ListDir`.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct ListDirResponse {
    /// Parents before children, in lexical order.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<EntryInfo>,
}

/// Answer of `GetWatcherEvents`.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct WatcherEvents {
    /// What happened since the last call.
    #[prost(message, repeated, tag = "1")]
    pub events: Vec<FilesystemEvent>,
}

/// Message of the stream of `WatchDir`.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct WatchDirResponse {
    /// What happened.
    #[prost(oneof = "WatchEvent", tags = "1, 2, 3")]
    #[serde(flatten)]
    pub event: Option<WatchEvent>,
}

/// Kinds of watch messages.
#[derive(Clone, PartialEq, Eq, Oneof, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WatchEvent {
    /// From now on nothing is missed; the first.
    #[prost(message, tag = "1")]
    Start(Empty),
    /// Something changed.
    #[prost(message, boxed, tag = "2")]
    Filesystem(Box<FilesystemEvent>),
    /// The connection lives.
    #[prost(message, tag = "3")]
    Keepalive(Empty),
}

/// A change.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
pub struct FilesystemEvent {
    /// Path from the watched directory.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What kind of change.
    #[prost(enumeration = "EventType", tag = "2")]
    #[serde(rename = "type", serialize_with = "named::<EventType, _>")]
    pub kind: i32,
    /// What is there now, if asked for.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryInfo>,
}

/// What is at a path.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryInfo {
    /// Last part of the path.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it is.
    #[prost(enumeration = "FileType", tag = "2")]
    #[serde(rename = "type", serialize_with = "named::<FileType, _>")]
    pub kind: i32,
    /// The whole path.
    #[prost(string, tag = "3")]
    pub path: String,
    /// Bytes.
    #[prost(int64, tag = "4")]
    #[serde(serialize_with = "int64")]
    pub size: i64,
    /// Permission bits.
    #[prost(uint32, tag = "5")]
    pub mode: u32,
    /// Ten characters in Go's style.
    #[prost(string, tag = "6")]
    pub permissions: String,
    /// Name of the user, or the number.
    #[prost(string, tag = "7")]
    pub owner: String,
    /// Name of the group, or the number.
    #[prost(string, tag = "8")]
    pub group: String,
    /// When its content changed last.
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_time: Option<Timestamp>,
    /// Where a link leads.
    #[prost(string, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symlink_target: Option<String>,
    /// What the uploader noted of it.
    #[prost(map = "string, string", tag = "11")]
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    pub metadata: HashMap<String, String>,
}

/// What a path can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum FileType {
    /// A link that leads nowhere, a socket or a device.
    Unspecified = 0,
    /// A file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// A link.
    Symlink = 3,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum EventType {
    /// Nothing known.
    Unspecified = 0,
    /// It is new here.
    Create = 1,
    /// Its content changed.
    Write = 2,
    /// It is gone.
    Remove = 3,
    /// It is elsewhere.
    Rename = 4,
    /// Its permissions or owner changed.
    Chmod = 5,
}

/// An enumeration whose values have names on the wire.
trait Named: TryFrom<i32> {
    /// The name.
    fn name(&self) -> &'static str;
}

impl Named for FileType {
    fn name(&self) -> &'static str {
        match self {
            FileType::Unspecified => "FILE_TYPE_UNSPECIFIED",
            FileType::File => "FILE_TYPE_FILE",
            FileType::Directory => "FILE_TYPE_DIRECTORY",
            FileType::Symlink => "FILE_TYPE_SYMLINK",
        }
    }
}

impl Named for EventType {
    fn name(&self) -> &'static str {
        match self {
            EventType::Unspecified => "EVENT_TYPE_UNSPECIFIED",
            EventType::Create => "EVENT_TYPE_CREATE",
            EventType::Write => "EVENT_TYPE_WRITE",
            EventType::Remove => "EVENT_TYPE_REMOVE",
            EventType::Rename => "EVENT_TYPE_RENAME",
            EventType::Chmod => "EVENT_TYPE_CHMOD",
        }
    }
}

fn named<E: Named, S: Serializer>(number: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    match E::try_from(*number) {
        Ok(value) => serializer.serialize_str(value.name()),
        Err(_) => serializer.serialize_i32(*number),
    }
}
