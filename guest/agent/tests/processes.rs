//! Guarantees of service `process.Process`.

#![allow(clippy::expect_used)] // a test ends where it fails

mod support;

use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};
use support::{base64, eventually, frame, runs, Agent, Reply};

const START: &str = "process.Process/Start";
const CONNECT: &str = "process.Process/Connect";

#[test]
fn output_and_end_are_told_as_they_were() {
    let agent = Agent::start();
    let done = agent.shell("echo out; echo err >&2; exit 3", &[]).finish();
    assert_eq!(
        (done.stdout(), done.stderr()),
        ("out\n".into(), "err\n".into())
    );
    assert_eq!(
        done.end,
        json!({"exitCode": 3, "exited": true, "status": "exit status 3", "error": "exit status 3"})
    );
    let done = agent.shell("true", &[]).finish();
    assert_eq!(
        done.end,
        json!({"exitCode": 0, "exited": true, "status": "exit status 0"})
    );
}

#[test]
fn a_signal_is_no_exit() {
    let agent = Agent::start();
    for (signal, status) in [
        (json!("SIGNAL_SIGKILL"), "signal: killed"),
        (json!(15), "signal: terminated"),
    ] {
        let mut frames = agent.shell("sleep 1000", &[]);
        let selector = json!({"pid": frames.pid()});
        agent.call(
            "process.Process/SendSignal",
            &json!({"process": selector, "signal": signal}),
        );
        let end = frames.finish().end;
        assert_eq!(
            end,
            json!({"exitCode": -1, "exited": false, "status": status, "error": status})
        );
    }
    let other = json!({"process": {"pid": 1}, "signal": 2});
    let method = "process.Process/SendSignal";
    assert_eq!(agent.fail(method, &other), (404, "not_found".into()));
    let mut frames = agent.shell("sleep 1000", &[]);
    let other = json!({"process": {"pid": frames.pid()}, "signal": 2});
    assert_eq!(agent.fail(method, &other), (501, "unimplemented".into()));
}

#[test]
fn input_reaches_the_process_until_it_is_closed() {
    let agent = Agent::start();
    let message = json!({"process": {"cmd": "cat"}, "tag": "c"});
    let mut frames = agent.stream(START, &message, &[]);
    frames.pid();
    let selector = json!({"tag": "c"});
    let input = json!({"process": selector, "input": {"stdin": base64("hello\n")}});
    agent.call("process.Process/SendInput", &input);
    assert_eq!(frames.until("\n"), "hello\n");
    agent.call("process.Process/CloseStdin", &json!({"process": selector}));
    assert_eq!(frames.finish().end["exitCode"], 0);

    let message =
        json!({"process": {"cmd": "sleep", "args": ["1000"]}, "stdin": false, "tag": "n"});
    agent.stream(START, &message, &[]).pid();
    let input = json!({"process": {"tag": "n"}, "input": {"stdin": "aA=="}});
    assert_eq!(
        agent.fail("process.Process/SendInput", &input),
        (500, "internal".into())
    );
}

