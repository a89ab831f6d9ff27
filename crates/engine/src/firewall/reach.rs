//! `firewall test`: whether the network between hosts lets the matrix through, really sent and listened for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use barque_agent::{AgentClient, ReachAnswer, ReachCall};
use barque_firewall::{
    Attempt, Blocked, Carrier, Direction, Evidence, Fault, Heard, Listen, Listening, Outcome, Question, Questions, ReachReport, SMALL,
    Search, Untested, judge, matrix, questions,
};
use barque_model::HostName;
use barque_store::StateDirectory;
use futures::future::join_all;
use serde::Serialize;

use crate::frame::millis;
use crate::{Context, EngineError, Events, Pending, Sessions};

/// What is on its way when the last attempt has ended arrives within so long.
const ON_ITS_WAY: Duration = Duration::from_millis(150);
/// Rounds in which the longest packet that passes is looked for; three find it.
const ROUNDS: usize = 4;

/// What a test of the network came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallTest {
    /// Hosts that took part.
    pub hosts: usize,
    /// What was found.
    pub report: ReachReport,
    /// Hosts that did not answer.
    pub pending: Vec<Pending>,
    /// Milliseconds from start to end.
    pub millis: u64,
}

/// Tests every flow of the matrix between the hosts that answer. Nothing is installed, and nothing is changed.
pub async fn firewall_test(context: &Context, events: &Events) -> Result<FirewallTest, EngineError> {
    let begun = Instant::now();
    let state = StateDirectory::open_or_create(&context.state)?;
    let (sessions, problems) = Sessions::connect_unseen(context, &state, events).await?;
    if sessions.agents().is_empty() {
        return Err(EngineError::Hosts(problems));
    }
    let agents = sessions.agents();
    let hosts = agents.len();
    let result = Test::new(context, agents).run().await;
    sessions.close().await;
    let pending = problems.into_iter().map(Pending::from).collect();
    Ok(FirewallTest { hosts, report: result?, pending, millis: millis(begun) })
}

/// A test in progress.
struct Test {
    agents: BTreeMap<HostName, AgentClient>,
    addresses: BTreeMap<HostName, IpAddr>,
    questions: Vec<Question>,
    untested: Vec<Untested>,
    listening: BTreeMap<(HostName, Listen), Listening>,
    /// The next nonce.
    next: u64,
}

/// A question's attempts: nonce and outcome, and for the long one its size.
#[derive(Default)]
struct Tried {
    short: Option<(u64, Outcome)>,
    long: Option<(u64, Outcome, u16)>,
}

type Heards = BTreeMap<HostName, Heard>;

impl Test {
    fn new(context: &Context, agents: BTreeMap<HostName, AgentClient>) -> Self {
        let Questions { questions, mut untested } = questions(&context.cluster, &matrix(&context.cluster));
        let (questions, left): (Vec<_>, Vec<_>) =
            questions.into_iter().partition(|question| [&question.from, &question.to].into_iter().all(|host| agents.contains_key(host)));
        untested.extend(left.into_iter().map(|question| {
            let absent = if agents.contains_key(&question.from) { &question.to } else { &question.from };
            let reason = format!("{absent} does not answer");
            Untested { flows: question.flows, from: Some(question.from), to: Some(question.to), reason }
        }));
        let addresses = context.cluster.hosts.iter().map(|host| (host.name.clone(), host.address)).collect();
        // Nobody else's packet of another test has it.
        let next = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(1) & !0xffff;
        Self { agents, addresses, questions, untested, listening: BTreeMap::new(), next }
    }

    async fn run(mut self) -> Result<ReachReport, EngineError> {
        self.listen().await?;
        let result = self.ask().await;
        // What is not ended here ends with the connection.
        let ending = self.agents.values().map(|agent| agent.reach(ReachCall::End));
        join_all(ending).await;
        let (tested, blocked) = result?;
        Ok(ReachReport { tested, blocked, untested: self.untested })
    }

