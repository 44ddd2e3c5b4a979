//! How files are described.

use crate::messages::filesystem::{EntryInfo, FileType};
use crate::messages::json::Timestamp;
use crate::metadata;
use crate::users::Names;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What a mode says beside the kind of file.
pub const PERMISSION_BITS: u32 = 0o7777;

/// Describes what is at a path, under that very path. Of a symbolic link, type, mode and size are
/// those of its target; everything else is its own.
pub fn describe(path: &Path, names: &Names) -> io::Result<EntryInfo> {
    let own = fs::symlink_metadata(path)?;
    let is_link = own.file_type().is_symlink();
    let target = if is_link {
        fs::metadata(path).ok() // none if it leads nowhere
    } else {
        Some(own.clone())
    };
    let seen = target.as_ref().unwrap_or(&own);
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(EntryInfo {
        name: name.to_string_lossy().into_owned(),
        kind: target
            .as_ref()
            .map_or(FileType::Unspecified, kind_of)
            .into(),
        path: path.to_string_lossy().into_owned(),
        size: i64::try_from(seen.len()).unwrap_or(i64::MAX),
        mode: seen.mode() & PERMISSION_BITS,
        permissions: permissions(&own),
        owner: names.user(own.uid()),
        group: names.group(own.gid()),
        modified_time: Some(Timestamp {
            seconds: own.mtime(),
            nanos: i32::try_from(own.mtime_nsec()).unwrap_or(0),
        }),
        symlink_target: is_link.then(|| {
            let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
            target.to_string_lossy().into_owned()
        }),
        metadata: if is_link {
            Default::default()
        } else {
            metadata::read(path)
        },
    })
}

fn kind_of(metadata: &Metadata) -> FileType {
    if metadata.is_dir() {
        FileType::Directory
    } else if metadata.is_file() {
        FileType::File
    } else {
        FileType::Unspecified
    }
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
    use crate::messages::filesystem::FileType;
    use crate::users::Names;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_folders_and_links_are_told_apart() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("d")).expect("folder");
        fs::write(at("f"), "abc").expect("file");
        fs::set_permissions(at("f"), fs::Permissions::from_mode(0o640)).expect("mode");
        std::os::unix::fs::symlink("f", at("l")).expect("link");
        std::os::unix::fs::symlink("nowhere", at("b")).expect("link");
        let of = |name: &str| describe(&at(name), &Names::read()).expect("entry");

        assert_eq!(of("d").kind(), FileType::Directory);
        assert!(of("d").permissions.starts_with('d'));
        assert_eq!((of("f").size, of("f").mode), (3, 0o640));
        assert_eq!(of("f").permissions, "-rw-r-----");
        assert_eq!(of("f").symlink_target, None);
        let link = of("l");
        assert_eq!((link.kind(), link.size), (FileType::File, 3));
        assert!(link.permissions.starts_with('L'));
        let target = fs::canonicalize(at("f")).expect("target");
        assert_eq!(link.symlink_target.as_deref(), target.to_str());
        assert_eq!(of("b").kind(), FileType::Unspecified);
        assert_eq!(of("b").symlink_target.as_deref(), at("b").to_str());
        assert!(describe(&at("none"), &Names::read()).is_err());
    }
}
