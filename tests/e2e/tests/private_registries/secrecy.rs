//! Where a password must not be.

use anyhow::{Result, ensure};
use barque_e2e::Scenario;

use crate::NODES;
use crate::registry::{PASSWORD, USER};

/// The password in the forms in which it might show: as it is, as HTTP has it, as a list of numbers.
pub(crate) fn words() -> [String; 3] {
    let numbers = PASSWORD.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
    [PASSWORD.to_owned(), base64(&format!("{USER}:{PASSWORD}")), numbers]
}

/// Looks through the runs' records of the operator, and through the journals and logs of the nodes.
pub(crate) fn check(scenario: &Scenario) -> Result<()> {
    scenario.step("the password is in no record, journal or log");
    let state = scenario.state();
    for word in words() {
        let found = barque_e2e::run("grep", ["-r", "-l", "-F", "-e", &word, &state.display().to_string()])?;
        ensure!(found.code == Some(1), "on the operator's machine: {}{}", found.stdout, found.stderr);
        for node in NODES {
            let look = format!("grep -r -l -F -e '{word}' /var/lib/barque/journal; journalctl --no-pager -o cat | grep -F -e '{word}'");
            let found = scenario.lab.shell(node, &look)?.stdout;
            ensure!(found.trim().is_empty(), "on {node}: {found}");
        }
    }
    // The one place where it has to be, and is root's alone: shows that the words are the right ones.
    let there = scenario.lab.shell("n1", &format!("grep -c -F -e '{}' /etc/containerd/certs.d/*/hosts.toml", words()[1]))?;
    ensure!(there.code == Some(0), "hosts.toml does not hold what is looked for");
    Ok(())
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, shift: u32| char::from(DIGITS[(group >> shift) as usize & 63]);
    let mut answer = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let group = chunk.iter().enumerate().fold(0_u32, |group, (index, byte)| group | u32::from(*byte) << (16 - 8 * index));
        let digits = [digit(group, 18), digit(group, 12), digit(group, 6), digit(group, 0)];
        answer.extend(&digits[..=chunk.len()]);
        answer.push_str(&"=="[..3 - chunk.len()]);
    }
    answer
}
