//! Proxy variables that components and people's shells get.

use barque_check::ProxySetting;
use barque_model::Component;

use super::read::{files, text};
use crate::context::HostContext;

/// What Go programs and curl obey for the cluster's kind of traffic.
const VARIABLES: [&str; 2] = ["HTTPS_PROXY", "HTTP_PROXY"];

/// One setting for each place that has any. apt's own proxy is not among them: nothing but apt obeys it.
pub(super) fn proxies(context: &HostContext) -> Vec<ProxySetting> {
    let mut sources = vec!["/etc/environment".to_owned(), "/etc/systemd/system.conf".to_owned()];
    sources.extend(files(context, "/etc/systemd/system.conf.d", ".conf"));
    sources.extend(files(context, "/etc/profile.d", ".sh"));
    for component in Component::ALL {
        sources.extend(files(context, &format!("/etc/systemd/system/{}.d", component.unit()), ".conf"));
    }
    sources.into_iter().filter_map(|source| setting(&text(context, &source), &source)).collect()
}

fn setting(text: &str, source: &str) -> Option<ProxySetting> {
    let assigned = |wanted: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
        // `KEY=value`, `export KEY=value`, `Environment="KEY=value" …` alike: what stands between blanks and quotes.
        let words = lines.flat_map(|line| line.split(|character: char| character.is_whitespace() || matches!(character, '"' | '\'')));
        let mut key = None;
        let mut value = None;
        for word in words {
            let word = word.trim_start_matches("DefaultEnvironment=").trim_start_matches("Environment=");
            match word.split_once('=') {
                Some((name, rest)) if name.eq_ignore_ascii_case(wanted) => {
                    value = Some(rest.to_owned());
                    key = Some(name.to_owned());
                }
                // The value stood in quotes of its own: `KEY="value"`.
                None if value.as_deref() == Some("") && !word.is_empty() => value = Some(word.to_owned()),
                _ => {}
            }
        }
        key.zip(value.filter(|value| !value.is_empty()))
    };
    let (variable, _) = VARIABLES.iter().find_map(|variable| assigned(variable))?;
    Some(ProxySetting { source: source.to_owned(), variable, no_proxy: assigned("NO_PROXY").map(|(_, value)| value).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, String)> {
        setting(text, "/etc/environment").map(|setting| (setting.variable, setting.no_proxy))
    }

    #[test]
    fn every_notation_is_read() {
        let expected = |variable: &str, no_proxy: &str| Some((variable.to_owned(), no_proxy.to_owned()));
        assert_eq!(
            found("https_proxy=http://user:secret@10.1.1.1:3128\nno_proxy=localhost,10.0.0.0/8\n"),
            expected("https_proxy", "localhost,10.0.0.0/8")
        );
        assert_eq!(found("[Manager]\nDefaultEnvironment=\"HTTPS_PROXY=http://p:1\" \"NO_PROXY=*\"\n"), expected("HTTPS_PROXY", "*"));
        assert_eq!(found("[Service]\nEnvironment=HTTP_PROXY=http://p:1\n"), expected("HTTP_PROXY", ""));
        assert_eq!(found("export http_proxy=\"http://p:1\"\n"), expected("http_proxy", ""));
        assert_eq!(found("#https_proxy=http://p:1\nhttp_proxy=\n"), None);
        assert_eq!(found("PATH=/usr/bin\n"), None);
    }
}
