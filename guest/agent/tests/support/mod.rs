//! Starts the agent as an ordinary program and talks to it as clients do: HTTP/1.1 over TCP,
//! written out here, so that what is tested is the bytes on the wire.
#![allow(clippy::expect_used)] // a test ends where it fails
#![allow(dead_code)] // each test program uses its part

use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes this long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running agent; ended with everything it started.
pub struct Agent {
    child: Child,
    pub address: String,
    pub token: Option<String>,
}

impl Agent {
    pub fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wrenn-guest-agent"))
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut address)
            .expect("the agent tells its address");
        Self {
            child,
            address: address.trim().to_owned(),
            token: None,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the agent listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        stream
    }

    /// Sends a request and returns once the head of the answer is there.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n");
        head += &format!("Content-Length: {}\r\n", body.len());
        if let Some(token) = &self.token {
            head += &format!("X-Access-Token: {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut stream = self.connect();
        stream.write_all((head + "\r\n").as_bytes()).expect("head");
        stream.write_all(body).expect("body");
        Reply::read(stream)
    }

    pub fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"")
    }

    pub fn post(&self, target: &str, message: &Value) -> Reply {
        let kind = [("Content-Type", "application/json")];
        self.send("POST", target, &kind, message.to_string().as_bytes())
    }

    /// A unary call that succeeds.
    pub fn call(&self, method: &str, message: &Value) -> Value {
        let mut reply = self.post(&format!("/{method}"), message);
        let answer = reply.json();
        assert_eq!(reply.status, 200, "{method}: {answer}");
        answer
    }

    /// A unary call that fails: HTTP status and Connect code.
    pub fn fail(&self, method: &str, message: &Value) -> (u16, String) {
        let mut reply = self.post(&format!("/{method}"), message);
        let code = reply.json()["code"].as_str().expect("code").to_owned();
        (reply.status, code)
    }

    /// A server stream.
    pub fn stream(&self, method: &str, message: &Value, headers: &[(&str, &str)]) -> Frames {
        let mut all = vec![("Content-Type", "application/connect+json")];
        all.extend(headers);
        let body = frame(0, message.to_string().as_bytes());
        let reply = self.send("POST", &format!("/{method}"), &all, &body);
        assert_eq!(reply.status, 200, "{method}");
        assert_eq!(
            reply.header("content-type"),
            Some("application/connect+json")
        );
        Frames { reply, done: false }
    }

    /// Starts a shell command.
    pub fn shell(&self, script: &str, headers: &[(&str, &str)]) -> Frames {
        let message = json!({"process": {"cmd": "/bin/sh", "args": ["-c", script]}});
        self.stream("process.Process/Start", &message, headers)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let live = self.call("process.Process/List", &json!({}));
            for process in live["processes"].as_array().into_iter().flatten() {
                let pid = &process["pid"];
                let kill = json!({"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"});
                // It may have ended meanwhile.
                let _ = self.post("/process.Process/SendSignal", &kill);
            }
        }
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }
}

/// The answer to a request; reads its body.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    /// Bytes left of the body, or of the present chunk.
    left: u64,
    chunked: bool,
}

impl Reply {
    pub fn read(stream: TcpStream) -> Self {
        let mut stream = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            stream.read_line(&mut line).expect("a line of the head");
            line.trim_end().to_owned()
        };
        let first = line();
        let status = first.split(' ').nth(1).expect("status").parse();
        let mut headers = Vec::new();
        loop {
            let next = line();
            if next.is_empty() {
                break;
            }
            let (name, value) = next.split_once(':').expect("header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Self {
            status: status.expect("a number"),
            headers,
            stream,
            left: 0,
            chunked: false,
        };
        reply.chunked = reply.header("transfer-encoding") == Some("chunked");
        if let Some(length) = reply.header("content-length") {
            reply.left = length.parse().expect("length");
        }
        reply
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        self.read_to_end(&mut body).expect("body");
        body
    }

    pub fn text(&mut self) -> String {
        String::from_utf8(self.body()).expect("UTF-8")
    }

