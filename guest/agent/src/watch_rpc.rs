//! The calls of `filesystem.Filesystem` that watch: as a stream, and by asking again and again.

use crate::connect::Codec;
use crate::entry::describe;
use crate::filesystem::{aside, require_folder, Caller};
use crate::messages::filesystem::{
    EventType, FilesystemEvent, WatchDirResponse, WatchEvent, WatchRequest, WatcherEvents,
    WatcherId,
};
use crate::messages::Empty;
use crate::rpc_error::{Code, RpcError};
use crate::server::Agent;
use crate::spawn::c_path;
use crate::stream::{self, Next, Source};
use crate::users::Names;
use crate::watch::{Change, Watch, WatchError};
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use std::io;
use std::path::Path;

/// File systems on which others may change things unseen (statfs(2)): NFS, SMB, CIFS, SMB2, FUSE,
/// 9p, AFS, Ceph, Coda, NCP.
const NETWORK: [u32; 10] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x6573_5546,
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
    0x7375_7245,
    0x564c,
];

/// Streams the changes of a directory.
pub async fn watch(agent: &Agent, codec: Codec, headers: &HeaderMap, body: Body) -> Response {
    let opened = match codec.read_framed(body).await {
        Ok(request) => open(Caller::of(agent, headers), request).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(changes) => stream::answer(codec, headers, changes),
        Err(error) => codec.failed_stream(&error),
    }
}

/// Begins to gather changes for a client that asks for them now and then.
pub async fn create(
    agent: &Agent,
    codec: Codec,
    caller: Result<Caller, RpcError>,
    body: Body,
) -> Result<WatcherId, RpcError> {
    let changes = open(caller, codec.read_unary(body).await?).await?;
    let watcher_id = agent.watchers.add(changes)?;
    Ok(WatcherId { watcher_id })
}

/// Hands over what was gathered.
pub async fn events(agent: &Agent, codec: Codec, body: Body) -> Result<WatcherEvents, RpcError> {
    let request: WatcherId = codec.read_unary(body).await?;
    let events = agent.watchers.take(&request.watcher_id)?;
    Ok(WatcherEvents { events })
}

/// Ends the gathering.
pub async fn remove(agent: &Agent, codec: Codec, body: Body) -> Result<Empty, RpcError> {
    let request: WatcherId = codec.read_unary(body).await?;
    agent.watchers.remove(&request.watcher_id)?;
    Ok(Empty {})
}

/// The changes of a directory as clients hear of them.
pub struct Changes {
    watch: Watch,
    describes: bool,
}

impl Changes {
    /// The next one.
    pub async fn next(&mut self) -> Result<FilesystemEvent, WatchError> {
        let change = self.watch.next().await?;
        let entry = if self.describes && leaves_something(&change) {
            // It may be gone by now; then there is nothing to describe.
            describe(&self.watch.path(&change), &Names::read()).ok()
        } else {
            None
        };
        Ok(FilesystemEvent {
            name: change.name.to_string_lossy().into_owned(),
            kind: change.kind.into(),
            entry,
        })
    }
}

fn leaves_something(change: &Change) -> bool {
    matches!(
        change.kind,
        EventType::Create | EventType::Write | EventType::Chmod
    )
}

impl Source for Changes {
    type Message = WatchDirResponse;

    fn first(&self) -> WatchDirResponse {
        message(WatchEvent::Start(Empty {}))
    }

    fn keepalive(&self) -> WatchDirResponse {
        message(WatchEvent::Keepalive(Empty {}))
    }

    async fn next(&mut self) -> Next<WatchDirResponse> {
        match Changes::next(self).await {
            Ok(event) => Next::Message(message(WatchEvent::Filesystem(Box::new(event)))),
            Err(error) => Next::Failed(failed(&error)),
        }
    }
}

fn message(event: WatchEvent) -> WatchDirResponse {
    WatchDirResponse { event: Some(event) }
}

/// How a broken watch is told.
pub fn failed(error: &WatchError) -> RpcError {
    match error {
        WatchError::Lost => RpcError::new(Code::DataLoss, error.to_string()),
        WatchError::Io(cause) => refused(cause),
    }
}

/// The kernel bounds watches and watchers with error codes made for disks and files.
fn refused(error: &io::Error) -> RpcError {
    match error.raw_os_error() {
        Some(libc::ENOSPC) => RpcError::new(
            Code::ResourceExhausted,
            "too many directories to watch (fs.inotify.max_user_watches)",
        ),
        Some(libc::EMFILE) => RpcError::new(
            Code::ResourceExhausted,
            "too many watchers (fs.inotify.max_user_instances)",
        ),
        _ => RpcError::of_io("watching", error),
    }
}

async fn open(
    caller: Result<Caller, RpcError>,
    request: WatchRequest,
) -> Result<Changes, RpcError> {
    let path = caller?.place(&request.path)?;
    let watch = aside(move || {
        require_folder(&path)?;
        if !request.allow_network_mounts && is_on_network(&path).map_err(|e| refused(&e))? {
            return Err(RpcError::invalid(format!(
                "path '{}' is on a network file system",
                path.display()
            )));
        }
        Watch::open(&path, request.recursive).map_err(|e| refused(&e))
    })
    .await?;
    Ok(Changes {
        watch,
        describes: request.include_entry,
    })
}

fn is_on_network(path: &Path) -> io::Result<bool> {
    let path = c_path(path)?;
    // SAFETY: all-zero bytes are a valid statfs, and the path is a valid C string.
    let (result, found) = unsafe {
        let mut found: libc::statfs = std::mem::zeroed();
        (libc::statfs(path.as_ptr(), &raw mut found), found)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // Magic numbers have 32 bits, also where the field is wider and signed.
    Ok(NETWORK.contains(&(found.f_type as u32)))
}
