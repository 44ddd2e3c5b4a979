//! What PID 1 does before it serves: file systems, modules, network, root disk.

use crate::{network, server};
use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const NEW_ROOT: &str = "/newroot";
const DEVICE_LIMIT: Duration = Duration::from_secs(10);
const REST_LIMIT: Duration = Duration::from_secs(10);
const OPEN_FILES: libc::rlim_t = 1 << 16;
const OPEN_FILES_AT_MOST: libc::rlim_t = 1 << 20;
const HOSTNAME: &str = "capsule";

/// A step of the boot that failed.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A file could not be read, written or made.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// The kernel command line lacks something.
    #[error("the kernel command line has no {0}")]
    Missing(&'static str),
    /// The network could not be brought up.
    #[error("network: {0}")]
    Network(#[from] network::NetworkError),
}

/// Brings the machine up and serves for ever; returns only if that is impossible.
pub fn run() -> ExitCode {
    if let Err(error) = bring_up() {
        say(&format!("cannot boot: {error}"));
        power_off();
    }
    let address = SocketAddr::from(([0, 0, 0, 0], crate::PORT));
    if let Err(error) = server::run(address, server::Role::Init) {
        say(&format!("cannot serve: {error}"));
    }
    power_off()
}

fn bring_up() -> Result<(), BootError> {
    for folder in ["/proc", "/sys", "/dev", NEW_ROOT] {
        make_folder(folder)?;
    }
    mount("proc", "/proc", "proc", 0, "")?;
    mount("sysfs", "/sys", "sysfs", 0, "")?;
    mount("devtmpfs", "/dev", "devtmpfs", 0, "")?;
    load_modules()?;
    let command_line = read("/proc/cmdline")?;
    let root = parameter(&command_line, "wrenn.root").ok_or(BootError::Missing("wrenn.root"))?;
    wait_for(&root)?;
    mount(&root, NEW_ROOT, "ext4", libc::MS_NOATIME, "")?;
    change_root()?;
    mount_the_rest()?;
    write_identity()?;
    network::bring_up(&network::Settings {
        address: parameter(&command_line, "wrenn.ip").ok_or(BootError::Missing("wrenn.ip"))?,
        gateway: parameter(&command_line, "wrenn.gw").ok_or(BootError::Missing("wrenn.gw"))?,
    })?;
    write_resolvers(&parameter(&command_line, "wrenn.dns").unwrap_or_default())?;
    allow_files()?;
    // The agent must be the last to go when memory runs out.
    write_file("/proc/self/oom_score_adj", "-1000")
}

/// Lets programs open more files than the kernel's 1024 by default, and raise that themselves: users
/// could not go beyond 4096 (getrlimit(2)).
fn allow_files() -> Result<(), BootError> {
    let limit = libc::rlimit {
        rlim_cur: OPEN_FILES,
        rlim_max: OPEN_FILES_AT_MOST,
    };
    // SAFETY: the struct is initialised.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io("setrlimit", std::io::Error::last_os_error()));
    }
    Ok(())
}

/// Loads what the initrd lists, in that order (finit_module(2)).
fn load_modules() -> Result<(), BootError> {
    let folder = Path::new("/lib/modules");
    let order = read("/lib/modules/order")?;
    for name in order.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let path = folder.join(name);
        let file = fs::File::open(&path).map_err(|e| io(&path.display().to_string(), e))?;
        // SAFETY: the descriptor is open and the parameter string is a valid, empty C string.
        let result =
            unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
        if result != 0 {
            let error = std::io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::EEXIST) {
                return Err(io(&format!("module {name}"), error));
            }
        }
    }
    Ok(())
}

/// Makes the mounted disk the root of everything and frees the initrd's memory.
fn change_root() -> Result<(), BootError> {
    for folder in ["/proc", "/sys", "/dev"] {
        let target = format!("{NEW_ROOT}{folder}");
        make_folder(&target)?;
        mount(folder, &target, "", libc::MS_MOVE, "")?;
    }
    // The running program stays mapped; its file is not needed any more.
    for leftover in ["/lib/modules", "/init"] {
        let path = Path::new(leftover);
        let removed = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        removed.map_err(|e| io(leftover, e))?;
    }
    std::env::set_current_dir(NEW_ROOT).map_err(|e| io(NEW_ROOT, e))?;
    mount(".", "/", "", libc::MS_MOVE, "")?;
    // SAFETY: the path is a valid C string.
    if unsafe { libc::chroot(c".".as_ptr()) } != 0 {
        return Err(io("chroot", std::io::Error::last_os_error()));
    }
    std::env::set_current_dir("/").map_err(|e| io("/", e))
}

