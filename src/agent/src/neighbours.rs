//! The sockets of an agent: its parent, its children, and those who have not said yet who they are.
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use mana_drain::Tree;
use rustix::event::{PollFd, PollFlags};

use crate::link::Link;
use crate::wire::{self, Cookie, Down, GREETING_BYTES, Up, Who};
use crate::{Contact, Listener, control};

/// More who have not greeted than this are not kept: the oldest goes first.
const MOST_STRANGERS: usize = 64;

/// How often all addresses of a parent are tried.
const CONNECT_ROUNDS: u32 = 3;

/// A place in the tree next to this one.
#[derive(Debug)]
pub(crate) enum Neighbour {
    /// Not connected yet.
    Awaited,
    Here(Link),
    /// Left in order, or lost.
    Gone,
}

impl Neighbour {
    pub(crate) fn link(&mut self) -> Option<&mut Link> {
        match self {
            Neighbour::Here(link) => Some(link),
            Neighbour::Awaited | Neighbour::Gone => None,
        }
    }
}

/// A rank that reports to this one.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) neighbour: Neighbour,
    /// Its whole subtree is connected.
    pub(crate) ready: bool,
}

/// Somebody who has connected and not proved anything.
#[derive(Debug)]
struct Stranger {
    socket: TcpStream,
    heard: Vec<u8>,
}

/// All sockets of an agent but its clients'.
#[derive(Debug)]
pub(crate) struct Neighbours {
    me: u32,
    cookie: Cookie,
    /// Closed once nobody is expected any more.
    listener: Option<Listener>,
    strangers: Vec<Stranger>,
    /// `None` at the root.
    pub(crate) parent: Option<Neighbour>,
    pub(crate) children: BTreeMap<u32, Child>,
}

impl Neighbours {
    pub(crate) fn new(me: u32, tree: &Tree, cookie: Cookie, listener: Listener) -> Neighbours {
        let child = |rank| {
            (
                rank,
                Child {
                    neighbour: Neighbour::Awaited,
                    ready: false,
                },
            )
        };
        Neighbours {
            me,
            cookie,
            listener: Some(listener),
            strangers: Vec::new(),
            parent: tree.parent().map(|_| Neighbour::Awaited),
            children: tree.children().map(child).collect(),
        }
    }

    /// Connects to the parent, whichever of its addresses answers; or says why none did.
    pub(crate) fn connect(&mut self, parent: u32, contact: &Contact) -> Result<(), String> {
        let endpoints = contact.endpoints(&self.namespace());
        let mut errors = Vec::new();
        for endpoint in endpoints
            .iter()
            .cycle()
            .take(endpoints.len() * CONNECT_ROUNDS as usize)
        {
            let greeted = control::greet(
                *endpoint,
                &self.cookie,
                Who::Rank(self.me),
                Who::Rank(parent),
            );
            match greeted.and_then(Link::new) {
                Ok(link) => {
                    self.parent = Some(Neighbour::Here(link));
                    return Ok(());
                }
                Err(error) => errors.push(format!("{endpoint}: {error}")),
            }
        }
        errors.truncate(endpoints.len());
        Err(format!(
            "rank {} cannot reach rank {parent} on {} ({})",
            self.me,
            contact.hostname,
            errors.join("; ")
        ))
    }

    fn namespace(&self) -> String {
        self.listener
            .as_ref()
            .map_or_else(crate::contact::namespace, |listener| {
                listener.contact.namespace.clone()
            })
    }

