//! Neighbours that die: rank 1 of 2 is played by the test itself, over the real protocol, and goes at a moment
//! of its choice without a goodbye.
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use mana_drain::{Activity, Broadcast, Rank, Report};

use crate::link::Link;
use crate::wire::{self, Down, GREETING_BYTES, Up, Who};
use crate::{Agent, AgentConfig, Contact, Cookie, Listener, RankPort, control};

const COOKIE: Cookie = Cookie([9; 16]);

/// What a rank has heard.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Broadcast(Broadcast),
    Refused(String),
}

/// A rank that is always parked when it should be and writes nothing.
struct Port {
    machine: Mutex<Rank>,
    heard: Mutex<Sender<Heard>>,
}

impl RankPort for Port {
    fn on_broadcast(&self, broadcast: &Broadcast) {
        self.machine.lock().unwrap().on_broadcast(broadcast);
        self.heard
            .lock()
            .unwrap()
            .send(Heard::Broadcast(broadcast.clone()))
            .unwrap();
    }

    fn report(&self) -> Report {
        self.machine.lock().unwrap().report(&Activity {
            threads_parked: 1,
            threads_total: 1,
            ..Activity::default()
        })
    }

    fn stop_threads(&self) -> bool {
        true
    }

    fn prepare(&self) -> Result<u64, String> {
        Ok(1)
    }

    fn commit(&self, _number: u64) -> Result<(), String> {
        Ok(())
    }

    fn refused(&self, reason: &str) {
        self.heard
            .lock()
            .unwrap()
            .send(Heard::Refused(reason.to_owned()))
            .unwrap();
    }
}

fn config(rank: u32, contacts: Vec<Contact>) -> AgentConfig {
    AgentConfig {
        rank,
        size: 2,
        arity: 8,
        contacts,
        cookie: COOKIE,
        interval: None,
        control_file: None,
        job: String::new(),
    }
}

fn start(listener: Listener, rank: u32, contacts: Vec<Contact>) -> (Agent, Receiver<Heard>) {
    let (sender, heard) = channel();
    let port = Port {
        machine: Mutex::new(Rank::new(rank)),
        heard: Mutex::new(sender),
    };
    (
        Agent::start(listener, config(rank, contacts), Arc::new(port)).unwrap(),
        heard,
    )
}

/// The next message on a link, waiting for it.
fn hear<T: for<'de> serde::Deserialize<'de>>(link: &mut Link) -> T {
    loop {
        if let Some(message) = link.next() {
            return message;
        }
        assert_eq!(link.broken(), None);
        rustix::event::poll(&mut [link.poll_fd()], None).unwrap();
        link.read();
    }
}

/// Rank 0's agent, and the test in rank 1's place.
fn with_false_child() -> (Agent, Receiver<Heard>, Link) {
    let (listener, contact) = Listener::bind().unwrap();
    let endpoint = SocketAddr::from((Ipv4Addr::LOCALHOST, contact.port));
    let (agent, heard) = start(listener, 0, vec![contact.clone(), contact]);
    let socket = control::greet(endpoint, &COOKIE, Who::Rank(1), Who::Rank(0)).unwrap();
    let mut child = Link::new(socket).unwrap();
    child.send(&Up::Ready);
    (agent, heard, child)
}

fn acknowledged(epoch: u64) -> Up {
    Up::Report(Report {
        epoch,
        ranks: 1,
        ..Report::default()
    })
}

#[test]
fn a_rank_that_dies_at_a_checkpoint_is_named_and_the_others_run_on() {
    let (agent, heard, mut child) = with_false_child();
    agent.request_checkpoint(false);
    assert!(matches!(
        hear(&mut child),
        Down::Broadcast(Broadcast::Intent { epoch: 1 })
    ));
    child.send(&acknowledged(1));
    assert!(matches!(
        hear(&mut child),
        Down::Broadcast(Broadcast::Stop { epoch: 1 })
    ));
    drop(child);
    assert_eq!(
        heard.recv().unwrap(),
        Heard::Broadcast(Broadcast::Intent { epoch: 1 })
    );
    assert_eq!(
        heard.recv().unwrap(),
        Heard::Broadcast(Broadcast::Stop { epoch: 1 })
    );
    let Heard::Broadcast(Broadcast::Aborted { epoch: 1, reason }) = heard.recv().unwrap() else {
        panic!()
    };
    assert!(reason.contains("rank 1 is gone"), "{reason}");
    agent.request_checkpoint(false);
    let Heard::Refused(reason) = heard.recv().unwrap() else {
        panic!("no checkpoint is possible any more")
    };
    assert!(reason.contains("rank 1 is gone"), "{reason}");
    agent.shutdown();
}

