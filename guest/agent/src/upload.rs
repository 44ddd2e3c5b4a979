//! `POST /files`: the parts of a form, or a raw body, streamed into files.

use crate::connect::json_response;
use crate::files::{place, user_of, FileError, Query};
use crate::filesystem::{give_to, make_folders};
use crate::metadata;
use crate::server::Agent;
use crate::users::User;
use async_compression::tokio::bufread::GzipDecoder;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{header, StatusCode};
use axum::response::Response;
use futures_util::TryStreamExt;
use serde_json::{json, Value};
use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_util::io::StreamReader;

const CHUNK_BYTES: usize = 64 << 10;

/// Stores the parts of a form, or the raw body, and answers what was stored.
pub async fn upload(
    agent: &Arc<Agent>,
    query: &Query,
    request: Request,
) -> Result<Response, FileError> {
    let user = user_of(agent, query)?;
    let notes = metadata::of_headers(request.headers()).map_err(FileError::bad)?;
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let stored = if kind.starts_with("multipart/form-data") {
        upload_parts(agent, query, &user, &notes, request).await?
    } else if kind.starts_with("application/octet-stream") {
        let given = query
            .path
            .as_deref()
            .filter(|p| !p.is_empty())
            .ok_or_else(|| FileError::bad("path is missing"))?;
        let path = place(agent, &user, given)?;
        let gzip = request
            .headers()
            .get(header::CONTENT_ENCODING)
            .is_some_and(|v| v == "gzip");
        let body = StreamReader::new(
            request
                .into_body()
                .into_data_stream()
                .map_err(io::Error::other),
        );
        let target = Target {
            path: &path,
            user: &user,
            notes: &notes,
            offset: offset_of(query)?,
        };
        if gzip {
            store(&target, GzipDecoder::new(BufReader::new(body))).await?;
        } else {
            store(&target, body).await?;
        }
        vec![stored_entry(&path, &notes)]
    } else {
        return Err(FileError::bad(
            "send multipart/form-data or application/octet-stream",
        ));
    };
    Ok(json_response(StatusCode::OK, &json!(stored)))
}

async fn upload_parts(
    agent: &Agent,
    query: &Query,
    user: &User,
    notes: &HashMap<String, String>,
    request: Request,
) -> Result<Vec<Value>, FileError> {
    let broken = |e: axum::extract::multipart::MultipartError| FileError::bad(e.body_text());
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|e| FileError::bad(e.body_text()))?;
    let mut stored = Vec::new();
    let mut seen = HashSet::new();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        if part.name() != Some("file") {
            continue;
        }
        let given = query
            .path
            .clone()
            .filter(|p| !p.is_empty())
            .or_else(|| part.file_name().map(str::to_owned))
            .ok_or_else(|| FileError::bad("a part names no file and there is no path"))?;
        let path = place(agent, user, &given)?;
        if !seen.insert(path.clone()) {
            return Err(FileError::bad(format!(
                "path '{}' is given twice",
                path.display()
            )));
        }
        let target = Target {
            path: &path,
            user,
            notes,
            offset: offset_of(query)?,
        };
        store(&target, StreamReader::new(part.map_err(io::Error::other))).await?;
        stored.push(stored_entry(&path, notes));
    }
    if stored.is_empty() {
        return Err(FileError::bad("the form has no part named file"));
    }
    Ok(stored)
}

fn stored_entry(path: &Path, notes: &HashMap<String, String>) -> Value {
    let mut entry = json!({
        "name": path.file_name().map(|n| n.to_string_lossy()),
        "path": path.to_string_lossy(),
        "type": "file",
    });
    if !notes.is_empty() {
        entry["metadata"] = json!(notes);
    }
    entry
}

/// Where a stream goes.
struct Target<'a> {
    path: &'a Path,
    user: &'a User,
    notes: &'a HashMap<String, String>,
    /// Bytes of the file that stay before the stream's first.
    offset: u64,
}

fn offset_of(query: &Query) -> Result<u64, FileError> {
    match query.offset.as_deref().unwrap_or_default() {
        "" => Ok(0),
        text => text
            .parse()
            .map_err(|_| FileError::bad(format!("offset '{text}' is no number of bytes"))),
    }
}

/// Writes a stream into a file, in place: whoever watches the file sees it grow.
async fn store(target: &Target<'_>, content: impl AsyncRead) -> Result<(), FileError> {
    let path = target.path;
    let error = |e: io::Error| FileError::of_io(path, &e);
    let mut file = open(target).await?;
    tokio::pin!(content);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let length = content.read(&mut buffer).await.map_err(|e| {
            FileError::bad(format!("the upload of '{}' broke off: {e}", path.display()))
        })?;
        if length == 0 {
            break;
        }
        file.write_all(&buffer[..length]).await.map_err(error)?;
    }
    file.flush().await.map_err(error)
}

/// Makes the file, or cuts it off where the stream begins; a new one belongs to the user, as do the
/// folders made for it.
async fn open(target: &Target<'_>) -> Result<File, FileError> {
    let Target { path, user, .. } = *target;
    let error = |e: io::Error| FileError::of_io(path, &e);
    let mut length = 0;
    let is_new = match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            length = found.len();
            false
        }
        Ok(_) => {
            // A directory holds no bytes; opening a pipe could wait for ever.
            return Err(FileError::bad(format!(
                "path '{}' is no regular file",
                path.display()
            )));
        }
        Err(e) if e.kind() == ErrorKind::NotFound => true,
        Err(e) => return Err(error(e)),
    };
    if length < target.offset {
        // A gap would be filled with zeroes that nobody sent.
        return Err(FileError::bad(format!(
            "path '{}' has {length} bytes, so nothing can be written at {}",
            path.display(),
            target.offset
        )));
    }
    if let Some(parent) = path.parent() {
        make_folders(parent, user).map_err(error)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(error)?;
    if length > target.offset {
        // Not always: whoever watches the file would hear of a change that is none.
        file.set_len(target.offset).map_err(error)?;
    }
    file.seek(SeekFrom::Start(target.offset)).map_err(error)?;
    if is_new {
        give_to(path, user).map_err(error)?;
    }
    metadata::replace(&file, target.notes).map_err(error)?;
    Ok(File::from_std(file))
}
