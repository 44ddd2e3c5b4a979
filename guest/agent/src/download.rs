//! `GET /files`: a whole file or a range of it, streamed.

use crate::files::{place, user_of, FileError, Query};
use crate::negotiation::{encoding, range, Encoding, Range};
use crate::server::Agent;
use async_compression::tokio::bufread::GzipEncoder;
use axum::body::Body;
use axum::http::{header, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::io::{self, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, BufReader};
use tokio_util::io::ReaderStream;

const CHUNK_BYTES: usize = 64 << 10;

/// Sends a file, or the range of it that was asked for.
pub async fn download(
    agent: &Agent,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, FileError> {
    let user = user_of(agent, query)?;
    let path = place(agent, &user, query.path.as_deref().unwrap_or_default())?;
    let error = |e: io::Error| FileError::of_io(&path, &e);
    let encoding = encoding(headers).ok_or_else(|| {
        FileError::new(
            StatusCode::NOT_ACCEPTABLE,
            "files are sent as they are, or as gzip",
        )
    })?;
    let metadata = tokio::fs::metadata(&path).await.map_err(error)?;
    if !metadata.is_file() {
        // Opening a pipe or a device could wait for ever.
        return Err(FileError::bad(format!(
            "path '{}' is no regular file",
            path.display()
        )));
    }
    let size = metadata.len();
    let modified = metadata.modified().ok();
    // Files in /proc have no size and change without a trace.
    if size > 0 && modified.is_some_and(|time| is_known(headers, time)) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let mut file = File::open(&path).await.map_err(error)?;
    let mut response = Response::new(Body::empty());
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, content_type(&path));
    fields.insert(header::CONTENT_DISPOSITION, disposition(&path));
    fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(time) = modified.and_then(http_date) {
        fields.insert(header::LAST_MODIFIED, time);
    }
    if encoding == Encoding::Gzip {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        *response.body_mut() = streamed(GzipEncoder::new(BufReader::new(file)));
        return Ok(response);
    }
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = match range(headers, size) {
        Range::Whole if size == 0 => {
            *response.body_mut() = sizeless(file).await.map_err(error)?;
            return Ok(response);
        }
        Range::Whole => size,
        Range::Part(start, end) => {
            file.seek(SeekFrom::Start(start)).await.map_err(error)?;
            let shown = format!("bytes {start}-{}/{size}", end - 1);
            fields.insert(header::CONTENT_RANGE, ascii(&shown)?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            end - start
        }
        Range::Impossible => {
            return Err(FileError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("the file has {size} bytes"),
            ))
        }
    };
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    *response.body_mut() = streamed(file.take(length));
    Ok(response)
}

fn streamed(content: impl AsyncRead + Send + 'static) -> Body {
    Body::from_stream(ReaderStream::with_capacity(content, CHUNK_BYTES))
}

/// A file without a size: an empty one gets a length of 0, which clients look for.
async fn sizeless(mut file: File) -> io::Result<Body> {
    let mut first = vec![0; CHUNK_BYTES];
    let length = file.read(&mut first).await?;
    first.truncate(length);
    if length == 0 {
        return Ok(Body::empty());
    }
    Ok(streamed(io::Cursor::new(first).chain(file)))
}

/// Whether the client has the file as it is (RFC 9110, 13.1.3); dates have whole seconds.
fn is_known(headers: &HeaderMap, modified: SystemTime) -> bool {
    let since = headers
        .get(header::IF_MODIFIED_SINCE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| httpdate::parse_http_date(v).ok());
    since.is_some_and(|since| modified < since + Duration::from_secs(1))
}

/// None for a time before 1970 or after 9999: HTTP cannot write it.
fn http_date(time: SystemTime) -> Option<HeaderValue> {
    const YEAR_10000: u64 = 253_402_300_800;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    (since.as_secs() < YEAR_10000)
        .then(|| HeaderValue::from_str(&httpdate::fmt_http_date(time)).ok())
        .flatten()
}

fn content_type(path: &Path) -> HeaderValue {
    mime_guess::from_path(path)
        .first_raw()
        .map_or(HeaderValue::from_static("application/octet-stream"), |t| {
            HeaderValue::from_static(t)
        })
}

fn ascii(text: &str) -> Result<HeaderValue, FileError> {
    HeaderValue::from_str(text)
        .map_err(|e| FileError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
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