    /// What poll(2) is to wait for.
    pub(crate) fn poll_fds(&self) -> Vec<PollFd<'_>> {
        let listener = self
            .listener
            .iter()
            .map(|listener| PollFd::new(&listener.socket, PollFlags::IN));
        let strangers = self
            .strangers
            .iter()
            .map(|stranger| PollFd::new(&stranger.socket, PollFlags::IN));
        let places = self
            .parent
            .iter()
            .chain(self.children.values().map(|child| &child.neighbour));
        let links = places.filter_map(|place| match place {
            Neighbour::Here(link) => Some(link.poll_fd()),
            Neighbour::Awaited | Neighbour::Gone => None,
        });
        listener.chain(strangers).chain(links).collect()
    }

    /// Whether this agent and all below it are connected.
    pub(crate) fn all_ready(&self) -> bool {
        !matches!(self.parent, Some(Neighbour::Awaited))
            && self.children.values().all(|child| child.ready)
    }

    /// Sends to the parent, if it is there.
    pub(crate) fn send_up(&mut self, message: &Up) {
        if let Some(link) = self.parent.as_mut().and_then(Neighbour::link) {
            link.send(message);
        }
    }

    /// Sends to all children that are there.
    pub(crate) fn send_down(&mut self, message: &Down) {
        let bytes = wire::frame(message);
        for (_, link) in self.links_down() {
            link.send_bytes(&bytes);
        }
    }

    /// The children that are there.
    pub(crate) fn links_down(&mut self) -> impl Iterator<Item = (u32, &mut Link)> {
        self.children
            .iter_mut()
            .filter_map(|(&rank, child)| Some((rank, child.neighbour.link()?)))
    }

    /// Sends what the kernel takes now.
    pub(crate) fn write(&mut self) {
        self.parent
            .as_mut()
            .and_then(Neighbour::link)
            .into_iter()
            .for_each(Link::write);
        self.links_down().for_each(|(_, link)| link.write());
    }

    /// Waits until the kernel has taken everything.
    pub(crate) fn flush(&mut self) {
        self.parent
            .as_mut()
            .and_then(Neighbour::link)
            .into_iter()
            .for_each(Link::flush);
        self.links_down().for_each(|(_, link)| link.flush());
    }

    /// Nobody needs to come in any more but clients, and those only to the root.
    pub(crate) fn close_listener_if_complete(&mut self) {
        let awaited = |child: &Child| matches!(child.neighbour, Neighbour::Awaited);
        if self.parent.is_some() && !self.children.values().any(awaited) {
            self.listener = None;
            self.strangers.clear();
        }
    }

    /// Takes in who connects and hears who they are. Children get their places; clients are given back.
    pub(crate) fn welcome(&mut self) -> Vec<Link> {
        self.accept();
        let mut clients = Vec::new();
        for mut stranger in std::mem::take(&mut self.strangers) {
            match stranger.hear() {
                Ok(false) => self.strangers.push(stranger),
                Ok(true) => match self.admit(stranger) {
                    Ok(client) => clients.extend(client),
                    Err(reason) => tracing::debug!(%reason, "turned a connection away"),
                },
                Err(error) => tracing::debug!(%error, "a connection ended without a greeting"),
            }
        }
        let surplus = self.strangers.len().saturating_sub(MOST_STRANGERS);
        self.strangers.drain(..surplus);
        clients
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        loop {
            match listener.socket.accept() {
                Ok((socket, _)) => self.strangers.push(Stranger {
                    socket,
                    heard: Vec::new(),
                }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // The connection is gone, or this process has no descriptor left: tried again when the
                    // next event comes.
                    tracing::debug!(%error, "a connection could not be accepted");
                    break;
                }
            }
        }
    }

    /// Gives a stranger who has greeted his place, and answers. Clients have no place: they are returned.
    fn admit(&mut self, mut stranger: Stranger) -> Result<Option<Link>, String> {
        let greeting = stranger.heard.first_chunk().ok_or("a short greeting")?;
        let who = wire::read_greeting(&self.cookie, greeting).map_err(|error| error.to_string())?;
        let answer = wire::greeting(&self.cookie, Who::Rank(self.me));
        stranger
            .socket
            .write_all(&answer)
            .map_err(|error| error.to_string())?;
        let link = Link::new(stranger.socket).map_err(|error| error.to_string())?;
        match who {
            Who::Control if self.me == 0 => return Ok(Some(link)),
            Who::Control => return Err("a client came to another rank than 0".to_owned()),
            Who::Rank(rank) => match self
                .children
                .get_mut(&rank)
                .map(|child| &mut child.neighbour)
            {
                Some(place @ Neighbour::Awaited) => *place = Neighbour::Here(link),
                Some(_) => return Err(format!("rank {rank} came twice")),
                None => return Err(format!("rank {rank} has no place below rank {}", self.me)),
            },
        }
        Ok(None)
    }
}

impl Stranger {
    /// Hears as much as a greeting has, and no more; whether that is complete.
    fn hear(&mut self) -> std::io::Result<bool> {
        self.socket.set_nonblocking(true)?;
        while self.heard.len() < GREETING_BYTES {
            let mut chunk = [0; GREETING_BYTES];
            match self.socket.read(&mut chunk[self.heard.len()..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    let start = self.heard.len();
                    self.heard.extend_from_slice(&chunk[start..start + length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