#[test]
fn streamed_input_arrives_before_the_stream_ends() {
    let agent = Agent::start();
    let mut frames = agent.stream(START, &json!({"process": {"cmd": "cat"}, "tag": "c"}), &[]);
    frames.pid();
    let mut connection = agent.connect();
    let head = "POST /process.Process/StreamInput HTTP/1.1\r\nHost: x\r\n\
                Content-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).expect("head");
    let mut chunk = |bytes: &[u8]| {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend(bytes);
        chunk.extend(b"\r\n");
        connection.write_all(&chunk).expect("chunk");
    };
    let start = frame(0, br#"{"start":{"process":{"tag":"c"}}}"#);
    // Frames do not heed the borders of chunks.
    chunk(&start[..7]);
    chunk(&start[7..]);
    for text in ["one\n", "two\n"] {
        let data = json!({"data": {"input": {"stdin": base64(text)}}});
        chunk(&frame(0, data.to_string().as_bytes()));
        assert_eq!(frames.until("\n"), text);
    }
    chunk(&frame(0, br#"{"keepalive":{}}"#));
    chunk(b"");
    let mut reply = Reply::read(connection);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body(), [frame(0, b"{}"), frame(2, b"{}")].concat());
}

#[test]
fn what_cannot_start_is_told_before_any_event() {
    let agent = Agent::start();
    let start = |process| {
        agent
            .stream(START, &json!({ "process": process }), &[])
            .error()
    };
    assert_eq!(start(json!({"cmd": "no-such-program"})), "invalid_argument");
    assert_eq!(start(json!({"cmd": ""})), "invalid_argument");
    assert_eq!(start(json!({"cmd": "/etc/passwd"})), "invalid_argument");
    let cwd = json!({"cmd": "ls", "cwd": "/no/such/folder"});
    assert_eq!(start(cwd), "invalid_argument");
    assert_eq!(
        start(json!({"cmd": "ls", "envs": {"a=b": "c"}})),
        "invalid_argument"
    );
    let somebody = [("Authorization", "Basic bm9ib2R5LWhlcmU6")];
    assert_eq!(agent.shell("true", &somebody).error(), "unauthenticated");
    assert_eq!(
        agent
            .stream(CONNECT, &json!({"process": {"pid": 1}}), &[])
            .error(),
        "not_found"
    );
}

#[test]
fn shell_errors_look_like_those_of_a_shell() {
    let agent = Agent::start();
    for (command, code) in [("no-such-program", 127), ("/etc/passwd", 126)] {
        let message = json!({"process": {"cmd": command}});
        let headers = [("X-Wrenn-Shell-Errors", "1")];
        let done = agent.stream(START, &message, &headers).finish();
        assert_eq!(done.end["exitCode"], code);
        assert!(done.stderr().starts_with(command), "{}", done.stderr());
    }
}

#[test]
fn the_time_limit_kills_the_whole_group() {
    let agent = Agent::start();
    let script = "sleep 1000 & echo $!; wait";
    let mut frames = agent.shell(script, &[("Connect-Timeout-Ms", "400")]);
    let leader = frames.pid().to_string();
    let child = frames.until("\n").trim().to_owned();
    assert!(runs(&child));
    assert_eq!(frames.error(), "deadline_exceeded");
    eventually("both are gone", || !runs(&child) && !runs(&leader));
}

#[test]
fn the_time_limit_of_a_listener_ends_only_its_stream() {
    let agent = Agent::start();
    let mut frames = agent.shell("sleep 1000", &[]);
    let pid = frames.pid();
    let message = json!({"process": {"pid": pid}});
    let mut second = agent.stream(CONNECT, &message, &[("Connect-Timeout-Ms", "100")]);
    assert_eq!(second.error(), "deadline_exceeded");
    assert!(runs(&pid.to_string()));
}

#[test]
fn the_end_waits_for_children_that_hold_the_pipe() {
    let agent = Agent::start();
    let begin = Instant::now();
    let done = agent
        .shell("(sleep 1; echo late) & echo early", &[])
        .finish();
    assert_eq!(done.stdout(), "early\nlate\n");
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[test]
fn output_within_the_grace_is_told_by_an_agent_that_got_no_turn_meanwhile() {
    let agent = Agent::start();
    let signal = |name: &str| {
        let pid = agent.pid().to_string();
        let sent = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(sent.expect("kill runs").success());
    };
    let grace = [("X-Wrenn-Drain-Grace-Ms", "1000")];
    for round in 0..5 {
        let mut frames = agent.shell("(sleep 0.4; echo late) & echo early", &grace);
        let pid = frames.pid().to_string();
        assert_eq!(frames.until("early\n"), "early\n");
        eventually("the shell is reaped", || !runs(&pid));
        signal("-STOP");
        // The output comes and the grace passes while the agent sleeps.
        std::thread::sleep(Duration::from_millis(1300));
        signal("-CONT");
        assert_eq!(frames.finish().stdout(), "late\n", "round {round}");
    }
}

#[test]
fn the_drain_grace_ends_that_wait() {
    let agent = Agent::start();
    for grace in ["0", "200"] {
        let begin = Instant::now();
        let grace = [("X-Wrenn-Drain-Grace-Ms", grace)];
        let done = agent.shell("sleep 25 & echo early", &grace).finish();
        assert_eq!(done.stdout(), "early\n");
        assert_eq!(done.end["exitCode"], 0);
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_slow_listener_loses_nothing() {
    const BYTES: usize = 24 << 20;
    let agent = Agent::start();
    let script = format!("head -c {BYTES} /dev/zero");
    let grace = [("X-Wrenn-Drain-Grace-Ms", "50")];
    let mut frames = agent.shell(&script, &grace);
    let pid = frames.pid().to_string();
    // It cannot end while nobody reads: all buffers together are smaller than its output.
    std::thread::sleep(Duration::from_millis(500));
    assert!(runs(&pid));
    assert_eq!(frames.finish().stdout.len(), BYTES);
}

#[test]
fn without_a_listener_a_process_runs_on() {
    let agent = Agent::start();
    let folder = tempfile::tempdir().expect("folder");
    let done = folder.path().join("done");
    let script = format!("head -c 8388608 /dev/zero; touch {}", done.display());
    let mut frames = agent.shell(&script, &[]);
    frames.pid();
    drop(frames);
    eventually("it ends", || done.exists());
}

#[test]
fn all_listeners_hear_the_same_end_also_late_ones() {
    let agent = Agent::start();
    let mut first = agent.shell("read line; echo $line; exit 7", &[]);
    let selector = json!({"pid": first.pid()});
    let mut second = agent.stream(CONNECT, &json!({ "process": selector }), &[]);
    second.pid();
    let input = json!({"process": selector, "input": {"stdin": base64("x\n")}});
    agent.call("process.Process/SendInput", &input);
    for done in [first.finish(), second.finish()] {
        assert_eq!(
            (done.stdout(), done.end["exitCode"].as_i64()),
            ("x\n".into(), Some(7))
        );
    }
    let late = agent
        .stream(CONNECT, &json!({ "process": selector }), &[])
        .finish();
    assert_eq!(
        (late.stdout(), late.end["exitCode"].as_i64()),
        (String::new(), Some(7))
    );
    let live = agent.call("process.Process/List", &json!({}));
    assert_eq!(live["processes"], json!([]));
}

#[test]
fn a_terminal_has_a_size_echoes_and_is_replayed() {
    let agent = Agent::start();
    let message = json!({
        "process": {"cmd": "/bin/sh", "envs": {"PS1": "ready> "}},
        "pty": {"size": {"cols": 100, "rows": 30}},
    });
    let mut frames = agent.stream(START, &message, &[]);
    let selector = json!({"pid": frames.pid()});
    frames.until("ready> ");
    let type_in = |text: &str| {
        let input = json!({"process": selector, "input": {"pty": base64(text)}});
        agent.call("process.Process/SendInput", &input);
    };
    type_in("stty size; tty\n");
    assert!(frames.until("/dev/pts").contains("30 100"));
    let size = json!({"process": selector, "pty": {"size": {"cols": 40, "rows": 10}}});
    agent.call("process.Process/Update", &size);
    type_in("stty size; echo $((40+2))\n");
    assert!(frames.until("42\r\n").contains("10 40"));

    let connect = json!({ "process": selector });
    let mut replayed = agent.stream(CONNECT, &connect, &[("X-Wrenn-Replay", "1")]);
    replayed.pid();
    assert!(replayed.until("42\r\n").contains("30 100"));
    type_in("exit 5\n");
    assert_eq!(frames.finish().end["exitCode"], 5);
    assert_eq!(replayed.finish().end["exitCode"], 5);
}

#[test]
fn of_many_starts_with_one_unique_tag_one_succeeds() {
    let agent = Agent::start();
    let message = json!({"process": {"cmd": "sleep", "args": ["1000"]}, "tag": "only"});
    let unique = [("X-Wrenn-Unique-Tag", "1")];
    let started = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let (flags, payload) =
                        agent.stream(START, &message, &unique).raw().expect("one");
                    if flags == 2 {
                        let text = String::from_utf8(payload).expect("text");
                        assert!(text.contains("already_exists"), "{text}");
                    }
                    flags == 0
                })
            })
            .collect();
        let results = starts.into_iter().map(|s| s.join().expect("no panic"));
        results.filter(|started| *started).count()
    });
    assert_eq!(started, 1);
    let kill = json!({"process": {"tag": "only"}, "signal": 9});
    agent.call("process.Process/SendSignal", &kill);
    let find = json!({"process": {"tag": "only"}});
    agent.stream(CONNECT, &find, &[]).finish();
    agent.stream(START, &message, &unique).pid();
}

