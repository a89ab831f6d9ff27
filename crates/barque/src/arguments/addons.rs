//! Arguments of `addons`.

use clap::{Args, Subcommand};

use super::{ClusterArguments, RemoteArguments};

/// What can be done with add-ons.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum AddonsCommand {
    /// List the add-ons: which there are, which are on, in which version
    List(ClusterArguments),
    /// Show one add-on: its settings with their defaults, images, needs, checks and rights
    Show(AddonsShowArguments),
    /// Turn an add-on on in the cluster file, which is all that is changed; `barque up` does the rest
    Enable(AddonsEnableArguments),
    /// Turn an add-on off in the cluster file, which is all that is changed; `barque up` removes its objects
    Disable(AddonsShowArguments),
    /// Show how each add-on is that is on; exit code 1 when one is unwell
    Status(RemoteArguments),
    /// Show which objects of add-ons differ in the cluster from what is wanted; exit code 3 when some do
    Diff(RemoteArguments),
}

/// Which add-on.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddonsShowArguments {
    /// The add-on
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
}

/// Arguments of `addons enable`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddonsEnableArguments {
    #[command(flatten)]
    pub(crate) addon: AddonsShowArguments,
    /// Set one of its settings; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write `key=value`")?;
    if key.is_empty() { Err("the name of the setting is missing".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    #[test]
    fn settings_are_pairs() {
        let parse = |words: &str| Arguments::try_parse_from(words.split(' ')).map(|arguments| arguments.verb);
        let Verb::Addons(AddonsCommand::Enable(enable)) = parse("barque addons enable x --set a=1 --set b=c=d -f a.yaml").unwrap() else {
            panic!("not enable")
        };
        assert_eq!(enable.set, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "c=d".to_owned())]);
        assert!(parse("barque addons enable x --set a").is_err() && parse("barque addons enable").is_err());
    }
}
