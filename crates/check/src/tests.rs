#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use barque_model::{Cluster, Host, HostName};
use barque_plan::{HostFacts, InterfaceAddress, OsRelease};

use super::*;

type World = BTreeMap<HostName, Inspection>;

fn cluster() -> Cluster {
    let text = include_str!("../../../examples/ha.yaml");
    let versions = barque_catalog::supported();
    barque_spec::parse(text, "ha.yaml", &barque_spec::Known { kubernetes: &versions }).unwrap().cluster
}

fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

fn process(name: &str, pid: u32, unit: &str) -> Process {
    Process { name: name.into(), pid, unit: Some(unit.into()), pod: false }
}

/// A host with which nothing is wrong.
fn fit(cluster: &Cluster, host: &Host, number: u8) -> Inspection {
    let request = InspectRequest::of(cluster, host, Depth::Measured);
    let volume = |path: &String| Volume {
        path: path.clone(),
        mount: "/".into(),
        free_bytes: 50 << 30,
        free_inodes: 900,
        inodes: 1000,
        read_only: false,
        no_exec: false,
    };
    Inspection {
        facts: HostFacts {
            hostname: host.name.to_string(),
            machine_id: format!("id-{number}"),
            boot_id: "boot".into(),
            architecture: "amd64".into(),
            os: OsRelease { id: "debian".into(), version_id: "13".into(), pretty_name: "Debian 13".into() },
            kernel: "6.12.0-amd64".into(),
            cgroup_v2: true,
            processors: 2,
            memory_bytes: 4 << 30,
            addresses: vec![InterfaceAddress { interface: "eth0".into(), address: host.address, prefix: 24 }],
            resolves_own_name: true,
            systemd: true,
            disks: Vec::new(),
            clock_millis: 0,
        },
        managed: Managed::default(),
        interrupted: Managed::default(),
        system: System {
            container: false,
            systemd: Some(257),
            product_uuid: Some(format!("uuid-{number}")),
            selinux_enforcing: false,
            apparmor: true,
            apparmor_parser: true,
        },
        features: request.features.iter().map(|name| Feature { name: name.clone(), state: FeatureState::Loadable }).collect(),
        parameters: request.parameters.iter().map(|key| Parameter { key: key.clone(), value: Some("7".into()), writable: true }).collect(),
        swaps: Vec::new(),
        volumes: request.paths.iter().map(volume).collect(),
        sync: request.sync_path.map(|path| SyncLatency { path, writes: 200, p99_micros: 900 }),
        links: vec![Link { name: "eth0".into(), mac: format!("02:00:00:00:00:{number:02x}") }],
        routes: vec![Route {
            destination: "0.0.0.0/0".parse().unwrap(),
            gateway: Some("10.0.0.1".parse().unwrap()),
            interface: "eth0".into(),
        }],
        resolvers: vec![Resolver { address: "10.0.0.2".parse().unwrap(), answers: Some(true) }],
        networkd: vec![
            NetworkFile { path: "/run/systemd/network/10-netplan-eth0.network".into(), text: "[Match]\nName=eth0\n".into() },
            NetworkFile { path: "/usr/lib/systemd/network/80-container-ve.network".into(), text: "[Match]\nKind=veth\nName=ve-*\n".into() },
        ],
        listeners: Vec::new(),
        traces: Vec::new(),
        ssh: Some(SshLimits { max_sessions: 10, startups_begin: 10 }),
        proxies: Vec::new(),
        packages: Some(PackageManager::default()),
        time_service: true,
        clock_millis: 0,
    }
}

fn world(cluster: &Cluster) -> World {
    cluster.hosts.iter().zip(1..).map(|(host, number)| (host.name.clone(), fit(cluster, host, number))).collect()
}

fn found(cluster: &Cluster, world: &World, clocks: &BTreeMap<HostName, i64>) -> Vec<Finding> {
    findings(&Inputs { cluster, inspections: world, clocks, to_receive: None })
}