    async fn listen(&mut self) -> Result<(), EngineError> {
        let mut places: BTreeMap<HostName, BTreeSet<Listen>> = BTreeMap::new();
        for question in &self.questions {
            places.entry(question.to.clone()).or_default().insert(place(question));
        }
        // Who only sends listens too: so it tells how long its packets may be.
        let calls = self.agents.iter().map(|(host, agent)| {
            let wanted: Vec<Listen> = places.get(host).into_iter().flatten().copied().collect();
            let call = ReachCall::Listen { address: self.address(host), places: wanted.clone() };
            async move { (host.clone(), wanted, agent.reach(call).await) }
        });
        let mut listening = BTreeMap::new();
        for (host, wanted, answer) in join_all(calls).await {
            let ReachAnswer::Listening(answers) = answer.map_err(|error| lost(&host, &error))? else {
                return Err(lost(&host, &"it answered another question"));
            };
            listening.extend(wanted.into_iter().zip(answers).map(|(place, answer)| ((host.clone(), place), answer)));
        }
        self.listening = listening;
        Ok(())
    }

    /// Tries every question, judges it, and looks for the longest packet where only long ones fail.
    async fn ask(&mut self) -> Result<(usize, Vec<Blocked>), EngineError> {
        let before = self.heard().await?;
        let mut wanted: Vec<(usize, u16)> = Vec::new();
        for (index, question) in self.questions.iter().enumerate() {
            wanted.push((index, SMALL));
            let long = question.carrier != Carrier::Vrrp && !self.in_use(question);
            if let Some(heard) = before.get(&question.from).filter(|_| long) {
                wanted.push((index, heard.mtu));
            }
        }
        let (outcomes, heard) = self.attempt(&wanted).await?;
        let mut tried: Vec<Tried> = self.questions.iter().map(|_| Tried::default()).collect();
        for ((index, size), (nonce, outcome)) in wanted.into_iter().zip(outcomes) {
            let Some(tried) = tried.get_mut(index) else { continue };
            match size {
                SMALL => tried.short = Some((nonce, outcome)),
                size => tried.long = Some((nonce, outcome, size)),
            }
        }
        let mut faults: Vec<(usize, Fault)> = Vec::new();
        let mut tested = 0;
        for (index, (question, tried)) in self.questions.iter().zip(&tried).enumerate() {
            let key = (question.to.clone(), place(question));
            let (Some(listening), Some(heard), Some((nonce, short))) =
                (self.listening.get(&key), heard.get(&question.to), tried.short.as_ref())
            else {
                continue;
            };
            let long = tried.long.as_ref().map(|(nonce, outcome, size)| (*nonce, outcome, *size));
            let evidence = Evidence { listening, source: self.address(&question.from), heard, short: (*nonce, short), long };
            match judge(question, &evidence) {
                Ok(fault) => {
                    tested += 1;
                    faults.extend(fault.map(|fault| (index, fault)));
                }
                Err(reason) => self.untested.push(Untested {
                    flows: question.flows.clone(),
                    from: Some(question.from.clone()),
                    to: Some(question.to.clone()),
                    reason,
                }),
            }
        }
        self.measure(&mut faults).await?;
        let blocked = faults.into_iter().map(|(index, fault)| {
            let question = &self.questions[index];
            Blocked {
                flows: question.flows.clone(),
                from: question.from.clone(),
                to: question.to.clone(),
                protocol: question.carrier,
                port: (question.port != 0).then_some(question.port),
                fault,
            }
        });
        Ok((tested, blocked.collect()))
    }