    pub fn json(&mut self) -> Value {
        serde_json::from_slice(&self.body()).expect("JSON")
    }

    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

impl Read for Reply {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && self.chunked {
            let mut size = String::new();
            self.stream.read_line(&mut size)?;
            if size.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.left = u64::from_str_radix(size.trim(), 16).expect("chunk size");
            if self.left == 0 {
                self.chunked = false;
                self.stream.read_line(&mut size)?;
            }
        }
        let length = (&mut self.stream).take(self.left).read(buffer)?;
        if length == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= length as u64;
        if self.left == 0 && self.chunked {
            let mut end = String::new();
            self.stream.read_line(&mut end)?;
        }
        Ok(length)
    }
}

pub fn frame(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![flags];
    frame.extend(u32::try_from(payload.len()).expect("short").to_be_bytes());
    frame.extend(payload);
    frame
}

/// The messages of a server stream.
pub struct Frames {
    pub reply: Reply,
    done: bool,
}

impl Frames {
    /// Flags and payload of the next frame, none after the last.
    pub fn raw(&mut self) -> Option<(u8, Vec<u8>)> {
        if self.done {
            assert_eq!(self.reply.body(), b"", "after the end frame");
            return None;
        }
        let mut header = [0; 5];
        self.reply.read_exact(&mut header).expect("a frame");
        let length = u32::from_be_bytes(header[1..].try_into().expect("four bytes"));
        let mut payload = vec![0; length as usize];
        self.reply.read_exact(&mut payload).expect("its payload");
        self.done = header[0] == 2;
        Some((header[0], payload))
    }

    /// The next message; none after the end, which must be without error.
    pub fn next(&mut self) -> Option<Value> {
        let (flags, payload) = self.raw()?;
        let message: Value = serde_json::from_slice(&payload).expect("JSON");
        if flags == 2 {
            assert_eq!(message, json!({}));
            return None;
        }
        assert_eq!(flags, 0);
        Some(message)
    }

    /// The error the stream ends with.
    pub fn error(&mut self) -> String {
        loop {
            let (flags, payload) = self.raw().expect("an end frame");
            if flags == 2 {
                let end: Value = serde_json::from_slice(&payload).expect("JSON");
                return end["error"]["code"].as_str().expect("an error").to_owned();
            }
        }
    }

    /// The start event's process id.
    pub fn pid(&mut self) -> u32 {
        let start = self.next().expect("start");
        let pid = start["event"]["start"]["pid"].as_u64();
        u32::try_from(pid.expect("a start event")).expect("a process id")
    }

    /// Reads on until that much of the output has been seen.
    pub fn until(&mut self, wanted: &str) -> String {
        let mut seen = String::new();
        let limit = Instant::now() + PATIENCE;
        while !seen.contains(wanted) {
            assert!(Instant::now() < limit, "only {seen:?} was written");
            let event = self.next().unwrap_or_else(|| panic!("only {seen:?} came"));
            seen += &String::from_utf8_lossy(&output(&event, None));
        }
        seen
    }

    /// Reads to the end: standard output or terminal, standard error, end event.
    pub fn finish(mut self) -> Finished {
        let mut finished = Finished::default();
        while let Some(event) = self.next() {
            finished.stdout.extend(output(&event, Some("stdout")));
            finished.stdout.extend(output(&event, Some("pty")));
            finished.stderr.extend(output(&event, Some("stderr")));
            if let Some(end) = event["event"].get("end") {
                finished.end = end.clone();
            }
        }
        finished
    }
}

fn output(event: &Value, channel: Option<&str>) -> Vec<u8> {
    let data = event["event"]["data"].as_object();
    data.into_iter()
        .flatten()
        .filter(|(name, _)| channel.is_none_or(|c| c == *name))
        .flat_map(|(_, bytes)| {
            let text = bytes.as_str().expect("base64");
            BASE64_STANDARD.decode(text).expect("base64")
        })
        .collect()
}

/// What a process did.
#[derive(Debug, Default)]
pub struct Finished {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub end: Value,
}

impl Finished {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// Waits for something that will come true.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process runs (a zombie does not).
pub fn runs(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or("Z").starts_with('Z'))
}

pub fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}
