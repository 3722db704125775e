//! Which MPI the user asks for: the text of `MANA_MPI`.

use crate::{Error, Family};
use std::path::PathBuf;
use std::str::FromStr;

/// The value of `MANA_MPI`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// `auto`: whichever MPI the launcher belongs to; without a launcher, the first one found.
    #[default]
    Auto,
    /// `standard`, `mpich` or `openmpi`: the first library of that ABI which the launcher can start.
    Family(Family),
    /// A path: exactly this library.
    Path(PathBuf),
}

impl FromStr for Choice {
    type Err = Error;

    /// Parses `auto`, a family, or a path, which is anything with a slash in it.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "standard" => Ok(Self::Family(Family::StandardAbi)),
            "mpich" => Ok(Self::Family(Family::Mpich)),
            "openmpi" => Ok(Self::Family(Family::OpenMpi)),
            path if path.contains('/') => Ok(Self::Path(PathBuf::from(path))),
            _ => Err(Error::BadChoice {
                text: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_paths_are_told_apart() {
        assert_eq!("auto".parse::<Choice>().unwrap(), Choice::Auto);
        assert_eq!(
            "openmpi".parse::<Choice>().unwrap(),
            Choice::Family(Family::OpenMpi)
        );
        assert_eq!(
            "./libmpi.so.12".parse::<Choice>().unwrap(),
            Choice::Path("./libmpi.so.12".into())
        );
    }

    #[test]
    fn a_bad_word_is_answered_with_what_is_allowed() {
        let message = "open-mpi".parse::<Choice>().unwrap_err().to_string();
        assert!(
            message.contains("openmpi") && message.contains("auto"),
            "{message}"
        );
    }
}