/// The faults, each alone: the check that must find it, on m1, and how it comes about.
#[expect(clippy::type_complexity, reason = "a table of functions")]
fn faults() -> Vec<(CheckId, fn(&mut Inspection))> {
    fn trace(inspection: &mut Inspection, kind: TraceKind, what: &str) {
        inspection.traces.push(Trace { kind, what: what.into(), process: None });
    }
    fn volume<'a>(inspection: &'a mut Inspection, path: &str) -> &'a mut Volume {
        inspection.volumes.iter_mut().find(|volume| volume.path == path).unwrap()
    }
    fn parameter<'a>(inspection: &'a mut Inspection, key: &str) -> &'a mut Parameter {
        inspection.parameters.iter_mut().find(|parameter| parameter.key == key).unwrap()
    }
    vec![
        (CheckId::OperatingSystem, |host| host.facts.os.version_id = "11".into()),
        (CheckId::UntriedSystem, |host| host.facts.os.version_id = "14".into()),
        (CheckId::Architecture, |host| host.facts.architecture = "riscv64".into()),
        (CheckId::InitSystem, |host| host.facts.systemd = false),
        (CheckId::SystemdVersion, |host| host.system.systemd = Some(239)),
        (CheckId::KernelVersion, |host| host.facts.kernel = "5.10.0-amd64".into()),
        (CheckId::CgroupVersion, |host| host.facts.cgroup_v2 = false),
        (CheckId::KernelFeature, |host| host.features.last_mut().unwrap().state = FeatureState::Missing),
        (CheckId::KernelParameter, |host| parameter(host, "net.ipv4.ip_forward").writable = false),
        (CheckId::KernelTuning, |host| parameter(host, "vm.panic_on_oom").writable = false),
        (CheckId::Memory, |host| host.facts.memory_bytes = 1 << 30),
        (CheckId::Processors, |host| host.facts.processors = 1),
        (CheckId::DiskSpace, |host| volume(host, "/var/lib/barque").free_bytes = 300 << 20),
        (CheckId::Inodes, |host| volume(host, "/etc").free_inodes = 49),
        (CheckId::ReadOnlyMount, |host| volume(host, "/opt/cni/bin").read_only = true),
        (CheckId::NoexecMount, |host| volume(host, "/usr/local/bin").no_exec = true),
        (CheckId::DiskLatency, |host| host.sync.as_mut().unwrap().p99_micros = 25_300),
        (CheckId::SwapActive, |host| host.swaps.push(Swap { what: "/swap.img".into(), source: SwapSource::Active })),
        (CheckId::SwapAtBoot, |host| host.swaps.push(Swap { what: "/swap.img none swap sw 0 0".into(), source: SwapSource::Fstab })),
        (CheckId::TimeService, |host| host.time_service = false),
        (CheckId::Selinux, |host| host.system.selinux_enforcing = true),
        (CheckId::Apparmor, |host| host.system.apparmor_parser = false),
        (CheckId::Hostname, |host| host.facts.hostname = "my_host".into()),
        (CheckId::OwnName, |host| host.facts.resolves_own_name = false),
        (CheckId::HostAddress, |host| host.facts.addresses[0].address = "192.0.2.9".parse().unwrap()),
        (CheckId::AmbiguousInterface, |host| {
            let second = InterfaceAddress { interface: "eth1".into(), ..host.facts.addresses[0].clone() };
            host.facts.addresses.push(second);
        }),
        (CheckId::DefaultRoute, |host| host.routes.clear()),
        (CheckId::RouteOverlap, |host| {
            let range = "10.244.8.0/24".parse().unwrap();
            host.routes.push(Route { destination: range, gateway: Some("10.0.0.7".parse().unwrap()), interface: "eth0".into() });
        }),
        (CheckId::PodInterfaces, |host| {
            host.networkd[0].text = "[Match]\nType=ether\n".into();
        }),
        (CheckId::DnsServer, |host| host.resolvers[0].answers = Some(false)),
        (CheckId::PortInUse, |host| {
            let holder = Some(process("nginx", 812, "nginx.service"));
            host.listeners.push(Listener { protocol: Protocol::Tcp, address: "0.0.0.0".parse().unwrap(), port: 2379, holder });
        }),
        (CheckId::KubeletLeftovers, |host| trace(host, TraceKind::KubeletData, "/var/lib/kubelet/pods")),
        (CheckId::CniLeftovers, |host| trace(host, TraceKind::CniFile, "/etc/cni/net.d/10-calico.conflist")),
        (CheckId::EtcdLeftovers, |host| trace(host, TraceKind::EtcdData, "/var/lib/etcd/member")),
        (CheckId::Docker, |host| trace(host, TraceKind::Docker, "/var/lib/docker")),
        (CheckId::PacketFilterLeftovers, |host| trace(host, TraceKind::PacketFilter, "table ip kube-proxy")),
        (CheckId::ForeignKubernetes, |host| {
            let process = Some(process("kubelet", 700, "kubelet.service"));
            host.traces.push(Trace { kind: TraceKind::KubernetesProcess, what: "kubelet".into(), process });
            trace(host, TraceKind::KubernetesFile, "/etc/kubernetes/admin.conf");
            trace(host, TraceKind::KubeletData, "/var/lib/kubelet/pods");
        }),
        (CheckId::SshSessions, |host| host.ssh.as_mut().unwrap().max_sessions = 1),
        (CheckId::SshStartups, |host| host.ssh.as_mut().unwrap().startups_begin = 2),
        (CheckId::Proxy, |host| {
            let setting = ProxySetting { source: "/etc/environment".into(), variable: "https_proxy".into(), no_proxy: "10.0.0.0/8".into() };
            host.proxies.push(setting);
        }),
        (CheckId::PackageLock, |host| host.packages.as_mut().unwrap().lock_holder = Some(process("apt-get", 900, "session-3.scope"))),
        (CheckId::PackageState, |host| host.packages.as_mut().unwrap().unfinished = vec!["udev".into()]),
    ]
}

