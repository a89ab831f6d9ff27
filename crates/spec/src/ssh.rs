//! How hosts are reached: the common settings, overridden field by field.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use barque_model::{JumpHost, Ssh, Sudo, TransportKind};

use crate::field::Field;
use crate::file_host::{HostSsh, JumpEntry, SshDefaults};
use crate::report::{Located, Place, Report};

/// Settings that all hosts share; a field that was wrong has been reported and is `None`.
pub(crate) struct Defaults {
    user: Option<String>,
    port: Option<u16>,
    key: Option<PathBuf>,
    jump: Option<JumpHost>,
    sudo: Option<Sudo>,
    transport: Option<TransportKind>,
}

/// Understands `spec.ssh`.
pub(crate) fn defaults(entry: SshDefaults, parent: Place, report: &mut Report) -> Defaults {
    let user = entry.user.located(parent).and_then(|user| user_name(user, report));
    if let (Some(user), Some(sudo)) = (&user, entry.sudo.at(parent)) {
        check_sudo(user, (*sudo.value).into(), sudo.place, report);
    }
    Defaults {
        user,
        port: entry.port.value,
        key: entry.key.located(parent).and_then(|key| key_path(key, report)),
        jump: entry.jump.located(parent).and_then(|jump| jump_host(jump, report)),
        sudo: entry.sudo.value.map(Sudo::from),
        transport: entry.transport.value.map(TransportKind::from),
    }
}

/// Understands a host's own `ssh`. `None` when something that it needs is wrong and has been reported.
pub(crate) fn resolve(
    own: Field<HostSsh>,
    parent: Place,
    address: Option<Ipv4Addr>,
    defaults: &Defaults,
    report: &mut Report,
) -> Option<Ssh> {
    let Located { value: own, place } = own.section(parent)?;
    let address = match own.address.located(place) {
        Some(text) => destination(text, report),
        None => address.map(|address| address.to_string()),
    };
    let user_place = own.user.place;
    let user = match own.user.located(place) {
        Some(user) => user_name(user, report),
        None => defaults.user.clone(),
    };
    let own_key = own.key.located(place).and_then(|key| key_path(key, report));
    let own_jump = own.jump.located(place).and_then(|jump| jump_host(jump, report));
    if let (Some(user), Some(sudo)) = (&user, own.sudo.at(place)) {
        check_sudo(user, (*sudo.value).into(), sudo.place, report);
    }
    let user = user?;
    let sudo = if user == "root" { Sudo::None } else { own.sudo.value.map(Sudo::from).or(defaults.sudo).unwrap_or(Sudo::Passwordless) };
    if let Some(user_place) = user_place
        && own.sudo.value.is_none()
        && user != "root"
        && sudo == Sudo::None
    {
        let message = format!("login user `{user}` is not root, and `spec.ssh.sudo` is `none`");
        report.error(user_place, message, "set this host's `ssh.sudo` to `passwordless` or `password`");
    }
    Some(Ssh {
        address: address?,
        user,
        port: own.port.value.or(defaults.port)?,
        key: own_key.or_else(|| defaults.key.clone()),
        jump: own_jump.or_else(|| defaults.jump.clone()),
        sudo,
        transport: own.transport.value.map(TransportKind::from).or(defaults.transport)?,
    })
}

fn check_sudo(user: &str, sudo: Sudo, place: Place, report: &mut Report) {
    if user != "root" && sudo == Sudo::None {
        let message = format!("login user `{user}` is not root, so root cannot be reached without sudo");
        report.error(place, message, "write `sudo: passwordless` or `sudo: password`, or log in as root");
    }
}

fn jump_host(jump: Located<JumpEntry>, report: &mut Report) -> Option<JumpHost> {
    let Located { value: jump, place } = jump;
    let address = jump.address.located(place).and_then(|address| destination(address, report));
    let user = jump.user.located(place).and_then(|user| user_name(user, report));
    let key = jump.key.located(place).and_then(|key| key_path(key, report));
    Some(JumpHost { address: address?, user: user?, port: jump.port.value?, key })
}

/// An address or name that cannot be taken for an option of `ssh` or for `user@host`.
fn destination(text: Located<String>, report: &mut Report) -> Option<String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_' | ':');
    if text.value.is_empty() || text.value.starts_with('-') || !text.value.chars().all(allowed) {
        let message = format!("`{}` is not a host name or address", text.value);
        report.error(
            text.place,
            message,
            "write an address, a DNS name or an alias of `ssh_config`; `user` and `port` are fields of their own",
        );
        return None;
    }
    Some(text.value)
}

fn user_name(text: Located<String>, report: &mut Report) -> Option<String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_' | '@' | '\\');
    let with_host = text.value.rsplit_once('@').is_some_and(|(_, host)| host.parse::<IpAddr>().is_ok());
    if text.value.is_empty() || text.value.starts_with('-') || with_host || !text.value.chars().all(allowed) {
        report.error(text.place, format!("`{}` is not a login name", text.value), "write the name alone, such as `root`");
        return None;
    }
    Some(text.value)
}

fn key_path(text: Located<String>, report: &mut Report) -> Option<PathBuf> {
    let named_user = text.value.starts_with('~') && text.value != "~" && !text.value.starts_with("~/");
    if text.value.is_empty()
        || text.value.contains('\0')
        || text.value.contains("-----BEGIN")
        || text.value.ends_with(['/', '~'])
        || named_user
    {
        // The value may be the key itself: it is not shown.
        if text.value.contains("PRIVATE") || text.value.len() > 255 {
            report.hide(text.place);
        }
        report.error(
            text.place,
            "this is not a path of a private key file",
            "write a path such as `~/.ssh/id_ed25519`; never the key itself",
        );
        return None;
    }
    Some(PathBuf::from(text.value))
}
