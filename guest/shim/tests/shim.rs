//! What the shim makes of QEMU's mapping, seen by a page server. The program under the shim is this
//! very test program, started again to run one of the ignored functions below.

#![allow(clippy::expect_used)] // a test ends where it fails

use std::ffi::c_void;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PAGES: usize = 16;
const PAGE: usize = 4096;

/// Where cargo puts the library when it builds this test.
fn library() -> PathBuf {
    let program = std::env::current_exe().expect("own path");
    let folder = program.parent().expect("deps").to_path_buf();
    [
        folder.clone(),
        folder.parent().expect("profile").to_path_buf(),
    ]
    .map(|f| f.join("libwrenn_uffd_shim.so"))
    .into_iter()
    .find(|path| path.exists())
    .expect("the shim is built beside its test")
}

fn machine(role: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command
        .args([
            "--exact",
            role,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("LD_PRELOAD", library())
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Does what QEMU does: a reservation, and the backend mapped over it.
fn map_as_qemu_does(name: &std::ffi::CStr) -> *mut u8 {
    let length = PAGES * PAGE;
    // SAFETY: plain system calls; the second mapping replaces the first, which nobody uses.
    unsafe {
        let fd = libc::memfd_create(name.as_ptr(), 0);
        assert!(fd >= 0);
        assert_eq!(libc::ftruncate(fd, length as i64), 0);
        assert_eq!(libc::pwrite(fd, c"B".as_ptr().cast(), 1, 0), 1);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let place = libc::mmap(std::ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(place, libc::MAP_FAILED);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        let mapped = libc::mmap(place, length, access, flags, fd, 0);
        assert_eq!(mapped, place);
        mapped.cast()
    }
}

fn byte(memory: *mut u8, page: usize) -> u8 {
    assert!(page < PAGES);
    // SAFETY: the page lies in the mapping, which is never unmapped.
    unsafe { memory.add(page * PAGE).read_volatile() }
}

#[test]
#[ignore = "runs under the shim"]
fn machine_with_its_backend() {
    let memory = map_as_qemu_does(c"memory-backend-memfd");
    println!(
        "page 0 has {}, page 3 has {}",
        byte(memory, 0),
        byte(memory, 3)
    );
    assert!(std::env::var_os("WRENN_UFFD_SOCKET").is_none());
}

#[test]
#[ignore = "runs under the shim"]
fn machine_with_another_file() {
    let memory = map_as_qemu_does(c"something-else");
    println!(
        "page 0 has {}, page 3 has {}",
        byte(memory, 0),
        byte(memory, 3)
    );
}

struct Server {
    folder: tempfile::TempDir,
    listener: UnixListener,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let listener = UnixListener::bind(folder.path().join("s")).expect("socket");
        Self { folder, listener }
    }

    fn socket(&self) -> String {
        let path = self.folder.path().join("s");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Address and size of the memory, and what came with them.
    fn accept(&self) -> (UnixStream, u64, u64, Option<OwnedFd>) {
        // A machine that dies early never connects.
        self.listener.set_nonblocking(true).expect("socket");
        let limit = Instant::now() + Duration::from_secs(30);
        let stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert!(Instant::now() < limit, "no machine connects: {error}"),
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        stream.set_nonblocking(false).expect("socket");
        let mut text = [0; 512];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
        let received = rustix::net::recvmsg(
            &stream,
            &mut [IoSliceMut::new(&mut text)],
            &mut control,
            rustix::net::RecvFlags::empty(),
        )
        .expect("a message");
        let fd = control.drain().find_map(|message| match message {
            rustix::net::RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        let regions: serde_json::Value =
            serde_json::from_slice(&text[..received.bytes]).expect("JSON");
        let region = &regions[0];
        assert_eq!(regions.as_array().map(Vec::len), Some(1));
        assert_eq!(
            (region["offset"].as_u64(), region["page_size"].as_u64()),
            (Some(0), Some(4096))
        );
        assert_eq!(region["page_size_kib"].as_u64(), Some(4096));
        let number = |name: &str| region[name].as_u64().expect("a number");
        (stream, number("base_host_virt_addr"), number("size"), fd)
    }
}

fn text(output: &Output) -> (String, String) {
    let of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (of(&output.stdout), of(&output.stderr))
}

#[test]
fn announced_memory_is_anonymous_and_empty() {
    let server = Server::start();
    let socket = server.socket();
    let variables = [
        ("WRENN_UFFD_SOCKET", socket.as_str()),
        ("WRENN_UFFD_MODE", "announce"),
    ];
    let child = machine("machine_with_its_backend", &variables)
        .spawn()
        .expect("starts");
    let (mut stream, start, size, fd) = server.accept();
    assert!(start > 0 && fd.is_none());
    assert_eq!(size, (PAGES * PAGE) as u64);
    // The connection ends with the machine, not before.
    assert_eq!(stream.read(&mut [0; 1]).expect("the end"), 0);
    let output = child.wait_with_output().expect("ends");
    let (stdout, stderr) = text(&output);
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("page 0 has 0, page 3 has 0"), "{stdout}");
}

#[repr(C)]
struct UffdioCopy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copy: i64,
}

/// Linux include/uapi/linux/userfaultfd.h
const UFFDIO_COPY: libc::c_ulong = 0xc028_aa03;
const UFFD_EVENT_PAGEFAULT: u8 = 0x12;

#[test]
#[ignore = "userfaultfd(2) needs root on most machines"]
fn lazy_memory_holds_what_the_page_server_gives() {
    let server = Server::start();
    let socket = server.socket();
    let variables = [
        ("WRENN_UFFD_SOCKET", socket.as_str()),
        ("WRENN_UFFD_MODE", "lazy"),
    ];
    let child = machine("machine_with_its_backend", &variables)
        .spawn()
        .expect("starts");
    let (_stream, start, size, fd) = server.accept();
    let fd = fd.expect("a userfaultfd");
    for _ in 0..2 {
        let mut message = [0u8; 32];
        let mut ready = libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one initialised pollfd; buffer and length belong together.
        let read = unsafe {
            assert_eq!(libc::poll(&raw mut ready, 1, 30_000), 1);
            libc::read(
                fd.as_raw_fd(),
                message.as_mut_ptr().cast::<c_void>(),
                message.len(),
            )
        };
        assert_eq!((read, message[0]), (32, UFFD_EVENT_PAGEFAULT));
        let address = u64::from_ne_bytes(message[16..24].try_into().expect("eight bytes"));
        let page = (address - start) / PAGE as u64;
        assert!(address < start + size);
        let content = vec![100 + u8::try_from(page).expect("few pages"); PAGE];
        let mut copy = UffdioCopy {
            dst: start + page * PAGE as u64,
            src: content.as_ptr() as u64,
            len: PAGE as u64,
            mode: 0,
            copy: 0,
        };
        // SAFETY: the struct has the layout of struct uffdio_copy; the source outlives the call.
        let copied = unsafe { libc::ioctl(fd.as_raw_fd(), UFFDIO_COPY, &raw mut copy) };
        assert_eq!((copied, copy.copy), (0, PAGE as i64));
    }
    let output = child.wait_with_output().expect("ends");
    let (stdout, stderr) = text(&output);
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(
        stdout.contains("page 0 has 100, page 3 has 103"),
        "{stdout}"
    );
}

#[test]
fn other_mappings_stay_as_they_are() {
    let server = Server::start();
    let socket = server.socket();
    let variables = [
        ("WRENN_UFFD_SOCKET", socket.as_str()),
        ("WRENN_UFFD_MODE", "lazy"),
    ];
    let output = machine("machine_with_another_file", &variables)
        .output()
        .expect("runs");
    let (stdout, stderr) = text(&output);
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("page 0 has 66, page 3 has 0"), "{stdout}");
}

#[test]
fn another_backend_can_be_named() {
    let server = Server::start();
    let socket = server.socket();
    let variables = [
        ("WRENN_UFFD_SOCKET", socket.as_str()),
        ("WRENN_UFFD_MODE", "announce"),
        ("WRENN_RAM_MATCH", "something-else"),
    ];
    let child = machine("machine_with_another_file", &variables)
        .spawn()
        .expect("starts");
    server.accept();
    let (stdout, _) = text(&child.wait_with_output().expect("ends"));
    assert!(stdout.contains("page 0 has 0, page 3 has 0"), "{stdout}");
}

#[test]
fn a_machine_without_its_memory_never_runs() {
    let folder = tempfile::tempdir().expect("folder");
    let nobody = folder.path().join("nobody");
    let nobody = nobody.to_str().expect("UTF-8");
    for (variables, complaint) in [
        (
            vec![
                ("WRENN_UFFD_SOCKET", nobody),
                ("WRENN_UFFD_MODE", "announce"),
            ],
            "connect to the page server",
        ),
        (
            vec![("WRENN_UFFD_SOCKET", nobody)],
            "WRENN_UFFD_MODE is not set",
        ),
        (
            vec![("WRENN_UFFD_SOCKET", nobody), ("WRENN_UFFD_MODE", "eager")],
            "WRENN_UFFD_MODE must be lazy or announce",
        ),
    ] {
        let output = machine("machine_with_its_backend", &variables)
            .output()
            .expect("runs");
        let (stdout, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(97), "{stdout}{stderr}");
        assert!(stderr.contains(complaint), "{stderr}");
        assert!(!stdout.contains("page 0"), "{stdout}");
    }
}