#[test]
fn silence_is_filled_with_keepalives() {
    let agent = Agent::start();
    let mut frames = agent.shell("sleep 1000", &[("Keepalive-Ping-Interval", "1")]);
    frames.pid();
    assert_eq!(
        frames.next().expect("keepalive"),
        json!({"event": {"keepalive": {}}})
    );
}

#[test]
fn the_environment_is_made_from_scratch() {
    let agent = Agent::start();
    agent.post("/init", &json!({"envVars": {"A": "init", "B": "init"}}));
    let process = json!({"cmd": "env", "envs": {"B": "request"}, "cwd": "/tmp"});
    let done = agent
        .stream(START, &json!({ "process": process }), &[])
        .finish();
    let text = done.stdout();
    let mut names: Vec<_> = text.lines().filter_map(|l| l.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["A", "B", "HOME", "LOGNAME", "PATH", "USER", "WRENN_SANDBOX"]
    );
    assert!(
        text.contains("A=init\n") && text.contains("B=request\n"),
        "{text}"
    );
    let script = "pwd; cat /proc/self/oom_score_adj; ps -o sid= -p $$; echo $$";
    let message = json!({"process": {"cmd": "/bin/sh", "args": ["-c", script], "cwd": "/tmp"}});
    let text = agent.stream(START, &message, &[]).finish().stdout();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert_eq!(lines[..2], ["/tmp", "100"]);
    assert_eq!(lines[2], lines[3], "it leads its session");
}

