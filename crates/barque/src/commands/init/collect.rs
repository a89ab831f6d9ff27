//! What flags and an inventory say together.

use barque_model::{Role, Sudo};
use barque_spec::Outline;

use super::fault::InitError;
use super::inventory;
use crate::arguments::{InitArguments, SudoChoice};

/// The outline that is given, and what is left out of an inventory.
pub(super) fn collect(arguments: &InitArguments) -> Result<(Outline, Vec<String>), InitError> {
    let (mut outline, notes) = match &arguments.from {
        Some(path) => {
            let imported = inventory::read(path)?;
            (imported.outline, imported.notes)
        }
        None => (Outline::default(), Vec::new()),
    };
    let lists = [
        (Role::Master, &arguments.masters),
        (Role::Etcd, &arguments.etcd),
        (Role::LoadBalancer, &arguments.lb),
        (Role::Node, &arguments.nodes),
    ];
    for (role, list) in lists {
        if let Some(list) = list {
            outline.give(role, list.0.clone())?;
        }
    }
    outline.name = arguments.name.clone().or(outline.name);
    outline.vip = arguments.vip.or(outline.vip);
    outline.pods = arguments.pod_cidr.or(outline.pods);
    outline.services = arguments.service_cidr.or(outline.services);
    outline.stack_etcd();
    reach(&mut outline, arguments);
    Ok((outline, notes))
}

/// Gives every host what the flags say of logins.
pub(super) fn reach(outline: &mut Outline, arguments: &InitArguments) {
    for host in &mut outline.hosts {
        let ssh = &mut host.ssh;
        ssh.user = arguments.user.clone().or(ssh.user.take());
        ssh.key = arguments.key.clone().or(ssh.key.take());
        ssh.port = arguments.port.or(ssh.port);
        ssh.jump = arguments.jump.clone().or(ssh.jump.take());
        ssh.sudo = arguments.sudo.map(Sudo::from).or(ssh.sudo);
    }
}

impl From<SudoChoice> for Sudo {
    fn from(choice: SudoChoice) -> Self {
        match choice {
            SudoChoice::Passwordless => Self::Passwordless,
            SudoChoice::Password => Self::Password,
        }
    }
}
