//! Questions on a terminal, each with its default, asked again until the answer is right.

use std::io::{self, BufRead, IsTerminal as _, Write};

/// Asks on standard error, reads from standard input.
pub(crate) struct Questions<R, W> {
    answers: R,
    talk: W,
}

/// On the terminal; `None` when there is none to ask on.
pub(crate) fn on_terminal() -> Option<Questions<io::StdinLock<'static>, io::Stderr>> {
    let both = io::stdin().is_terminal() && io::stderr().is_terminal();
    both.then(|| Questions { answers: io::stdin().lock(), talk: io::stderr() })
}

impl<R: BufRead, W: Write> Questions<R, W> {
    /// Asks `question`; an empty answer means `default` (shown in brackets, which may be empty itself). What `read` refuses is said, and
    /// asked again. An error means that there are no more answers.
    pub(crate) fn ask<T>(&mut self, question: &str, default: &str, read: impl Fn(&str) -> Result<T, String>) -> io::Result<T> {
        loop {
            let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
            write!(self.talk, "{question}{shown}: ")?;
            self.talk.flush()?;
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                writeln!(self.talk)?;
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the questions were not answered; nothing was written"));
            }
            let answer = line.trim();
            match read(if answer.is_empty() { default } else { answer }) {
                Ok(value) => return Ok(value),
                Err(fault) => writeln!(self.talk, "  {fault}")?,
            }
        }
    }

    /// Asks for yes or no; no when the answer is empty.
    pub(crate) fn confirm(&mut self, question: &str) -> io::Result<bool> {
        self.ask(&format!("{question} (yes or no)"), "no", |answer| match answer.to_lowercase().as_str() {
            "y" | "yes" => Ok(true),
            "n" | "no" => Ok(false),
            _ => Err("answer `yes` or `no`".to_owned()),
        })
    }
}

#[cfg(test)]
impl<'answers> Questions<&'answers [u8], Vec<u8>> {
    /// Takes the answers from a text.
    pub(crate) const fn answered(answers: &'answers str) -> Self {
        Self { answers: answers.as_bytes(), talk: Vec::new() }
    }

    /// What was said.
    pub(crate) fn said(self) -> String {
        String::from_utf8_lossy(&self.talk).into_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wrong_answer_is_asked_again() {
        let mut questions = Questions::answered("x\n\n12\nmaybe\nyes\n");
        let number = |text: &str| text.parse::<u8>().map_err(|_| format!("`{text}` is no number"));
        assert_eq!(questions.ask("Number", "7", number).unwrap(), 7);
        assert_eq!(questions.ask("Number", "", number).unwrap(), 12);
        assert!(questions.confirm("Sure?").unwrap());
        assert_eq!(questions.confirm("Sure?").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let said = "Number [7]:   `x` is no number\n\
            Number [7]: Number: Sure? (yes or no) [no]:   answer `yes` or `no`\n\
            Sure? (yes or no) [no]: Sure? (yes or no) [no]: \n";
        assert_eq!(questions.said(), said);
    }
}
