//! Which addresses are on the public internet. All others are prohibited unless their name is allowed
//! to have them. Pure: resolves nothing.
//!
//! The ranges are those of the IANA special-purpose registries, and of cloud metadata services. What
//! carries an IPv4 address inside an IPv6 one is judged by what it carries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range, how many leading bits tell it, and what it is.
type V4 = (Ipv4Addr, u32, &'static str);
type V6 = (Ipv6Addr, u32, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(a: u16, b: u16, c: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)
}

/// The first that fits tells what an address is.
const V4_PROHIBITED: [V4; 18] = [
    (v4(169, 254, 169, 254), 32, "a metadata address"),
    (v4(168, 63, 129, 16), 32, "a metadata address"),
    (v4(100, 100, 100, 200), 32, "a metadata address"),
    (v4(0, 0, 0, 0), 8, "an unspecified address"),
    (v4(10, 0, 0, 0), 8, "a private address"),
    (v4(100, 64, 0, 0), 10, "a shared address"),
    (v4(127, 0, 0, 0), 8, "a loopback address"),
    (v4(169, 254, 0, 0), 16, "a link-local address"),
    (v4(172, 16, 0, 0), 12, "a private address"),
    (v4(192, 0, 0, 0), 24, "a reserved address"),
    (v4(192, 0, 2, 0), 24, "a documentation address"),
    (v4(192, 88, 99, 0), 24, "a reserved address"),
    (v4(192, 168, 0, 0), 16, "a private address"),
    (v4(198, 18, 0, 0), 15, "a benchmarking address"),
    (v4(198, 51, 100, 0), 24, "a documentation address"),
    (v4(203, 0, 113, 0), 24, "a documentation address"),
    (v4(224, 0, 0, 0), 4, "a multicast address"),
    (v4(240, 0, 0, 0), 4, "a reserved address"),
];

const V6_PROHIBITED: [V6; 12] = [
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, "a metadata address"),
    (Ipv6Addr::UNSPECIFIED, 128, "an unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "a loopback address"),
    (v6(0xfc00, 0, 0), 7, "a private address"),
    (v6(0xfe80, 0, 0), 10, "a link-local address"),
    (v6(0xfec0, 0, 0), 10, "a private address"),
    (v6(0xff00, 0, 0), 8, "a multicast address"),
    (v6(0x64, 0xff9b, 1), 48, "a private address"),
    // Tunnels, identifiers and benchmarking, none of which a public service has.
    (v6(0x2001, 0, 0), 23, "a reserved address"),
    (v6(0x2001, 0xdb8, 0), 32, "a documentation address"),
    (v6(0x2002, 0, 0), 16, "a reserved address"),
    (v6(0x3fff, 0, 0), 20, "a documentation address"),
];
/// All that is handed out on the public internet.
const V6_PUBLIC: (Ipv6Addr, u32) = (v6(0x2000, 0, 0), 3);

/// What an address is, when it is not a public one.
pub(crate) fn prohibited(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => prohibited_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => prohibited_v4(address),
            None => prohibited_v6(address),
        },
    }
}

fn prohibited_v4(address: Ipv4Addr) -> Option<&'static str> {
    let mut ranges = V4_PROHIBITED.iter();
    let found = ranges.find(|(range, bits, _)| {
        address.to_bits() >> (32 - bits) == range.to_bits() >> (32 - bits)
    });
    found.map(|(_, _, what)| *what)
}

fn prohibited_v6(address: Ipv6Addr) -> Option<&'static str> {
    let within = |range: Ipv6Addr, bits: u32| {
        address.to_bits() >> (128 - bits) == range.to_bits() >> (128 - bits)
    };
    let found = V6_PROHIBITED.iter().find(|(range, bits, _)| within(*range, *bits));
    let public = within(V6_PUBLIC.0, V6_PUBLIC.1);
    found.map(|(_, _, what)| *what).or_else(|| (!public).then_some("a reserved address"))
}

/// The IPv4 address that packets to this one end at: mapped (`::ffff:a.b.c.d`), translated
/// (`64:ff9b::a.b.c.d`), or tunnelled (6to4, `2002:aabb:ccdd::`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(of(high, low))
        }
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expect: Option<&str>) {
        assert_eq!(prohibited(address.parse().unwrap()), expect, "{address}");
    }

    #[test]
    fn special_ranges_are_prohibited_from_their_first_address_to_their_last() {
        for (first, last, what) in [
            ("0.0.0.0", "0.255.255.255", "an unspecified address"),
            ("10.0.0.0", "10.255.255.255", "a private address"),
            ("100.64.0.0", "100.127.255.255", "a shared address"),
            ("127.0.0.0", "127.255.255.255", "a loopback address"),
            ("169.254.0.0", "169.254.255.255", "a link-local address"),
            ("172.16.0.0", "172.31.255.255", "a private address"),
            ("192.0.0.0", "192.0.0.255", "a reserved address"),
            ("192.0.2.0", "192.0.2.255", "a documentation address"),
            ("192.88.99.0", "192.88.99.255", "a reserved address"),
            ("192.168.0.0", "192.168.255.255", "a private address"),
            ("198.18.0.0", "198.19.255.255", "a benchmarking address"),
            ("198.51.100.0", "198.51.100.255", "a documentation address"),
            ("203.0.113.0", "203.0.113.255", "a documentation address"),
            ("224.0.0.0", "239.255.255.255", "a multicast address"),
            ("240.0.0.0", "255.255.255.255", "a reserved address"),
            ("169.254.169.254", "169.254.169.254", "a metadata address"),
            ("168.63.129.16", "168.63.129.16", "a metadata address"),
            ("100.100.100.200", "100.100.100.200", "a metadata address"),
            ("::", "::", "an unspecified address"),
            ("::1", "::1", "a loopback address"),
            ("::2", "::ffff", "a reserved address"),
            ("fc00::", "fdff:ffff::1", "a private address"),
            ("fd00:ec2::254", "fd00:ec2::254", "a metadata address"),
            ("fe80::", "febf:ffff::1", "a link-local address"),
            ("fec0::", "feff:ffff::1", "a private address"),
            ("ff00::", "ffff:ffff::1", "a multicast address"),
            ("64:ff9b:1::", "64:ff9b:1:ffff::1", "a private address"),
            ("100::", "1fff:ffff::1", "a reserved address"),
            ("2001::", "2001:1ff:ffff::1", "a reserved address"),
            ("2001:db8::", "2001:db8:ffff::1", "a documentation address"),
            ("3fff::", "3fff:fff:ffff::1", "a documentation address"),
            ("4000::", "5f00::1", "a reserved address"),
        ] {
            check(first, Some(what));
            check(last, Some(what));
        }
    }

    #[test]
    fn what_carries_an_address_is_judged_by_it() {
        for (address, expect) in [
            ("127.0.0.1", Some("a loopback address")),
            ("10.1.2.3", Some("a private address")),
            ("169.254.169.254", Some("a metadata address")),
            ("0.0.0.0", Some("an unspecified address")),
            ("8.8.8.8", None),
        ] {
            let [a, b, c, d] = address.parse::<Ipv4Addr>().unwrap().octets();
            let hex = format!("{a:02x}{b:02x}:{c:02x}{d:02x}");
            check(address, expect);
            check(&format!("::ffff:{hex}"), expect);
            check(&format!("64:ff9b::{hex}"), expect);
            check(&format!("2002:{hex}::1"), expect);
        }
    }

    #[test]
    fn public_addresses_are_not_prohibited() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
        ] {
            check(address, None);
        }
    }
}
