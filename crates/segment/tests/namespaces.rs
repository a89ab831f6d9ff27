//! Real sockets on real interfaces: hosts are network namespaces on one bridge. Needs root and `ip`, so it is built with the feature
//! `e2e` only.
#![allow(missing_docs, clippy::unwrap_used)]

use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use barque_model::Vrid;
use barque_segment::wire::{Advertisement, GROUP_V4, GROUP_V6, VrrpVersion};
use barque_segment::{AddressReport, MacAddress, PROBE_TIME, SegmentError, SegmentQuestion, SegmentReport, survey};
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

/// Segments of this process; tests run side by side.
static SEGMENTS: AtomicU32 = AtomicU32::new(0);

/// A bridge with hosts on it, each a namespace with an interface `eth0`. Gone when it is dropped.
struct Segment {
    prefix: String,
    hosts: Vec<String>,
}

impl Segment {
    /// Hosts with these addresses.
    fn new(addresses: &[&str]) -> Self {
        let number = SEGMENTS.fetch_add(1, Ordering::Relaxed);
        let mut segment = Self { prefix: format!("barque-seg{}-{number}", std::process::id()), hosts: Vec::new() };
        let switch = segment.add("switch");
        segment.ip(&["-n", &switch, "link", "add", "br0", "type", "bridge"]);
        segment.ip(&["-n", &switch, "link", "set", "br0", "up"]);
        for (index, address) in addresses.iter().enumerate() {
            let host = segment.add(&format!("h{index}"));
            let (port, mac) = (format!("port{index}"), format!("02:00:00:00:00:{index:02x}"));
            segment.ip(&["-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "address", &mac, "netns", &host]);
            segment.ip(&["-n", &switch, "link", "set", &port, "master", "br0", "up"]);
            segment.ip(&["-n", &host, "link", "set", "lo", "up"]);
            segment.ip(&["-n", &host, "link", "set", "eth0", "up"]);
            segment.give(index, address);
        }
        segment
    }

    fn add(&mut self, name: &str) -> String {
        let name = format!("{}-{name}", self.prefix);
        self.ip(&["netns", "add", &name]);
        self.hosts.push(name.clone());
        name
    }

    fn ip(&self, arguments: &[&str]) {
        let output = Command::new("ip").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}: ip {arguments:?}: {}", self.prefix, String::from_utf8_lossy(&output.stderr));
    }

    fn host(&self, index: usize) -> &str {
        &self.hosts[index + 1]
    }

    /// Gives a host an address, at once and without asking who has it.
    fn give(&self, index: usize, address: &str) {
        let mut arguments = vec!["-n", self.host(index), "address", "add", address, "dev", "eth0"];
        if address.contains(':') {
            arguments.push("nodad");
        }
        self.ip(&arguments);
    }

    /// Runs something inside a host.
    fn inside<T: Send + 'static>(&self, index: usize, run: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
        let path = format!("/run/netns/{}", self.host(index));
        std::thread::spawn(move || {
            // A namespace is that of a thread.
            setns(fs_err::File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            run()
        })
    }

    fn survey(&self, index: usize, question: SegmentQuestion) -> std::thread::JoinHandle<Result<SegmentReport, SegmentError>> {
        self.inside(index, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(survey(&question))
        })
    }

    fn ask(&self, index: usize, own: &str, addresses: &[&str]) -> SegmentReport {
        self.survey(index, question(own, addresses, None)).join().unwrap().unwrap()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = Command::new("ip").args(["netns", "delete", host]).output();
        }
    }
}

fn question(own: &str, addresses: &[&str], listen: Option<Duration>) -> SegmentQuestion {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    SegmentQuestion { interface: None, own: own.parse().unwrap(), addresses, listen }
}

fn mac(index: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, index])
}

fn macs(report: &AddressReport) -> Vec<MacAddress> {
    report.holders.iter().map(|holder| holder.mac).collect()
}

