//! Guarantees of the server of kernels.

#![allow(clippy::expect_used)] // a test ends where it fails

#[path = "support/kernels.rs"]
mod kernels;
mod support;

use kernels::{eventually, Kernels};
use serde_json::{json, Value};
use std::path::Path;
use tungstenite::Message;

#[test]
fn a_cell_is_answered_in_the_usual_order() {
    let server = Kernels::start();
    let mut client = server.open(&server.kernel());

    let cell = client.run("publish('execute_input', code='x'); print('one'); publish('display_data', data={}); print('two')");

    let expected = [
        "status",
        "execute_input",
        "stream",
        "display_data",
        "stream",
        "execute_reply",
        "status",
    ];
    assert_eq!(cell.kinds(), expected);
    assert_eq!(cell.printed(), [("stdout", "one\n"), ("stdout", "two\n")]);
    for message in &cell.0 {
        let channel = if message["msg_type"] == "execute_reply" {
            "shell"
        } else {
            "iopub"
        };
        assert_eq!(message["channel"], channel);
        assert_eq!(message["header"]["version"], "5.3");
        assert_eq!(message["parent_header"]["session"], "one");
    }
    assert_eq!(cell.only("execute_reply")["status"], "ok");
}

#[test]
fn what_is_printed_arrives_whatever_prints_it_and_characters_are_whole() {
    let server = Kernels::start();
    let mut client = server.open(&server.kernel());

    let both = client.run("print('out'); print('err', file=sys.stderr)");
    assert_eq!(both.printed(), [("stdout", "out\n"), ("stderr", "err\n")]);
    let child = client.run("import subprocess; subprocess.run(['echo', 'from a child'])");
    assert_eq!(child.printed(), [("stdout", "from a child\n")]);
    let cut = client.run(
        "whole = 'a\u{20ac}'.encode(); os.write(1, whole[:2]); time.sleep(0.3); os.write(1, whole[2:])",
    );
    assert_eq!(cut.printed(), [("stdout", "a"), ("stdout", "\u{20ac}")]);
    let none = client.run("os.write(1, b'a\\xff\\xfe\\n')");
    assert_eq!(none.printed(), [("stdout", "a\u{fffd}\u{fffd}\n")]);
}

#[test]
fn what_is_printed_in_a_long_cell_arrives_before_its_end() {
    let server = Kernels::start();
    let kernel = server.kernel();
    let mut client = server.open(&kernel);

    client.start("print('begun', end=''); time.sleep(600)");

    while client.next()["content"]["text"] != "begun" {}
    assert_eq!(server.state(&kernel), "busy");
}

#[test]
fn all_listen_but_only_who_asked_is_answered() {
    let server = Kernels::start();
    let kernel = server.kernel();
    let (mut one, mut other) = (server.open(&kernel), server.open(&kernel));
    eventually("both listen", || {
        server.get("/api/status")["connections"] == 2
    });

    let id = one.start("print('heard')");

    assert!(one.outcome(&id).kinds().contains(&"execute_reply"));
    let heard = other.outcome(&id);
    assert_eq!(heard.printed(), [("stdout", "heard\n")]);
    assert!(!heard.kinds().contains(&"execute_reply"));
}

#[test]
fn who_reads_slowly_makes_the_kernel_wait_and_loses_nothing() {
    let server = Kernels::start();
    let kernel = server.kernel();
    let mut client = server.open(&kernel);
    let progress = tempfile::NamedTempFile::new().expect("a file");
    let path = progress.path().display();

    let code = format!(
        "for i in range(30000):\n print(i, 'x' * 1000)\n if i % 100 == 0: open('{path}', 'w').write(str(i))"
    );
    let id = client.start(&code);
    let far = || std::fs::read_to_string(progress.path()).expect("readable");
    eventually("it stands still", || {
        let before = far();
        std::thread::sleep(std::time::Duration::from_millis(500));
        !before.is_empty() && before == far()
    });
    assert!(far().parse::<u32>().expect("a number") < 29900);

    let cell = client.outcome(&id);
    let text: String = cell.printed().iter().map(|(_, text)| *text).collect();
    assert_eq!(text.lines().count(), 30000);
    assert_eq!(
        text.lines().last(),
        Some(format!("29999 {}", "x".repeat(1000)).as_str())
    );
}

#[test]
fn a_cell_is_interrupted_also_when_nobody_reads_what_it_prints() {
    let server = Kernels::start();
    let kernel = server.kernel();
    let mut client = server.open(&kernel);
    let id = client.start("while True: print('x' * 1000)");
    eventually("it runs", || server.state(&kernel) == "busy");

    let (status, _) = server.send("POST", &format!("/api/kernels/{kernel}/interrupt"), "");

    assert_eq!(status, 204);
    assert_eq!(
        client.outcome(&id).only("error")["ename"],
        "KeyboardInterrupt"
    );
    let id = client.start("time.sleep(600)");
    eventually("it runs", || server.state(&kernel) == "busy");
    client.ask("control", "interrupt_request", "one", &json!({}));
    assert_eq!(
        client.outcome(&id).only("error")["ename"],
        "KeyboardInterrupt"
    );
    assert_eq!(
        client.run("print('goes on')").printed(),
        [("stdout", "goes on\n")]
    );
}

