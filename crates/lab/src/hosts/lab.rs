//! A lab as a whole: made, looked at, disturbed and ended.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use fs_err as fs;

use super::address;
use super::cgroup::{Groups, Layout};
use super::claim::Claim;
use super::disk::{self, Home};
use super::error::{Doing as _, LabError};
use super::machine::{self, Launch};
use super::name::LabName;
use super::network;
use super::process::{self, Process};
use super::progress::{Notice, Progress};
use super::rootfs::{self, RootfsSpec};
use super::shared::{Shared, for_each};
use super::state::{Cut, HostRecord, Peer, Run, State};
use super::status::{HostState, HostStatus, LabStatus, host_state};
use super::tool;
use super::topology::{Host, Topology};

/// A lab, whether it exists or not.
#[derive(Debug, Clone)]
pub struct Lab {
    name: LabName,
    directory: PathBuf,
}

impl Lab {
    /// The lab `name` whose state lies in `directory`, a folder of its own.
    pub fn new(name: LabName, directory: PathBuf) -> Self {
        Self { name, directory }
    }

    /// Makes the lab and boots its hosts, all at the same time. On a lab that exists, boots those that do not run.
    ///
    /// `topology` is the demo's by default, or what an existing lab has. Root file systems are kept in `cache`, which
    /// all labs of the machine can share; `mirror` is needed only where apt's sources name no Debian archive.
    pub fn up(
        &self,
        topology: Option<&Topology>,
        cache: &Path,
        mirror: Option<&str>,
        progress: Progress<'_>,
    ) -> Result<LabStatus, LabError> {
        need_root()?;
        self.check_directory()?;
        disk::make_folder(&self.directory, 0o700)?;
        let mut claim = Claim::take(&self.name, &self.directory)?;
        let state = match State::load(&self.directory)? {
            Some(state) if state.complete => self.reuse(state, topology)?,
            leftover => {
                if leftover.is_some() || claim.was_in_use() {
                    progress(&Notice::CleaningLeftovers);
                    self.tear_down(leftover.as_ref(), progress)?;
                } else if network::has_bridge(&self.name) {
                    return Err(LabError::InterfaceTaken(self.name.bridge()));
                }
                self.plan(topology.cloned().unwrap_or_default(), cache, mirror, progress)?
            }
        };
        claim.record(&self.directory)?;
        let state = self.bring_up(state, progress)?;
        Ok(LabStatus::of(&state, &self.directory))
    }

    /// What runs.
    pub fn status(&self) -> Result<LabStatus, LabError> {
        Ok(LabStatus::of(&self.load()?, &self.directory))
    }

    /// Runs a command inside a host with the caller's input and output; returns its exit code (128 and the signal if it was killed).
    pub fn exec<S: AsRef<OsStr>>(&self, host: &str, words: &[S]) -> Result<i32, LabError> {
        let mut command = self.inside(host, words)?;
        let status = command.status().map_err(|source| tool::start_error("nsenter", source))?;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }

    /// Runs a command inside a host and returns all that it says.
    pub fn output<S: AsRef<OsStr>>(&self, host: &str, words: &[S], input: &[u8]) -> Result<Output, LabError> {
        machine::capture(self.inside(host, words)?, input)
    }

    /// Freezes every process of a host: it answers nobody and notices nothing.
    pub fn pause(&self, host: &str) -> Result<HostStatus, LabError> {
        self.freeze(host, true)
    }

    /// Lets a frozen host go on.
    pub fn resume(&self, host: &str) -> Result<HostStatus, LabError> {
        self.freeze(host, false)
    }

    /// Cuts a host's power. Its disks are kept. On a stopped host it does nothing.
    pub fn kill(&self, host: &str) -> Result<HostStatus, LabError> {
        let (_claim, mut state) = self.hold()?;
        let index = state.index(host)?;
        if let Some(run) = state.hosts[index].run.take().filter(|_| state.is_of_this_boot()) {
            machine::power_off(&self.name, host, &self.home(host), &run)?;
        }
        state.save(&self.directory)?;
        Ok(self.status_of(&state, index))
    }