/// Checks that need more than one host, and what the engine finds itself.
const ELSEWHERE: [CheckId; 12] = [
    CheckId::HostUnreachable,
    CheckId::Sudo,
    CheckId::ClockOffset,
    CheckId::DuplicateHostname,
    CheckId::DuplicateMachineId,
    CheckId::DuplicateMac,
    CheckId::DuplicateProductUuid,
    CheckId::BalancerInterface,
    CheckId::VipInUse,
    CheckId::VipOutside,
    CheckId::VridInUse,
    CheckId::AddressConflict,
];

#[test]
fn nothing_is_wrong_with_fit_hosts() {
    let cluster = cluster();
    assert_eq!(found(&cluster, &world(&cluster), &BTreeMap::new()), []);
}

#[test]
fn each_fault_is_found_alone_and_nothing_else() {
    let cluster = cluster();
    let mut text = String::new();
    let mut covered: BTreeSet<CheckId> = ELSEWHERE.into();
    for (check, break_it) in faults() {
        let mut world = world(&cluster);
        break_it(world.get_mut(&name("m1")).unwrap());
        let found = found(&cluster, &world, &BTreeMap::new());
        assert_eq!(found.iter().map(|finding| (finding.id, finding.host.as_str())).collect::<Vec<_>>(), [(check, "m1")], "{found:#?}");
        let _ = writeln!(text, "{check} ({}): {}\n  {}", found[0].severity.as_str(), found[0].message, found[0].remedy);
        covered.insert(check);
    }
    assert_eq!(covered, CheckId::ALL.iter().copied().collect());
    insta::assert_snapshot!(text);
}

#[test]
fn what_two_hosts_share_is_found_on_the_second() {
    let cluster = cluster();
    let mut world = world(&cluster);
    let first = world[&name("m1")].clone();
    let second = world.get_mut(&name("m2")).unwrap();
    second.facts.machine_id = first.facts.machine_id;
    second.facts.hostname = first.facts.hostname;
    second.links = first.links;
    second.system.product_uuid = first.system.product_uuid;
    let ids = |world: &World| {
        found(&cluster, world, &BTreeMap::new()).iter().map(|finding| (finding.id, finding.host.to_string())).collect::<Vec<_>>()
    };
    let shared = [CheckId::DuplicateMachineId, CheckId::DuplicateMac, CheckId::DuplicateHostname, CheckId::DuplicateProductUuid];
    assert_eq!(ids(&world), shared.map(|id| (id, "m2".to_owned())));
    world.get_mut(&name("m1")).unwrap().system.container = true;
    assert_eq!(ids(&world).len(), 3, "containers share their machine's UUID");
}

#[test]
fn one_clock_that_differs_is_named() {
    let cluster = cluster();
    let mut clocks: BTreeMap<HostName, i64> = cluster.hosts.iter().map(|host| (host.name.clone(), 90_000)).collect();
    assert_eq!(found(&cluster, &world(&cluster), &clocks), [], "the operator's own clock may be wrong");
    clocks.insert(name("m2"), 86_500);
    let found = found(&cluster, &world(&cluster), &clocks);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id, found[0].host.as_str()), (CheckId::ClockOffset, "m2"));
    assert_eq!(found[0].message, "its clock is 3.5 s behind that of the other hosts");
}

#[test]
fn a_balancers_interface_must_be_there() {
    let mut cluster = cluster();
    cluster.load_balancer.as_mut().unwrap().interface = Some("bond0".into());
    let found = found(&cluster, &world(&cluster), &BTreeMap::new());
    let balancers = cluster.with_role(barque_model::Role::LoadBalancer).count();
    assert!(found.len() == balancers && found.iter().all(|finding| finding.id == CheckId::BalancerInterface), "{found:#?}");
}

