//! A registry in the cluster over a real S3 store: nodes pull from it with a password, also while the host of one of its pods is without power; a
//! store that is full or away is told; what was deleted leaves the store; turned off, and brought back with its images.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

mod images;
mod secrets;
mod store;
mod volume;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually, objects};

use images::{Client, Image, PASSWORD, USER};
use store::{BUCKET, Store};

const TOPOLOGY: &str = "[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n[[hosts]]\nname = \"n2\"\n";
const LAYOUT: [(&str, &str); 3] = [("m1", "etcd, master, node"), ("n1", "node"), ("n2", "node")];
const NODES: [&str; 3] = ["m1", "n1", "n2"];
const LABEL: &str = "barque.dev/addon=registry";
/// As images name it; nodes ask each other's ports for it.
const HOST: &str = "images.barque.test";
/// A node that is gone is told after 40 s, its pod leaves 30 s later.
const SOON: Duration = Duration::from_mins(4);

#[test]
fn images_come_from_the_cluster_itself() -> Result<()> {
    let scenario = Scenario::new("reg", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?)?;
    secrets::files(&scenario, &NODES)?;
    let mut store = Store::start(&scenario)?;
    scenario.up(&[])?.ok()?;
    let kubectl = scenario.kubectl()?;
    let before = objects(&kubectl, "")?;
    let case = Case { toolbox: Image::toolbox(&scenario)?, scenario, kubectl };

    case.turned_on(&store)?;
    case.nodes_pull(&store)?;
    case.a_host_without_power(&store)?;
    case.garbage(&store)?;
    case.a_store_in_trouble(&mut store)?;
    case.off_and_back(&store, &before)
}

struct Case {
    scenario: Scenario,
    kubectl: Kubectl,
    toolbox: Image,
}

