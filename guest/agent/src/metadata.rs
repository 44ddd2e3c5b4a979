//! What uploaders note of their files: extended attributes of the names clients know.

use axum::http::HeaderMap;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use xattr::FileExt;

/// How the attributes are called (xattr(7)).
const ATTRIBUTE: &str = "user.e2b.";
/// How the headers are called.
const HEADER: &str = "x-metadata-";

/// The notes in a request's headers. Header names reach us in lower case.
pub fn of_headers(headers: &HeaderMap) -> Result<HashMap<String, String>, String> {
    let mut notes = HashMap::new();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(HEADER).filter(|k| !k.is_empty()) {
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| format!("header {name} is not UTF-8"))?;
            notes.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(notes)
}

/// The notes of a file. A file system without attributes has none, neither has what vanished.
pub fn read(path: &Path) -> HashMap<String, String> {
    let Ok(names) = xattr::list(path) else {
        return HashMap::new();
    };
    names
        .filter_map(|name| {
            let key = name.to_str()?.strip_prefix(ATTRIBUTE)?.to_owned();
            let value = xattr::get(path, &name).ok()??;
            Some((key, String::from_utf8(value).ok()?))
        })
        .collect()
}

/// Replaces the notes of a file; does nothing to a file that has and gets none.
pub fn replace(file: &File, notes: &HashMap<String, String>) -> io::Result<()> {
    let old = match file.list_xattr() {
        Ok(names) => names.collect(),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Vec::new(),
        Err(error) => return Err(error),
    };
    for name in old {
        let stale = name
            .to_str()
            .and_then(|n| n.strip_prefix(ATTRIBUTE))
            .is_some_and(|key| !notes.contains_key(key));
        if stale {
            file.remove_xattr(&name)?;
        }
    }
    for (key, value) in notes {
        file.set_xattr(format!("{ATTRIBUTE}{key}"), value.as_bytes())?;
    }
    Ok(())
}
