//! What a kernel's processes print, on its way to becoming `stream` messages.

use std::io;
use tokio::net::unix::pipe::Receiver;

/// As much as a pipe holds; what is more is read the next time.
const AT_ONCE: usize = 1 << 16;

/// One of the two streams.
pub struct Output {
    name: &'static str,
    pipe: Option<Receiver>,
    /// Read and not yet told; its end may be the first bytes of a character.
    bytes: Vec<u8>,
}

impl Output {
    /// `name` is `stdout` or `stderr`.
    pub fn new(name: &'static str, pipe: Receiver) -> Self {
        Self {
            name,
            pipe: Some(pipe),
            bytes: Vec::new(),
        }
    }

    /// What clients call it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How much waits to be told.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether what waits to be told is whole lines.
    pub fn ends_a_line(&self) -> bool {
        self.bytes.last() == Some(&b'\n')
    }

    /// Waits until there is something to read; for ever if nobody can write any more.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.pipe {
            Some(pipe) => pipe.readable().await,
            None => std::future::pending().await,
        }
    }

    /// Reads what is there.
    pub fn take_in(&mut self) -> io::Result<()> {
        let Some(pipe) = &self.pipe else {
            return Ok(());
        };
        let before = self.bytes.len();
        let mut buffer = vec![0; AT_ONCE];
        while self.bytes.len() - before < AT_ONCE {
            match pipe.try_read(&mut buffer) {
                Ok(0) => {
                    self.pipe = None;
                    break;
                }
                Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The text so far, without a character that has only begun. What is no text is replaced.
    pub fn text(&mut self) -> String {
        let whole = self.bytes.len() - begun(&self.bytes);
        let rest = self.bytes.split_off(whole);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

/// How many bytes at the end are the beginning of a character.
fn begun(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            0x80..=0xBF => continue,
            _ => return 0,
        };
        return if length > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::begun;

    #[test]
    fn a_character_is_not_cut() {
        let text = "aé€😀".as_bytes();
        for end in 0..=text.len() {
            let part = &text[..end];
            let whole = &part[..end - begun(part)];
            assert!(std::str::from_utf8(whole).is_ok(), "{end}");
            assert!(begun(part) < 4);
        }
        assert_eq!(begun(text), 0);
        assert_eq!(
            begun(&[0x80, 0x80, 0x80, 0x80]),
            0,
            "no text is told as it is"
        );
        assert_eq!(begun(&[0xFF]), 0);
    }
}
