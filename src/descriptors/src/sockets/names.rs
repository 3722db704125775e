//! Addresses that are the same though their bytes are not: `::ffff:127.0.0.1` of a socket for IPv6 is `127.0.0.1` of one for IPv4.
//!
//! ```text
//!   struct sockaddr_in    2 family, 2 port, 4 address, 8 zero
//!   struct sockaddr_in6   2 family, 2 port, 4 flow, 16 address, 4 scope
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::family;

/// Bytes of a `struct sockaddr_in`.
const FOUR_BYTES: usize = 16;

/// The address and port of a `struct sockaddr`, in IPv4 where it can be; `None` for another kind.
fn place(name: &[u8]) -> Option<(IpAddr, [u8; 2])> {
    let address: IpAddr = match family(name) {
        libc::AF_INET => Ipv4Addr::from(<[u8; 4]>::try_from(name.get(4..8)?).ok()?).into(),
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(name.get(8..24)?).ok()?);
            address.to_canonical()
        }
        _ => return None,
    };
    Some((address, name.get(2..4)?.try_into().ok()?))
}

/// Whether two names are of the same socket.
pub(super) fn is_same(first: &[u8], second: &[u8]) -> bool {
    first == second || place(first).is_some_and(|first| place(second) == Some(first))
}

/// A name as a socket of `domain` is to be given it.
pub(super) fn of_domain(name: &[u8], domain: i32) -> Vec<u8> {
    match (domain, place(name)) {
        (libc::AF_INET, Some((IpAddr::V4(address), port))) => four(address, port),
        // To send to all addresses means this machine, in both.
        (libc::AF_INET, Some((IpAddr::V6(address), port))) if address.is_unspecified() => {
            four(Ipv4Addr::UNSPECIFIED, port)
        }
        (libc::AF_INET6, Some((IpAddr::V4(address), port))) if family(name) == libc::AF_INET => {
            six(address.to_ipv6_mapped(), port)
        }
        _ => name.to_owned(),
    }
}

fn four(address: Ipv4Addr, port: [u8; 2]) -> Vec<u8> {
    let mut name = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    name.extend(port);
    name.extend(address.octets());
    name.resize(FOUR_BYTES, 0);
    name
}

fn six(address: Ipv6Addr, port: [u8; 2]) -> Vec<u8> {
    let mut name = (libc::AF_INET6 as u16).to_ne_bytes().to_vec();
    name.extend(port);
    name.extend([0; 4]);
    name.extend(address.octets());
    name.extend([0; 4]);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_in_both_forms() {
        let port = 8080_u16.to_be_bytes();
        let short = four(Ipv4Addr::LOCALHOST, port);
        let mapped = six(Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port);
        assert!(is_same(&short, &mapped) && is_same(&mapped, &short));
        assert!(!is_same(&short, &six(Ipv6Addr::LOCALHOST, port)));
        assert!(!is_same(&short, &four(Ipv4Addr::LOCALHOST, [0, 1])));
        assert!(!is_same(&[], &short) && is_same(&[], &[]));
        assert_eq!(of_domain(&mapped, libc::AF_INET), short);
        assert_eq!(of_domain(&short, libc::AF_INET6), mapped);
        assert_eq!(of_domain(&mapped, libc::AF_INET6), mapped);
        let any = six(Ipv6Addr::UNSPECIFIED, port);
        assert_eq!(
            of_domain(&any, libc::AF_INET),
            four(Ipv4Addr::UNSPECIFIED, port)
        );
    }
}
