//! What of an application's output must be the same in every run.

use super::Application;

/// Words in the names of HPCC's results that are no speeds.
const EXACT: [&str; 9] = [
    "esidual", "Errors", "norm", "maxErr", "_N", "_n", "Procs", "Success", "Updates",
];

/// The lines of `written` that say what was computed.
pub(super) fn of(application: Application, written: &str) -> Vec<String> {
    match application {
        Application::Lammps => thermodynamics(written),
        Application::Hpcc => challenge(written),
    }
}

/// The table of a run: from the line that begins with `Step` to the one that tells how long it took.
fn thermodynamics(log: &str) -> Vec<String> {
    log.lines()
        .skip_while(|line| !line.trim_start().starts_with("Step"))
        .take_while(|line| !line.starts_with("Loop time"))
        .map(str::to_owned)
        .collect()
}

/// Results of the summary, and the verdicts of the tests.
fn challenge(output: &str) -> Vec<String> {
    let is_result = |line: &&str| {
        line.split_once('=')
            .is_some_and(|(name, _)| EXACT.iter().any(|word| name.contains(word)))
    };
    let verdicts = output.lines().flat_map(str::split_whitespace);
    let verdicts = verdicts.filter(|word| ["PASSED", "FAILED"].contains(word));
    output
        .lines()
        .filter(is_result)
        .chain(verdicts)
        .map(|line| line.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "LAMMPS\nStep Temp\n 0 3\n 50 1.66\nLoop time of 3 on 4 procs\n";
    const CHALLENGE: &str =
        "WALL 500 0.00 PASSED 1.192\nSuccess=1\nHPL_RnormI=1.3e-12\nHPL_Tflops=0.1\n";

    #[test]
    fn results_are_seen_and_times_are_not() {
        assert_eq!(
            of(Application::Lammps, LOG),
            ["Step Temp", " 0 3", " 50 1.66"]
        );
        assert_eq!(
            of(Application::Hpcc, CHALLENGE),
            ["Success=1", "HPL_RnormI=1.3e-12", "PASSED"]
        );
        let slower = CHALLENGE.replace("0.1\n", "0.2\n").replace("1.192", "0.9");
        assert_eq!(
            of(Application::Hpcc, &slower),
            of(Application::Hpcc, CHALLENGE)
        );
    }

    #[test]
    fn a_changed_result_is_a_difference() {
        for (from, to) in [("1.66", "1.67"), (" 50", " 51")] {
            let changed = LOG.replace(from, to);
            assert_ne!(
                of(Application::Lammps, &changed),
                of(Application::Lammps, LOG)
            );
        }
        for (from, to) in [("PASSED", "FAILED"), ("1.3e", "1.4e"), ("s=1", "s=0")] {
            let changed = CHALLENGE.replace(from, to);
            assert_ne!(
                of(Application::Hpcc, &changed),
                of(Application::Hpcc, CHALLENGE)
            );
        }
    }
}
