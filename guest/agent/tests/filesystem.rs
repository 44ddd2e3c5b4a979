//! Guarantees of service `filesystem.Filesystem`.

#![allow(clippy::expect_used)] // a test ends where it fails

mod support;

use serde_json::{json, Value};
use std::fs;
use std::path::Path;
use support::{eventually, Agent};

fn method(name: &str) -> String {
    format!("filesystem.Filesystem/{name}")
}

fn at(path: &Path) -> Value {
    json!({"path": path.to_str().expect("UTF-8")})
}

#[test]
fn listings_go_down_in_order_and_not_through_links() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    fs::create_dir_all(folder.path().join("b/c")).expect("folders");
    fs::write(folder.path().join("b/z"), "x").expect("file");
    fs::write(folder.path().join("a"), "abc").expect("file");
    std::os::unix::fs::symlink("b", folder.path().join("link")).expect("link");
    let list = |depth: u32| -> Vec<String> {
        let message = json!({"path": folder.path().to_str(), "depth": depth});
        let answer = agent.call(&method("ListDir"), &message);
        let entries = answer["entries"].as_array().expect("entries").clone();
        let relative = |e: &Value| {
            let path = e["path"].as_str().expect("path").to_owned();
            let base = folder.path().to_str().expect("UTF-8");
            path.strip_prefix(base).expect("below").to_owned()
        };
        entries.iter().map(relative).collect()
    };
    assert_eq!(list(0), ["/a", "/b", "/link"]);
    assert_eq!(list(2), ["/a", "/b", "/b/c", "/b/z", "/link"]);
    let entry = agent.call(&method("Stat"), &at(&folder.path().join("a")))["entry"].clone();
    assert_eq!(entry["size"], "3");
    assert_eq!(entry["type"], "FILE_TYPE_FILE");
    assert!(entry["modifiedTime"].as_str().expect("time").ends_with('Z'));
    let not_folder = json!({"path": folder.path().join("a").to_str()});
    assert_eq!(
        agent.fail(&method("ListDir"), &not_folder),
        (400, "invalid_argument".into())
    );
    assert_eq!(
        agent.fail(&method("ListDir"), &at(Path::new("/no/such"))),
        (404, "not_found".into())
    );
}

#[test]
fn folders_are_made_moved_and_removed() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let (one, two) = (folder.path().join("x/y"), folder.path().join("p/q"));
    let made = agent.call(&method("MakeDir"), &at(&one));
    assert_eq!(made["entry"]["type"], "FILE_TYPE_DIRECTORY");
    assert_eq!(
        agent.fail(&method("MakeDir"), &at(&one)),
        (409, "already_exists".into())
    );
    fs::write(one.join("f"), "x").expect("file");
    for blocked in [one.join("f"), one.join("f/g")] {
        assert_eq!(
            agent.fail(&method("MakeDir"), &at(&blocked)),
            (400, "invalid_argument".into())
        );
    }
    let there = json!({"source": one.to_str(), "destination": two.to_str()});
    let moved = agent.call(&method("Move"), &there);
    assert_eq!(moved["entry"]["path"], json!(two.to_str()));
    assert!(two.join("f").exists());
    assert_eq!(
        agent.fail(&method("Move"), &there),
        (404, "not_found".into())
    );
    for _ in 0..2 {
        assert_eq!(agent.call(&method("Remove"), &at(&two)), json!({}));
    }
    assert!(!two.exists());
}

#[test]
fn the_mode_changes_of_what_a_link_leads_to_and_of_nothing_else() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let (file, link) = (folder.path().join("f"), folder.path().join("link"));
    fs::write(&file, "x").expect("file");
    std::os::unix::fs::symlink("f", &link).expect("link");
    let chmod = |path: &Path, mode: u32| json!({"path": path.to_str(), "mode": mode});
    let changed = agent.call(&method("Chmod"), &chmod(&link, 0o4751));
    assert_eq!(changed["entry"]["path"], json!(link.to_str()));
    assert_eq!(changed["entry"]["mode"], 0o4751);
    let entry = agent.call(&method("Stat"), &at(&file))["entry"].clone();
    assert_eq!(
        (&entry["mode"], &entry["permissions"]),
        (&json!(0o4751), &json!("-rwxr-x--x"))
    );
    for (path, mode, refused) in [
        (file.as_path(), 0o10000, (400, "invalid_argument")),
        (Path::new("/no/such/file"), 0o600, (404, "not_found")),
    ] {
        let (status, code) = agent.fail(&method("Chmod"), &chmod(path, mode));
        assert_eq!((status, code.as_str()), refused);
    }
}

#[test]
fn a_new_file_is_told_by_three_events() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let message = json!({"path": folder.path().to_str(), "includeEntry": true});
    let mut frames = agent.stream(&method("WatchDir"), &message, &[]);
    assert_eq!(frames.next().expect("start"), json!({"start": {}}));
    let target = format!("/files?path={}/f", folder.path().display());
    let kind = [("Content-Type", "application/octet-stream")];
    assert_eq!(agent.send("POST", &target, &kind, b"content").status, 200);
    let mut kinds = Vec::new();
    while kinds.last() != Some(&json!("EVENT_TYPE_WRITE")) {
        let event = frames.next().expect("event")["filesystem"].clone();
        assert_eq!(event["name"], "f");
        assert_eq!(event["entry"]["name"], "f");
        kinds.push(event["type"].clone());
    }
    // Only a superuser gives files away, which is the second one.
    kinds.retain(|kind| kind != "EVENT_TYPE_CHMOD");
    assert_eq!(kinds, ["EVENT_TYPE_CREATE", "EVENT_TYPE_WRITE"]);
    fs::remove_file(folder.path().join("f")).expect("remove");
    let event = frames.next().expect("event")["filesystem"].clone();
    assert_eq!(event, json!({"name": "f", "type": "EVENT_TYPE_REMOVE"}));
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let agent = Agent::start();
    let watch = |path: &str| {
        let mut frames = agent.stream(&method("WatchDir"), &json!({ "path": path }), &[]);
        frames.error()
    };
    assert_eq!(watch("/no/such/folder"), "not_found");
    assert_eq!(watch("/etc/passwd"), "invalid_argument");
    assert_eq!(
        agent.fail(&method("CreateWatcher"), &at(Path::new("/no/such"))),
        (404, "not_found".into())
    );
}

#[test]
fn a_watcher_gathers_until_it_is_removed() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let message = json!({"path": folder.path().to_str(), "recursive": true});
    let watcher = agent.call(&method("CreateWatcher"), &message);
    fs::create_dir_all(folder.path().join("a/b")).expect("folders");
    let mut names = Vec::new();
    eventually("both are told", || {
        let told = agent.call(&method("GetWatcherEvents"), &watcher);
        let events = told["events"].as_array().cloned().unwrap_or_default();
        names.extend(events.iter().map(|e| e["name"].clone()));
        names.len() >= 2
    });
    assert_eq!(names, ["a", "a/b"]);
    let again = agent.call(&method("GetWatcherEvents"), &watcher);
    assert_eq!(again["events"], json!([]));
    agent.call(&method("RemoveWatcher"), &watcher);
    for name in ["GetWatcherEvents", "RemoveWatcher"] {
        assert_eq!(
            agent.fail(&method(name), &watcher),
            (404, "not_found".into())
        );
    }
}
