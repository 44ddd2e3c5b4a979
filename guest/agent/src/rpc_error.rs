//! Calls that fail, in the Connect protocol's terms.

use axum::http::StatusCode;
use serde::Serialize;

/// A call that failed.
#[derive(Debug, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    code: Code,
    message: String,
}

/// Why a call fails (Connect protocol, "Error codes"; only what this agent says).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request makes no sense as it is.
    InvalidArgument,
    /// The user is not known.
    Unauthenticated,
    /// The file system refuses.
    PermissionDenied,
    /// What it names does not exist.
    NotFound,
    /// What it would make exists.
    AlreadyExists,
    /// Disk or kernel have no room for it.
    ResourceExhausted,
    /// This agent does not do that.
    Unimplemented,
    /// The caller's limit has passed.
    DeadlineExceeded,
    /// Something is lost for good.
    DataLoss,
    /// It should have worked.
    Internal,
}

impl Code {
    /// Status of a unary call that fails so.
    fn status(self) -> StatusCode {
        match self {
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::AlreadyExists => StatusCode::CONFLICT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::DataLoss | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl RpcError {
    /// Any failure.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The request makes no sense as it is.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// What it names does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// What it would make exists.
    pub fn already_exists(message: impl Into<String>) -> Self {
        Self::new(Code::AlreadyExists, message)
    }

    /// This agent does not do that.
    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    /// It should have worked.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// The caller's limit has passed.
    pub fn deadline_exceeded() -> Self {
        Self::new(
            Code::DeadlineExceeded,
            "the time limit of the call has passed",
        )
    }

    /// The user is not known.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(Code::Unauthenticated, message)
    }

    /// A failed system call.
    pub fn of_io(what: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let code = match error.kind() {
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::AlreadyExists => Code::AlreadyExists,
            ErrorKind::PermissionDenied => Code::PermissionDenied,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory => {
                Code::ResourceExhausted
            }
            ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename => Code::InvalidArgument,
            _ => match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN) => Code::ResourceExhausted,
                Some(libc::ELOOP) => Code::InvalidArgument,
                _ => Code::Internal,
            },
        };
        Self::new(code, format!("{what}: {error}"))
    }

    /// Status of a unary call that fails so.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }
}
