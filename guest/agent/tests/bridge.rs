//! Guarantees of `/bridge`.

#![allow(clippy::expect_used)] // a test ends where it fails

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use support::{Agent, Reply};

fn open(agent: &Agent, port: u16) -> (Reply, TcpStream) {
    let mut stream = agent.connect();
    let head = format!(
        "GET /bridge?port={port} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: wrenn-tcp\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("head");
    (Reply::read(stream.try_clone().expect("clone")), stream)
}

#[test]
fn bytes_pass_both_ways_and_each_side_ends_for_itself() {
    let agent = Agent::start();
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).expect("port");
        let port = listener.local_addr().expect("bound").port();
        let service = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("caller");
            let mut said = String::new();
            stream.read_to_string(&mut said).expect("to its end");
            stream
                .write_all(said.to_uppercase().as_bytes())
                .expect("answer");
        });
        let (reply, mut stream) = open(&agent, port);
        assert_eq!(reply.status, 101, "{address}");
        assert_eq!(reply.header("upgrade"), Some("wrenn-tcp"));
        stream.write_all(b"hello").expect("send");
        stream.shutdown(Shutdown::Write).expect("half closed");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        assert_eq!(answer, "HELLO");
        service.join().expect("service");
    }
}

#[test]
fn what_leads_nowhere_is_refused() {
    let agent = Agent::start();
    let free = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        listener.local_addr().expect("bound").port()
    };
    let (mut reply, _) = open(&agent, free);
    assert_eq!(reply.status, 502);
    assert_eq!(reply.json()["code"], 502);
    assert_eq!(open(&agent, 49_983).0.status, 403);
    assert_eq!(open(&agent, 0).0.status, 403);
    assert_eq!(agent.get("/bridge?port=80").status, 426);
    assert_eq!(agent.get("/bridge?port=65536").status, 400);
}