impl Case {
    /// The cluster with the add-on; with `pull`, an authority's file, nodes know the registry.
    fn file(&self, store: &Store, settings: &str, pull: Option<&str>) -> Result<()> {
        let mut lines = format!(
            "addons:\n  - name: registry\n    settings:\n      tlsSecret: registry-tls\n      usersSecret: registry-users\n{settings}      storage:\n        \
             s3: {{endpoint: \"{}\", bucket: {BUCKET}, credentialsSecret: store, caConfigMap: store}}\n",
            store.url()
        );
        if let Some(authority) = pull {
            let _ = write!(
                lines,
                "registries:\n  - host: {HOST}\n    fallback: false\n    testImage: {HOST}/library/toolbox:1\n    mirrors:\n"
            );
            for name in NODES {
                let _ = writeln!(
                    lines,
                    "      - url: https://{}:30500\n        ca: {authority}\n        username: {USER}\n        passwordFile: password",
                    self.scenario.lab.host(name)?.address
                );
            }
        }
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec(lines.trim_end()))
    }

    /// Somebody who asks a node for the registry.
    fn client(&self, node: &str) -> Result<Client> {
        let url = format!("https://{}:30500", self.scenario.lab.host(node)?.address);
        Ok(Client { url, who: Some(format!("{USER}:{PASSWORD}")), authority: self.path("authority.pem") })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scenario.folder.path().join(name)
    }

    fn turned_on(&self, store: &Store) -> Result<()> {
        self.scenario.step("a kind of storage has to be named, and one only");
        let without = "addons:\n  - name: registry\n    settings: {tlsSecret: a, usersSecret: b, storage: {}}";
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec(without))?;
        self.scenario.barque(&["validate"])?.code(2)?.says(&["exactly one of `s3`, `claim`"])?;

        self.scenario.step("turned on: two pods on different nodes; the second run changes nothing");
        self.file(store, "", None)?;
        let asked = ["Secret registry/registry-tls", "Secret registry/registry-users", "Secret registry/store", "ConfigMap registry/store"];
        let by = asked.map(|object| format!("{object}, by registry"));
        self.scenario.remote(&["plan"])?.code(3)?.says(&by.each_ref().map(String::as_str))?;
        secrets::registry(&self.scenario, &self.kubectl)?;
        secrets::store(&self.scenario, &self.kubectl)?;
        let plan = self.scenario.remote(&["plan"])?.code(3)?.says(&["Deployment registry/registry", "Service registry/registry"])?;
        ensure!(!plan.stdout.contains(", by registry"), "{}", plan.stdout);
        self.scenario.up(&[])?.ok()?;
        self.scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
        ensure!(self.pods_on()?.len() == 2, "not on two nodes: {:?}", self.pods_on()?);
        self.scenario.up(&[])?.ok()?.says(&["nothing to change"])?;

        self.scenario.step("a push without a password, with a wrong one, and to a certificate of nobody known is refused");
        let refused = |client: Client, words: &str| {
            let error = format!("{:#}", client.push(&self.toolbox, "library/toolbox", "1").err().context("the push was taken")?);
            ensure!(error.contains(words), "{error}");
            anyhow::Ok(())
        };
        refused(Client { who: None, ..self.client("n1")? }, "UNAUTHORIZED")?;
        refused(Client { who: Some(format!("{USER}:wrong")), ..self.client("n1")? }, "UNAUTHORIZED")?;
        refused(Client { authority: self.path("stranger.pem"), ..self.client("n1")? }, "certificate")?;
        self.client("n1")?.push(&self.toolbox, "library/toolbox", "1")?;
        for layer in self.toolbox.layers()? {
            ensure!(store.holds(&layer), "{layer} is not in the store");
        }
        Ok(())
    }

    /// Nodes with a pod of the registry.
    fn pods_on(&self) -> Result<Vec<String>> {
        let path = "jsonpath={range .items[?(@.status.phase==\"Running\")]}{.spec.nodeName}{\"\\n\"}{end}";
        let named = ["-n", "registry", "get", "pods", "-l", "app.kubernetes.io/name=registry", "-o", path];
        let mut nodes: Vec<String> = self.kubectl.get(&named)?.lines().map(str::to_owned).collect();
        nodes.sort();
        nodes.dedup();
        Ok(nodes)
    }

    /// Nodes whose pods of the registry get requests.
    fn ready_on(&self) -> Result<Vec<String>> {
        let path = "jsonpath={range .items[*].endpoints[?(@.conditions.ready==true)]}{.nodeName}{\"\\n\"}{end}";
        let named = ["-n", "registry", "get", "endpointslices", "-l", "kubernetes.io/service-name=registry", "-o", path];
        Ok(self.kubectl.get(&named)?.lines().map(str::to_owned).collect())
    }

    /// A pod of the image on the node.
    fn pod(&self, name: &str, image: &str, node: &str, pull: &str) -> Result<()> {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  nodeName: {node}\n  terminationGracePeriodSeconds: 1\n  \
             containers:\n    - {{name: pulled, image: \"{HOST}/{image}\", imagePullPolicy: {pull}}}\n"
        );
        self.kubectl.apply(self.scenario.folder.path(), name, &pod)
    }

    fn runs(&self, name: &str) -> Result<()> {
        eventually("a pod of the registry's image runs", SOON, || {
            let phase =
                self.kubectl.get(&["get", "pod", name, "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].state.waiting}"])?;
            ensure!(phase.trim() == "Running", "{name}: {phase}");
            Ok(())
        })
    }

    fn nodes_pull(&self, store: &Store) -> Result<()> {
        self.scenario.step("nodes that do not know the authority say so");
        self.file(store, "", Some("stranger.pem"))?;
        self.scenario.up(&[])?.code(1)?.says(&["cannot be pulled", HOST, "certificate"])?;
        self.scenario.step("nodes that know it pull, each of them");
        self.file(store, "", Some("authority.pem"))?;
        self.scenario.up(&[])?.ok()?;
        for node in NODES {
            self.pod(&format!("first-{node}"), "library/toolbox:1", node, "Always")?;
        }
        for node in NODES {
            self.runs(&format!("first-{node}"))?;
        }
        Ok(())
    }

    fn a_host_without_power(&self, store: &Store) -> Result<()> {
        let holders = self.pods_on()?;
        let victim = holders.iter().find(|node| *node != "m1").context("no pod outside of the master")?;
        let other = ["n1", "n2"].into_iter().find(|node| node != victim).context("a node is left")?;
        self.scenario.step(&format!("{victim}, which has a pod of it, without power: {other} pulls what it has never seen"));
        let fresh = self.toolbox.with("made for the outage")?;
        self.client(other)?.push(&fresh, "library/fresh", "1")?;
        self.scenario.lab.kill(victim)?;
        let begun = std::time::Instant::now();
        self.pod("fresh", "library/fresh:1", other, "Always")?;
        self.runs("fresh")?;
        self.scenario.step(&format!("pulled {:.0} s after the power was cut", begun.elapsed().as_secs_f64()));
        // A node without power counts as ready for most of a minute, and so does its pod: requests still go there.
        eventually("two pods on the nodes that are left", SOON, || {
            let nodes = self.ready_on()?;
            ensure!(nodes.len() == 2 && !nodes.contains(victim), "requests go to {nodes:?}");
            Ok(())
        })?;
        let meanwhile = self.toolbox.with("pushed meanwhile")?;
        eventually("a push", SOON, || self.client("m1")?.push(&meanwhile, "library/meanwhile", "1"))?;
        self.scenario.step(&format!("two pods and a push {:.0} s after it", begun.elapsed().as_secs_f64()));
        self.scenario.lab.boot(victim)?;
        eventually("the node is back", SOON, || {
            self.kubectl.run(&["wait", "--for=condition=Ready", &format!("node/{victim}"), "--timeout=5s"])?.ok().map(drop)
        })?;
        eventually("the cluster is as before", SOON, || self.scenario.up(&[])?.ok().map(drop))?;
        ensure!(store.holds(&fresh.digest), "the image is not in the store");
        Ok(())
    }

    fn garbage(&self, store: &Store) -> Result<()> {
        self.scenario.step("a deleted image leaves the store when garbage is collected, in read-only mode, and others stay");
        let (doomed, client) = (self.toolbox.with("not for long")?, self.client("n2")?);
        client.push(&doomed, "library/doomed", "1")?;
        let own = doomed.layers()?.pop().context("a layer of its own")?;
        client.delete(&doomed, "library/doomed")?;
        ensure!(store.holds(&own), "it has left the store already");
        ensure!(
            !objects(&self.kubectl, LABEL)?.contains_key("CronJob registry/collect-garbage"),
            "garbage can be collected while somebody pushes"
        );
        self.file(store, "      readOnly: true\n", Some("authority.pem"))?;
        let caller = client.caller("library/toolbox", &self.toolbox.manifest_config()?)?;
        self.scenario.up(&[])?.ok()?;
        let calls = caller.finish()?;
        self.scenario.step(&format!("{} pulls while its pods were replaced", calls.made));
        calls.all_good()?;
        let error = format!("{:#}", client.push(&doomed, "library/doomed", "1").err().context("a push was taken")?);
        ensure!(error.contains("405"), "{error}");
        self.kubectl.run(&["-n", "registry", "create", "job", "--from=cronjob/collect-garbage", "first"])?.ok()?;
        eventually("garbage is collected", SOON, || {
            let done = self.kubectl.get(&["-n", "registry", "get", "job", "first", "-o", "jsonpath={.status.succeeded}"])?;
            ensure!(done == "1", "succeeded: `{done}`");
            Ok(())
        })?;
        ensure!(!store.holds(&own) && !store.holds(&doomed.digest), "it is still in the store");
        for layer in self.toolbox.layers()? {
            ensure!(store.holds(&layer), "{layer}, which others need, has left the store");
            client.fetch("library/toolbox", &layer)?;
        }
        self.file(store, "", Some("authority.pem"))?;
        self.scenario.up(&[])?.ok()?;
        ensure!(!objects(&self.kubectl, LABEL)?.contains_key("CronJob registry/collect-garbage"), "garbage can still be collected");
        client.push(&doomed, "library/doomed", "2")?;
        ensure!(store.holds(&own), "what was collected cannot be pushed again");
        Ok(())
    }

    fn a_store_in_trouble(&self, store: &mut Store) -> Result<()> {
        let (client, image) = (self.client("n1")?, self.toolbox.with("too late")?);
        let layer = self.toolbox.layers()?.pop().context("a layer")?;
        self.scenario.step("the store's disk is full: pushes say so, pulls go on");
        store.fill_disk()?;
        let error = format!("{:#}", client.push(&image, "library/late", "1").err().context("a push was taken")?);
        ensure!(error.contains("No space left on device"), "{error}");
        client.fetch("library/toolbox", &layer)?;
        store.free_disk()?;

        self.scenario.step("the store is away: both are answered 503, and the add-on is not well");
        store.stop()?;
        eventually("the registry knows that its store is away", SOON, || {
            let error = format!("{:#}", client.push(&image, "library/late", "1").err().context("a push was taken")?);
            ensure!(error.contains("UNAVAILABLE") && error.contains("health check failed"), "{error}");
            Ok(())
        })?;
        ensure!(client.fetch("library/toolbox", &layer).is_err(), "a pull without a store");
        // The status asks one of the pods, and each of them finds out for itself.
        eventually("the add-on is not well", SOON, || {
            self.scenario.remote(&["addons", "status"])?.code(1)?.says(&["NOT well: registry"]).map(drop)
        })?;
        self.pod("cached", "library/toolbox:1", "n1", "IfNotPresent")?;
        self.runs("cached")?;
        self.scenario.step("the store is back, and so is the registry, with the same pods");
        let restarts =
            self.kubectl.get(&["-n", "registry", "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"])?;
        store.resume()?;
        eventually("a push is taken again", SOON, || client.push(&image, "library/late", "1"))?;
        eventually("the add-on is well", SOON, || self.scenario.remote(&["addons", "status"])?.ok().map(drop))?;
        let now =
            self.kubectl.get(&["-n", "registry", "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"])?;
        ensure!(restarts == now, "pods of the registry started again: {restarts}, {now}");
        Ok(())
    }

    fn off_and_back(&self, store: &Store, before: &std::collections::BTreeMap<String, String>) -> Result<()> {
        self.scenario.step("turned off: its objects go, and what others made stays");
        self.scenario.barque(&["addons", "disable", "registry"])?.ok()?;
        self.scenario.up(&[])?.ok()?;
        let removal = self.scenario.last_run()?;
        let left = objects(&self.kubectl, LABEL)?;
        // The Secrets that somebody made in its namespace keep the namespace.
        ensure!(left.keys().all(|name| name == "Namespace /registry"), "left behind: {:?}", left.keys());
        let others = objects(&self.kubectl, "")?;
        for (name, generation) in before {
            ensure!(others.get(name) == Some(generation), "{name} was disturbed");
        }
        self.scenario.remote(&["drift"])?.ok()?;
        self.scenario.step("a rollback brings it back, and its images are there");
        self.scenario.remote(&["rollback", &removal, "--yes"])?.ok()?;
        let layer = self.toolbox.layers()?.pop().context("a layer")?;
        ensure!(store.holds(&layer), "the store has lost an image");
        eventually("the registry answers", SOON, || self.client("n2")?.fetch("library/toolbox", &layer))?;
        self.pod("late", "library/late:1", "n2", "Always")?;
        self.runs("late")
    }
}