    /// Boots a stopped host from its disks, with the address it had. On a running host it does nothing.
    pub fn boot(&self, host: &str, progress: Progress<'_>) -> Result<HostStatus, LabError> {
        let (mut claim, state) = self.hold()?;
        let index = state.index(host)?;
        claim.record(&self.directory)?;
        network::ensure_bridge(&self.name, state.subnet)?;
        let shared = Shared::new(state, &self.directory);
        self.boot_at(&shared, index, &layout()?, progress)?;
        let state = shared.into_state();
        network::apply_cuts(&self.name, &state.cuts)?;
        Ok(self.status_of(&state, index))
    }

    /// Drops all that goes between a host and another, the operator's machine or everyone, in both directions.
    pub fn cut(&self, host: &str, peer: &Peer) -> Result<LabStatus, LabError> {
        let (_claim, mut state) = self.hold()?;
        state.index(host)?;
        if let Peer::Host(peer) = peer {
            state.index(peer)?;
        }
        let cut = Cut { host: host.to_owned(), peer: peer.clone() };
        if !state.cuts.contains(&cut) {
            state.cuts.push(cut);
        }
        self.set_cuts(&state)
    }

    /// Ends all cuts.
    pub fn heal(&self) -> Result<LabStatus, LabError> {
        let (_claim, mut state) = self.hold()?;
        state.cuts.clear();
        self.set_cuts(&state)
    }

    /// Ends the lab and removes all of it; with `keep`, the disks and keys stay for a later `up`.
    ///
    /// On a lab that does not exist it only removes what an interrupted run may have left behind.
    pub fn down(&self, keep: bool, progress: Progress<'_>) -> Result<(), LabError> {
        need_root()?;
        self.check_directory()?;
        let mut claim = Claim::take(&self.name, &self.directory)?;
        let state = State::load(&self.directory)?;
        if state.is_some() || claim.was_in_use() {
            self.tear_down(state.as_ref(), progress)?;
        }
        match state {
            Some(mut state) if keep => {
                for host in &mut state.hosts {
                    host.run = None;
                }
                state.cuts.clear();
                state.save(&self.directory)?;
            }
            _ => self.remove_directory()?,
        }
        claim.release()
    }

    fn set_cuts(&self, state: &State) -> Result<LabStatus, LabError> {
        network::apply_cuts(&self.name, &state.cuts)?;
        state.save(&self.directory)?;
        Ok(LabStatus::of(state, &self.directory))
    }

    fn check_directory(&self) -> Result<(), LabError> {
        let text = self.directory.to_str().unwrap_or_default();
        let plain = text.len() > 1 && self.directory.is_absolute() && !text.contains([':', ',', '\\', '"', ' ', '\n']);
        if plain { Ok(()) } else { Err(LabError::Directory(self.directory.clone())) }
    }

    fn load(&self) -> Result<State, LabError> {
        State::load(&self.directory)?.ok_or_else(|| LabError::NoLab(self.name.to_string()))
    }

    /// The record together with the right to change the lab.
    fn hold(&self) -> Result<(Claim, State), LabError> {
        need_root()?;
        if !State::exists(&self.directory) {
            return Err(LabError::NoLab(self.name.to_string()));
        }
        let claim = Claim::take(&self.name, &self.directory)?;
        Ok((claim, self.load()?))
    }

    fn home(&self, host: &str) -> Home {
        Home::new(&self.directory, host)
    }

    fn status_of(&self, state: &State, index: usize) -> HostStatus {
        LabStatus::of(state, &self.directory).hosts.swap_remove(index)
    }

    fn inside<S: AsRef<OsStr>>(&self, host: &str, words: &[S]) -> Result<std::process::Command, LabError> {
        need_root()?;
        let state = self.load()?;
        let record = &state.hosts[state.index(host)?];
        let now = host_state(record, state.is_of_this_boot());
        match record.run.as_ref().and_then(|run| run.leader) {
            Some(leader) if now == HostState::Running => machine::inside(leader, words),
            _ => Err(self.state_error(host, now)),
        }
    }

