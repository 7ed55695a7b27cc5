//! Which addresses are not the public Internet, and why.
//!
//! The tables follow the IANA special-purpose registries (RFC 6890 and its
//! updates) and the metadata services of the large clouds. An IPv6 address that
//! carries an IPv4 address is judged by that one. What lies outside the global
//! unicast block of IPv6 is refused, so a new special block is refused before
//! this table knows it. This file must not know what the operator allows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Unspecified,
    Loopback,
    Private,
    LinkLocal,
    UniqueLocal,
    CarrierNat,
    Metadata,
    Multicast,
    Broadcast,
    Documentation,
    Reserved,
    OwnListener,
}

impl Reason {
    /// Fills the gap in "the address is ...".
    pub fn describe(self) -> &'static str {
        match self {
            Reason::Unspecified => "the unspecified address",
            Reason::Loopback => "a loopback address",
            Reason::Private => "a private address",
            Reason::LinkLocal => "a link-local address",
            Reason::UniqueLocal => "a unique local address",
            Reason::CarrierNat => "an address of carrier-grade NAT",
            Reason::Metadata => "a cloud's metadata service",
            Reason::Multicast => "a multicast address",
            Reason::Broadcast => "the broadcast address",
            Reason::Documentation => "an address for documentation",
            Reason::Reserved => "a reserved address",
            Reason::OwnListener => "this server's own listener",
        }
    }
}

/// Why `ip` is special; `None` for an ordinary public address.
pub fn special(ip: IpAddr) -> Option<Reason> {
    match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<Reason> {
    let reason = match ip.octets() {
        // Link-local, Alibaba in carrier NAT, Oracle in IETF assignments, Azure in public space.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => {
            Reason::Metadata
        }
        [0, ..] => Reason::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reason::Private,
        [100, 64..=127, ..] => Reason::CarrierNat,
        [127, ..] => Reason::Loopback,
        [169, 254, ..] => Reason::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reason::Documentation,
        // IETF assignments, the relay of 6to4, AS112, AMT, benchmarks.
        [192, 0, 0, _]
        | [192, 88, 99, _]
        | [192, 31, 196, _]
        | [192, 52, 193, _]
        | [192, 175, 48, _] => Reason::Reserved,
        [198, 18..=19, ..] => Reason::Reserved,
        [224..=239, ..] => Reason::Multicast,
        [255, 255, 255, 255] => Reason::Broadcast,
        [240..=255, ..] => Reason::Reserved,
        _ => return None,
    };
    Some(reason)
}

fn special_v6(ip: Ipv6Addr) -> Option<Reason> {
    let reason = match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reason::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reason::Loopback,
        // IPv4-mapped, and NAT64 (RFC 6052): the IPv4 address is what is reached.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            return special_v4(embedded(high, low));
        }
        // IPv4-compatible (deprecated): nothing public is reached this way.
        [0, 0, 0, 0, 0, 0, high, low] => {
            special_v4(embedded(high, low)).unwrap_or(Reason::Reserved)
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => return special_v4(embedded(high, low)),
        // The metadata services of AWS and of Google.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254] => {
            Reason::Metadata
        }
        [0xfc00..=0xfdff, ..] => Reason::UniqueLocal,
        [0xfe80..=0xfebf, ..] => Reason::LinkLocal,
        [0xfec0..=0xfeff, ..] => Reason::Private,
        [0xff00..=0xffff, ..] => Reason::Multicast,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Reason::Documentation,
        // IETF assignments: Teredo, ORCHID, benchmarks, AMT and others.
        [0x2001, 0..=0x01ff, ..] => Reason::Reserved,
        // NAT64 of a site's own (RFC 8215).
        [0x64, 0xff9b, 1, ..] => Reason::Private,
        // ISATAP (RFC 5214) carries the IPv4 address in its interface identifier.
        [0x2000..=0x3fff, _, _, _, 0 | 0x0200, 0x5efe, high, low] => {
            return special_v4(embedded(high, low));
        }
        [0x2000..=0x3fff, ..] => return None,
        _ => Reason::Reserved,
    };
    Some(reason)
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_addresses_are_known() {
        use Reason::*;
        let cases = [
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("10.0.0.1", Private),
            ("10.255.255.255", Private),
            ("100.64.0.0", CarrierNat),
            ("100.127.255.255", CarrierNat),
            ("100.100.100.200", Metadata),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("168.63.129.16", Metadata),
            ("169.254.0.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("192.0.0.1", Reserved),
            ("192.0.0.192", Metadata),
            ("192.0.2.1", Documentation),
            ("192.88.99.1", Reserved),
            ("192.168.0.1", Private),
            ("198.18.0.1", Reserved),
            ("198.19.255.255", Reserved),
            ("198.51.100.7", Documentation),
            ("203.0.113.7", Documentation),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::2", Unspecified),
            ("::127.0.0.1", Loopback),
            ("::8.8.8.8", Reserved),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:169.254.169.254", Metadata),
            ("64:ff9b::7f00:1", Loopback),
            ("64:ff9b::10.0.0.1", Private),
            ("64:ff9b:1::1", Private),
            ("2002:7f00:1::", Loopback),
            ("2002:a00:1::1", Private),
            ("2001:db8::1", Documentation),
            ("3fff::1", Documentation),
            ("2001::1", Reserved),
            ("2001:10::1", Reserved),
            ("2a00::5efe:10.0.0.1", Private),
            ("2a00::200:5efe:7f00:1", Loopback),
            ("100::1", Reserved),
            ("5f00::1", Reserved),
            ("4000::1", Reserved),
            ("fc00::1", UniqueLocal),
            ("fd00:ec2::254", Metadata),
            ("fd20:ce::254", Metadata),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", Private),
            ("ff02::1", Multicast),
        ];
        for (ip, expected) in cases {
            assert_eq!(special(ip.parse().unwrap()), Some(expected), "{ip}");
        }
    }

    #[test]
    fn public_addresses_are_not_special() {
        let cases = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
        ];
        for ip in cases {
            assert_eq!(special(ip.parse().unwrap()), None, "{ip}");
        }
    }

    proptest! {
        #[test]
        fn an_embedded_address_is_judged_like_itself(bits: u32) {
            let ip = Ipv4Addr::from_bits(bits);
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            let forms = [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ];
            for form in forms {
                prop_assert_eq!(special(form.into()), special(ip.into()), "{}", form);
            }
        }

        #[test]
        fn what_the_standard_library_calls_special_is_special(bits: u32) {
            let ip = Ipv4Addr::from_bits(bits);
            if ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast()
                || ip.is_broadcast() || ip.is_documentation() || ip.is_unspecified() {
                prop_assert!(special(ip.into()).is_some(), "{}", ip);
            }
        }
    }
}
