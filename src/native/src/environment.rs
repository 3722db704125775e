//! What surrounds this process and tells which MPI it belongs to: its environment and its ancestors.
//!
//! Taken once as a value, so that everything decided from it can be tested without a launcher.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Environment variables and the executables of the parent processes.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: HashMap<String, String>,
    ancestors: Vec<PathBuf>,
}

/// A launcher stands at most this many generations above its ranks (shells and wrappers lie between).
const GENERATIONS: usize = 8;

impl Environment {
    /// This process's environment and ancestors. Variables that are no UTF-8 are left out.
    #[must_use]
    pub fn current() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            ancestors: ancestors_of_this_process(),
        }
    }

    /// An environment made of the given variables and ancestors (nearest first).
    pub fn new<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
        ancestors: impl IntoIterator<Item = PathBuf>,
    ) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            variables,
            ancestors: ancestors.into_iter().collect(),
        }
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }

    /// A variable as a list of directories separated by colons.
    pub fn directories(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        self.get(name)
            .unwrap_or_default()
            .split(':')
            .filter(|part| !part.is_empty())
            .map(PathBuf::from)
    }

    /// The parent's executable, its parent's, and so on.
    #[must_use]
    pub fn ancestors(&self) -> &[PathBuf] {
        &self.ancestors
    }
}

/// The parent of this process, its parent, and so on, as process ids, for a few generations: a launcher is not far.
pub fn ancestor_processes() -> impl Iterator<Item = u32> {
    std::iter::successors(parent_of("self"), |process| parent_of(&process.to_string()))
        .take(GENERATIONS)
}

/// The executables of the ancestors but for the first process. A parent of another user hides its executable; it is left out.
fn ancestors_of_this_process() -> Vec<PathBuf> {
    ancestor_processes()
        .take_while(|process| *process != 1)
        .filter_map(|process| std::fs::read_link(format!("/proc/{process}/exe")).ok())
        .collect()
}

/// What /proc says of the parent; `None` for a process without one, or that has ended.
fn parent_of(process: &str) -> Option<u32> {
    let status = std::fs::read_to_string(Path::new("/proc").join(process).join("status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok().filter(|parent| *parent != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ancestor_is_the_parent() {
        assert_eq!(
            ancestor_processes().next(),
            Some(std::os::unix::process::parent_id())
        );
    }

    #[test]
    fn the_ancestors_of_a_test_begin_with_what_runs_it() {
        let current = Environment::current();
        assert_eq!(
            current.ancestors().first().cloned(),
            std::fs::read_link(format!("/proc/{}/exe", std::os::unix::process::parent_id())).ok()
        );
    }

    #[test]
    fn an_empty_variable_is_none() {
        let environment = Environment::new([("A", ""), ("B", "7")], []);
        assert_eq!(
            (environment.get("A"), environment.number("B")),
            (None, Some(7))
        );
    }
}
