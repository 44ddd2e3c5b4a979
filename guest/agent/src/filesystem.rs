//! Service `filesystem.Filesystem`, but for watching.

use crate::connect::{parse_unary, reply, text, RpcError};
use crate::entry::describe;
use crate::server::Agent;
use crate::spawn::{c_path, resolve};
use crate::users::User;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{json, Value};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most levels a listing goes down.
const DEPTH_LIMIT: u64 = 64;

/// Answers a call by its method's name; file systems block, so it runs aside.
pub async fn call(
    agent: Arc<Agent>,
    method: String,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Response {
    let work = tokio::task::spawn_blocking(move || answer(&agent, &method, &headers, &body));
    reply(
        work.await
            .unwrap_or_else(|e| Err(RpcError::internal(e.to_string()))),
    )
}

fn answer(
    agent: &Agent,
    method: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, RpcError> {
    let message = parse_unary(body)?;
    let user = agent.user(headers)?;
    let base = agent.base_directory(&user);
    let path = |name: &str| -> Result<PathBuf, RpcError> {
        let given = text(&message, name, name).unwrap_or_default();
        if given.contains('\0') {
            return Err(RpcError::invalid("a path cannot hold a zero byte"));
        }
        Ok(resolve(given, &user.home, &base))
    };
    match method {
        "Stat" => stat(&path("path")?),
        "ListDir" => list(
            &path("path")?,
            message.get("depth").and_then(Value::as_u64).unwrap_or(1),
        ),
        "MakeDir" => make_folder(&path("path")?, &user),
        "Move" => rename(&path("source")?, &path("destination")?, &user),
        "Remove" => remove(&path("path")?),
        other => Err(RpcError::unimplemented(format!("method {other}"))),
    }
}

fn stat(path: &Path) -> Result<Value, RpcError> {
    let entry = describe(path, path).map_err(|e| failed(path, &e))?;
    Ok(json!({ "entry": entry }))
}

fn list(path: &Path, depth: u64) -> Result<Value, RpcError> {
    let metadata = fs::metadata(path).map_err(|e| failed(path, &e))?;
    if !metadata.is_dir() {
        return Err(RpcError::invalid(format!(
            "{} is not a directory",
            path.display()
        )));
    }
    let mut entries = Vec::new();
    walk(path, depth.clamp(1, DEPTH_LIMIT), &mut entries).map_err(|e| failed(path, &e))?;
    Ok(json!({ "entries": entries }))
}

/// Parents before children, in lexical order; what vanishes meanwhile is left out.
fn walk(folder: &Path, depth: u64, entries: &mut Vec<Value>) -> io::Result<()> {
    let mut children: Vec<_> = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|c| c.path())
        .collect();
    children.sort();
    for child in children {
        let Ok(entry) = describe(&child, &child) else {
            continue;
        };
        entries.push(entry);
        let is_folder = fs::symlink_metadata(&child).is_ok_and(|m| m.is_dir());
        if depth > 1 && is_folder {
            match walk(&child, depth - 1, entries) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn make_folder(path: &Path, user: &User) -> Result<Value, RpcError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(RpcError::already_exists(format!(
                "directory {} exists already",
                path.display()
            )))
        }
        Ok(_) => {
            return Err(RpcError::invalid(format!(
                "{} exists and is no directory",
                path.display()
            )))
        }
        Err(_) => {}
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
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
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

fn rename(from: &Path, to: &Path, user: &User) -> Result<Value, RpcError> {
    fs::symlink_metadata(from).map_err(|e| failed(from, &e))?;
    if let Some(parent) = to.parent() {
        make_folders(parent, user).map_err(|e| failed(parent, &e))?;
    }
    fs::rename(from, to).map_err(|e| failed(to, &e))?;
    stat(to)
}

fn remove(path: &Path) -> Result<Value, RpcError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(json!({})),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(json!({})),
        Err(error) => Err(failed(path, &error)),
    }
}

fn failed(path: &Path, error: &io::Error) -> RpcError {
    if error.kind() == ErrorKind::NotFound {
        return RpcError::not_found(format!("path '{}' does not exist", path.display()));
    }
    RpcError::of_io(&path.display().to_string(), error)
}
