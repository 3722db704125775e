//! How the torture tells what it does: a bar on a terminal, a line for each program in a log.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::plan::Life;
use super::tally::Tally;

/// Who tells.
pub(crate) struct Show {
    /// Hidden where stderr is no terminal.
    bar: ProgressBar,
    begin: Instant,
}

impl Show {
    /// Begins; it is to take about so long.
    pub fn new(whole: Duration) -> Self {
        let bar = ProgressBar::new(whole.as_secs().max(1));
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self {
            bar,
            begin: Instant::now(),
        }
    }

    /// A life begins.
    pub fn life(&self, program: &str, way: &str, life: &Life) {
        self.bar.set_position(self.begin.elapsed().as_secs());
        self.bar.set_message(format!("{program} {way}: {life}"));
    }

    /// A program is at its end.
    pub fn way(&self, program: &str, seed: u64, tally: &Tally) {
        self.line(&format!(
            "{:5.0} s  {program:14} seed {seed}: {:3} checkpoints, {:2} restarts, {:2} faults{}",
            self.begin.elapsed().as_secs_f64(),
            tally.checkpoints,
            tally.restarts,
            tally.faults,
            if tally.failures() == 0 {
                ""
            } else {
                ", FAILED"
            },
        ));
    }

    /// Something to be read, on stderr.
    pub fn line(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// It is over.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
