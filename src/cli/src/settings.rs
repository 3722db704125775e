//! The environment of a job: every `MANA_` variable, checked before anything is done with it.
//!
//! A misspelt variable would be ignored for days until the checkpoint that is not there is needed; so a name that is
//! unknown is an error, like a value that cannot be.

use crate::setting_values::{
    parse_files, parse_interval, parse_log, parse_mpi, parse_safe_point, parse_signal,
    parse_switch, parse_window_locks,
};
use mana_descriptors::FilePolicy;
use mana_engine::settings::SafePoint;
use mana_image::{Compression, FaultScript};
use mana_split::hooks::Given;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A variable that `mana` knows.
#[derive(Debug, Clone, Copy)]
struct Variable {
    name: &'static str,
    /// What it may be, for messages.
    allowed: &'static str,
}

const VARIABLES: &[Variable] = &[
    Variable {
        name: "MANA_CKPT_INTERVAL",
        allowed: "seconds, or a time such as 500ms, 90s, 5m, 2h",
    },
    Variable {
        name: "MANA_CKPT_DIR",
        allowed: "a directory",
    },
    Variable {
        name: "MANA_CKPT_KEEP",
        allowed: "a number of checkpoints, at least 1",
    },
    Variable {
        name: "MANA_CKPT_SIGNAL",
        allowed: "a signal's name or number: USR1, SIGUSR1, 10",
    },
    Variable {
        name: "MANA_MPI",
        allowed: "auto, mpich, openmpi, abi, or the path of a library (with a slash)",
    },
    Variable {
        name: "MANA_COMPRESS",
        allowed: "auto, raw, zstd",
    },
    Variable {
        name: "MANA_FILES",
        allowed: "check, accept, cut",
    },
    Variable {
        name: "MANA_CHILDREN",
        allowed: "1, for checkpoints with the processes that the program has started, or 0",
    },
    Variable {
        name: "MANA_STRICT",
        allowed: "1, for a checkpoint of all or nothing, or 0",
    },
    Variable {
        name: "MANA_LOG",
        allowed: "off, error, warn, info, debug, trace, or a list such as mana_agent=debug,warn",
    },
    Variable {
        name: "MANA_DISK_FAULT",
        allowed: "a fault to make on purpose, such as kill,Commit,2 or EIO,SyncFile,1,3 (docs/image-format.md)",
    },
    Variable {
        name: "MANA_WINDOW_LOCKS",
        allowed: "auto, or for tests network: through the network also where all ranks are on one node",
    },
    Variable {
        name: "MANA_CKPT_AT_SAFE_POINT",
        allowed: "for debugging: which safe point of rank 0, as 17, or of another rank, as 17@3",
    },
    Variable {
        name: "MANA_CC",
        allowed: "the C compiler that mana cc runs",
    },
    Variable {
        name: "MANA_CXX",
        allowed: "the C++ compiler that mana c++ runs",
    },
];

/// How the names begin of what `mana` tells itself where the program executes another one: no settings.
const BY_EXEC: &[u8] = b"MANA_EXEC";

/// Where checkpoints go by default.
const DEFAULT_DIRECTORY: &str = "ckpts";

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `MANA_CKPT_INTERVAL`; none means that checkpoints are made only when asked for.
    pub interval: Option<Duration>,
    /// `MANA_CKPT_DIR`, when it is set.
    pub directory: Option<PathBuf>,
    /// `MANA_CKPT_KEEP`.
    pub keep: usize,
    /// `MANA_CKPT_SIGNAL`, as a number.
    pub signal: Option<i32>,
    /// `MANA_MPI`, as the word or path that [`mana_native::Choice`] takes.
    pub mpi: String,
    /// `MANA_COMPRESS`.
    pub compression: Compression,
    /// `MANA_FILES`.
    pub files: FilePolicy,
    /// `MANA_CHILDREN`.
    pub children: bool,
    /// `MANA_STRICT`.
    pub strict: bool,
    /// `MANA_DISK_FAULT`: for tests.
    pub disk_fault: Option<FaultScript>,
    /// `MANA_WINDOW_LOCKS`: whether locks of windows go through shared memory where they can.
    pub shared_locks: bool,
    /// `MANA_LOG`, a filter that [`tracing_subscriber::EnvFilter`] takes.
    pub log: String,
    /// `MANA_CKPT_AT_SAFE_POINT`.
    pub at_safe_point: Option<SafePoint>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: None,
            directory: None,
            keep: 2,
            signal: None,
            mpi: "auto".into(),
            compression: Compression::Auto,
            files: FilePolicy::Check,
            children: true,
            strict: false,
            disk_fault: None,
            shared_locks: true,
            log: "warn".into(),
            at_safe_point: None,
        }
    }
}