#[test]
fn what_barque_has_deployed_is_no_fault() {
    let cluster = cluster();
    let mut world = world(&cluster);
    let host = world.get_mut(&name("m1")).unwrap();
    let units = ["etcd", "kubelet", "kube-apiserver", "kube-proxy", "flanneld"].map(|unit| format!("unit {unit}.service"));
    let files = ["directory /var/lib/etcd", "file /etc/kubernetes/kubelet.conf", "file /etc/cni/net.d/10-flannel.conflist"];
    host.managed = Managed(units.into_iter().chain(files.map(str::to_owned)).collect());
    let trace = |kind, what: &str, process| Trace { kind, what: what.into(), process };
    host.traces = vec![
        trace(TraceKind::KubernetesProcess, "kubelet", Some(process("kubelet", 700, "kubelet.service"))),
        trace(TraceKind::KubernetesFile, "/etc/kubernetes/kubelet.conf", None),
        trace(TraceKind::KubeletData, "/var/lib/kubelet/pods", None),
        trace(TraceKind::CniFile, "/etc/cni/net.d/10-flannel.conflist", None),
        trace(TraceKind::EtcdData, "/var/lib/etcd/member", None),
        trace(TraceKind::PacketFilter, "table ip kube-proxy", None),
    ];
    let any = "0.0.0.0".parse().unwrap();
    host.listeners = vec![
        Listener { protocol: Protocol::Tcp, address: any, port: 2379, holder: Some(process("etcd", 701, "etcd.service")) },
        Listener { protocol: Protocol::Udp, address: any, port: 8472, holder: None },
    ];
    let route = |destination: &str, interface: &str| Route {
        destination: destination.parse().unwrap(),
        gateway: None,
        interface: interface.into(),
    };
    host.routes.extend([route("10.244.0.0/24", "cni0"), route("10.244.1.0/24", "flannel.1")]);
    // Half full is enough for what is deployed already.
    host.volumes.iter_mut().for_each(|volume| volume.free_bytes = 100 << 20);
    assert_eq!(found(&cluster, &world, &BTreeMap::new()), []);
}

#[test]
fn what_a_run_that_was_cut_off_left_is_no_fault() {
    let cluster = cluster();
    let port = cluster.load_balancer.as_ref().unwrap().port;
    let mut world = world(&cluster);
    let host = world.get_mut(&name("lb1")).unwrap();
    let holder = Some(process("haproxy", 257, "haproxy.service"));
    host.listeners.push(Listener { protocol: Protocol::Tcp, address: "0.0.0.0".parse().unwrap(), port, holder });
    host.packages.as_mut().unwrap().unfinished = vec!["haproxy".into(), "liblua5.4-0".into()];
    let ids = |world: &World| found(&cluster, world, &BTreeMap::new()).into_iter().map(|finding| finding.id).collect::<Vec<_>>();
    assert_eq!(ids(&world), [CheckId::PortInUse, CheckId::PackageState], "somebody else's");
    let host = world.get_mut(&name("lb1")).unwrap();
    host.managed = Managed(["package haproxy".to_owned()].into());
    host.interrupted = host.managed.clone();
    assert_eq!(ids(&world), []);
}

#[test]
fn what_is_accepted_is_listed_apart() {
    let mut cluster = cluster();
    let accept =
        |check, hosts: &[&str]| AcceptedCheck { check, reason: "known".into(), hosts: hosts.iter().map(|host| name(host)).collect() };
    cluster.accepted_checks = vec![accept(CheckId::Docker, &["m1"]), accept(CheckId::Selinux, &[])];
    let finding = |id, host: &str| Finding::new(id, &name(host), "found", "mend it");
    let all = [CheckId::Docker, CheckId::Selinux].into_iter().flat_map(|id| ["m1", "m2"].map(|host| finding(id, host)));
    let sorted = sort(all.collect(), &cluster.accepted_checks);
    assert_eq!(sorted.findings, [finding(CheckId::Docker, "m2")]);
    assert_eq!(sorted.accepted.len(), 3);
}

#[test]
fn a_plan_says_how_much_room_is_needed() {
    let cluster = cluster();
    let mut world = world(&cluster);
    world.get_mut(&name("m1")).unwrap().volumes[0].free_bytes = 300 << 20;
    let judged = |bytes: u64| {
        let to_receive: BytesToReceive = [(name("m1"), bytes)].into();
        findings(&Inputs { cluster: &cluster, inspections: &world, clocks: &BTreeMap::new(), to_receive: Some(&to_receive) })
    };
    assert_eq!(judged(50 << 20), []);
    assert_eq!(judged(150 << 20)[0].message, "the file system `/` under /var/lib/barque has 300 MB free; 350 MB are needed");
}

/// On a distribution whose package manager is not used, nobody waits for it.
#[test]
fn a_package_manager_that_is_not_used_may_be_busy() {
    let cluster = cluster();
    let mut world = world(&cluster);
    let host = world.get_mut(&name("m1")).unwrap();
    host.facts.os = OsRelease { id: "rocky".into(), version_id: "9.6".into(), pretty_name: "Rocky Linux 9.6".into() };
    host.packages.as_mut().unwrap().unfinished.push("libc6".into());
    host.time_service = false;
    let found = found(&cluster, &world, &BTreeMap::new());
    assert_eq!(found.iter().map(|finding| finding.id).collect::<Vec<_>>(), [CheckId::UntriedSystem, CheckId::TimeService]);
    assert!(found[1].remedy.contains("dnf install chrony"), "{found:?}");
}
