//! `mana checkpoint`'s side.
use std::os::unix::fs::PermissionsExt as _;

use mana_agent::{AgentError, Outcome, Progress, request};

use crate::job::{Job, Options};

fn with_control_file(size: u32) -> (Job, tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("job.mana");
    let job = Job::start(&Options {
        size,
        arity: 2,
        interval: None,
        control_file: Some(path.clone()),
    });
    (job, directory, path)
}

#[test]
fn a_client_hears_how_far_it_has_got() {
    let (job, _directory, path) = with_control_file(4);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the cookie is the owner's");
    let mut heard = Vec::new();
    let outcome = request(&path, false, |progress| heard.push(progress.clone())).unwrap();
    assert_eq!(outcome, Outcome::Committed { number: 1 });
    let expected = [
        Progress::Queued,
        Progress::Converging,
        Progress::Stopping,
        Progress::Writing { number: 1 },
    ];
    assert_eq!(heard, expected);
    job.end();
    assert!(!path.exists(), "the file goes with the job");
}

#[test]
fn two_clients_at_once_both_get_an_answer() {
    let (job, _directory, path) = with_control_file(3);
    std::thread::scope(|scope| {
        let ask = || request(&path, false, |_| {}).unwrap();
        let clients = [scope.spawn(ask), scope.spawn(ask)];
        for client in clients {
            assert!(matches!(
                client.join().unwrap(),
                Outcome::Committed { number: 1 | 2 }
            ));
        }
    });
    job.end();
}

/// The client's answer and every rank's order are sent before rank 0 itself may end.
#[test]
fn a_job_that_is_to_end_is_told_so_everywhere() {
    let (job, _directory, path) = with_control_file(7);
    assert_eq!(
        request(&path, true, |_| {}).unwrap(),
        Outcome::Committed { number: 1 }
    );
    while job.killed() < 7 {
        std::thread::yield_now();
    }
    job.end();
}

#[test]
fn a_client_hears_why_there_is_no_checkpoint() {
    let (job, _directory, path) = with_control_file(3);
    job.fill_disk();
    let outcome = request(&path, false, |_| {}).unwrap();
    assert_eq!(
        outcome,
        Outcome::Aborted {
            reason: "no space left on device".to_owned()
        }
    );
    job.end();
}

#[test]
fn a_job_that_is_gone_is_told_from_a_missing_file() {
    let (job, _directory, path) = with_control_file(2);
    let left_over = std::fs::read(&path).unwrap();
    job.end();
    assert!(matches!(
        request(&path, false, |_| {}),
        Err(AgentError::ControlFile { .. })
    ));
    std::fs::write(&path, left_over).unwrap();
    assert!(matches!(
        request(&path, false, |_| {}),
        Err(AgentError::NoJob { .. })
    ));
    std::fs::write(&path, "{}").unwrap();
    assert!(matches!(
        request(&path, false, |_| {}),
        Err(AgentError::BadControlFile { .. })
    ));
}