#[test]
fn holders_are_named() {
    let segment = Segment::new(&["10.99.0.1/24", "10.99.0.2/24", "10.99.0.3/24"]);
    segment.give(1, "10.99.0.100/32");
    let begun = Instant::now();
    let report = segment.ask(0, "10.99.0.1", &["10.99.0.100", "10.99.0.1", "10.99.0.2", "10.99.0.50"]);
    assert!(begun.elapsed() >= PROBE_TIME && begun.elapsed() < PROBE_TIME * 4, "{:?}", begun.elapsed());
    assert_eq!((report.interface.as_str(), report.mac), ("eth0", mac(0)));
    assert_eq!(report.own_macs, [mac(0)]);
    assert!(report.networks.iter().any(|network| network.to_string() == "10.99.0.1/24"), "{:?}", report.networks);
    let [vip, own, second, nobody] = report.addresses.as_slice() else { panic!("{report:?}") };
    assert_eq!((vip.here, macs(vip)), (false, vec![mac(1)]));
    assert_eq!((own.here, macs(own)), (true, vec![]));
    assert_eq!((second.here, macs(second)), (false, vec![mac(1)]));
    // The same machine, known by the other address that it answered for.
    assert_eq!(vip.holders[0].also, ["10.99.0.2".parse::<IpAddr>().unwrap()]);
    assert_eq!((nobody.here, macs(nobody)), (false, vec![]));
}

#[test]
fn two_holders_are_both_named() {
    let segment = Segment::new(&["10.99.0.1/24", "10.99.0.2/24", "10.99.0.3/24"]);
    segment.give(0, "10.99.0.100/32");
    segment.give(2, "10.99.0.100/32");
    let from_a_holder = segment.ask(0, "10.99.0.1", &["10.99.0.100"]);
    assert_eq!((from_a_holder.addresses[0].here, macs(&from_a_holder.addresses[0])), (true, vec![mac(2)]));
    let from_outside = segment.ask(1, "10.99.0.2", &["10.99.0.100"]);
    assert_eq!((from_outside.addresses[0].here, macs(&from_outside.addresses[0])), (false, vec![mac(0), mac(2)]));
}

#[test]
fn hosts_that_ask_at_the_same_time_are_no_holders() {
    let segment = Segment::new(&["10.99.0.1/24", "10.99.0.2/24"]);
    let both = [
        segment.survey(0, question("10.99.0.1", &["10.99.0.100"], None)),
        segment.survey(1, question("10.99.0.2", &["10.99.0.100"], None)),
    ];
    for report in both.map(|thread| thread.join().unwrap().unwrap()) {
        assert_eq!(macs(&report.addresses[0]), []);
    }
}

#[test]
fn a_hosts_own_address_on_another_machine_is_a_conflict() {
    let segment = Segment::new(&["10.99.0.1/24", "10.99.0.2/24"]);
    segment.give(1, "10.99.0.1/24");
    let report = segment.ask(0, "10.99.0.1", &["10.99.0.1"]);
    assert_eq!((report.addresses[0].here, macs(&report.addresses[0])), (true, vec![mac(1)]));
}