/// What is wrong with the environment.
#[derive(Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// A variable that `mana` does not know.
    Unknown {
        /// Its name.
        name: String,
        /// The known name that is nearest, if one is near.
        meant: Option<&'static str>,
    },
    /// A value that cannot be.
    Bad {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Unknown { name, meant } => {
                write!(out, "the environment variable {name} is unknown")?;
                if let Some(meant) = meant {
                    write!(out, "; did you mean {meant}?")?;
                }
                let names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
                write!(out, " Known are {}", names.join(", "))
            }
            SettingsError::Bad { name, value, why } => {
                let variable = VARIABLES.iter().find(|variable| variable.name == *name);
                let allowed = variable.map_or("", |variable| variable.allowed);
                write!(
                    out,
                    "{name}={value} cannot be used: {why}. It may be {allowed}"
                )
            }
        }
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// The settings of this process.
    ///
    /// # Errors
    /// The first variable that is wrong, by name.
    pub fn of_this_process() -> Result<Self, SettingsError> {
        Self::from_env(Given::to_this_process().settings)
    }

    /// The settings in `environment`. A variable that is empty counts as not set.
    ///
    /// # Errors
    /// The first variable that is wrong, by name.
    pub fn from_env(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut ours: Vec<_> = environment
            .into_iter()
            .filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MANA_"))
            .filter(|(name, _)| !name.as_encoded_bytes().starts_with(BY_EXEC))
            .collect();
        // Of two with one name, the last one holds.
        ours.sort_by(|one, other| one.0.cmp(&other.0));
        let mut settings = Self::default();
        for (name, value) in ours.iter().filter(|(_, value)| !value.is_empty()) {
            settings.set(name, value)?;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &OsStr, value: &OsStr) -> Result<(), SettingsError> {
        let variable = VARIABLES.iter().find(|variable| variable.name == name);
        let name = variable.ok_or_else(|| unknown(name))?.name;
        let bad = |why: String| SettingsError::Bad {
            name,
            value: value.to_string_lossy().into_owned(),
            why,
        };
        let text = || value.to_str().ok_or_else(|| bad("it is not UTF-8".into()));
        match name {
            "MANA_CKPT_INTERVAL" => self.interval = Some(parse_interval(text()?).map_err(bad)?),
            "MANA_CKPT_DIR" => self.directory = Some(value.into()),
            "MANA_CKPT_KEEP" => {
                let keep = text()?.parse().map_err(|error| bad(format!("{error}")))?;
                self.keep = if keep == 0 {
                    return Err(bad("the newest always stays".into()));
                } else {
                    keep
                };
            }
            "MANA_CKPT_SIGNAL" => self.signal = Some(parse_signal(text()?).map_err(bad)?),
            "MANA_MPI" => self.mpi = parse_mpi(text()?).map_err(bad)?,
            "MANA_COMPRESS" => self.compression = text()?.parse().map_err(bad)?,
            "MANA_CHILDREN" => self.children = parse_switch(text()?).map_err(bad)?,
            "MANA_STRICT" => self.strict = parse_switch(text()?).map_err(bad)?,
            "MANA_FILES" => self.files = parse_files(text()?).map_err(bad)?,
            "MANA_DISK_FAULT" => self.disk_fault = Some(text()?.parse().map_err(bad)?),
            "MANA_WINDOW_LOCKS" => self.shared_locks = parse_window_locks(text()?).map_err(bad)?,
            "MANA_LOG" => self.log = parse_log(text()?).map_err(bad)?,
            "MANA_CKPT_AT_SAFE_POINT" => {
                self.at_safe_point = Some(parse_safe_point(text()?).map_err(bad)?);
            }
            // The compilers are looked up when they are run.
            _ => {}
        }
        Ok(())
    }

    /// Where checkpoints are looked for and written to, unless the command line says otherwise.
    pub fn directory(&self) -> PathBuf {
        self.directory
            .clone()
            .unwrap_or_else(|| DEFAULT_DIRECTORY.into())
    }

    /// What the engine needs of them; checkpoints go to `directory`. The path becomes absolute, because the program may
    /// change its working directory.
    pub fn for_engine(&self, directory: PathBuf) -> mana_engine::settings::Settings {
        mana_engine::settings::Settings {
            interval: self.interval,
            directory: std::path::absolute(&directory).unwrap_or(directory),
            keep: self.keep,
            signal: self.signal,
            mpi: self.mpi.clone(),
            compression: self.compression,
            files: self.files,
            children: self.children,
            strict: self.strict,
            disk_fault: self.disk_fault.clone(),
            shared_locks: self.shared_locks,
            at_safe_point: self.at_safe_point,
        }
    }
}

