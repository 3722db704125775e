//! `#!` scripts, as execve(2) treats them: `#!interpreter [one argument]` in the first 256 bytes.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Program;
use crate::error::{Error, Result};

/// How much of a file the kernel looks at (BINPRM_BUF_SIZE).
const LINE_MAX_BYTES: u64 = 256;
/// How many interpreters may be scripts themselves.
pub(crate) const LEVELS_MAX: usize = 5;

/// The ELF file to load and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) path: PathBuf,
    pub(super) args: Vec<OsString>,
}

/// Follows `#!` lines from `program` to a file that is no script.
pub(super) fn resolve(program: &Program) -> Result<Resolved> {
    let mut resolved = Resolved {
        path: program.path.clone(),
        args: program.args.clone(),
    };
    for _ in 0..=LEVELS_MAX {
        let Some(line) = first_line(&resolved.path)? else {
            return Ok(resolved);
        };
        let mut args: Vec<OsString> = line.interpreter_and_argument(&resolved.path)?;
        let interpreter = PathBuf::from(&args[0]);
        args.push(resolved.path.into_os_string());
        args.extend(resolved.args.into_iter().skip(1));
        resolved = Resolved {
            path: interpreter,
            args,
        };
    }
    Err(Error::ScriptTooDeep {
        path: program.path.clone(),
        levels: LEVELS_MAX,
    })
}

/// What follows the `#!`.
struct Line(Vec<u8>);

/// The `#!` line of the file; `None` if it has none.
fn first_line(path: &Path) -> Result<Option<Line>> {
    let mut start = Vec::new();
    let source = super::open(path)?;
    let read = source.take(LINE_MAX_BYTES).read_to_end(&mut start);
    read.map_err(|source| Error::OpenProgram {
        path: path.into(),
        source,
    })?;
    Ok(start.strip_prefix(b"#!").map(|rest| Line(rest.to_vec())))
}

/// The interpreter in what follows the `#!`, which may be empty, and the rest of the line. No allocation.
pub(crate) fn interpreter(after: &[u8]) -> (&[u8], &[u8]) {
    let line = after.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii();
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t'));
    let (interpreter, argument) = line.split_at(end.unwrap_or(line.len()));
    (interpreter, argument.trim_ascii())
}

impl Line {
    /// One or two strings: everything after the interpreter is *one* argument.
    fn interpreter_and_argument(&self, script: &Path) -> Result<Vec<OsString>> {
        let (interpreter, argument) = interpreter(&self.0);
        if interpreter.is_empty() {
            return Err(Error::NotAProgram {
                path: script.into(),
                why: "its #! line names no interpreter".into(),
            });
        }
        let parts = [interpreter, argument];
        Ok(parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| OsStr::from_bytes(part).to_owned())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn resolve_args(path: &Path) -> Result<Resolved> {
        let args = ["name", "a", "b"].map(OsString::from).to_vec();
        resolve(&Program {
            path: path.into(),
            args,
            env: Vec::new(),
        })
    }

    #[test]
    fn interpreter_argument_script_and_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(dir.path(), "s", "#! /bin/sh  -e -u \necho hi\n");
        let resolved = resolve_args(&path).unwrap();
        assert_eq!(resolved.path, Path::new("/bin/sh"));
        let expected = ["/bin/sh", "-e -u", path.to_str().unwrap(), "a", "b"];
        assert_eq!(resolved.args, expected.map(OsString::from));
    }

    #[test]
    fn scripts_may_be_interpreters_to_a_depth() {
        let dir = tempfile::tempdir().unwrap();
        let inner = script(dir.path(), "inner", "#!/bin/sh\n");
        let outer = script(dir.path(), "outer", &format!("#!{} x", inner.display()));
        let resolved = resolve_args(&outer).unwrap();
        let expected = [
            "/bin/sh",
            inner.to_str().unwrap(),
            "x",
            outer.to_str().unwrap(),
            "a",
            "b",
        ];
        assert_eq!(resolved.args, expected.map(OsString::from));

        let itself = dir.path().join("loop");
        script(dir.path(), "loop", &format!("#!{}", itself.display()));
        assert!(matches!(
            resolve_args(&itself),
            Err(Error::ScriptTooDeep { .. })
        ));
    }

    #[test]
    fn refusals_say_why() {
        let dir = tempfile::tempdir().unwrap();
        let message = |path: &Path| resolve_args(path).unwrap_err().to_string();
        assert!(message(&script(dir.path(), "empty", "#! \n")).contains("names no interpreter"));
        assert!(message(&dir.path().join("none")).contains("No such file"));
        assert!(message(dir.path()).contains("not a regular file"));
        let missing = script(dir.path(), "missing", "#!/no/such/interpreter\n");
        assert!(message(&missing).contains("/no/such/interpreter"));
    }
}