    fn state_error(&self, host: &str, state: HostState) -> LabError {
        let remedy = match state {
            HostState::Stopped => "boot",
            HostState::Paused => "resume",
            HostState::Running => "kill",
        };
        LabError::State { host: host.to_owned(), state, remedy, lab: self.name.to_string() }
    }

    fn freeze(&self, host: &str, frozen: bool) -> Result<HostStatus, LabError> {
        let (_claim, state) = self.hold()?;
        let index = state.index(host)?;
        let record = &state.hosts[index];
        let now = host_state(record, state.is_of_this_boot());
        let Some(run) = record.run.as_ref().filter(|_| now != HostState::Stopped) else {
            return Err(self.state_error(host, now));
        };
        run.groups.set_frozen(frozen).doing(|| format!("{} `{host}`", if frozen { "freeze" } else { "thaw" }))?;
        Ok(self.status_of(&state, index))
    }

    /// An existing lab, if it has the hosts that are wanted.
    fn reuse(&self, mut state: State, topology: Option<&Topology>) -> Result<State, LabError> {
        // Passwords are not in the record, so the comparison leaves them out on both sides.
        let shown = |topology: &Topology| serde_json::to_value(topology).ok();
        if topology.is_some_and(|wanted| shown(wanted) != shown(&state.topology)) {
            return Err(LabError::OtherTopology(self.name.to_string()));
        }
        if !state.is_of_this_boot() {
            state.boot_id = process::boot_id();
            for host in &mut state.hosts {
                host.run = None;
            }
        }
        Ok(state)
    }

    /// The record of a new lab: root file systems, subnet and addresses are settled, nothing runs.
    fn plan(&self, topology: Topology, cache: &Path, mirror: Option<&str>, progress: Progress<'_>) -> Result<State, LabError> {
        topology.check()?;
        topology.check_interfaces(&self.name)?;
        let mirror = mirror.map(str::to_owned);
        let mut lower = Vec::new();
        for host in &topology.hosts {
            let extra_packages = if host.user.is_some() { vec!["sudo".to_owned()] } else { Vec::new() };
            let spec = RootfsSpec { extra_packages, suite: host.suite, mirror: mirror.clone(), machine: false };
            lower.push(rootfs::ensure_spec(cache, &spec, progress)?);
        }
        let _network = Claim::take_network()?;
        let subnet = network::choose_subnet(&self.name, topology.subnet)?;
        let hosts = topology.hosts.iter().zip(lower).enumerate();
        let hosts = hosts.map(|(index, (host, rootfs))| HostRecord {
            name: host.name.to_string(),
            address: address::host(subnet, index),
            rootfs,
            host_key: String::new(),
            user: host.user.as_ref().map(|user| user.name.clone()),
            run: None,
        });
        let (hosts, boot_id) = (hosts.collect(), process::boot_id());
        let state = State { name: self.name.clone(), subnet, topology, complete: false, boot_id, hosts, cuts: Vec::new() };
        state.save(&self.directory)?;
        // The bridge's route is what tells other labs that the subnet is taken.
        network::ensure_bridge(&self.name, subnet)?;
        Ok(state)
    }

    fn bring_up(&self, state: State, progress: Progress<'_>) -> Result<State, LabError> {
        network::ensure_bridge(&self.name, state.subnet)?;
        machine::operator_key(&self.directory)?;
        let layout = layout()?;
        let count = state.hosts.len();
        let shared = Shared::new(state, &self.directory);
        for_each(count, |index| self.boot_at(&shared, index, &layout, progress))?;
        let mut state = shared.into_state();
        state.complete = true;
        state.save(&self.directory)?;
        network::apply_cuts(&self.name, &state.cuts)?;
        Ok(state)
    }

