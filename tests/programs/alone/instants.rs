//! Rust's `Instant`, a condition variable's time limit and a channel's, over two restarts.

use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long each wait is, and how much longer it may take on a machine that is busy.
const SPAN: Duration = Duration::from_secs(3);
const SLACK: Duration = Duration::from_secs(600);

fn gate(folder: &str, number: u32) {
    println!("ready {number}");
    std::io::stdout().flush().unwrap();
    while !Path::new(folder).join(number.to_string()).exists() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// A wait that nobody ends but the clock.
fn wait_in_condition() {
    let (lock, condition) = (Mutex::new(()), Condvar::new());
    let began = Instant::now();
    let held = lock.lock().unwrap();
    let (_held, result) = condition
        .wait_timeout_while(held, SPAN, |()| true)
        .unwrap();
    assert!(result.timed_out());
    check(began);
}

fn wait_for_message() {
    let (_sender, receiver) = channel::<()>();
    let began = Instant::now();
    let received = receiver.recv_timeout(SPAN);
    assert_eq!(received, Err(RecvTimeoutError::Timeout));
    check(began);
}

fn check(began: Instant) {
    let gone = began.elapsed();
    assert!((SPAN..SPAN + SLACK).contains(&gone), "{gone:?}");
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let mut last = Instant::now();
    for number in 1..=2 {
        let waits = [wait_in_condition, wait_for_message].map(thread::spawn);
        gate(&folder, number);
        let now = Instant::now();
        let gone = now.checked_duration_since(last);
        assert!(gone.is_some_and(|gone| gone < SLACK), "{gone:?}");
        last = now;
        waits.map(|wait| wait.join().unwrap());
    }
    println!("ok");
}
