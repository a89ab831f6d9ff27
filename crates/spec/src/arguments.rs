//! Extra flags of components.

use std::collections::BTreeMap;

use barque_model::{Component, ExtraArgs};

use crate::file::ExtraArgsEntry;
use crate::owned::{OWNED, PROXY_FLAGS};
use crate::report::{Located, Place, Report};

/// Understands `spec.extraArgs`; refuses flags that barque must own.
pub(crate) fn resolve(section: Located<ExtraArgsEntry>, report: &mut Report) -> ExtraArgs {
    let mut result = ExtraArgs::new();
    for (component, flags) in section.value.components() {
        let Some(flags) = flags.located(section.place) else { continue };
        let mut accepted = BTreeMap::new();
        for (name, value) in flags.value {
            let place = value.key.unwrap_or(flags.place);
            let Some(value) = value.located(flags.place) else { continue };
            check(component, &name, &value.value.0, place, report);
            accepted.insert(name, value.value.0);
        }
        if !accepted.is_empty() {
            result.insert(component, accepted);
        }
    }
    result
}

fn check(component: Component, name: &str, value: &str, place: Place, report: &mut Report) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_');
    if name.starts_with('-') {
        let bare = name.trim_start_matches('-');
        report.error(place, format!("flag `{name}` is written with dashes"), format!("write `{bare}: VALUE`"));
        return;
    }
    if name.is_empty() || !name.bytes().all(allowed) {
        let hint = "write the name as `--help` shows it, without the two dashes, and the value after the colon";
        report.error(place, format!("`{name}` is not the name of a flag"), hint);
        return;
    }
    if value.chars().any(char::is_control) {
        report.error(place, format!("the value of flag `{name}` has a line break or control character"), "write it on one line");
    }
    // pflag takes an underscore for a hyphen.
    let normal = name.replace('_', "-");
    if let Some((_, _, reason)) = OWNED.iter().find(|(owner, flag, _)| *owner == component && *flag == normal) {
        report.error(
            place,
            format!("flag `{name}` of {component} belongs to barque: {reason}"),
            "remove it; docs/cluster-file.md lists the flags that barque owns",
        );
        return;
    }
    if component == Component::KubeProxy && !PROXY_FLAGS.contains(&normal.as_str()) {
        let message = format!("kube-proxy ignores flag `{name}` beside its configuration file");
        report.error(place, message, format!("remove it; possible: {}", PROXY_FLAGS.join(", ")));
    }
    let plugins: Vec<&str> = value.split(',').map(str::trim).collect();
    if component == Component::KubeApiserver && normal == "enable-admission-plugins" && !plugins.contains(&"NodeRestriction") {
        let message = "`enable-admission-plugins` without NodeRestriction lets a node change other nodes and their pods";
        report.error(place, message, format!("write `NodeRestriction,{value}`"));
    }
    if component == Component::KubeApiserver
        && normal == "disable-admission-plugins"
        && let Some(plugin) = plugins.iter().find(|plugin| matches!(**plugin, "NodeRestriction" | "PodSecurity" | "ServiceAccount"))
    {
        report.error(place, format!("admission plugin {plugin} cannot be disabled"), format!("remove {plugin} from the list"));
    }
}
