//! The guest agent: PID 1 of a capsule, and the server of its data plane on port 49983.
//!
//! As PID 1 it comes from the initrd, brings the machine up and changes to the root disk; then it
//! serves. Started by hand with `--listen ADDRESS` it only serves, which is how it is tested. Started
//! with `kernels` it is the code interpreter's server, one more program in the capsule.

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
mod kernels;
mod messages;
mod metadata;
mod metrics;
mod negotiation;
mod network;
mod output;
mod process;
mod process_rpc;
mod processes;
mod random;
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

use std::process::ExitCode;

/// Port of the data plane, known to every client.
const PORT: u16 = 49_983;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        return boot::run();
    }
    let mut all = std::env::args_os().skip(1);
    if all.next().is_some_and(|first| first == "kernels") {
        return match kernels::Settings::parse(all) {
            Ok(settings) => ended(kernels::run(settings)),
            Err(error) => fail(&error),
        };
    }
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--listen"), Some(address)) => match address.parse() {
            Ok(address) => ended(server::run(address, server::Role::ByHand)),
            Err(error) => fail(&format!("{address} is no address: {error}")),
        },
        (Some("--version"), None) => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => fail("usage: wrenn-guest-agent --listen ADDRESS:PORT   (as PID 1: no arguments)"),
    }
}

fn ended(served: std::io::Result<()>) -> ExitCode {
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("wrenn-guest-agent: {message}");
    ExitCode::FAILURE
}
