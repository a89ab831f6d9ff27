//! The VRRP identifier that was chosen for the cluster, so that every later run chooses the same.

use std::io;

use barque_model::Vrid;

use crate::files;
use crate::{StateDirectory, StateError};

impl StateDirectory {
    /// The identifier that was chosen; `None` before that. A file that holds no number from 1 to 255 is an error: to choose again would
    /// give a running cluster another one.
    pub fn vrid(&self) -> Result<Option<Vrid>, StateError> {
        let path = self.path().join("vrid");
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match text.trim().parse() {
            Ok(number) if number > 0 => Ok(Some(Vrid(number))),
            _ => {
                let message = format!(
                    "`{}` holds no number from 1 to 255; remove it, and the next run reads the one on the balancers",
                    path.display()
                );
                Err(io::Error::new(io::ErrorKind::InvalidData, message).into())
            }
        }
    }

    /// Keeps the identifier that was chosen.
    pub fn keep_vrid(&self, vrid: Vrid) -> Result<(), StateError> {
        Ok(files::replace(&self.path().join("vrid"), format!("{}\n", vrid.0).as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_chosen_stays() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::open_or_create(&folder.path().join("state")).unwrap();
        assert_eq!(state.vrid().unwrap(), None);
        state.keep_vrid(Vrid(121)).unwrap();
        assert_eq!(state.vrid().unwrap(), Some(Vrid(121)));
        assert_eq!(fs_err::read_to_string(state.path().join("vrid")).unwrap(), "121\n");
        for wrong in ["", "0\n", "256\n", "auto\n"] {
            fs_err::write(state.path().join("vrid"), wrong).unwrap();
            let error = state.vrid().unwrap_err();
            assert!(std::error::Error::source(&error).unwrap().to_string().contains("1 to 255"), "{error:?}");
        }
    }
}
