//! The server of kernels with a kernel of the tests' own, and a client.

use crate::support::{Reply, PATIENCE};
use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// Ended with its kernels.
pub struct Kernels {
    child: Child,
    address: String,
}

impl Kernels {
    pub fn start() -> Self {
        Self::with(&["python3", "-uc", include_str!("kernel.py")])
    }

    /// With another program as its kernels.
    pub fn with(program: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wrenn-guest-agent"))
            .args(["kernels", "--listen", "127.0.0.1:0", "--user", "root", "--"])
            .args(program)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut address)
            .expect("the server tells its address");
        let address = address.trim().to_owned();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream
    }

    pub fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("request");
        let mut reply = Reply::read(stream);
        let status = reply.status;
        let value = if status == 204 {
            Value::Null
        } else {
            reply.json()
        };
        (status, value)
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, value) = self.send("GET", path, "");
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    /// A new kernel's id.
    pub fn kernel(&self) -> String {
        let (status, kernel) = self.send("POST", "/api/kernels", "");
        assert_eq!(status, 201, "{kernel}");
        kernel["id"].as_str().expect("id").to_owned()
    }

    pub fn state(&self, kernel: &str) -> String {
        let kernel = self.get(&format!("/api/kernels/{kernel}"));
        kernel["execution_state"]
            .as_str()
            .expect("state")
            .to_owned()
    }

    /// A connection to a kernel.
    pub fn open(&self, kernel: &str) -> Client {
        let url = format!("ws://{}/api/kernels/{kernel}/channels", self.address);
        let (socket, _) = tungstenite::client(url, self.connect()).expect("a WebSocket");
        Client { socket, count: 0 }
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for kernel in self.get("/api/kernels").as_array().into_iter().flatten() {
                let id = kernel["id"].as_str().expect("id");
                self.send("DELETE", &format!("/api/kernels/{id}"), "");
            }
        }
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }
}

/// Waits for a state.
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One connection.
pub struct Client {
    pub socket: WebSocket<TcpStream>,
    count: u32,
}

/// What one request has led to.
pub struct Outcome(pub Vec<Value>);

impl Client {
    /// Asks for something; gives its id.
    pub fn ask(&mut self, channel: &str, kind: &str, session: &str, content: &Value) -> String {
        self.count += 1;
        let id = format!("{session}-{}", self.count);
        let message = json!({
            "channel": channel,
            "header": {"msg_id": id, "msg_type": kind, "session": session, "version": "5.3"},
            "parent_header": {}, "metadata": {}, "content": content, "buffers": [],
        });
        let text = Message::text(message.to_string());
        self.socket.send(text).expect("sent");
        id
    }

    pub fn start(&mut self, code: &str) -> String {
        let content = json!({"code": code, "stop_on_error": true});
        self.ask("shell", "execute_request", "one", &content)
    }

    pub fn run(&mut self, code: &str) -> Outcome {
        let id = self.start(code);
        self.outcome(&id)
    }

    /// The next message.
    pub fn next(&mut self) -> Value {
        match self.socket.read().expect("a message") {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no text: {other:?}"),
        }
    }

    /// All that belongs to a request, until the kernel is idle again.
    pub fn outcome(&mut self, id: &str) -> Outcome {
        let mut all = Vec::new();
        loop {
            let message = self.next();
            if message["parent_header"]["msg_id"] != id {
                continue;
            }
            let is_last = message["content"]["execution_state"] == "idle";
            all.push(message);
            if is_last {
                return Outcome(all);
            }
        }
    }

    /// Code and reason with which the server closes.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(Some(frame)) = self.socket.read().expect("a message") {
                return (frame.code.into(), frame.reason.as_str().to_owned());
            }
        }
    }
}

impl Outcome {
    pub fn kinds(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter_map(|m| m["msg_type"].as_str())
            .collect()
    }

    /// Content of the only message of that type.
    pub fn only(&self, kind: &str) -> &Value {
        let all: Vec<_> = self.0.iter().filter(|m| m["msg_type"] == kind).collect();
        assert_eq!(all.len(), 1, "{kind} in {:?}", self.kinds());
        &all[0]["content"]
    }

    /// What was printed, stream by stream.
    pub fn printed(&self) -> Vec<(&str, &str)> {
        let streams = self.0.iter().filter(|m| m["msg_type"] == "stream");
        streams
            .filter_map(|m| {
                Some((
                    m["content"]["name"].as_str()?,
                    m["content"]["text"].as_str()?,
                ))
            })
            .collect()
    }
}
