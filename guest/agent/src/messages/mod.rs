//! The messages of both services, in the two encodings clients may choose: protobuf by field
//! numbers, and its JSON mapping with names in lowerCamelCase (snake_case is read as well).

pub mod filesystem;
pub mod json;
pub mod process;

use serde::{Deserialize, Serialize};

/// Nothing to say.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
pub struct Empty {}
