//! The guest agent: PID 1 of a capsule, and the server of its data plane on port 49983.
//!
//! As PID 1 it comes from the initrd, brings the machine up and changes to the root disk; then it
//! serves. Started by hand with `--listen ADDRESS` it only serves, which is how it is tested.

mod auth;
mod boot;
mod bridge;
mod connect;
mod download;
mod drain;
mod entry;
mod files;
mod filesystem;
mod identity;
mod messages;
mod metadata;
mod metrics;
mod negotiation;
mod network;
mod output;
mod process;
mod process_rpc;
mod processes;
mod reaper;
mod rpc_error;
mod scrollback;
mod server;
mod spawn;
mod start;
mod stream;
mod upload;
mod users;
mod watch;
mod watch_rpc;
mod watchers;

use std::net::SocketAddr;
use std::process::ExitCode;

/// Port of the data plane, known to every client.
const PORT: u16 = 49_983;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        return boot::run();
    }
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--listen"), Some(address)) => match address.parse() {
            Ok(address) => serve_by_hand(address),
            Err(error) => fail(&format!("{address} is no address: {error}")),
        },
        (Some("--version"), None) => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => fail("usage: wrenn-guest-agent --listen ADDRESS:PORT   (as PID 1: no arguments)"),
    }
}

fn serve_by_hand(address: SocketAddr) -> ExitCode {
    match server::run(address, server::Role::ByHand) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("wrenn-guest-agent: {message}");
    ExitCode::FAILURE
}
