//! Watches a directory, alone or with everything below it (inotify(7)).
//!
//! inotify knows no recursion: every folder has a watch of its own, and one that appears is watched
//! and then read, so that nothing made in it before the watch is missed. What was found by reading
//! may be told again by the kernel; that second telling is dropped.

use crate::messages::filesystem::EventType;
use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;

const BUFFER_BYTES: usize = 16 << 10;

/// In the order in which several kinds of one event are told.
const KINDS: [(EventMask, EventType); 6] = [
    (EventMask::CREATE, EventType::Create),
    (EventMask::MOVED_TO, EventType::Create),
    (EventMask::MOVED_FROM, EventType::Rename),
    (EventMask::ATTRIB, EventType::Chmod),
    (EventMask::MODIFY, EventType::Write),
    (EventMask::DELETE, EventType::Remove),
];

/// A change below the watched directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Path from the watched directory; `.` for that itself.
    pub name: PathBuf,
    /// What kind of change.
    pub kind: EventType,
}

/// Changes cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel could not keep up.
    #[error("there were too many changes at once, some are lost")]
    Lost,
    /// The kernel refused.
    #[error("watching: {0}")]
    Io(#[from] io::Error),
}

/// A watched directory.
pub struct Watch {
    inotify: AsyncFd<Inotify>,
    tree: Tree,
    buffer: Vec<u8>,
}

