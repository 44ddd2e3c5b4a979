//! Preloaded into QEMU: replaces the mapping of its RAM backend by private anonymous memory and
//! hands it to a page server with Firecracker's handshake.
//!
//! QEMU maps `memory-backend-memfd,share=on` with `MAP_FIXED|MAP_SHARED` over a reservation of its
//! own. Exactly that call is replaced, once; every other one passes through.
//!
//! * `WRENN_UFFD_SOCKET`: unix socket of the page server.
//! * `WRENN_UFFD_MODE`: `lazy` registers the memory with a userfaultfd and sends it along;
//!   `announce` only tells where the memory is.
//! * `WRENN_RAM_MATCH`: part of the name of the backend's descriptor, `memory-backend-memfd` if
//!   unset.
//!
//! The connection stays open for the life of the process. Any failure ends it with code 97, for a
//! guest without its memory must not run.

use std::ffi::{c_int, c_void, CStr, CString};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Part of the name the kernel gives the backend's descriptor: `/memfd:memory-backend-memfd
/// (deleted)`.
const BACKEND: &CStr = c"memory-backend-memfd";
const FAILED: c_int = 97;

// Linux include/uapi/linux/userfaultfd.h
const UFFD_API: u64 = 0xAA;
const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
const UFFD_FEATURE_PAGEFAULT_FLAG_WP: u64 = 1 << 0;
const UFFD_FEATURE_EVENT_REMOVE: u64 = 1 << 3;
const UFFD_FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
const UFFD_FEATURE_WP_ASYNC: u64 = 1 << 15;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;
const UFFDIO_REGISTER_MODE_WP: u64 = 2;

#[repr(C)]
struct UffdioApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct UffdioRegister {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

type Mmap = unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, c_int, i64) -> *mut c_void;

static REAL: AtomicUsize = AtomicUsize::new(0);
static REPLACED: AtomicBool = AtomicBool::new(false);

/// Says what failed, with the last system error, and ends the process: QEMU would take a failed mmap for lack of memory.
fn die(what: &str) -> ! {
    let error = std::io::Error::last_os_error();
    // Nothing can be done if even this fails; the exit code tells the rest.
    let _ = writeln!(std::io::stderr(), "wrenn-uffd-shim: {what}: {error}");
    // SAFETY: _exit takes any value and does not return.
    unsafe { libc::_exit(FAILED) }
}

fn real() -> Mmap {
    let mut address = REAL.load(Ordering::Relaxed);
    if address == 0 {
        // SAFETY: the name is a valid C string; RTLD_NEXT finds the C library's own function.
        address = unsafe { libc::dlsym(libc::RTLD_NEXT, c"mmap64".as_ptr()) } as usize;
        if address == 0 {
            die("the C library has no mmap64");
        }
        REAL.store(address, Ordering::Relaxed);
    }
    // SAFETY: mmap64 has exactly this signature on x86-64 (mmap(2)).
    unsafe { std::mem::transmute::<usize, Mmap>(address) }
}

fn variable(name: &CStr) -> Option<CString> {
    // SAFETY: getenv returns null or a C string that stays valid until the environment changes,
    // and it is copied before that.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_owned())
    }
}