#[test]
fn the_death_of_a_kernel_is_told_with_its_last_words_and_another_one_begins() {
    let server = Kernels::start();
    let mut client = server.open(&server.kernel());
    client.run("x = 1");

    let id = client.start("print('last words'); os.kill(os.getpid(), 9)");
    let next = client.start("print('never')");

    let cell = client.outcome(&id);
    assert_eq!(cell.printed(), [("stdout", "last words\n")]);
    assert_eq!(cell.only("error")["ename"], "KernelDied");
    assert!(cell.only("error")["evalue"]
        .as_str()
        .expect("text")
        .contains("signal 9"));
    assert_eq!(cell.only("execute_reply")["status"], "error");
    assert_eq!(client.outcome(&next).only("error")["ename"], "KernelDied");
    assert_eq!(
        client.run("print('x' in globals())").printed(),
        [("stdout", "False\n")]
    );
}

#[test]
fn a_kernel_that_ends_because_it_is_asked_to_is_followed_by_one_that_goes_on() {
    let server = Kernels::start();
    let mut client = server.open(&server.kernel());

    let last = client.start("ending = True");
    let next = client.start("print('ending' in globals())");

    assert_eq!(client.outcome(&last).only("execute_reply")["status"], "ok");
    assert_eq!(client.outcome(&next).printed(), [("stdout", "False\n")]);
}

#[test]
fn a_kernel_that_never_begins_is_given_up_and_says_why() {
    for (program, why) in [
        ("false", "exit code 1"),
        ("/no/such/program", "cannot be started"),
    ] {
        let server = Kernels::with(&[program]);
        let kernel = server.kernel();
        let mut client = server.open(&kernel);

        let cell = client.run("1");

        assert_eq!(cell.only("error")["ename"], "KernelDied");
        assert!(cell.only("error")["evalue"]
            .as_str()
            .expect("text")
            .contains(why));
        assert_eq!(server.state(&kernel), "dead");
    }
}

#[test]
fn a_restart_ends_what_runs_and_begins_anew() {
    let server = Kernels::start();
    let kernel = server.kernel();
    let mut client = server.open(&kernel);
    let started = client
        .run("import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid)");
    let child = format!("/proc/{}/cmdline", started.printed()[0].1.trim());
    let id = client.start("time.sleep(600)");
    eventually("it runs", || server.state(&kernel) == "busy");

    let (status, _) = server.send("POST", &format!("/api/kernels/{kernel}/restart"), "");

    assert_eq!(status, 200);
    assert_eq!(
        client.outcome(&id).only("error")["ename"],
        "KernelRestarted"
    );
    let is_over = || std::fs::read(Path::new(&child)).map_or(true, |line| line.is_empty());
    eventually("the child is gone", is_over);
    assert_eq!(
        client.run("print('child' in globals())").printed(),
        [("stdout", "False\n")]
    );
}

#[test]
fn an_error_ends_what_the_same_session_asked_for_and_nothing_else() {
    let server = Kernels::start();
    let kernel = server.kernel();
    let mut client = server.open(&kernel);

    client.start("time.sleep(0.3); 1 / 0");
    let same = client.start("print('same')");
    let content = json!({"code": "print('other')"});
    let other = client.ask("shell", "execute_request", "two", &content);

    assert_eq!(
        client.outcome(&same).only("execute_reply")["status"],
        "aborted"
    );
    assert_eq!(client.outcome(&other).printed(), [("stdout", "other\n")]);
}

#[test]
fn what_needs_no_cell_is_answered_while_one_runs() {
    let server = Kernels::start();
    let kernel = server.kernel();
    let mut client = server.open(&kernel);
    let first = client.ask("shell", "kernel_info_request", "one", &json!({}));
    client.outcome(&first);
    client.start("time.sleep(600)");

    let id = client.ask("shell", "kernel_info_request", "one", &json!({}));
    let info = client.outcome(&id);

    assert_eq!(info.kinds(), ["status", "kernel_info_reply", "status"]);
    assert_eq!(info.only("kernel_info_reply")["implementation"], "a test's");
    let id = client.ask("shell", "debug_request", "one", &json!({}));
    assert_eq!(client.outcome(&id).only("debug_reply")["status"], "error");
    assert_eq!(server.state(&kernel), "busy");
}

