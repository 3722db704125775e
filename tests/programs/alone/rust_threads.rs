//! Rust's own threads, channels, locks, thread-locals and panics, over two restarts.

use std::cell::Cell;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

thread_local!(static OWN: Cell<u32> = const { Cell::new(1) });

fn gate(folder: &str, number: u32) {
    println!("ready {number}");
    std::io::stdout().flush().unwrap();
    while !Path::new(folder).join(number.to_string()).exists() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let (to_worker, jobs) = channel::<u32>();
    let (to_main, results) = channel();
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let worker = thread::spawn(move || {
        OWN.set(17);
        for job in jobs {
            to_main.send(job * 2).unwrap();
        }
        OWN.get()
    });
    let shared = Arc::clone(&pair);
    let waiter = thread::spawn(move || {
        let (told, condition) = &*shared;
        drop(
            condition
                .wait_while(told.lock().unwrap(), |told| !*told)
                .unwrap(),
        );
    });
    let parked = thread::spawn(|| {
        let begin = Instant::now();
        thread::park_timeout(Duration::from_millis(300));
        // It may end early by itself, as its documentation says, but no sooner than it began.
        assert!(begin.elapsed() < Duration::from_secs(3600));
    });
    to_worker.send(1).unwrap();
    gate(&folder, 1);
    assert_eq!(results.recv(), Ok(2));
    assert_eq!(
        results.recv_timeout(Duration::from_millis(10)),
        Err(RecvTimeoutError::Timeout)
    );
    std::panic::set_hook(Box::new(|_| {}));
    let panicked =
        thread::spawn(|| std::panic::catch_unwind(|| [1][std::hint::black_box(1)]).is_err());
    assert!(panicked.join().unwrap());
    gate(&folder, 2);
    to_worker.send(21).unwrap();
    assert_eq!(results.recv(), Ok(42));
    drop(to_worker);
    assert_eq!(worker.join().unwrap(), 17);
    *pair.0.lock().unwrap() = true;
    pair.1.notify_all();
    waiter.join().unwrap();
    parked.join().unwrap();
    println!("ok {}", OWN.get());
}