/// Whether the descriptor is QEMU's RAM backend.
fn is_backend(fd: c_int) -> bool {
    let Ok(link) = CString::new(format!("/proc/self/fd/{fd}")) else {
        return false;
    };
    let backend = variable(c"WRENN_RAM_MATCH").unwrap_or_else(|| BACKEND.to_owned());
    let backend = backend.to_bytes();
    if backend.is_empty() {
        die("WRENN_RAM_MATCH is empty");
    }
    let mut target = [0u8; 256];
    // SAFETY: the buffer is valid for the given length; readlink does not terminate it.
    let length = unsafe { libc::readlink(link.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    usize::try_from(length).is_ok_and(|length| {
        target[..length]
            .windows(backend.len())
            .any(|window| window == backend)
    })
}

fn register(start: u64, len: u64) -> c_int {
    // SAFETY: userfaultfd(2) takes flags only.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) };
    let Ok(fd) = c_int::try_from(fd) else {
        die("userfaultfd")
    };
    if fd < 0 {
        die("userfaultfd");
    }
    let mut api = UffdioApi {
        api: UFFD_API,
        features: UFFD_FEATURE_EVENT_REMOVE
            | UFFD_FEATURE_PAGEFAULT_FLAG_WP
            | UFFD_FEATURE_WP_UNPOPULATED
            | UFFD_FEATURE_WP_ASYNC,
        ioctls: 0,
    };
    // SAFETY: the struct has the layout of struct uffdio_api.
    if unsafe { libc::ioctl(fd, UFFDIO_API, &mut api) } != 0 {
        die("UFFDIO_API (the kernel must be 6.7 or newer)");
    }
    let mut range = UffdioRegister {
        start,
        len,
        mode: UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
        ioctls: 0,
    };
    // SAFETY: the struct has the layout of struct uffdio_register; the range was mapped just now.
    if unsafe { libc::ioctl(fd, UFFDIO_REGISTER, &mut range) } != 0 {
        die("UFFDIO_REGISTER");
    }
    fd
}

fn connect(path: &CStr) -> c_int {
    // SAFETY: plain socket call.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        die("socket");
    }
    // SAFETY: all-zero bytes are a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.to_bytes_with_nul();
    if bytes.len() > address.sun_path.len() {
        die("WRENN_UFFD_SOCKET is too long for a socket path");
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    // SAFETY: the address is initialised and its size is given.
    let result = unsafe {
        libc::connect(
            socket,
            (&raw const address).cast(),
            std::mem::size_of::<libc::sockaddr_un>() as libc::socklen_t,
        )
    };
    if result != 0 {
        die("connect to the page server");
    }
    socket
}

/// Sends where the memory is, and the userfaultfd if there is one.
fn send(socket: c_int, start: u64, len: u64, uffd: Option<c_int>) {
    // `page_size_kib` holds bytes: so does Firecracker's, and its name cannot be changed.
    let mut text = format!(
        "[{{\"base_host_virt_addr\":{start},\"size\":{len},\"offset\":0,\"page_size\":4096,\"page_size_kib\":4096}}]"
    );
    let mut part = libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: text.len(),
    };
    let mut control = [0u64; 4]; // room for one descriptor, aligned as cmsghdr must be
                                 // SAFETY: all-zero bytes are a valid msghdr; every pointer set below outlives the call, and the
                                 // control buffer is larger than CMSG_SPACE of one descriptor.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        if let Some(fd) = uffd {
            let size = std::mem::size_of::<c_int>() as u32;
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(size) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
            std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<c_int>(), fd);
        }
        libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL)
    };
    if usize::try_from(sent) != Ok(text.len()) {
        die("sending the memory regions");
    }
}

/// Maps the RAM backend as anonymous memory instead.
fn replace(addr: *mut c_void, len: usize, prot: c_int, socket: &CStr) -> *mut c_void {
    let Some(mode) = variable(c"WRENN_UFFD_MODE") else {
        die("WRENN_UFFD_MODE is not set")
    };
    let lazy = match mode.to_bytes() {
        b"lazy" => true,
        b"announce" => false,
        _ => die("WRENN_UFFD_MODE must be lazy or announce"),
    };
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: QEMU asked for a mapping at this very place; only what backs it is another.
    let mapped = unsafe { real()(addr, len, prot, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        die("mapping guest memory");
    }
    // Huge pages would make one written byte look like 2 MiB of changes.
    // SAFETY: the range was mapped just now.
    if unsafe { libc::madvise(mapped, len, libc::MADV_NOHUGEPAGE) } != 0 {
        die("madvise");
    }
    let (start, size) = (mapped as u64, len as u64);
    let uffd = lazy.then(|| register(start, size));
    send(connect(socket), start, size, uffd);
    // SAFETY: called while QEMU sets up its machine, before it has threads that read them.
    unsafe {
        libc::unsetenv(c"WRENN_UFFD_SOCKET".as_ptr());
        libc::unsetenv(c"WRENN_UFFD_MODE".as_ptr());
        libc::unsetenv(c"LD_PRELOAD".as_ptr());
    }
    mapped
}

fn hook(
    addr: *mut c_void,
    len: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    let candidate = fd >= 0
        && flags & libc::MAP_FIXED != 0
        && flags & libc::MAP_SHARED != 0
        && !REPLACED.load(Ordering::Relaxed);
    if candidate && is_backend(fd) {
        if let Some(socket) = variable(c"WRENN_UFFD_SOCKET") {
            REPLACED.store(true, Ordering::Relaxed);
            return replace(addr, len, prot, &socket);
        }
    }
    // SAFETY: the caller's own call, unchanged.
    unsafe { real()(addr, len, prot, flags, fd, offset) }
}

/// mmap(2), as the dynamic linker finds it first.
///
/// # Safety
/// As mmap(2).
#[no_mangle]
pub unsafe extern "C" fn mmap(
    addr: *mut c_void,
    len: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    hook(addr, len, prot, flags, fd, offset)
}

/// mmap64(2), as the dynamic linker finds it first.
///
/// # Safety
/// As mmap(2).
#[no_mangle]
pub unsafe extern "C" fn mmap64(
    addr: *mut c_void,
    len: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    hook(addr, len, prot, flags, fd, offset)
}