#[test]
fn kernels_are_listed_the_oldest_first_and_each_has_its_own_variables() {
    let server = Kernels::start();
    assert_eq!(server.get("/api/kernels"), json!([]));
    let (one, other) = (server.kernel(), server.kernel());

    let listed = server.get("/api/kernels");
    let ids: Vec<_> = listed
        .as_array()
        .expect("list")
        .iter()
        .map(|k| k["id"].clone())
        .collect();
    assert_eq!(ids, [one.as_str(), other.as_str()]);
    assert_eq!(listed[0]["name"], "wrenn");
    server.open(&one).run("x = 1");
    let cell = server.open(&other).run("print('x' in globals())");
    assert_eq!(cell.printed(), [("stdout", "False\n")]);
    assert_eq!(server.get("/api/status")["kernels"], 2);
}

#[test]
fn who_listens_to_a_kernel_that_is_shut_down_is_told() {
    let server = Kernels::start();
    let kernel = server.kernel();
    let path = format!("/api/kernels/{kernel}");
    let mut client = server.open(&kernel);

    assert_eq!(server.send("DELETE", &path, "").0, 204);

    assert_eq!(
        client.closed(),
        (1000, "the kernel was shut down".to_owned())
    );
    assert_eq!(server.send("GET", &path, "").0, 404);
    assert_eq!(server.send("DELETE", &path, "").0, 404);
    let kernel = server.kernel();
    let mut client = server.open(&kernel);
    client.ask(
        "control",
        "shutdown_request",
        "one",
        &json!({"restart": false}),
    );
    assert_eq!(client.closed().0, 1000);
    assert_eq!(server.get("/api/kernels"), json!([]));
}

#[test]
fn what_is_no_message_ends_the_connection_and_not_the_kernel() {
    let server = Kernels::start();
    let kernel = server.kernel();
    for (message, code) in [
        (Message::text("nonsense"), 1007),
        (Message::text("{}"), 1007),
        (Message::binary(vec![1, 2, 3]), 1003),
    ] {
        let mut client = server.open(&kernel);
        client.socket.send(message).expect("sent");
        assert_eq!(client.closed().0, code);
    }
    assert_eq!(
        server.open(&kernel).run("print(1)").printed(),
        [("stdout", "1\n")]
    );
}

#[test]
fn bad_requests_are_refused_with_a_message() {
    let server = Kernels::start();
    let kernel = server.kernel();
    for (method, path, body, status) in [
        ("GET", "/api/kernels/none".to_owned(), "", 404),
        ("POST", "/api/kernels/none/interrupt".to_owned(), "", 404),
        ("GET", "/api/kernels/none/channels".to_owned(), "", 404),
        ("GET", format!("/api/kernels/{kernel}/channels"), "", 400),
        ("POST", "/api/kernels".to_owned(), "nonsense", 400),
        (
            "POST",
            "/api/kernels".to_owned(),
            r#"{"name":"cobol"}"#,
            404,
        ),
        ("GET", "/api/kernelspecs/cobol".to_owned(), "", 404),
        (
            "POST",
            "/api/sessions".to_owned(),
            r#"{"kernel":{"id":"none"}}"#,
            404,
        ),
        ("GET", "/api/contents".to_owned(), "", 404),
        ("PUT", "/api/kernels".to_owned(), "", 405),
    ] {
        let (answered, value) = server.send(method, &path, body);
        assert_eq!(answered, status, "{method} {path}");
        assert!(
            value["message"].as_str().is_some_and(|m| !m.is_empty()),
            "{value}"
        );
    }
}

#[test]
fn a_session_keeps_a_kernel_under_a_path() {
    let server = Kernels::start();
    let order = r#"{"path":"a.ipynb","type":"notebook","name":"a","kernel":{"name":"python3"}}"#;
    let (status, session) = server.send("POST", "/api/sessions", order);
    assert_eq!(status, 201, "{session}");
    let path = format!("/api/sessions/{}", session["id"].as_str().expect("id"));

    assert_eq!(
        server.send("POST", "/api/sessions", order).1["id"],
        session["id"]
    );
    assert_eq!(session["kernel"]["name"], "python3");
    let kernels = server.get("/api/kernels");
    assert_eq!(kernels[0]["id"], session["kernel"]["id"]);
    let (_, changed) = server.send("PATCH", &path, r#"{"path":"b.ipynb"}"#);
    assert_eq!(changed["path"], "b.ipynb");
    assert_eq!(
        server.get("/api/sessions")[0]["kernel"]["id"],
        session["kernel"]["id"]
    );
    assert_eq!(server.send("DELETE", &path, "").0, 204);
    assert_eq!(server.get("/api/sessions"), json!([]));
    assert_eq!(server.get("/api/kernels"), json!([]));
}

#[test]
fn specifications_name_the_default() {
    let server = Kernels::start();

    let all = server.get("/api/kernelspecs");

    assert_eq!(all["default"], "wrenn");
    for name in ["wrenn", "python3"] {
        assert_eq!(all["kernelspecs"][name]["spec"]["language"], "python");
        assert_eq!(
            server.get(&format!("/api/kernelspecs/{name}"))["name"],
            name
        );
    }
    assert_ne!(server.get("/api")["version"], Value::Null);
}
