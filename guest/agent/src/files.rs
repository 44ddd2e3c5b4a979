//! `GET /files` and `POST /files`: whole files, streamed in both directions.

use crate::connect::json_response;
use crate::filesystem::{give_to, make_folders};
use crate::server::Agent;
use crate::spawn::resolve;
use crate::users::{self, User};
use async_compression::tokio::bufread::GzipDecoder;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{header, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use serde_json::{json, Value};
use std::collections::HashSet;
use std::io::{self, ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};
use tokio_util::io::{ReaderStream, StreamReader};

const CHUNK_BYTES: usize = 64 << 10;

/// Query of both routes.
#[derive(Default)]
pub struct Query {
    /// Which file; may be absent for an upload of parts.
    pub path: Option<String>,
    /// Whose home relative paths are under.
    pub username: Option<String>,
}

/// A request for files that cannot be met.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    status: StatusCode,
    message: String,
}

impl FileError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    fn of_io(path: &Path, error: &io::Error) -> Self {
        let shown = path.display();
        match error.kind() {
            ErrorKind::NotFound => Self::new(
                StatusCode::NOT_FOUND,
                format!("path '{shown}' does not exist"),
            ),
            ErrorKind::PermissionDenied => {
                Self::new(StatusCode::FORBIDDEN, format!("path '{shown}': {error}"))
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                format!("no room left for '{shown}'"),
            ),
            ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::InvalidInput => {
                Self::bad(format!("path '{shown}': {error}"))
            }
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("path '{shown}': {error}"),
            ),
        }
    }
}

impl IntoResponse for FileError {
    fn into_response(self) -> Response {
        json_response(
            self.status,
            &json!({"code": self.status.as_u16(), "message": self.message}),
        )
    }
}

fn user_of(agent: &Agent, query: &Query) -> Result<User, FileError> {
    let name = query
        .username
        .clone()
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| agent.identity.default_user());
    users::find(&name).ok_or_else(|| {
        FileError::new(
            StatusCode::UNAUTHORIZED,
            format!("user '{name}' does not exist"),
        )
    })
}

fn place(agent: &Agent, user: &User, path: &str) -> Result<PathBuf, FileError> {
    if path.contains('\0') {
        return Err(FileError::bad("a path cannot hold a zero byte"));
    }
    Ok(resolve(path, &user.home, &agent.base_directory(user)))
}

/// Sends a file, or the range of it that was asked for.
pub async fn download(
    agent: &Agent,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, FileError> {
    let user = user_of(agent, query)?;
    let path = place(agent, &user, query.path.as_deref().unwrap_or_default())?;
    let error = |e: io::Error| FileError::of_io(&path, &e);
    let metadata = tokio::fs::metadata(&path).await.map_err(error)?;
    if !metadata.is_file() {
        // Opening a pipe or a device could wait for ever.
        return Err(FileError::bad(format!(
            "path '{}' is no regular file",
            path.display()
        )));
    }
    let mut file = File::open(&path).await.map_err(error)?;
    let size = metadata.len();
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_DISPOSITION, disposition(&path))
        .header(header::ACCEPT_RANGES, "bytes");
    let stream_size = match range(headers, size) {
        Range::Whole if size == 0 => None, // files in /proc have no size and yet content
        Range::Whole => Some(size),
        Range::Part(start, end) => {
            file.seek(SeekFrom::Start(start)).await.map_err(error)?;
            response = response.status(StatusCode::PARTIAL_CONTENT).header(
                header::CONTENT_RANGE,
                format!("bytes {start}-{}/{size}", end - 1),
            );
            Some(end - start)
        }
        Range::Impossible => {
            return Err(FileError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("the file has {size} bytes"),
            ))
        }
    };
    let body = match stream_size {
        Some(length) => {
            response = response.header(header::CONTENT_LENGTH, length);
            Body::from_stream(ReaderStream::with_capacity(file.take(length), CHUNK_BYTES))
        }
        None => small_or_stream(file).await.map_err(error)?,
    };
    response
        .body(body)
        .map_err(|e| FileError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
}

/// A file without a size: an empty one gets a length of 0, which clients look for.
async fn small_or_stream(mut file: File) -> io::Result<Body> {
    let mut first = vec![0; CHUNK_BYTES];
    let length = file.read(&mut first).await?;
    first.truncate(length);
    if length == 0 {
        return Ok(Body::empty());
    }
    let rest = io::Cursor::new(first).chain(file);
    Ok(Body::from_stream(ReaderStream::with_capacity(
        rest,
        CHUNK_BYTES,
    )))
}

