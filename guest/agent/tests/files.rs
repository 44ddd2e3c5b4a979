//! Guarantees of `/files`.

#![allow(clippy::expect_used)] // a test ends where it fails

mod support;

use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{Agent, Reply};

const RAW: (&str, &str) = ("Content-Type", "application/octet-stream");

/// As clients put paths into queries.
fn target(path: &Path) -> String {
    let text = path.to_str().expect("UTF-8");
    let mut target = String::from("/files?path=");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte) {
            target.push(char::from(byte));
        } else {
            target += &format!("%{byte:02X}");
        }
    }
    target
}

#[test]
fn what_is_stored_is_read_back() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("new/höhe & tiefe.txt");
    let content: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    let mut reply = agent.send("POST", &target(&path), &[RAW], &content);
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json(),
        json!([{"name": "höhe & tiefe.txt", "path": path.to_str(), "type": "file"}])
    );
    let mode = fs::metadata(&path).expect("stored").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let mut reply = agent.get(&target(&path));
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.header("content-length"), Some("12000000"));
    assert!(reply.body() == content);

    let range = [("Range", "bytes=4-7")];
    let mut reply = agent.send("GET", &target(&path), &range, b"");
    assert_eq!(reply.status, 206);
    assert_eq!(reply.header("content-range"), Some("bytes 4-7/12000000"));
    assert_eq!(reply.body(), 1u32.to_le_bytes());
    let range = [("Range", "bytes=12000000-")];
    assert_eq!(agent.send("GET", &target(&path), &range, b"").status, 416);
}

#[test]
fn an_upload_goes_on_where_another_one_broke_off() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("big");
    fs::write(&path, b"0123456789 and more").expect("first part");

    let at = |offset: &str| format!("{}&offset={offset}", target(&path));
    assert_eq!(agent.send("POST", &at("10"), &[RAW], b"abc").status, 200);
    assert_eq!(fs::read(&path).expect("stored"), b"0123456789abc");

    assert_eq!(agent.send("POST", &at("14"), &[RAW], b"gap").status, 400);
    assert_eq!(agent.send("POST", &at("-1"), &[RAW], b"x").status, 400);
    assert_eq!(agent.send("POST", &at("x"), &[RAW], b"x").status, 400);
    assert_eq!(fs::read(&path).expect("untouched"), b"0123456789abc");
    assert_eq!(agent.send("POST", &at("0"), &[RAW], b"new").status, 200);
    assert_eq!(fs::read(&path).expect("replaced"), b"new");
}

#[test]
fn a_file_is_replaced_in_place() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("f");
    fs::write(&path, "a long old content").expect("old");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
    let link = folder.path().join("same");
    fs::hard_link(&path, &link).expect("link");
    assert_eq!(
        agent.send("POST", &target(&path), &[RAW], b"new").status,
        200
    );
    assert_eq!(fs::read(&link).expect("same file"), b"new");
    let mode = fs::metadata(&path).expect("stored").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn forms_name_whole_paths() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let base = folder.path().to_str().expect("UTF-8");
    let form = |names: &[&str]| {
        let mut body = String::new();
        for name in names {
            body += &format!(
                "--sep\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{base}/{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\ncontent of {name}\r\n"
            );
        }
        body + "--sep--\r\n"
    };
    let kind = [("Content-Type", "multipart/form-data; boundary=sep")];
    let body = form(&["a/größe.txt", "b.txt"]);
    let mut reply = agent.send("POST", "/files", &kind, body.as_bytes());
    let stored = reply.json();
    assert_eq!(reply.status, 200, "{stored}");
    assert_eq!(stored[0]["path"], format!("{base}/a/größe.txt"));
    assert_eq!(stored[1]["name"], "b.txt");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("stored");
    assert_eq!(read("a/größe.txt"), "content of a/größe.txt");
    assert_eq!(read("b.txt"), "content of b.txt");

    let twice = form(&["c", "c"]);
    assert_eq!(
        agent.send("POST", "/files", &kind, twice.as_bytes()).status,
        400
    );
    let mut broken = form(&["d"]).into_bytes();
    broken.truncate(broken.len() - 12);
    assert_eq!(agent.send("POST", "/files", &kind, &broken).status, 400);
    let over = target(&folder.path().join("over"));
    let reply = agent.send("POST", &over, &kind, form(&["ignored"]).as_bytes());
    assert_eq!(reply.status, 200);
    assert_eq!(read("over"), "content of ignored");
}