/// Why a checkpoint that was asked for comes to nothing: refused at once, or begun by an agent that had not looked at its child's
/// connection yet, and aborted.
fn why_no_checkpoint(heard: &Receiver<Heard>) -> String {
    match heard.recv().unwrap() {
        Heard::Refused(reason) => reason,
        Heard::Broadcast(Broadcast::Intent { .. }) => match heard.recv().unwrap() {
            Heard::Broadcast(Broadcast::Aborted { reason, .. }) => reason,
            other => panic!("{other:?} after the intent"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rank_that_dies_between_checkpoints_ends_them() {
    let (agent, heard, child) = with_false_child();
    drop(child);
    agent.request_checkpoint(false);
    let reason = why_no_checkpoint(&heard);
    assert!(reason.contains("rank 1 is gone"), "{reason}");
    agent.shutdown();
}

#[test]
fn a_child_that_talks_nonsense_is_as_good_as_dead() {
    let (agent, heard, mut child) = with_false_child();
    child.send_bytes(&[0xff; 64]);
    agent.request_checkpoint(false);
    let reason = why_no_checkpoint(&heard);
    assert!(reason.contains("longer than any"), "{reason}");
    agent.shutdown();
}

/// Rank 1's agent, and the test in rank 0's place.
fn with_false_parent() -> (Agent, Receiver<Heard>, Link) {
    let root = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (listener, contact) = Listener::bind().unwrap();
    let root_contact = Contact {
        port: root.local_addr().unwrap().port(),
        ..contact.clone()
    };
    let (agent, heard) = start(listener, 1, vec![root_contact, contact]);
    let (mut socket, _) = root.accept().unwrap();
    let mut greeting = [0; GREETING_BYTES];
    std::io::Read::read_exact(&mut socket, &mut greeting).unwrap();
    assert_eq!(wire::read_greeting(&COOKIE, &greeting), Ok(Who::Rank(1)));
    std::io::Write::write_all(&mut socket, &wire::greeting(&COOKIE, Who::Rank(0))).unwrap();
    let mut link = Link::new(socket).unwrap();
    assert!(matches!(hear(&mut link), Up::Ready));
    (agent, heard, link)
}

/// The ranks below would be held at their gates for ever if nobody told them.
#[test]
fn a_rank_whose_parent_dies_at_a_checkpoint_is_let_go() {
    let (agent, heard, mut parent) = with_false_parent();
    parent.send(&Down::Broadcast(Broadcast::Intent { epoch: 1 }));
    assert!(matches!(
        hear(&mut parent),
        Up::Report(Report {
            epoch: 1,
            ranks: 1,
            ..
        })
    ));
    drop(parent);
    assert_eq!(
        heard.recv().unwrap(),
        Heard::Broadcast(Broadcast::Intent { epoch: 1 })
    );
    assert!(matches!(
        heard.recv().unwrap(),
        Heard::Broadcast(Broadcast::Aborted { epoch: 1, .. })
    ));
    agent.request_checkpoint(false);
    assert!(matches!(heard.recv().unwrap(), Heard::Refused(_)));
    agent.shutdown();
}

/// Somebody else may listen where the parent's contact points, on another network say.
#[test]
fn a_false_parent_is_noticed() {
    let (cookie, other) = (Cookie([1; 16]), Cookie([2; 16]));
    let impostor = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = impostor.local_addr().unwrap();
    let answer = std::thread::spawn(move || {
        let (mut socket, _): (TcpStream, _) = impostor.accept().unwrap();
        let mut greeting = [0; GREETING_BYTES];
        std::io::Read::read_exact(&mut socket, &mut greeting).unwrap();
        std::io::Write::write_all(&mut socket, &wire::greeting(&other, Who::Rank(0))).unwrap();
    });
    let error = control::greet(endpoint, &cookie, Who::Rank(1), Who::Rank(0)).unwrap_err();
    assert!(
        error.to_string().contains("another job's cookie"),
        "{error}"
    );
    answer.join().unwrap();
}