    /// Finds the longest packet that passes, for all faults at the same time.
    async fn measure(&mut self, faults: &mut [(usize, Fault)]) -> Result<(), EngineError> {
        let mut searches: BTreeMap<usize, (Search, Direction)> = BTreeMap::new();
        for (index, fault) in faults.iter() {
            if let Fault::TooLong { direction, full, .. } = fault {
                searches.insert(*index, (Search::new(SMALL, *full), *direction));
            }
        }
        for _ in 0..ROUNDS {
            let wanted: Vec<(usize, u16)> =
                searches.iter().flat_map(|(index, (search, _))| search.next().into_iter().map(|size| (*index, size))).collect();
            if wanted.is_empty() {
                break;
            }
            let (outcomes, heard) = self.attempt(&wanted).await?;
            let mut passed: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
            for ((index, size), (nonce, outcome)) in wanted.into_iter().zip(outcomes) {
                let question = &self.questions[index];
                let arrived = heard.get(&question.to).is_some_and(|heard| heard.nonces.contains(&nonce));
                let one_way = searches.get(&index).is_some_and(|(_, direction)| *direction == Direction::Request);
                if outcome == Outcome::Answered || (question.carrier == Carrier::Udp && one_way && arrived) {
                    passed.entry(index).or_default().push(size);
                }
            }
            for (index, (search, _)) in &mut searches {
                *search = search.narrowed(passed.get(index).map_or(&[], Vec::as_slice));
            }
        }
        for (index, fault) in faults {
            if let (Fault::TooLong { largest, .. }, Some((search, _))) = (fault, searches.get(index)) {
                *largest = search.found();
            }
        }
        Ok(())
    }

    /// Sends, each question by its number and the size of its packets, and asks what was heard. Answers in the order asked.
    async fn attempt(&mut self, wanted: &[(usize, u16)]) -> Result<(Vec<(u64, Outcome)>, Heards), EngineError> {
        let mut by_host: BTreeMap<HostName, Vec<(usize, Attempt)>> = BTreeMap::new();
        for (position, (index, size)) in wanted.iter().enumerate() {
            let question = &self.questions[*index];
            self.next += 1;
            let attempt = Attempt {
                nonce: self.next,
                carrier: question.carrier,
                to: self.address(&question.to),
                port: question.port,
                size: Some(*size),
                answer: question.answers,
                in_use: self.in_use(question),
            };
            by_host.entry(question.from.clone()).or_default().push((position, attempt));
        }
        let calls = by_host.iter().filter_map(|(host, attempts)| {
            let agent = self.agents.get(host)?;
            let call =
                ReachCall::Attempt { source: self.address(host), attempts: attempts.iter().map(|(_, attempt)| attempt.clone()).collect() };
            Some(async move { (host, attempts, agent.reach(call).await) })
        });
        let mut outcomes: Vec<(u64, Outcome)> = vec![(0, Outcome::Silent); wanted.len()];
        for (host, attempts, answer) in join_all(calls).await {
            let ReachAnswer::Outcomes(found) = answer.map_err(|error| lost(host, &error))? else {
                return Err(lost(host, &"it answered another question"));
            };
            for ((position, attempt), outcome) in attempts.iter().zip(found) {
                outcomes[*position] = (attempt.nonce, outcome);
            }
        }
        tokio::time::sleep(ON_ITS_WAY).await;
        Ok((outcomes, self.heard().await?))
    }

    async fn heard(&self) -> Result<Heards, EngineError> {
        let calls = self.agents.iter().map(|(host, agent)| async move { (host, agent.reach(ReachCall::Heard).await) });
        let mut heard = BTreeMap::new();
        for (host, answer) in join_all(calls).await {
            let ReachAnswer::Heard(found) = answer.map_err(|error| lost(host, &error))? else {
                return Err(lost(host, &"it answered another question"));
            };
            heard.insert(host.clone(), found);
        }
        Ok(heard)
    }

    fn in_use(&self, question: &Question) -> bool {
        self.listening.get(&(question.to.clone(), place(question))) == Some(&Listening::InUse)
    }

    /// Of a host of the cluster file, as every host of a question is.
    fn address(&self, host: &HostName) -> IpAddr {
        self.addresses.get(host).copied().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
    }
}

const fn place(question: &Question) -> Listen {
    Listen { carrier: question.carrier, port: question.port }
}

fn lost(host: &HostName, error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Observe { host: host.clone(), message: error.to_string() }
}
