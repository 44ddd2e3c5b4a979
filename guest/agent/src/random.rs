//! Names that nobody else has. The bits come straight from the kernel each time, which has new seeds
//! in each capsule: a state of our own would repeat in every one that is made from one snapshot.

use std::fmt::Write;
use std::io;

/// 128 random bits (getrandom(2)).
fn bits() -> io::Result<[u8; 16]> {
    let mut bytes = [0u8; 16];
    // SAFETY: pointer and length describe the array.
    let read = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(read) != Ok(bytes.len()) {
        return Err(io::Error::last_os_error());
    }
    Ok(bytes)
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 32 hexadecimal digits.
pub fn id() -> io::Result<String> {
    Ok(hex(bits()?))
}

/// A random UUID (RFC 9562, version 4).
pub fn uuid() -> io::Result<String> {
    let mut bytes = bits()?;
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = hex(bytes);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Ok(parts.join("-"))
}
