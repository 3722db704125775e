//! Checkpoints of jobs of many sizes.
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::job::{Job, Options};

fn options(size: u32, arity: u32) -> Options {
    Options {
        size,
        arity,
        interval: None,
        control_file: None,
    }
}

/// Every rank asks in turn; each request is served by one checkpoint.
fn checkpoints_of(size: u32, arity: u32, count: u64) {
    let job = Job::start(&options(size, arity));
    for n in 0..count {
        job.agents[n as usize % size as usize].request_checkpoint(false);
        job.wait_for_commits(n + 1);
    }
    assert_eq!(job.last_abort(), None);
    job.end();
}

#[test]
fn one_rank_needs_no_network() {
    checkpoints_of(1, 8, 20);
}

#[test]
fn two_ranks() {
    checkpoints_of(2, 8, 20);
}

#[test]
fn a_full_level_and_one_more() {
    checkpoints_of(9, 8, 10);
    checkpoints_of(10, 8, 10);
}

#[test]
fn a_chain() {
    checkpoints_of(6, 1, 10);
}

#[test]
fn sixty_four_ranks() {
    checkpoints_of(64, 3, 3);
}

#[test]
fn by_the_clock() {
    let job = Job::start(&Options {
        interval: Some(Duration::from_millis(5)),
        ..options(4, 2)
    });
    job.wait_for_commits(5);
    job.end();
}

/// Requests while one is being made are served by one more.
#[test]
fn requests_at_the_same_time_are_not_lost() {
    let job = Job::start(&options(5, 2));
    for agent in &job.agents {
        agent.request_checkpoint(false);
    }
    job.wait_for_commits(1);
    job.agents[3].request_checkpoint(false);
    job.wait_for_commits(2);
    job.end();
}

#[test]
fn a_checkpoint_that_cannot_be_committed_leaves_the_job_running() {
    let job = Job::start(&options(3, 2));
    job.fill_disk();
    job.agents[1].request_checkpoint(false);
    while job.last_abort().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(job.last_abort().unwrap(), "no space left on device");
    assert_eq!(job.committed(), 0);
    job.end();
}

/// Whoever does not know the cookie is turned away and changes nothing: neither by what he says nor by silence.
#[test]
fn strangers_do_no_harm() {
    let job = Job::start(&options(3, 8));
    let address = ("127.0.0.1", job.contacts[0].port);
    let silent: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut liar = TcpStream::connect(address).unwrap();
    liar.write_all(&[b'x'; 4096]).unwrap();
    // Turned away: the connection ends, by an end of file or by a reset.
    assert!(!matches!(liar.read(&mut [0; 32]), Ok(1..)));
    job.agents[2].request_checkpoint(false);
    job.wait_for_commits(1);
    drop(silent);
    job.end();
}

/// After MPI_Finalize nobody can be checkpointed, and whoever asks hears so.
#[test]
fn who_asks_after_a_rank_has_left_is_refused() {
    let mut job = Job::start(&options(3, 8));
    job.agents[0].request_checkpoint(false);
    job.wait_for_commits(1);
    job.end_program();
    std::sync::Arc::into_inner(job.agents.remove(2))
        .unwrap()
        .shutdown();
    job.agents[1].request_checkpoint(false);
    while job.refusals().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(
        job.refusals(),
        ["no checkpoints any more: rank 2 has left MPI"]
    );
}