fn disposition(path: &Path) -> HeaderValue {
    let name: String = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && c != '"' && c != '\\' {
                c
            } else {
                '_'
            }
        })
        .collect();
    HeaderValue::from_str(&format!("inline; filename=\"{name}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("inline"))
}

enum Range {
    Whole,
    /// From the first byte to the one after the last.
    Part(u64, u64),
    Impossible,
}

/// One range of bytes (RFC 9110, 14.1.2); anything else asked for means the whole file.
fn range(headers: &HeaderMap, size: u64) -> Range {
    let Some(text) = headers
        .get(header::RANGE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("bytes="))
        .filter(|v| !v.contains(','))
    else {
        return Range::Whole;
    };
    let Some((first, last)) = text.split_once('-') else {
        return Range::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Range::Impossible,
        (Ok(first), Ok(last)) if last >= first => {
            Range::Part(first, size.min(last.saturating_add(1)))
        }
        (Ok(first), Err(_)) if last.is_empty() => Range::Part(first, size),
        (Err(_), Ok(0)) => Range::Impossible,
        (Err(_), Ok(count)) if first.is_empty() && size > 0 => {
            Range::Part(size.saturating_sub(count), size)
        }
        _ => Range::Whole,
    }
}

/// Stores the parts of a form, or the raw body, and answers what was stored.
pub async fn upload(
    agent: &Arc<Agent>,
    query: &Query,
    request: Request,
) -> Result<Response, FileError> {
    let user = user_of(agent, query)?;
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let stored = if kind.starts_with("multipart/form-data") {
        upload_parts(agent, query, &user, request).await?
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
        if gzip {
            store(&path, &user, GzipDecoder::new(BufReader::new(body))).await?;
        } else {
            store(&path, &user, body).await?;
        }
        vec![stored_entry(&path)]
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
        store(
            &path,
            user,
            StreamReader::new(part.map_err(io::Error::other)),
        )
        .await?;
        stored.push(stored_entry(&path));
    }
    if stored.is_empty() {
        return Err(FileError::bad("the form has no part named file"));
    }
    Ok(stored)
}

fn stored_entry(path: &Path) -> Value {
    json!({
        "name": path.file_name().map(|n| n.to_string_lossy()),
        "path": path.to_string_lossy(),
        "type": "file",
    })
}

/// Writes a stream into a file, in place: whoever watches the file sees it grow.
async fn store(path: &Path, user: &User, content: impl AsyncRead) -> Result<(), FileError> {
    let error = |e: io::Error| FileError::of_io(path, &e);
    if path.is_dir() {
        return Err(FileError::bad(format!(
            "path '{}' is a directory",
            path.display()
        )));
    }
    if let Some(parent) = path.parent() {
        make_folders(parent, user).map_err(error)?;
    }
    let is_new = !path.exists();
    let mut file = File::create(path).await.map_err(error)?;
    if is_new {
        give_to(path, user).map_err(error)?;
    }
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

#[cfg(test)]
mod tests {
    use super::{range, Range};
    use axum::http::{header, HeaderMap, HeaderValue};

    fn asked(text: &'static str, size: u64) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static(text));
        match range(&headers, size) {
            Range::Part(start, end) => Some((start, end)),
            Range::Whole => Some((0, size)),
            Range::Impossible => None,
        }
    }

    #[test]
    fn ranges_are_clipped_to_the_file() {
        assert_eq!(asked("bytes=0-3", 10), Some((0, 4)));
        assert_eq!(asked("bytes=4-", 10), Some((4, 10)));
        assert_eq!(asked("bytes=4-100", 10), Some((4, 10)));
        assert_eq!(asked("bytes=-3", 10), Some((7, 10)));
        assert_eq!(asked("bytes=-30", 10), Some((0, 10)));
        assert_eq!(asked("bytes=10-", 10), None);
        assert_eq!(asked("bytes=5-4", 10), Some((0, 10)));
        assert_eq!(asked("lines=1-2", 10), Some((0, 10)));
        assert_eq!(asked("bytes=1-2,4-5", 10), Some((0, 10)));
    }
}
