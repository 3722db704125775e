//! The verbose report of Python's `unittest`, read test by test.
//!
//! ```text
//!   testA (test_comm.TestSelf.testA) ... ok
//!   testB (test_comm.TestSelf.testB)
//!   What it is about ... skipped 'why'
//!   testC (test_comm.TestSelf.testC) ... something it printed
//!   ERROR
//!   ======================
//!   ERROR: testC (test_comm.TestSelf.testC)      and a traceback, up to the next line of = or -
//! ```
//!
//! A test whose result never came is what the process died of, or hung in.

use super::outcome::{Outcome, Outcomes, Verdict};
use super::run::says_unsupported;

/// A report as far as it came.
pub(crate) struct Parsed {
    pub outcomes: Outcomes,
    /// The test that began and has no result.
    pub open: Option<String>,
    /// Whether the line "Ran N tests" is there.
    pub complete: bool,
}

/// Reads a report.
pub(crate) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed {
        outcomes: Outcomes::new(),
        open: None,
        complete: false,
    };
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("Ran ") && line.contains(" test") {
            parsed.complete = true;
        }
        if line.len() > 20 && line.bytes().all(|byte| byte == b'=') {
            let (case, log) = traceback(&mut lines);
            parsed.add_log(&case, &log);
            continue;
        }
        if let Some(name) = named(line) {
            parsed.open = Some(name);
        }
        if let (Some(name), Some(verdict)) = (&parsed.open, verdict(line)) {
            parsed.outcomes.insert(
                name.clone(),
                Outcome {
                    verdict,
                    log: String::new(),
                },
            );
            parsed.open = None;
        }
    }
    parsed
}

impl Parsed {
    /// Adds a traceback to its test; the test failed, also where only a subtest of it did.
    fn add_log(&mut self, case: &str, log: &str) {
        let verdict = if says_unsupported(log) {
            Verdict::Unsupported
        } else {
            Verdict::Fail
        };
        let seen = Outcome {
            verdict,
            log: log.to_owned(),
        };
        self.outcomes
            .entry(case.to_owned())
            .and_modify(|outcome| {
                // The report's own word is a plain "ERROR": the traceback knows better.
                if outcome.log.is_empty() {
                    outcome.verdict = seen.verdict;
                }
                *outcome = outcome.clone().and(seen.clone());
            })
            .or_insert(seen);
    }
}

/// The header and the text of a traceback, whose ruler was just read.
fn traceback<'t>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'t str>>,
) -> (String, String) {
    let header = lines.next().unwrap_or_default();
    let mut log = format!("{header}\n");
    while let Some(line) = lines.peek() {
        let ruler = line.len() > 20 && line.bytes().all(|byte| byte == b'=');
        if ruler || line.starts_with("Ran ") {
            break;
        }
        log += line;
        log.push('\n');
        lines.next();
    }
    let case = named(header).unwrap_or_else(|| header.to_owned());
    (case, log)
}

/// `module.Class.test` of a line that names a test: `test (module.Class.test)`, or `setUpClass (module.Class)`.
fn named(line: &str) -> Option<String> {
    let (before, rest) = line.split_once(" (")?;
    let (inside, _) = rest.split_once(')')?;
    let test = before.rsplit(' ').next()?;
    let is_path = inside.starts_with("test_") && inside.contains('.') && !inside.contains(' ');
    if !is_path {
        return None;
    }
    Some(if inside.ends_with(&format!(".{test}")) {
        inside.to_owned()
    } else {
        format!("{inside}.{test}")
    })
}

/// What the end of a line says about the open test.
fn verdict(line: &str) -> Option<Verdict> {
    let end = line.rsplit(" ... ").next()?;
    match end {
        "ok" | "expected failure" => Some(Verdict::Pass),
        "FAIL" | "ERROR" | "unexpected success" => Some(Verdict::Fail),
        _ if end.starts_with("skipped ") => Some(Verdict::Skip),
        // Something the test printed stands before it.
        _ if line.ends_with("ok") && !line.ends_with(" ok") => Some(Verdict::Pass),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, parse};

    const REPORT: &str = "\
testA (test_comm.TestSelf.testA) ... ok
testB (test_comm.TestSelf.testB)
What it is about ... skipped 'mpich (!!!)'
testC (test_comm.TestSelf.testC) ... something it printed
ERROR
testD (test_comm.TestSelf.testD) ... FAIL
setUpClass (test_comm.TestOther) ... ERROR

======================================================================
ERROR: testC (test_comm.TestSelf.testC)
----------------------------------------------------------------------
Traceback (most recent call last):
mpi4py.MPI.Exception: MPI_ERR_UNSUPPORTED_OPERATION: the operation is not supported

======================================================================
FAIL: testD (test_comm.TestSelf.testD)
----------------------------------------------------------------------
AssertionError: 1 != 2

----------------------------------------------------------------------
Ran 4 tests in 0.1s
";

    #[test]
    fn every_test_has_its_verdict() {
        let parsed = parse(REPORT);
        let verdict = |name: &str| parsed.outcomes[name].verdict;
        assert_eq!(verdict("test_comm.TestSelf.testA"), Verdict::Pass);
        assert_eq!(verdict("test_comm.TestSelf.testB"), Verdict::Skip);
        assert_eq!(verdict("test_comm.TestSelf.testC"), Verdict::Unsupported);
        assert_eq!(verdict("test_comm.TestSelf.testD"), Verdict::Fail);
        assert_eq!(verdict("test_comm.TestOther.setUpClass"), Verdict::Fail);
        assert!(parsed.complete && parsed.open.is_none());
        assert!(
            parsed.outcomes["test_comm.TestSelf.testD"]
                .log
                .contains("1 != 2")
        );
    }

    #[test]
    fn a_report_that_a_restarted_process_goes_on_with_is_one() {
        // The checkpoint was within testB; testC ran twice, and was killed the first time.
        let parsed = parse(
            "testA (test_p2p.TestX.testA) ... ok
testB (test_p2p.TestX.testB) ... ok
testC (test_p2p.TestX.testC) ... mana: ckpts/ckpt-000001 goes on with 2 ranks
ok
testC (test_p2p.TestX.testC) ... FAIL
testD (test_p2p.TestX.testD) ... ok

Ran 4 tests in 0.1s
",
        );
        let verdict = |name: &str| parsed.outcomes[name].verdict;
        assert_eq!(verdict("test_p2p.TestX.testB"), Verdict::Pass);
        assert_eq!(verdict("test_p2p.TestX.testC"), Verdict::Fail);
        assert_eq!(verdict("test_p2p.TestX.testD"), Verdict::Pass);
        assert!(parsed.complete && parsed.open.is_none());
    }

    #[test]
    fn what_a_report_ends_in_is_open() {
        let parsed =
            parse("testA (test_p2p.TestX.testA) ... ok\ntestB (test_p2p.TestX.testB) ... ");
        assert_eq!(parsed.open.as_deref(), Some("test_p2p.TestX.testB"));
        assert!(!parsed.complete);
    }
}
