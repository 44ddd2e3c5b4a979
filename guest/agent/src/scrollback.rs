//! The last bytes a terminal showed, for whoever attaches later.

use std::collections::VecDeque;

const LIMIT: usize = 256 << 10;

/// A ring of bytes.
#[derive(Default)]
pub struct Scrollback {
    bytes: VecDeque<u8>,
}

impl Scrollback {
    /// Appends, forgetting the oldest.
    pub fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(LIMIT)..];
        let excess = (self.bytes.len() + kept.len()).saturating_sub(LIMIT);
        self.bytes.drain(..excess);
        self.bytes.extend(kept);
    }

    /// All that is remembered.
    pub fn contents(&self) -> Vec<u8> {
        self.bytes.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Scrollback, LIMIT};

    #[test]
    fn the_newest_bytes_are_kept() {
        let mut scrollback = Scrollback::default();
        scrollback.push(&vec![1; LIMIT]);
        scrollback.push(&[2, 3]);
        let contents = scrollback.contents();
        assert_eq!(contents.len(), LIMIT);
        assert_eq!(contents[LIMIT - 2..], [2, 3]);
        scrollback.push(&vec![4; 2 * LIMIT]);
        assert_eq!(scrollback.contents(), vec![4; LIMIT]);
    }
}
