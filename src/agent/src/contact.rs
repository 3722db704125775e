//! Where an agent can be reached: made by each rank, exchanged by the engine over MPI, used by the children.
//!
//! A [`Contact`] has a fixed size in bytes so that one MPI_Allgather exchanges them all.
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};

use crate::AgentError;

/// Size of a contact as bytes, see [`Contact::to_bytes`].
pub const CONTACT_BYTES: usize = 256;

/// The first byte of a contact; another version of the format gets another.
const FORMAT: u8 = 1;

/// How to reach the agent of a rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The host's name, for messages.
    pub hostname: String,
    /// Tells network namespaces apart: two agents with the same one reach each other at 127.0.0.1.
    pub namespace: String,
    /// The host's addresses, the likeliest first.
    pub addresses: Vec<IpAddr>,
    /// The TCP port.
    pub port: u16,
}

impl Contact {
    /// The contact as bytes of a fixed size, to be exchanged over MPI. What does not fit of the addresses is
    /// left out.
    ///
    /// # Panics
    /// Not for a contact that [`Listener::bind`] made: its names are short.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; CONTACT_BYTES] {
        let mut contact = self.clone();
        loop {
            let encoded =
                rmp_serde::to_vec(&contact).expect("a contact has no part that cannot be encoded");
            if let Some(bytes) = frame(&encoded) {
                return bytes;
            }
            contact.addresses.pop().expect("the names fit");
        }
    }

    /// Reads what [`Contact::to_bytes`] wrote.
    ///
    /// # Errors
    /// If it did not.
    pub fn from_bytes(bytes: &[u8; CONTACT_BYTES]) -> Result<Contact, AgentError> {
        let [format, length, rest @ ..] = bytes;
        if *format != FORMAT {
            return Err(AgentError::BadContact(format!(
                "format {format} where {FORMAT} is expected"
            )));
        }
        let encoded = rest
            .get(..usize::from(*length))
            .ok_or_else(|| AgentError::BadContact(format!("length {length}")))?;
        rmp_serde::from_slice(encoded).map_err(|error| AgentError::BadContact(error.to_string()))
    }

    /// Where to try to connect from an agent in `namespace`, in this order.
    pub(crate) fn endpoints(&self, namespace: &str) -> Vec<SocketAddr> {
        let loopback = (self.namespace == namespace).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        loopback
            .into_iter()
            .chain(self.addresses.iter().copied())
            .map(|ip| SocketAddr::new(ip, self.port))
            .collect()
    }
}

fn frame(encoded: &[u8]) -> Option<[u8; CONTACT_BYTES]> {
    let mut bytes = [0; CONTACT_BYTES];
    bytes[0] = FORMAT;
    bytes[1] = u8::try_from(encoded.len()).ok()?;
    bytes
        .get_mut(2..2 + encoded.len())?
        .copy_from_slice(encoded);
    Some(bytes)
}

/// The socket at which an agent will listen; open before the contacts are exchanged, so that a child may
/// connect before its parent's agent has started.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) contact: Contact,
}

impl Listener {
    /// Opens a socket at a port of the kernel's choice, on all addresses.
    ///
    /// # Errors
    /// If the kernel has none to give.
    pub fn bind() -> Result<(Listener, Contact), AgentError> {
        let socket = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(AgentError::Listen)?;
        let port = socket.local_addr().map_err(AgentError::Listen)?.port();
        let contact = Contact {
            hostname: hostname(),
            namespace: namespace(),
            addresses: addresses(),
            port,
        };
        Ok((
            Listener {
                socket,
                contact: contact.clone(),
            },
            contact,
        ))
    }
}

fn hostname() -> String {
    let mut name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    name.truncate(name.floor_char_boundary(64));
    name
}

/// Equal for two processes exactly if they share a loopback interface: host names may be alike in containers.
pub(crate) fn namespace() -> String {
    let boot =
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| hostname());
    let net = std::fs::read_link("/proc/self/ns/net")
        .map(|link| link.display().to_string())
        .unwrap_or_default();
    let mut namespace = format!("{} {net}", boot.trim());
    namespace.truncate(namespace.floor_char_boundary(96));
    namespace
}

/// This host's IPv4 addresses from the kernel's table of local routes (proc(5), /proc/net/fib_trie); the one
/// that the default route would use comes first.
fn addresses() -> Vec<IpAddr> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let mut found: Vec<IpAddr> = preferred_address().into_iter().collect();
    for address in local_addresses(&table) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// The source address the kernel would choose for a packet to the outside. Nothing is sent: connecting a UDP
/// socket only looks up the route.
fn preferred_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// In the table an address stands on the line before `/32 host LOCAL`.
fn local_addresses(fib_trie: &str) -> Vec<IpAddr> {
    let lines: Vec<&str> = fib_trie.lines().collect();
    let pairs = lines
        .windows(2)
        .filter(|pair| pair[1].trim() == "/32 host LOCAL");
    pairs
        .filter_map(|pair| pair[0].rsplit(' ').next()?.parse::<Ipv4Addr>().ok())
        .filter(|address| !address.is_loopback())
        .map(IpAddr::V4)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_survives_its_bytes() {
        let (_listener, contact) = Listener::bind().unwrap();
        assert_eq!(Contact::from_bytes(&contact.to_bytes()).unwrap(), contact);
    }

    #[test]
    fn addresses_that_do_not_fit_are_left_out() {
        let (_listener, mut contact) = Listener::bind().unwrap();
        contact.addresses = (0..=255)
            .map(|n| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)))
            .collect();
        let read = Contact::from_bytes(&contact.to_bytes()).unwrap();
        assert!(!read.addresses.is_empty());
        assert_eq!(
            read.addresses[..],
            contact.addresses[..read.addresses.len()]
        );
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(Contact::from_bytes(&[0; CONTACT_BYTES]).is_err());
        assert!(Contact::from_bytes(&[1; CONTACT_BYTES]).is_err());
        assert!(Contact::from_bytes(&[255; CONTACT_BYTES]).is_err());
    }

    #[test]
    fn the_kernel_table_is_read() {
        let table = "\
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.17.0.2
        /32 host LOCAL
     |-- 172.17.255.255
        /32 link BROADCAST
";
        assert_eq!(
            local_addresses(table),
            [IpAddr::V4(Ipv4Addr::new(172, 17, 0, 2))]
        );
    }

    #[test]
    fn neighbours_on_one_host_use_the_loopback() {
        let (_listener, contact) = Listener::bind().unwrap();
        assert!(contact.endpoints(&contact.namespace)[0].ip().is_loopback());
        assert!(
            contact
                .endpoints("elsewhere")
                .iter()
                .all(|endpoint| !endpoint.ip().is_loopback())
        );
    }
}