#[test]
fn asking_leaves_no_trace_in_caches() {
    let segment = Segment::new(&["10.99.0.1/24", "10.99.0.2/24"]);
    assert_eq!(macs(&segment.ask(0, "10.99.0.1", &["10.99.0.2"]).addresses[0]), [mac(1)]);
    for index in 0..2 {
        let output = Command::new("ip").args(["-n", segment.host(index), "neighbour", "show"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("10.99.0."), "host {index}: {text}");
    }
}

#[test]
fn ipv6_is_asked_by_neighbour_discovery() {
    let segment = Segment::new(&["fd99::1/64", "fd99::2/64"]);
    segment.give(1, "fd99::100/128");
    let report = segment.ask(0, "fd99::1", &["fd99::100", "fd99::1", "fd99::50"]);
    let found: Vec<_> = report.addresses.iter().map(|address| (address.here, macs(address))).collect();
    assert_eq!(found, [(false, vec![mac(1)]), (true, vec![]), (false, vec![])]);
}

/// Sends advertisements every 100 ms for as long as another thread listens.
fn speak(segment: &Segment, index: u8, sent: Vec<(Advertisement, IpAddr, IpAddr)>, time: Duration) -> std::thread::JoinHandle<()> {
    segment.inside(index.into(), move || {
        let link = nix::ifaddrs::getifaddrs().unwrap().filter(|entry| entry.interface_name == "eth0");
        let link = link.filter_map(|entry| entry.address).find_map(|address| address.as_link_addr().copied()).unwrap();
        // No protocol: it only sends.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).unwrap();
        nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &link).unwrap();
        let frames: Vec<Vec<u8>> = sent.iter().map(|(sent, from, to)| sent.to_frame(mac(index), *from, *to, mac(0)).unwrap()).collect();
        let begun = Instant::now();
        while begun.elapsed() < time {
            for frame in &frames {
                socket.send(frame).unwrap();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    })
}

#[test]
fn speakers_of_vrrp_are_heard() {
    let segment = Segment::new(&["10.99.0.1/24", "10.99.0.2/24", "10.99.0.3/24"]);
    let said = |version, vrid, address: &str| Advertisement {
        version,
        vrid: Vrid(vrid),
        priority: 100,
        addresses: vec![address.parse().unwrap()],
        interval: Duration::from_secs(1),
    };
    let (time, second, third) = (Duration::from_millis(1500), IpAddr::from([10, 99, 0, 2]), IpAddr::from([10, 99, 0, 3]));
    let link_local: IpAddr = "fe80::3".parse().unwrap();
    let own = IpAddr::from([10, 99, 0, 1]);
    let speakers = [
        speak(&segment, 1, vec![(said(VrrpVersion::V2, 51, "10.99.0.100"), second, IpAddr::V4(GROUP_V4))], time),
        speak(
            &segment,
            2,
            vec![
                (said(VrrpVersion::V3, 52, "10.99.0.101"), third, own),
                (said(VrrpVersion::V3, 53, "fd99::100"), link_local, IpAddr::V6(GROUP_V6)),
            ],
            time,
        ),
        // This host itself.
        speak(&segment, 0, vec![(said(VrrpVersion::V3, 60, "10.99.0.102"), own, IpAddr::V4(GROUP_V4))], time),
    ];
    let report = segment.survey(0, question("10.99.0.1", &["10.99.0.2"], Some(Duration::from_secs(1)))).join().unwrap().unwrap();
    for speaker in speakers {
        speaker.join().unwrap();
    }
    let heard: Vec<_> = report.speakers.iter().map(|heard| (heard.mac, heard.source, heard.vrid.0, heard.version, heard.unicast)).collect();
    let expected = [
        (mac(1), second, 51, VrrpVersion::V2, false),
        (mac(2), third, 52, VrrpVersion::V3, true),
        (mac(2), link_local, 53, VrrpVersion::V3, false),
    ];
    assert_eq!(heard, expected);
    assert_eq!(report.speakers[0].addresses, ["10.99.0.100".parse::<IpAddr>().unwrap()]);
    assert_eq!((report.speakers[0].priority, report.speakers[0].interval), (100, Duration::from_secs(1)));
    // Asking went on meanwhile.
    assert_eq!(macs(&report.addresses[0]), [mac(1)]);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let segment = Segment::new(&["10.99.0.1/24"]);
    let error = segment.survey(0, question("10.99.0.7", &["10.99.0.100"], None)).join().unwrap().unwrap_err();
    assert!(matches!(error, SegmentError::NoAddress(_)), "{error:?}");
    segment.ip(&["-n", segment.host(0), "link", "set", "eth0", "down"]);
    let error = segment.survey(0, question("10.99.0.1", &["10.99.0.100"], None)).join().unwrap().unwrap_err();
    assert_eq!(error.chain(), "frames on `eth0` cannot be sent: Network is down (os error 100)");
}
