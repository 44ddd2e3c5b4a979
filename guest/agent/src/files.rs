//! What `GET /files` and `POST /files` have in common: which file is meant, and how they fail.

use crate::connect::refuse;
use crate::server::Agent;
use crate::spawn::resolve;
use crate::users::{self, User};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Query of both routes.
#[derive(Default)]
pub struct Query {
    /// Which file; may be absent for an upload of parts.
    pub path: Option<String>,
    /// Whose home relative paths are under.
    pub username: Option<String>,
    /// Where in the file an upload begins; what was there before it stays.
    pub offset: Option<String>,
}

/// A request for files that cannot be met.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    status: StatusCode,
    message: String,
}

impl FileError {
    /// Any failure.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The request makes no sense as it is.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A failed file operation.
    pub fn of_io(path: &Path, error: &io::Error) -> Self {
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
        refuse(self.status, &self.message)
    }
}

/// The user a query names, or the default one.
pub fn user_of(agent: &Agent, query: &Query) -> Result<User, FileError> {
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

/// The absolute path that is meant.
pub fn place(agent: &Agent, user: &User, path: &str) -> Result<PathBuf, FileError> {
    if path.contains('\0') {
        return Err(FileError::bad("a path cannot hold a zero byte"));
    }
    Ok(resolve(path, &user.home, &agent.base_directory(user)))
}
