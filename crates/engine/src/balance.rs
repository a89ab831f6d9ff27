//! The balancers: taking masters out of balance and back, and the holder of the virtual address.

use std::time::Duration;

use barque_agent::HaproxyCommand;
use barque_event::{Failure, StepOutcome};
use barque_model::HostName;
use barque_plan::Probe;
use tokio::time::Instant;

use crate::run_step::{INTERVAL, Runner};

/// How long a drained master keeps what is in progress: calls end within it, watches are ended by the API server itself.
const IN_PROGRESS: Duration = Duration::from_secs(2);

/// How long another API server may take to answer: one that was restarted a moment ago, as balancers see it.
const ANOTHER: Duration = Duration::from_secs(30);

/// Takes `master` out of balance on every balancer and lets calls in progress end.
pub(crate) async fn drain(runner: &Runner, master: &HostName, balancers: &[HostName]) -> Result<StepOutcome, Failure> {
    another_answers(runner, master, balancers).await?;
    for balancer in balancers {
        runner.agent(balancer)?.haproxy(HaproxyCommand::Drain { server: master.to_string() }).await?;
    }
    let deadline = Instant::now() + IN_PROGRESS;
    while Instant::now() < deadline {
        let mut sessions = 0;
        for balancer in balancers {
            let servers = runner.agent(balancer)?.haproxy(HaproxyCommand::Servers).await?;
            sessions += servers.iter().filter(|server| server.name == master.as_str()).map(|server| server.sessions).sum::<u32>();
        }
        if sessions == 0 {
            break;
        }
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(StepOutcome::Holds)
}

/// Waits until every balancer sees another API server than that of `master` answer. Without one nobody would: the restart would be an outage.
async fn another_answers(runner: &Runner, master: &HostName, balancers: &[HostName]) -> Result<(), Failure> {
    let deadline = Instant::now() + ANOTHER;
    loop {
        let mut alone = None;
        for balancer in balancers {
            let servers = runner.agent(balancer)?.haproxy(HaproxyCommand::Servers).await?;
            if !servers.iter().any(|server| server.up && !server.drained && server.name != master.as_str()) {
                alone = Some(balancer);
                break;
            }
        }
        let Some(balancer) = alone else { return Ok(()) };
        if Instant::now() >= deadline {
            let message = format!("{master} stays in balance: {balancer} sees no other API server that answers");
            return Err(Failure::new(message).with_hint("see `barque status` for the other masters, then run it again"));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Puts `masters` back into balance and waits until every balancer sees each of them answer.
pub(crate) async fn give_back(
    runner: &Runner,
    masters: &[HostName],
    balancers: &[HostName],
    timeout_seconds: u32,
) -> Result<StepOutcome, Failure> {
    let deadline = Instant::now() + Duration::from_secs(u64::from(timeout_seconds));
    loop {
        let mut missing = Vec::new();
        for balancer in balancers {
            let agent = runner.agent(balancer)?;
            let servers = agent.haproxy(HaproxyCommand::Servers).await?;
            for master in masters {
                match servers.iter().find(|server| server.name == master.as_str()) {
                    Some(server) if server.up && !server.drained => {}
                    Some(server) if server.drained => {
                        agent.haproxy(HaproxyCommand::Ready { server: master.to_string() }).await?;
                        missing.push(format!("{balancer} sees {master} {}", server.status));
                    }
                    Some(server) => missing.push(format!("{balancer} sees {master} {}", server.status)),
                    None => missing.push(format!("{balancer} does not know {master}")),
                }
            }
        }
        if missing.is_empty() {
            return Ok(StepOutcome::Holds);
        }
        if Instant::now() >= deadline {
            let message = format!("not every API server is in balance: {}", missing.join("; "));
            let hint = "look at `journalctl -u haproxy -n 50` on the balancer and at `barque status`, then run it again";
            return Err(Failure::new(message).with_hint(hint));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Waits until exactly one of `hosts` holds `address`, seen twice so that a hand-over does not count.
pub(crate) async fn one_holder(runner: &Runner, address: &str, hosts: &[HostName], timeout_seconds: u32) -> Result<StepOutcome, Failure> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(u64::from(timeout_seconds));
    let mut before: Option<HostName> = None;
    loop {
        let mut holders = Vec::new();
        for host in hosts {
            let probe = Probe::HoldsAddress { address: address.to_owned(), held: true };
            if runner.agent(host)?.probe(probe, Duration::ZERO, INTERVAL).await.is_ok() {
                holders.push(host.clone());
            }
        }
        let single = if holders.len() == 1 { holders.first().cloned() } else { None };
        if single.is_some() && single == before {
            return Ok(StepOutcome::Holds);
        }
        before = single;
        if tokio::time::Instant::now() >= deadline {
            let names: Vec<&str> = holders.iter().map(HostName::as_str).collect();
            let found = if names.is_empty() { "no balancer holds it".to_owned() } else { format!("held by {}", names.join(" and ")) };
            let unit = Some("keepalived.service".to_owned());
            let journal = match hosts.first().and_then(|host| runner.links.agent(host)) {
                Some(agent) => agent.journal("keepalived.service", 20).await.unwrap_or_default(),
                None => Vec::new(),
            };
            let failure = Failure::new(format!("{address} is not on exactly one balancer: {found}"));
            let hint = "look for another VRRP speaker with the same virtual router identifier, or for a filter between the balancers (IP protocol 112)";
            return Err(Failure { unit, journal, ..failure }.with_hint(hint));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
