//! Service `filesystem.Filesystem`, but for watching.

use crate::connect::{unsupported, Codec};
use crate::entry::{describe, PERMISSION_BITS};
use crate::messages::filesystem::{
    ChmodRequest, EntryInfo, EntryResponse, ListDirRequest, ListDirResponse, MoveRequest,
    PathRequest,
};
use crate::messages::Empty;
use crate::rpc_error::RpcError;
use crate::server::Agent;
use crate::spawn::{c_path, resolve};
use crate::users::{Names, User};
use crate::watch_rpc;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Answers a call by its method's name.
pub async fn call(agent: Arc<Agent>, method: &str, headers: HeaderMap, body: Body) -> Response {
    if method == "WatchDir" {
        return match Codec::of_stream(&headers) {
            Some(codec) => watch_rpc::watch(&agent, codec, &headers, body).await,
            None => unsupported(),
        };
    }
    let Some(codec) = Codec::of_unary(&headers) else {
        return unsupported();
    };
    let caller = Caller::of(&agent, &headers);
    match method {
        "Stat" => codec.reply(stat_at(codec, caller, body).await),
        "ListDir" => codec.reply(list_at(codec, caller, body).await),
        "MakeDir" => codec.reply(make_at(codec, caller, body).await),
        "Move" => codec.reply(move_between(codec, caller, body).await),
        "Chmod" => codec.reply(chmod_at(codec, caller, body).await),
        "Remove" => codec.reply(remove_at(codec, caller, body).await),
        "CreateWatcher" => codec.reply(watch_rpc::create(&agent, codec, caller, body).await),
        "GetWatcherEvents" => codec.reply(watch_rpc::events(&agent, codec, body).await),
        "RemoveWatcher" => codec.reply(watch_rpc::remove(&agent, codec, body).await),
        other => codec.reply::<Empty>(Err(RpcError::unimplemented(format!("no method {other}")))),
    }
}

/// Who calls, and what relative paths are relative to.
pub struct Caller {
    user: User,
    base: PathBuf,
}

impl Caller {
    /// The user a request names.
    pub fn of(agent: &Agent, headers: &HeaderMap) -> Result<Self, RpcError> {
        let user = agent.user(headers)?;
        let base = agent.base_directory(&user);
        Ok(Self { user, base })
    }

    /// The absolute path that is meant.
    pub fn place(&self, path: &str) -> Result<PathBuf, RpcError> {
        if path.contains('\0') {
            return Err(RpcError::invalid("a path cannot hold a zero byte"));
        }
        Ok(resolve(path, &self.user.home, &self.base))
    }
}

async fn stat_at(
    codec: Codec,
    caller: Result<Caller, RpcError>,
    body: Body,
) -> Result<EntryResponse, RpcError> {
    let request: PathRequest = codec.read_unary(body).await?;
    let path = caller?.place(&request.path)?;
    aside(move || stat(&path)).await
}

async fn list_at(
    codec: Codec,
    caller: Result<Caller, RpcError>,
    body: Body,
) -> Result<ListDirResponse, RpcError> {
    let request: ListDirRequest = codec.read_unary(body).await?;
    let path = caller?.place(&request.path)?;
    aside(move || list(&path, request.depth.max(1))).await
}

async fn make_at(
    codec: Codec,
    caller: Result<Caller, RpcError>,
    body: Body,
) -> Result<EntryResponse, RpcError> {
    let request: PathRequest = codec.read_unary(body).await?;
    let caller = caller?;
    let path = caller.place(&request.path)?;
    aside(move || make_folder(&path, &caller.user)).await
}

async fn move_between(
    codec: Codec,
    caller: Result<Caller, RpcError>,
    body: Body,
) -> Result<EntryResponse, RpcError> {
    let request: MoveRequest = codec.read_unary(body).await?;
    let caller = caller?;
    let (from, to) = (
        caller.place(&request.source)?,
        caller.place(&request.destination)?,
    );
    aside(move || rename(&from, &to, &caller.user)).await
}

async fn chmod_at(
    codec: Codec,
    caller: Result<Caller, RpcError>,
    body: Body,
) -> Result<EntryResponse, RpcError> {
    let request: ChmodRequest = codec.read_unary(body).await?;
    let path = caller?.place(&request.path)?;
    aside(move || chmod(&path, request.mode)).await
}

