//! The events of a run while it goes on.

use std::io::Read as _;
use std::path::PathBuf;

use barque_event::RunEvent;

use crate::RunError;

/// Reads an event log as it grows; each event comes once.
#[derive(Debug)]
pub struct EventTail {
    path: PathBuf,
    file: fs_err::File,
    /// A line that is not whole yet.
    rest: Vec<u8>,
    /// Lines read so far.
    lines: usize,
}

impl EventTail {
    pub(crate) fn open(path: PathBuf) -> Result<Self, RunError> {
        let file = fs_err::File::open(&path)?;
        Ok(Self { path, file, rest: Vec::new(), lines: 0 })
    }

    /// The events written since the last call; none when there are none.
    pub fn next_events(&mut self) -> Result<Vec<RunEvent>, RunError> {
        self.file.read_to_end(&mut self.rest)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        let mut events = Vec::new();
        for line in whole[..end].split(|byte| *byte == b'\n') {
            self.lines += 1;
            match serde_json::from_slice(line) {
                Ok(event) => events.push(event),
                Err(source) => return Err(RunError::Event { path: self.path.clone(), line: self.lines, source }),
            }
        }
        Ok(events)
    }
}