#[test]
fn uploads_of_unknown_length_and_compressed_ones_are_taken() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("f");
    let mut connection = agent.connect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        target(&path)
    );
    connection.write_all(head.as_bytes()).expect("head");
    connection
        .write_all(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        .expect("chunks");
    assert_eq!(Reply::read(connection).status, 200);
    assert_eq!(fs::read(&path).expect("stored"), b"abcdefg");

    // gzip of "hello" as gzip(1) writes it
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0";
    let headers = [RAW, ("Content-Encoding", "gzip")];
    assert_eq!(
        agent.send("POST", &target(&path), &headers, gzip).status,
        200
    );
    assert_eq!(fs::read(&path).expect("stored"), b"hello");
    let only_gzip = [("Accept-Encoding", "gzip, identity;q=0")];
    let mut reply = agent.send("GET", &target(&path), &only_gzip, b"");
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(reply.body()[..3], gzip[..3]);
    let nothing = [("Accept-Encoding", "br, identity;q=0")];
    assert_eq!(agent.send("GET", &target(&path), &nothing, b"").status, 406);
}

#[test]
fn what_cannot_be_read_or_written_is_told_in_json() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let of = |path: &Path| {
        let mut reply = agent.get(&target(path));
        (reply.status, reply.json())
    };
    let missing = folder.path().join("missing");
    let message = format!("path '{}' does not exist", missing.display());
    assert_eq!(
        of(&missing),
        (404, json!({"code": 404, "message": message}))
    );
    assert_eq!(of(folder.path()).0, 400);
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    assert_eq!(of(&pipe).0, 400);
    assert_eq!(agent.send("POST", &target(&pipe), &[RAW], b"x").status, 400);
    assert_eq!(
        agent
            .send("POST", &target(folder.path()), &[RAW], b"x")
            .status,
        400
    );
    assert_eq!(agent.send("POST", "/files", &[RAW], b"x").status, 400);
    let text = [("Content-Type", "text/plain")];
    assert_eq!(
        agent.send("POST", &target(&missing), &text, b"x").status,
        400
    );
    let whose = format!("{}&username=nobody-here", target(&missing));
    assert_eq!(agent.get(&whose).status, 401);
}

#[test]
fn the_answer_to_a_long_upload_that_fails_reaches_its_sender() {
    let mut agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let content = vec![0; 32 << 20];
    let mut reply = agent.send("POST", &target(folder.path()), &[RAW], &content);
    assert_eq!(
        (reply.status, reply.json()["code"].clone()),
        (400, json!(400))
    );
    agent.post("/init", &json!({"accessToken": "t"}));
    let path = target(&folder.path().join("f"));
    assert_eq!(agent.send("POST", &path, &[RAW], &content).status, 401);
    agent.token = Some("t".into());
}

#[test]
fn files_without_a_size_are_read_to_their_end() {
    let agent = Agent::start();
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let mut reply = agent.get(&target(path));
    assert_eq!(reply.text(), fs::read_to_string(path).expect("proc"));
    let folder = tempfile::tempdir().expect("folder");
    let empty = folder.path().join("empty");
    assert_eq!(agent.send("POST", &target(&empty), &[RAW], b"").status, 200);
    let reply = agent.get(&target(&empty));
    assert_eq!(
        (reply.status, reply.header("content-length")),
        (200, Some("0"))
    );
}

#[test]
fn an_unchanged_file_is_not_sent_again() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("f.json");
    fs::write(&path, "{}").expect("file");
    let reply = agent.get(&target(&path));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let date = reply.header("last-modified").expect("date").to_owned();
    let since = |date: &str| {
        let headers = [("If-Modified-Since", date)];
        agent.send("GET", &target(&path), &headers, b"").status
    };
    assert_eq!(since(&date), 304);
    assert_eq!(since("Thu, 01 Jan 1970 00:00:00 GMT"), 200);
}

#[test]
fn notes_are_replaced_with_each_upload() {
    let agent = Agent::start();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("folder");
    let path = folder.path().join("f");
    let notes = |headers: &[(&str, &str)]| {
        let mut all = vec![RAW];
        all.extend(headers);
        let stored = agent.send("POST", &target(&path), &all, b"x").json();
        let stat = json!({"path": path.to_str()});
        let entry = &agent.call("filesystem.Filesystem/Stat", &stat)["entry"];
        assert_eq!(entry.get("metadata"), stored[0].get("metadata"));
        stored[0].get("metadata").cloned()
    };
    assert_eq!(
        notes(&[("X-Metadata-Author", "ann"), ("x-metadata-b", "2")]),
        Some(json!({"author": "ann", "b": "2"}))
    );
    assert_eq!(notes(&[("X-Metadata-B", "3")]), Some(json!({"b": "3"})));
    assert_eq!(notes(&[]), None);
}

#[test]
#[ignore = "mounts a file system, so it needs root"]
fn a_full_disk_is_told_as_such() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        let status = command.args(arguments).arg(folder.path()).status();
        assert!(status.expect("runs").success(), "{program}");
    };
    run("mount", &["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
    let path = folder.path().join("f");
    let status = agent
        .send("POST", &target(&path), &[RAW], &[0; 1 << 20])
        .status;
    run("umount", &[]);
    assert_eq!(status, 507);
}
