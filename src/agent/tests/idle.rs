//! An agent between checkpoints costs nothing: its thread is not scheduled at all. (A process of its own, so
//! that all agents in it are this test's.)
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mana_agent::{Agent, AgentConfig, Contact, Cookie, DEFAULT_ARITY, Listener, RankPort};
use mana_drain::{Activity, Broadcast, Phase, Rank, Report};

/// A rank that is parked when it should be.
struct Port(Mutex<Rank>);

impl RankPort for Port {
    fn on_broadcast(&self, broadcast: &Broadcast) {
        let mut machine = self.0.lock().unwrap();
        machine.on_broadcast(broadcast);
        if machine.phase() == Phase::Write {
            machine.wrote();
        }
    }

    fn report(&self) -> Report {
        self.0.lock().unwrap().report(&Activity {
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
}

fn start(rank: u32, listener: Listener, contacts: &[Contact], cookie: Cookie) -> Agent {
    let config = AgentConfig {
        rank,
        size: contacts.len() as u32,
        arity: DEFAULT_ARITY,
        contacts: contacts.to_vec(),
        cookie,
        interval: Some(Duration::from_secs(3600)),
        control_file: None,
        job: String::new(),
    };
    Agent::start(
        listener,
        config,
        Arc::new(Port(Mutex::new(Rank::new(rank)))),
    )
    .unwrap()
}

/// How often each agent's thread has left the processor, and its mask of blocked signals.
fn agents() -> BTreeMap<String, (u64, u64)> {
    let mut found = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| -> String {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        if field("Name:") == "mana-agent" {
            let switches = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"];
            let switches = switches
                .iter()
                .map(|name| field(name).parse::<u64>().unwrap())
                .sum();
            found.insert(
                field("Pid:"),
                (
                    switches,
                    u64::from_str_radix(&field("SigBlk:"), 16).unwrap(),
                ),
            );
        }
    }
    found
}

#[test]
fn agents_sleep_and_take_no_signals() {
    let (listeners, contacts): (Vec<_>, Vec<_>) = (0..3).map(|_| Listener::bind().unwrap()).unzip();
    let cookie = Cookie::random().unwrap();
    let agents_of_job: Vec<Agent> = (0..)
        .zip(listeners)
        .map(|(rank, listener)| start(rank, listener, &contacts, cookie))
        .collect();
    agents_of_job[2].request_checkpoint(false);
    // What they still have to say to each other takes an unknown time on a busy machine; then there is silence.
    let silent = (0..100).any(|_| {
        let before = agents();
        std::thread::sleep(Duration::from_millis(200));
        before.len() == 3 && before == agents()
    });
    assert!(silent, "the agents never come to rest: {:?}", agents());
    // All 64 signals but SIGKILL (9) and SIGSTOP (19), which cannot be blocked, and the two that the C library
    // keeps for itself (32, 33).
    let blockable = !((1 << 8) | (1 << 18) | (1 << 31) | (1 << 32));
    for (_, mask) in agents().into_values() {
        assert_eq!(mask & blockable, blockable, "{mask:x}");
    }
}
