//! How files are described.

use crate::users;
use serde_json::{json, Value};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

const PERMISSION_BITS: u32 = 0o7777;

/// Describes what is at a path, under the name the caller used for it. Of a symbolic link, type,
/// mode and size are those of its target.
pub fn describe(path: &Path, shown: &Path) -> io::Result<Value> {
    let own = fs::symlink_metadata(path)?;
    let is_link = own.file_type().is_symlink();
    let target = if is_link {
        fs::metadata(path).ok()
    } else {
        None
    };
    let seen = if is_link { target.as_ref() } else { Some(&own) };
    let kind = match seen {
        Some(m) if m.is_dir() => "FILE_TYPE_DIRECTORY",
        Some(m) if m.is_file() => "FILE_TYPE_FILE",
        Some(_) => "FILE_TYPE_FILE",
        None => "FILE_TYPE_UNSPECIFIED",
    };
    let kind = if is_link && target.is_some() {
        "FILE_TYPE_SYMLINK"
    } else {
        kind
    };
    let seen = seen.unwrap_or(&own);
    let mut entry = json!({
        "name": shown.file_name().map_or_else(|| "/".into(), |n| n.to_string_lossy()),
        "type": kind,
        "path": shown.to_string_lossy(),
        "size": seen.len().to_string(),
        "mode": seen.mode() & PERMISSION_BITS,
        "permissions": permissions(&own),
        "owner": users::user_name(own.uid()),
        "group": users::group_name(own.gid()),
        "modifiedTime": modified(&own),
    });
    if is_link {
        let target = fs::canonicalize(path)
            .or_else(|_| fs::read_link(path))
            .unwrap_or_else(|_| path.to_path_buf());
        entry["symlinkTarget"] = json!(target.to_string_lossy());
    }
    Ok(entry)
}

fn modified(metadata: &Metadata) -> String {
    let time = metadata.modified().unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_nanos(time.max(UNIX_EPOCH)).to_string()
}

/// Ten characters in Go's style: links start with `L`.
fn permissions(metadata: &Metadata) -> String {
    let kind = metadata.file_type();
    let first = match () {
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'L',
        () if kind.is_block_device() => 'b',
        () if kind.is_char_device() => 'c',
        () if kind.is_fifo() => 'p',
        () if kind.is_socket() => 'S',
        () => '-',
    };
    let mut text = String::from(first);
    for (bit, letter) in (0..9).rev().zip("rwxrwxrwx".chars()) {
        text.push(if metadata.mode() & (1 << bit) == 0 {
            '-'
        } else {
            letter
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::describe;
    use std::fs;

    #[test]
    fn files_folders_and_links_are_told_apart() {
        let folder = std::env::temp_dir().join(format!("wrenn-entry-{}", std::process::id()));
        fs::create_dir_all(folder.join("d")).expect("folder");
        fs::write(folder.join("f"), "abc").expect("file");
        std::os::unix::fs::symlink("f", folder.join("l")).expect("link");
        std::os::unix::fs::symlink("nowhere", folder.join("b")).expect("link");
        let of = |name: &str| describe(&folder.join(name), &folder.join(name)).expect("entry");
        assert_eq!(of("d")["type"], "FILE_TYPE_DIRECTORY");
        assert_eq!(of("f")["size"], "3");
        assert_eq!(of("l")["type"], "FILE_TYPE_SYMLINK");
        assert!(of("l")["permissions"]
            .as_str()
            .expect("text")
            .starts_with('L'));
        assert_eq!(of("b")["type"], "FILE_TYPE_UNSPECIFIED");
        fs::remove_dir_all(folder).expect("clean");
    }
}