fn mount_the_rest() -> Result<(), BootError> {
    let safe = libc::MS_NOSUID | libc::MS_NODEV;
    for (what, place, kind, flags, options) in [
        ("tmpfs", "/run", "tmpfs", safe, "mode=755"),
        ("tmpfs", "/dev/shm", "tmpfs", safe, "mode=1777"),
        (
            "devpts",
            "/dev/pts",
            "devpts",
            libc::MS_NOSUID,
            "mode=620,gid=5,ptmxmode=666",
        ),
        (
            "cgroup2",
            "/sys/fs/cgroup",
            "cgroup2",
            safe | libc::MS_NOEXEC,
            "",
        ),
    ] {
        make_folder(place)?;
        mount(what, place, kind, flags, options)?;
    }
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        if !Path::new(link).exists() {
            std::os::unix::fs::symlink(target, link).map_err(|e| io(link, e))?;
        }
    }
    make_folder("/run/wrenn")
}

fn write_identity() -> Result<(), BootError> {
    // SAFETY: pointer and length describe the same bytes.
    if unsafe { libc::sethostname(HOSTNAME.as_ptr().cast(), HOSTNAME.len()) } != 0 {
        return Err(io("sethostname", std::io::Error::last_os_error()));
    }
    write_file("/etc/hostname", &format!("{HOSTNAME}\n"))?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    if !hosts.contains(HOSTNAME) {
        let lines = format!("127.0.0.1 localhost {HOSTNAME}\n::1 localhost ip6-localhost\n");
        write_file("/etc/hosts", &(lines + &hosts))?;
    }
    Ok(())
}

fn write_resolvers(servers: &str) -> Result<(), BootError> {
    let lines: String = servers
        .split(',')
        .filter(|s| !s.is_empty())
        .map(|s| format!("nameserver {s}\n"))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    // Images often ship a dangling link here.
    match fs::remove_file("/etc/resolv.conf") {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io("/etc/resolv.conf", error)),
    }
    write_file("/etc/resolv.conf", &lines)
}

/// Waits for a device that the kernel has found but perhaps not named yet.
fn wait_for(device: &str) -> Result<(), BootError> {
    let start = Instant::now();
    while !Path::new(device).exists() {
        if start.elapsed() > DEVICE_LIMIT {
            return Err(io(device, std::io::ErrorKind::NotFound.into()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn parameter(command_line: &str, name: &str) -> Option<String> {
    command_line
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
}

fn mount(what: &str, place: &str, kind: &str, flags: u64, options: &str) -> Result<(), BootError> {
    let text = |s: &str| CString::new(s).map_err(|e| io(place, e.into()));
    let (source, target, kind, options) = (text(what)?, text(place)?, text(kind)?, text(options)?);
    // SAFETY: all four are valid C strings (mount(2)).
    let result = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            options.as_ptr().cast(),
        )
    };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        return Err(io(&format!("mount of {what} on {place}"), error));
    }
    Ok(())
}

/// Ends the machine in order: what runs is killed, the disk is written back and put at rest.
pub fn power_off() -> ! {
    // SAFETY: kill with pid -1 reaches every process but this one; sync takes nothing.
    unsafe {
        libc::kill(-1, libc::SIGKILL);
        libc::sync();
    }
    // What was killed may hold files open a moment longer.
    let start = Instant::now();
    while let Err(error) = mount("", "/", "", libc::MS_REMOUNT | libc::MS_RDONLY, "") {
        if start.elapsed() > REST_LIMIT {
            say(&format!("the root disk stays writable: {error}"));
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: reboot(2) with a valid command; it does not return when it succeeds.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
    // PID 1 must not return: the kernel would panic, which ends the machine as well.
    std::process::abort()
}

/// A line on the console, the only place anybody could read it.
pub fn say(message: &str) {
    if let Ok(mut console) = fs::OpenOptions::new().write(true).open("/dev/console") {
        // If the console cannot be written there is nobody left to tell.
        let _ = writeln!(console, "wrenn-guest-agent: {message}");
    }
}

fn make_folder(path: &str) -> Result<(), BootError> {
    fs::create_dir_all(path).map_err(|e| io(path, e))
}

fn read(path: &str) -> Result<String, BootError> {
    fs::read_to_string(path).map_err(|e| io(path, e))
}

fn write_file(path: &str, text: &str) -> Result<(), BootError> {
    fs::write(path, text).map_err(|e| io(path, e))
}

fn io(what: &str, error: std::io::Error) -> BootError {
    BootError::Io(what.to_owned(), error)
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        let line = "quiet wrenn.ip=1.2.3.4/30 xwrenn.gw=9 wrenn.gw=5.6.7.8";
        assert_eq!(parameter(line, "wrenn.ip").as_deref(), Some("1.2.3.4/30"));
        assert_eq!(parameter(line, "wrenn.gw").as_deref(), Some("5.6.7.8"));
        assert_eq!(parameter(line, "wrenn.dns"), None);
    }
}