#[test]
fn binary_messages_work_as_json_does() {
    let agent = Agent::start();
    // {process: {cmd: "sh", args: ["-c", "echo hi; exit 3"]}} (protobuf.dev, "Encoding")
    let mut config = b"\x0a\x02sh\x12\x02-c\x12\x0f".to_vec();
    config.extend(b"echo hi; exit 3");
    let mut request = vec![0x0a, u8::try_from(config.len()).expect("short")];
    request.extend(&config);
    let kind = [("Content-Type", "application/connect+proto")];
    let mut reply = agent.send("POST", "/process.Process/Start", &kind, &frame(0, &request));
    assert_eq!(
        reply.header("content-type"),
        Some("application/connect+proto")
    );
    let body = reply.body();
    // {event: {data: {stdout: "hi\n"}}}
    let output = frame(0, b"\x0a\x07\x12\x05\x0a\x03hi\n");
    assert!(body.windows(output.len()).any(|w| w == output), "{body:?}");
    // {event: {end: {exit_code: 3 (zigzag 6), exited: true, status, error}}}
    let end = b"\x08\x06\x10\x01\x1a\x0dexit status 3\x22\x0dexit status 3";
    assert!(body.windows(end.len()).any(|w| w == end), "{body:?}");
    assert!(body.ends_with(&frame(2, b"{}")));

    let kind = [("Content-Type", "application/proto")];
    let mut reply = agent.send("POST", "/process.Process/List", &kind, b"");
    assert_eq!((reply.status, reply.body()), (200, vec![]));
    let selector = b"\x0a\x02\x08\x01";
    let mut reply = agent.send("POST", "/process.Process/CloseStdin", &kind, selector);
    assert_eq!(
        (reply.status, reply.json()["code"].clone()),
        (404, json!("not_found"))
    );
}

#[test]
fn other_content_types_are_refused() {
    let agent = Agent::start();
    for (method, kind) in [
        ("List", "application/connect+json"),
        ("List", "text/plain"),
        ("Start", "application/json"),
        ("Connect", "application/grpc"),
    ] {
        let target = format!("/process.Process/{method}");
        let reply = agent.send("POST", &target, &[("Content-Type", kind)], b"{}");
        assert_eq!(reply.status, 415, "{method} {kind}");
    }
    let kind = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(
        agent
            .send("POST", "/process.Process/List", &kind, b"{}")
            .status,
        200
    );
    assert_eq!(
        agent.fail("process.Process/Nothing", &json!({})),
        (501, "unimplemented".into())
    );
}

#[test]
fn an_idle_agent_does_not_run() {
    let agent = Agent::start();
    let mut frames = agent.shell("echo ready; sleep 1000", &[]);
    frames.until("ready");
    let switches = || -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid())).expect("tasks");
        tasks
            .map(|task| {
                let status = task.expect("task").path().join("status");
                let text = std::fs::read_to_string(status).expect("status");
                let lines = text.lines().filter(|l| l.contains("ctxt_switches"));
                let numbers = lines.filter_map(|l| l.rsplit('\t').next());
                numbers
                    .map(|n| n.parse::<u64>().expect("a number"))
                    .sum::<u64>()
            })
            .sum()
    };
    // Whatever the request has left to do is done soon.
    eventually("it comes to rest", || {
        let before = switches();
        std::thread::sleep(Duration::from_millis(300));
        before == switches()
    });
    let before = switches();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(switches(), before);
}