fn unknown(name: &OsStr) -> SettingsError {
    let name = name.to_string_lossy().into_owned();
    let nearest = VARIABLES
        .iter()
        .map(|variable| {
            (
                strsim::damerau_levenshtein(&name, variable.name),
                variable.name,
            )
        })
        .min()
        .filter(|(distance, _)| *distance <= 4);
    SettingsError::Unknown {
        name,
        meant: nearest.map(|(_, name)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::from_env(
            pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let settings =
            settings(&[("PATH", "/bin"), ("MANATEE", "1"), ("MANA_CKPT_DIR", "")]).unwrap();
        assert_eq!(settings.directory(), PathBuf::from("ckpts"));
        assert_eq!(
            (settings.interval, settings.keep, settings.signal),
            (None, 2, None)
        );
        assert_eq!(
            (settings.mpi.as_str(), settings.compression),
            ("auto", Compression::Auto)
        );
    }

    #[test]
    fn intervals() {
        let seconds = |text: &str| {
            settings(&[("MANA_CKPT_INTERVAL", text)])
                .unwrap()
                .interval
                .unwrap()
                .as_secs_f64()
        };
        assert_eq!(seconds("300"), 300.0);
        assert_eq!(seconds("90s"), 90.0);
        assert_eq!(seconds("5m"), 300.0);
        assert_eq!(seconds("2h"), 7200.0);
        assert_eq!(seconds("0.5"), 0.5);
        assert_eq!(seconds("20ms"), 0.02);
        for text in [
            "soon",
            "-1",
            "0",
            "5 m",
            "m",
            "1e3",
            "inf",
            "99999999999999999999d",
        ] {
            let error = settings(&[("MANA_CKPT_INTERVAL", text)]).unwrap_err();
            assert!(
                error.contains("MANA_CKPT_INTERVAL") && error.contains("500ms, 90s, 5m, 2h"),
                "{error}"
            );
        }
    }

    #[test]
    fn signals() {
        for (text, number) in [
            ("USR1", 10),
            ("SIGUSR2", 12),
            ("sigterm", 15),
            ("10", 10),
            ("40", 40),
        ] {
            assert_eq!(
                settings(&[("MANA_CKPT_SIGNAL", text)]).unwrap().signal,
                Some(number),
                "{text}"
            );
        }
        for text in ["KILL", "9", "SEGV", "11", "58", "0", "65", "USR3"] {
            let error = settings(&[("MANA_CKPT_SIGNAL", text)]).unwrap_err();
            assert!(error.contains("USR1, SIGUSR1, 10"), "{error}");
        }
    }

    #[test]
    fn the_other_values() {
        let all = [
            ("MANA_CKPT_DIR", "/scratch/me"),
            ("MANA_CKPT_KEEP", "5"),
            ("MANA_MPI", "abi"),
            ("MANA_COMPRESS", "zstd"),
            ("MANA_LOG", "mana_agent=debug,warn"),
            ("MANA_CC", "clang"),
        ];
        let found = settings(&all).unwrap();
        assert_eq!(found.directory(), PathBuf::from("/scratch/me"));
        assert_eq!(
            (found.keep, found.mpi.as_str(), found.compression),
            (5, "standard", Compression::Zstd)
        );
        for (name, value, allowed) in [
            ("MANA_CKPT_KEEP", "0", "at least 1"),
            ("MANA_CKPT_KEEP", "many", "at least 1"),
            ("MANA_MPI", "lam", "auto, mpich, openmpi, abi"),
            ("MANA_COMPRESS", "gzip", "auto, raw, zstd"),
            ("MANA_DISK_FAULT", "kill,Tea,1", "kill,Commit,2"),
            ("MANA_WINDOW_LOCKS", "shm", "auto, or for tests network"),
            ("MANA_LOG", "degub", "error, warn, info, debug, trace"),
            ("MANA_CKPT_AT_SAFE_POINT", "0", "as 17@3"),
            ("MANA_CKPT_AT_SAFE_POINT", "3@first", "as 17@3"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err();
            assert!(
                error.contains(name) && error.contains(value) && error.contains(allowed),
                "{error}"
            );
        }
    }

    #[test]
    fn safe_points() {
        for (text, nth, rank) in [("17", 17, 0), ("1@3", 1, 3)] {
            let found = settings(&[("MANA_CKPT_AT_SAFE_POINT", text)]).unwrap();
            assert_eq!(found.at_safe_point, Some(SafePoint { nth, rank }));
        }
    }

    #[test]
    fn an_unknown_variable_is_an_error_with_the_nearest_name() {
        let error = settings(&[("MANA_CKPT_INTERVALL", "300")]).unwrap_err();
        assert!(
            error.contains("did you mean MANA_CKPT_INTERVAL?"),
            "{error}"
        );
        let error = settings(&[("MANA_HOME_DIRECTORY", "/")]).unwrap_err();
        assert!(
            !error.contains("did you mean") && error.contains("Known are MANA_CKPT_INTERVAL, "),
            "{error}"
        );
    }
}