async fn remove_at(
    codec: Codec,
    caller: Result<Caller, RpcError>,
    body: Body,
) -> Result<Empty, RpcError> {
    let request: PathRequest = codec.read_unary(body).await?;
    let path = caller?.place(&request.path)?;
    aside(move || remove(&path)).await
}

/// Runs what blocks on file systems beside what serves.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(RpcError::internal(e.to_string())))
}

fn stat(path: &Path) -> Result<EntryResponse, RpcError> {
    let entry = describe(path, &Names::read()).map_err(|e| failed(path, &e))?;
    Ok(EntryResponse { entry: Some(entry) })
}

fn list(path: &Path, depth: u32) -> Result<ListDirResponse, RpcError> {
    require_folder(path)?;
    let mut entries = Vec::new();
    walk(path, depth, &Names::read(), &mut entries).map_err(|e| failed(path, &e))?;
    Ok(ListDirResponse { entries })
}

/// Fails unless there is a directory, perhaps behind a link.
pub fn require_folder(path: &Path) -> Result<(), RpcError> {
    let metadata = fs::metadata(path).map_err(|e| failed(path, &e))?;
    if metadata.is_dir() {
        Ok(())
    } else {
        Err(RpcError::invalid(format!(
            "path '{}' is not a directory",
            path.display()
        )))
    }
}

/// Parents before children, in lexical order; what vanishes meanwhile is left out.
fn walk(folder: &Path, depth: u32, names: &Names, entries: &mut Vec<EntryInfo>) -> io::Result<()> {
    let mut children = fs::read_dir(folder)?
        .map(|child| child.map(|c| c.path()))
        .collect::<io::Result<Vec<_>>>()?;
    children.sort();
    for child in children {
        let Ok(entry) = describe(&child, names) else {
            continue;
        };
        entries.push(entry);
        let is_folder = fs::symlink_metadata(&child).is_ok_and(|m| m.is_dir());
        if depth > 1 && is_folder {
            match walk(&child, depth - 1, names, entries) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn make_folder(path: &Path, user: &User) -> Result<EntryResponse, RpcError> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(RpcError::already_exists(format!(
                "directory '{shown}' exists already"
            )))
        }
        Ok(_) => {
            return Err(RpcError::invalid(format!(
                "path '{shown}' exists and is not a directory"
            )))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(path, &error)),
    }
    make_folders(path, user).map_err(|e| failed(path, &e))?;
    stat(path)
}

/// Makes a folder and those above it; the new ones belong to the user.
pub fn make_folders(path: &Path, user: &User) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folders(parent, user)?;
    }
    match fs::create_dir(path) {
        Ok(()) => give_to(path, user),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if path.is_dir() {
                Ok(())
            } else {
                Err(ErrorKind::NotADirectory.into())
            }
        }
        Err(error) => Err(error),
    }
}

/// Makes a path belong to a user (lchown(2)); only a superuser can.
pub fn give_to(path: &Path, user: &User) -> io::Result<()> {
    let name = c_path(path)?;
    // SAFETY: geteuid takes nothing; the path is a valid C string.
    let result = unsafe {
        if libc::geteuid() != 0 {
            return Ok(());
        }
        libc::lchown(name.as_ptr(), user.uid, user.gid)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn rename(from: &Path, to: &Path, user: &User) -> Result<EntryResponse, RpcError> {
    fs::symlink_metadata(from).map_err(|e| failed(from, &e))?;
    if let Some(parent) = to.parent() {
        make_folders(parent, user).map_err(|e| failed(parent, &e))?;
    }
    fs::rename(from, to).map_err(|e| failed(to, &e))?;
    stat(to)
}

/// Of a link, it is the target's mode that changes: links have none (chmod(2)).
fn chmod(path: &Path, mode: u32) -> Result<EntryResponse, RpcError> {
    if mode > PERMISSION_BITS {
        return Err(RpcError::invalid(format!(
            "mode {mode:o} has more than the permission bits, at most 7777"
        )));
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|e| failed(path, &e))?;
    stat(path)
}

fn remove(path: &Path) -> Result<Empty, RpcError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(Empty {}),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Empty {}),
        Err(error) => Err(failed(path, &error)),
    }
}

fn failed(path: &Path, error: &io::Error) -> RpcError {
    if error.kind() == ErrorKind::NotFound {
        return RpcError::not_found(format!("path '{}' does not exist", path.display()));
    }
    RpcError::of_io(&path.display().to_string(), error)
}