    /// Boots the host at `index` unless it runs.
    fn boot_at(&self, shared: &Shared<'_>, index: usize, layout: &Layout, progress: Progress<'_>) -> Result<(), LabError> {
        let state = shared.lock().clone();
        let (host, record) = (&state.topology.hosts[index], &state.hosts[index]);
        if host_state(record, state.is_of_this_boot()) != HostState::Stopped {
            return Ok(());
        }
        // A host that switched itself off has left its groups and its network.
        if let Some(run) = record.run.as_ref().filter(|_| state.is_of_this_boot()) {
            machine::power_off(&self.name, &record.name, &self.home(&record.name), run)?;
        }
        progress(&Notice::Booting { host: record.name.clone() });
        let home = self.home(&record.name);
        home.mount(host, &record.rootfs)?;
        let groups = layout.create(&self.name.cgroup(&record.name)).doing(|| "make control groups".to_owned())?;
        let run = Run { groups: groups.clone(), nspawn: None, leader: None, boot_seconds: None };
        shared.change(|state| state.hosts[index].run = Some(run))?;
        if record.host_key.is_empty() {
            let key = self.seed(&home, host, record, &groups)?;
            shared.change(|state| state.hosts[index].host_key = key)?;
        }
        network::attach(&state, record)?;
        let launch = Launch { lab: &self.name, host, home, groups: &groups };
        let set = |change: &dyn Fn(&mut Run)| shared.change(|state| state.hosts[index].run.as_mut().map(change).unwrap_or_default());
        let booting = launch.start(|nspawn: Process| set(&|run| run.nspawn = Some(nspawn)))?;
        let (leader, seconds) = booting.wait(record.address)?;
        set(&|run| (run.leader, run.boot_seconds) = (Some(leader), Some(seconds)))?;
        progress(&Notice::Booted { host: record.name.clone(), seconds });
        Ok(())
    }

    fn seed(&self, home: &Home, host: &Host, record: &HostRecord, groups: &Groups) -> Result<String, LabError> {
        let operator = machine::operator_key(&self.directory)?;
        home.seed(host, record, &operator, matches!(groups, Groups::V1 { .. }))
    }

    /// Ends all that the record names and removes the mounts and, for a lab that never was complete, the disks.
    fn tear_down(&self, state: Option<&State>, progress: Progress<'_>) -> Result<(), LabError> {
        if let Some(state) = state.filter(|state| state.is_of_this_boot()) {
            for_each(state.hosts.len(), |index| {
                let record = &state.hosts[index];
                if let Some(run) = &record.run {
                    machine::power_off(&self.name, &record.name, &self.home(&record.name), run)?;
                    progress(&Notice::Stopped { host: record.name.clone() });
                }
                Ok(())
            })?;
        }
        network::remove_all(&self.name)?;
        disk::unmount_below(&self.directory)?;
        let hosts = self.directory.join("hosts");
        if !state.is_some_and(|state| state.complete) && hosts.is_dir() {
            fs::remove_dir_all(&hosts).doing(|| "remove disks that were left over".to_owned())?;
        }
        Ok(())
    }

    fn remove_directory(&self) -> Result<(), LabError> {
        if !self.directory.is_dir() {
            return Ok(());
        }
        disk::unmount_below(&self.directory)?;
        // Only what the lab put there: the folder was named by the caller and may hold more.
        let hosts = self.directory.join("hosts");
        if hosts.is_dir() {
            fs::remove_dir_all(&hosts).doing(|| "remove the hosts' disks".to_owned())?;
        }
        for file in ["operator", "operator.pub", "state.json"] {
            match fs::remove_file(self.directory.join(file)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).doing(|| "remove the lab's files".to_owned());
                }
                _ => {}
            }
        }
        // Fails if the caller has files of its own in it; then it stays.
        let _ = fs::remove_dir(&self.directory);
        Ok(())
    }
}

fn layout() -> Result<Layout, LabError> {
    Layout::detect().doing(|| "read the machine's control groups".to_owned())?.ok_or(LabError::NoCgroups)
}

fn need_root() -> Result<(), LabError> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(LabError::NotRoot) }
}
