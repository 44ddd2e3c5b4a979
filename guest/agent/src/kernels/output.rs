//! What a kernel's processes print, on its way to becoming `stream` messages.

use std::io;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::time::Instant;

/// What is printed at about the same time is told as one message; a line that has only begun waits
/// longer, because Python writes the end of a line by itself.
const GATHERING: Duration = Duration::from_millis(20);
const GATHERING_A_LINE: Duration = Duration::from_millis(250);
const GATHERED: usize = 1 << 15;

/// As much as a pipe holds; what is more is read the next time.
const AT_ONCE: usize = 1 << 16;

/// Something to be told.
pub struct Printed {
    /// `stdout` or `stderr`.
    pub name: &'static str,
    /// Never empty.
    pub text: String,
}

/// Standard output and standard error, in this order.
pub struct Outputs {
    both: [Output; 2],
    tell_at: Option<Instant>,
}

impl Outputs {
    /// Of these pipes.
    pub fn new(stdout: Receiver, stderr: Receiver) -> Self {
        Self {
            both: [Output::new("stdout", stdout), Output::new("stderr", stderr)],
            tell_at: None,
        }
    }

    /// Waits until there is something to read of one; for ever if nobody can write to it any more.
    pub async fn readable(&self, which: usize) -> io::Result<()> {
        self.both[which].readable().await
    }

    /// When to `tell` what was gathered, if anything was.
    pub fn tell_at(&self) -> Option<Instant> {
        self.tell_at
    }

    /// Reads one of them; gives what cannot wait.
    pub fn read(&mut self, which: usize) -> Vec<Printed> {
        // What one stream has said before the other goes first.
        let is_after_the_other = self.both[1 - which].len() > 0;
        let output = &mut self.both[which];
        let before = output.len();
        if let Err(error) = output.take_in() {
            eprintln!("kernels: cannot read what a kernel prints: {error}");
        }
        let (gathered, is_whole) = (output.len(), output.ends_a_line());
        let mut printed = Vec::new();
        if gathered == before {
            return printed;
        }
        if is_after_the_other && before == 0 {
            printed.extend(self.both[1 - which].take());
        }
        if gathered >= GATHERED {
            printed.extend(self.both[which].take());
        }
        let limit = Instant::now()
            + if is_whole {
                GATHERING
            } else {
                GATHERING_A_LINE
            };
        let tell_at = self.tell_at.get_or_insert(limit);
        *tell_at = limit.min(*tell_at);
        printed
    }

    /// Gives what was gathered.
    pub fn tell(&mut self) -> Vec<Printed> {
        self.tell_at = None;
        self.both.iter_mut().filter_map(Output::take).collect()
    }

    /// Reads both and gives all that was printed.
    pub fn flush(&mut self) -> Vec<Printed> {
        let mut printed = self.read(0);
        printed.extend(self.read(1));
        printed.extend(self.tell());
        printed
    }
}

/// One of the two streams.
struct Output {
    name: &'static str,
    pipe: Option<Receiver>,
    /// Read and not yet told; its end may be the first bytes of a character.
    bytes: Vec<u8>,
}

impl Output {
    fn new(name: &'static str, pipe: Receiver) -> Self {
        Self {
            name,
            pipe: Some(pipe),
            bytes: Vec::new(),
        }
    }

    /// How much waits to be told.
    fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether what waits to be told is whole lines.
    fn ends_a_line(&self) -> bool {
        self.bytes.last() == Some(&b'\n')
    }

    /// Waits until there is something to read; for ever if nobody can write any more.
    async fn readable(&self) -> io::Result<()> {
        match &self.pipe {
            Some(pipe) => pipe.readable().await,
            None => std::future::pending().await,
        }
    }

    /// Reads what is there.
    fn take_in(&mut self) -> io::Result<()> {
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
    fn take(&mut self) -> Option<Printed> {
        let whole = self.bytes.len() - begun(&self.bytes);
        let rest = self.bytes.split_off(whole);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let name = self.name;
        (!text.is_empty()).then_some(Printed { name, text })
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
