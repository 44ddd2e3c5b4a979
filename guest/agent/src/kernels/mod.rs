//! Kernels over HTTP: what a notebook, or the SDK's code interpreter, talks to on port 8888.
//!
//! It speaks the part of Jupyter's protocol that clients use to run code: kernels, kernel
//! specifications and sessions over REST, messages of version 5.3 as JSON over a WebSocket. Jupyter's
//! own server and kernel spend most of a short cell on moving messages, ten times what all of it takes
//! here; see the second cell in SPECIFICATION.md.
//!
//! Started as `wrenn-guest-agent kernels --listen ADDRESS:PORT --user NAME -- PROGRAM [ARGUMENT...]`.
//! The program is a kernel: see `wrenn_kernel.py` for what is said on its descriptor 3. Whoever has
//! the rights to becomes that user first.

mod actor;
mod api;
mod channels;
mod clients;
mod output;
mod process;
mod registry;
mod voice;
mod wire;

use crate::users::{self, User};
use axum::serve::ListenerExt;
use registry::Registry;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// How to start a kernel.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name or path.
    pub name: OsString,
    /// What it is given.
    pub arguments: Vec<OsString>,
}

/// What the command line asks for.
#[derive(Debug)]
pub struct Settings {
    listen: SocketAddr,
    user: User,
    program: Program,
}

impl Settings {
    /// Reads what follows `kernels`.
    pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        const USAGE: &str =
            "usage: kernels --listen ADDRESS:PORT --user NAME -- PROGRAM [ARGUMENT...]";
        let mut next = |expected: &str| match arguments.next() {
            Some(word) if expected.is_empty() || word == expected => Ok(word),
            _ => Err(USAGE.to_owned()),
        };
        next("--listen")?;
        let address = next("")?;
        let listen = address.to_str().and_then(|text| text.parse().ok());
        let listen = listen.ok_or_else(|| format!("{} is no address", address.display()))?;
        next("--user")?;
        let name = next("")?;
        let user = name.to_str().and_then(users::find);
        let user = user.ok_or_else(|| format!("user {} does not exist", name.display()))?;
        next("--")?;
        let name = next("")?;
        let arguments = arguments.collect();
        let program = Program { name, arguments };
        Ok(Self {
            listen,
            user,
            program,
        })
    }
}

/// Serves until the program is ended.
pub fn run(settings: Settings) -> std::io::Result<()> {
    if users::is_superuser() {
        settings.user.replace_root()?;
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(settings))
}

async fn serve(settings: Settings) -> std::io::Result<()> {
    let listener = TcpListener::bind(settings.listen).await?;
    println!("{}", listener.local_addr()?);
    let registry = Arc::new(Registry::new(settings.program));
    axum::serve(
        listener.tap_io(crate::server::at_once),
        api::routes(registry),
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn parse(line: &str) -> Result<Settings, String> {
        Settings::parse(line.split(' ').map(Into::into))
    }

    #[test]
    fn the_command_line_names_an_address_and_a_program() {
        let settings = parse("--listen 127.0.0.1:0 --user root -- python -c x").expect("valid");
        assert_eq!(settings.user.name, "root");
        assert_eq!(settings.program.name, "python");
        assert_eq!(settings.program.arguments, ["-c", "x"]);
        for wrong in [
            "",
            "--listen",
            "--listen x --user root -- y",
            "--listen 1.2.3.4:5 -- y",
            "--listen 1.2.3.4:5 --user nobody-of-that-name -- y",
            "--listen 1.2.3.4:5 --user root --",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
