//! Starts one process: user, session, terminal or pipes, clean environment.

use crate::users::{is_superuser, User};
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Search path of every process unless its environment names another.
pub const PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games";

/// What to start.
pub struct Plan {
    /// Program as the caller named it.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    pub directory: PathBuf,
    /// Who runs it.
    pub user: User,
    /// Terminal size, or none for pipes.
    pub terminal: Option<(u16, u16)>,
    /// Whether standard input is a pipe rather than empty.
    pub stdin: bool,
}

/// Our ends of a process's standard streams.
pub struct Streams {
    /// Its terminal.
    pub terminal: Option<File>,
    /// Its standard input.
    pub stdin: Option<OwnedFd>,
    /// Its standard output.
    pub stdout: Option<OwnedFd>,
    /// Its standard error.
    pub stderr: Option<OwnedFd>,
}

/// Why a program does not start, as a shell would put it.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such program.
    #[error("{0}: command not found")]
    NotFound(String),
    /// It is there but cannot be executed.
    #[error("{0}: cannot execute: {1}")]
    NotExecutable(String, io::Error),
    /// The machine refused.
    #[error("cannot start {0}: {1}")]
    Failed(String, io::Error),
}

impl SpawnError {
    /// Exit code a shell would give.
    pub fn shell_exit_code(&self) -> i32 {
        match self {
            SpawnError::NotFound(_) => 127,
            SpawnError::NotExecutable(..) | SpawnError::Failed(..) => 126,
        }
    }
}

/// Starts it and returns its process id and our ends of its streams.
pub fn spawn(plan: &Plan) -> Result<(i32, Streams), SpawnError> {
    let failed = |error| SpawnError::Failed(plan.command.clone(), error);
    let program = find(plan)?;
    let mut command = Command::new(&program);
    command
        .arg0(&plan.command)
        .args(&plan.arguments)
        .env_clear()
        .envs(&plan.environment)
        .current_dir(&plan.directory);

    let mut streams = Streams {
        terminal: None,
        stdin: None,
        stdout: None,
        stderr: None,
    };
    let slave = if let Some(size) = plan.terminal {
        let (master, slave) = open_terminal(size, plan.user.uid).map_err(failed)?;
        for stream in [Command::stdin, Command::stdout, Command::stderr] {
            stream(
                &mut command,
                Stdio::from(slave.try_clone().map_err(failed)?),
            );
        }
        streams.terminal = Some(master);
        Some(slave)
    } else {
        command
            .stdin(if plan.stdin {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        None
    };
    let user = plan.user.clone();
    let has_terminal = slave.is_some();
    let is_root = is_superuser();
    // SAFETY: between fork and exec the closure makes plain system calls only and touches memory
    // that was allocated before.
    unsafe {
        command.pre_exec(move || become_user(&user, has_terminal, is_root));
    }
    let mut child = command
        .spawn()
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => SpawnError::NotFound(plan.command.clone()),
            Some(libc::EACCES | libc::ENOEXEC) => {
                SpawnError::NotExecutable(plan.command.clone(), error)
            }
            _ => failed(error),
        })?;
    drop(slave);
    streams.stdin = child.stdin.take().map(OwnedFd::from);
    streams.stdout = child.stdout.take().map(OwnedFd::from);
    streams.stderr = child.stderr.take().map(OwnedFd::from);
    // The reaper waits for it, by its id.
    Ok((child.id().cast_signed(), streams))
}

/// Runs in the child: own session, own terminal, the user's rights, killed before the agent is.
fn become_user(user: &User, has_terminal: bool, is_root: bool) -> io::Result<()> {
    let check = |result: libc::c_int| {
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    };
    // SAFETY: system calls with valid arguments.
    unsafe {
        check(libc::setsid())?;
        if has_terminal {
            check(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
        }
        let fd = libc::open(
            c"/proc/self/oom_score_adj".as_ptr(),
            libc::O_WRONLY | libc::O_CLOEXEC,
        );
        if fd >= 0 {
            // A process that cannot be made the first victim still may run.
            libc::write(fd, c"100".as_ptr().cast(), 3);
            libc::close(fd);
        }
    }
    if is_root {
        user.replace_root()?;
    }
    Ok(())
}

/// Looks the program up as execvp(3) would, in the PATH of the new environment.
fn find(plan: &Plan) -> Result<PathBuf, SpawnError> {
    let name = &plan.command;
    if name.contains('/') {
        return Ok(plan.directory.join(name));
    }
    let path = plan.environment.get("PATH").map_or(PATH, String::as_str);
    let mut denied = None;
    for folder in path.split(':').filter(|f| !f.is_empty()) {
        let candidate = plan.directory.join(folder).join(name);
        match candidate.metadata() {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
                return Ok(candidate)
            }
            Ok(found) if found.is_file() => {
                denied = Some(io::Error::from_raw_os_error(libc::EACCES));
            }
            _ => {}
        }
    }
    Err(match denied {
        Some(error) => SpawnError::NotExecutable(name.clone(), error),
        None => SpawnError::NotFound(name.clone()),
    })
}

/// Opens a pseudo terminal of that size for a user (openpty(3), pts(4)).
fn open_terminal(size: (u16, u16), uid: u32) -> io::Result<(File, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let size = window(size);
    // SAFETY: both places are valid; name and attributes may be null.
    let result = unsafe {
        libc::openpty(
            &raw mut master,
            &raw mut slave,
            std::ptr::null_mut(),
            std::ptr::null(),
            &raw const size,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: openpty has just given us both descriptors.
    let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
    for fd in [master.as_raw_fd(), slave.as_raw_fd()] {
        // SAFETY: the descriptors are open.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    if is_superuser() {
        // SAFETY: the descriptor is open; -1 leaves the group.
        if unsafe { libc::fchown(slave.as_raw_fd(), uid, u32::MAX) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok((master, slave))
}

/// Changes the size of a terminal; its foreground group is told by the kernel.
pub fn resize(terminal: &impl AsRawFd, size: (u16, u16)) -> io::Result<()> {
    let size = window(size);
    // SAFETY: the struct is what TIOCSWINSZ takes (tty_ioctl(4)).
    if unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn window((columns, rows): (u16, u16)) -> libc::winsize {
    libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Signals a process and everything in its group.
pub fn signal_group(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes any numbers; the group leader is a child that was not reaped yet.
    if unsafe { libc::kill(-pid, signal) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Puts a path under a user's home: `~`, `~/x` and relative paths.
pub fn resolve(path: &str, home: &Path, base: &Path) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home.to_path_buf(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ if path.is_empty() => base.to_path_buf(),
        _ if path.starts_with('/') => PathBuf::from(path),
        _ => home.join(path),
    }
}

/// A path as the C library wants it.
pub fn c_path(path: &Path) -> io::Result<CString> {
    let bytes: &OsStr = path.as_os_str();
    CString::new(bytes.as_bytes()).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use std::path::Path;

    #[test]
    fn paths_are_taken_from_the_users_home() {
        let (home, base) = (Path::new("/home/ann"), Path::new("/work"));
        for (given, expected) in [
            ("/etc/x", "/etc/x"),
            ("~", "/home/ann"),
            ("~/a b", "/home/ann/a b"),
            ("notes", "/home/ann/notes"),
            ("", "/work"),
        ] {
            assert_eq!(resolve(given, home, base), Path::new(expected), "{given}");
        }
    }
}
