//! What /proc/PID/status and /proc/TID/status say: proc_pid_status(5).
//!
//! ```text
//!   State:  S (sleeping)
//!   SigPnd: 0000000000000000      sets of signals: bit 0 is signal 1
//! ```

use std::fs;

use crate::thread::Tid;

/// The text of such a file.
pub(crate) struct Status(String);

impl Status {
    /// Of a process, or thread; nothing of one that there is not.
    pub(crate) fn of(pid: Tid) -> Self {
        Self(fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default())
    }

    /// Of what has been read already.
    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }

    /// What follows `name`, which ends with its colon.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    }

    /// The set of signals behind `name`; empty where there is none.
    pub(crate) fn signals(&self, name: &str) -> u64 {
        let set = self.field(name);
        set.and_then(|set| u64::from_str_radix(set, 16).ok())
            .unwrap_or(0)
    }

    /// Whether there is such a thread, and it has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        self.state()
            .is_some_and(|state| !matches!(state, 'Z' | 'X'))
    }

    /// Whether it is stopped by a signal, or by a debugger.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state().is_some_and(|state| matches!(state, 'T' | 't'))
    }

    fn state(&self) -> Option<char> {
        self.field("State:")?.chars().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_sets() {
        let status = |state, blocked: u64| {
            Status::from_text(format!(
                "Name:\tapp\nState:\t{state}\nSigBlk:\t{blocked:016x}\n"
            ))
        };
        let bit = 1 << 61;
        let runs = status("R (running)", 0);
        assert!(runs.is_alive() && !runs.is_stopped() && runs.signals("SigBlk:") & bit == 0);
        assert!(status("S (sleeping)", !bit).signals("SigBlk:") & bit == 0);
        assert!(status("S (sleeping)", bit).signals("SigBlk:") & bit != 0);
        assert!(!status("Z (zombie)", 0).is_alive());
        let stopped = ["T (stopped)", "t (tracing stop)"].map(|state| status(state, 0));
        assert!(stopped.iter().all(|it| it.is_stopped() && it.is_alive()));
        let nothing = Status::from_text(String::new());
        assert!(!nothing.is_alive() && !nothing.is_stopped() && nothing.signals("SigBlk:") == 0);
    }
}