impl Watch {
    /// Watches from now on. Blocks while it walks down the tree.
    pub fn open(root: &Path, recursive: bool) -> io::Result<Self> {
        // SAFETY: the instance owns its descriptor and is only ever dropped with the AsyncFd.
        let inotify = unsafe { AsyncFd::register(Inotify::init()?) }?;
        let mut tree = Tree {
            root: root.to_path_buf(),
            recursive,
            ..Tree::default()
        };
        tree.watch(inotify.get_ref(), Path::new(""), false)?;
        Ok(Self {
            inotify,
            tree,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Path of something that changed.
    pub fn path(&self, change: &Change) -> PathBuf {
        self.tree.root.join(&change.name)
    }

    /// Waits for the next change. Giving up the wait loses nothing. After `Lost`, it goes on with
    /// what happened since.
    pub async fn next(&mut self) -> Result<Change, WatchError> {
        loop {
            if let Some(change) = self.tree.changes.pop_front() {
                return Ok(change);
            }
            if std::mem::take(&mut self.tree.lost) {
                return Err(WatchError::Lost);
            }
            let mut ready = self.inotify.readable_mut().await?;
            let buffer = &mut self.buffer;
            let events = ready.try_io(|inotify| {
                let events = inotify.get_mut().read_events(buffer)?;
                Ok(events.map(|e| e.to_owned()).collect::<Vec<_>>())
            });
            let Ok(events) = events else {
                continue; // not ready after all
            };
            let (inotify, tree, events) = (self.inotify.get_ref(), &mut self.tree, events?);
            // New folders are walked, which blocks.
            tokio::task::block_in_place(|| {
                events.into_iter().try_for_each(|e| tree.take(inotify, e))
            })?;
        }
    }
}

/// The folders that are watched, and what is still to be told.
#[derive(Default)]
struct Tree {
    root: PathBuf,
    recursive: bool,
    /// Paths from the root.
    folders: HashMap<WatchDescriptor, PathBuf>,
    /// What was told after reading a folder and may come again.
    announced: HashSet<PathBuf>,
    changes: VecDeque<Change>,
    lost: bool,
}

impl Tree {
    /// Watches a folder and, if wanted, those in it; `announce`: tells what is in it already.
    fn watch(&mut self, inotify: &Inotify, folder: &Path, announce: bool) -> io::Result<()> {
        let mut mask = WatchMask::CREATE
            | WatchMask::MOVE
            | WatchMask::ATTRIB
            | WatchMask::MODIFY
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::EXCL_UNLINK
            | WatchMask::ONLYDIR;
        let is_root = folder.as_os_str().is_empty();
        if !is_root {
            mask |= WatchMask::DONT_FOLLOW;
        }
        let path = self.root.join(folder);
        let watch = inotify.watches().add(&path, mask)?;
        self.folders.insert(watch, folder.to_path_buf());
        if !self.recursive {
            return Ok(());
        }
        let mut children = fs::read_dir(&path)?
            .map(|child| child.and_then(|c| Ok((c.file_name(), c.file_type()?))))
            .collect::<io::Result<Vec<_>>>()?;
        children.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, kind) in children {
            let child = folder.join(name);
            if announce {
                self.announced.insert(child.clone());
                self.tell(&child, EventType::Create);
            }
            if kind.is_dir() {
                self.watch_new(inotify, &child, announce)?;
            }
        }
        Ok(())
    }

    /// As `watch`, but what vanishes meanwhile is no failure.
    fn watch_new(&mut self, inotify: &Inotify, folder: &Path, announce: bool) -> io::Result<()> {
        match self.watch(inotify, folder, announce) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// Takes in an event of the kernel.
    fn take(&mut self, inotify: &Inotify, event: Event<OsString>) -> io::Result<()> {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            self.lost = true;
            return Ok(());
        }
        if event.mask.contains(EventMask::IGNORED) {
            self.folders.remove(&event.wd);
            return Ok(());
        }
        let Some(folder) = self.folders.get(&event.wd) else {
            return Ok(()); // of a folder that was moved away
        };
        let Some(name) = event.name else {
            // What befalls a folder below the root is told by the folder above it.
            if folder.as_os_str().is_empty() {
                self.take_root(event.mask);
            }
            return Ok(());
        };
        let name = folder.join(name);
        let is_folder = event.mask.contains(EventMask::ISDIR);
        let appeared = event
            .mask
            .intersects(EventMask::CREATE | EventMask::MOVED_TO);
        if event.mask.contains(EventMask::CREATE) && self.announced.remove(&name) {
            return Ok(());
        }
        if event
            .mask
            .intersects(EventMask::MOVED_FROM | EventMask::DELETE)
        {
            self.forget(inotify, &name, is_folder)?;
        }
        for (bit, kind) in KINDS {
            if event.mask.contains(bit) {
                self.tell(&name, kind);
            }
        }
        if appeared && is_folder && self.recursive {
            self.watch_new(inotify, &name, true)?;
        }
        Ok(())
    }

    fn take_root(&mut self, mask: EventMask) {
        for (bit, kind) in [
            (EventMask::ATTRIB, EventType::Chmod),
            (EventMask::MOVE_SELF, EventType::Rename),
            (EventMask::DELETE_SELF, EventType::Remove),
        ] {
            if mask.contains(bit) {
                self.tell(Path::new("."), kind);
            }
        }
    }

    /// Something left: what is told of it from now on would bear the wrong name.
    fn forget(&mut self, inotify: &Inotify, name: &Path, is_folder: bool) -> io::Result<()> {
        self.announced.remove(name);
        if !is_folder {
            return Ok(());
        }
        self.announced.retain(|path| !path.starts_with(name));
        let mut gone = Vec::new();
        self.folders.retain(|watch, folder| {
            let stays = !folder.starts_with(name);
            if !stays {
                gone.push(watch.clone());
            }
            stays
        });
        for watch in gone {
            match inotify.watches().remove(watch) {
                // A folder that was deleted has lost its watch by itself.
                Err(error) if error.raw_os_error() != Some(libc::EINVAL) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn tell(&mut self, name: &Path, kind: EventType) {
        self.changes.push_back(Change {
            name: name.to_path_buf(),
            kind,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Watch};
    use crate::messages::filesystem::EventType;
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    async fn told(watch: &mut Watch, count: usize) -> Vec<(String, EventType)> {
        let mut changes = Vec::new();
        while changes.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
            let Change { name, kind } = next
                .unwrap_or_else(|_| panic!("only {changes:?} was told"))
                .expect("change");
            changes.push((name.to_string_lossy().into_owned(), kind));
        }
        changes
    }

    fn of(name: &str, kind: EventType) -> (String, EventType) {
        (name.to_owned(), kind)
    }

    fn mark(root: &Path) {
        fs::create_dir(root.join("mark")).expect("mark");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn each_path_of_a_tree_made_at_once_is_told_exactly_once() {
        let folder = tempfile::tempdir().expect("folder");
        let mut watch = Watch::open(folder.path(), true).expect("watch");
        for round in 0..20 {
            let base = folder.path().join(format!("r{round}"));
            fs::create_dir_all(base.join("a/b/c")).expect("folders");
        }
        mark(folder.path());
        let mut changes = Vec::new();
        loop {
            let mut next = told(&mut watch, 1).await;
            if next[0].0 == "mark" {
                break;
            }
            changes.append(&mut next);
        }
        changes.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut expected: Vec<_> = (0..20)
            .flat_map(|r| ["", "/a", "/a/b", "/a/b/c"].map(|below| format!("r{r}{below}")))
            .map(|name| (name, EventType::Create))
            .collect();
        expected.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(changes, expected);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_happens_below_a_moved_folder_bears_its_new_name() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path();
        fs::create_dir_all(root.join("old/sub")).expect("folders");
        let mut watch = Watch::open(root, true).expect("watch");
        fs::rename(root.join("old"), root.join("new")).expect("move");
        assert_eq!(
            told(&mut watch, 3).await,
            [
                of("old", EventType::Rename),
                of("new", EventType::Create),
                of("new/sub", EventType::Create)
            ]
        );
        fs::create_dir(root.join("new/sub/x")).expect("folder");
        assert_eq!(
            told(&mut watch, 1).await,
            [of("new/sub/x", EventType::Create)]
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_folder_that_left_is_watched_no_more() {
        let folder = tempfile::tempdir().expect("folder");
        let elsewhere = tempfile::tempdir_in(folder.path().parent().expect("parent"));
        let elsewhere = elsewhere.expect("folder");
        fs::create_dir_all(folder.path().join("a/b")).expect("folders");
        let mut watch = Watch::open(folder.path(), true).expect("watch");
        fs::rename(folder.path().join("a"), elsewhere.path().join("a")).expect("move");
        assert_eq!(told(&mut watch, 1).await, [of("a", EventType::Rename)]);
        fs::create_dir(elsewhere.path().join("a/b/c")).expect("folder");
        mark(folder.path());
        assert_eq!(told(&mut watch, 1).await, [of("mark", EventType::Create)]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn without_recursion_only_the_folder_itself_counts() {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir(folder.path().join("sub")).expect("folder");
        let mut watch = Watch::open(folder.path(), false).expect("watch");
        fs::write(folder.path().join("sub/x"), "x").expect("file");
        mark(folder.path());
        assert_eq!(told(&mut watch, 1).await, [of("mark", EventType::Create)]);
        fs::remove_dir_all(folder.path().join("mark")).expect("remove");
        assert_eq!(told(&mut watch, 1).await, [of("mark", EventType::Remove)]);
    }
}
