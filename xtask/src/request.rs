//! `mana checkpoint`, run beside the job that it is about.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The command; ended when dropped, since its job may be gone.
pub struct Request(Child);

impl Request {
    /// Asks the job that checkpoints to `dir`. One that finds no job yet, or none any more, fails, and that is no matter.
    pub fn start(mana: &Path, options: &[&str], dir: &Path) -> Option<Self> {
        Command::new(mana)
            .arg("checkpoint")
            .args(options)
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()
            .map(Self)
    }

    /// How it ended, if it has.
    pub fn answer(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// Waits for its end: whether it did what it was asked to.
    pub fn succeeded(mut self) -> bool {
        self.0.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}
