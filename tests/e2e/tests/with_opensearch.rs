//! A real OpenSearch in the cluster as the store of log lines: over TLS with a certificate of the cluster's authority and with passwords, its
//! collector's user able to write and nothing else, lines
//! neither lost nor doubled when one of three pods goes, and found again when the add-on was off.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually, objects, run};
use serde_json::{Value, json};

const TOPOLOGY: &str = "[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n[[hosts]]\nname = \"n2\"\n";
const LAYOUT: [(&str, &str); 3] = [("m1", "etcd, master, node"), ("n1", "node"), ("n2", "node")];
const NODES: [&str; 3] = ["m1", "n1", "n2"];
const LABEL: &str = "barque.dev/addon=opensearch";
const NAME: &str = "opensearch.opensearch.svc";
const PORT: &str = "30920";
const ADMIN: &str = "admin:lab-admin-5b1c77";
const COLLECTOR: &str = "lines:lab-lines-e0a942";
/// Their hashes, as `htpasswd -nBC 10` writes them.
const USERS: &str = "_meta: {type: internalusers, config_version: 2}
admin: {hash: $2y$10$ZhJcSSMS5G/llRF8u3WLHOFEVD04cyCIyQtBwDUopYJKfPV0UhYE2, backend_roles: [admin]}
lines: {hash: $2y$10$t/taMMuzPSUR3QcU9EMleOJ6I10l1LCf8sGhXYettf7FSScsCtEXG, backend_roles: [collector]}
";
/// Three Javas that start on two processors.
const SOON: Duration = Duration::from_mins(5);

struct Case {
    scenario: Scenario,
    kubectl: Kubectl,
}

#[test]
fn lines_are_kept_in_the_cluster() -> Result<()> {
    let scenario = Scenario::new("store", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?.spec("addons:\n  - name: storage"))?;
    scenario.up(&[])?.ok()?;
    scenario.load_toolbox(&NODES)?;
    scenario.load_image("BARQUE_TEST_OPENSEARCH", &NODES)?;
    let case = Case { kubectl: scenario.kubectl()?, scenario };
    let before = objects(&case.kubectl, "")?;

    case.turned_on()?;
    case.who_may_what()?;
    case.lines_arrive()?;
    case.a_pod_goes()?;
    case.off_and_back()?;
    let after = objects(&case.kubectl, "")?;
    ensure!(before.iter().all(|(name, generation)| after.get(name) == Some(generation)), "other objects were disturbed");
    Ok(())
}

impl Case {
    /// The cluster with the store, and with collectors if wanted.
    fn file(&self, logging: bool) -> Result<()> {
        // All nodes of a lab share one disk, of which they may have little.
        let mut addons = format!(
            "addons:\n  - name: storage\n  - name: opensearch\n    settings:\n      storageClass: local-path\n      storageGib: 1\n      memoryMegabytes: 1024\n      \
             cpuRequest: 50m\n      nodePort: {PORT}\n      options: {{cluster.routing.allocation.disk.threshold_enabled: \"false\"}}\n"
        );
        if logging {
            let _ = writeln!(
                addons,
                "  - name: logging\n    settings: {{endpoints: [\"https://{NAME}:9200\"], caConfigMap: kube-root-ca.crt, credentialsSecret: store}}"
            );
        }
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec(addons.trim_end()))
    }

    fn path(&self, name: &str) -> String {
        self.scenario.folder.path().join(name).display().to_string()
    }

    /// Asks it from outside the cluster, by its name on the port of a node; the status and the answer.
    fn ask(&self, user: Option<&str>, method: &str, path: &str, body: Option<&Value>) -> Result<(String, String)> {
        let resolve = format!("{NAME}:{PORT}:{}", self.scenario.lab.host("n1")?.address);
        let (url, authority) = (format!("https://{NAME}:{PORT}/{path}"), self.path("ca.pem"));
        let mut words =
            vec!["--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--cacert", &authority, "--resolve", &resolve];
        words.extend(["--request", method, "--write-out", "\n%{http_code}"]);
        words.extend(user.into_iter().flat_map(|user| ["--user", user]));
        let body = body.map(Value::to_string);
        words.extend(body.iter().flat_map(|body| ["--header", "Content-Type: application/json", "--data", body]));
        words.push(&url);
        let answer = run("curl", words)?.ok()?.stdout;
        let (text, status) = answer.trim_end().rsplit_once('\n').context("a status")?;
        Ok((status.to_owned(), text.to_owned()))
    }

    /// What the administrator is answered.
    fn get(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, text) = self.ask(Some(ADMIN), method, path, body)?;
        ensure!(status == "200", "{status} {text}");
        serde_json::from_str(&text).with_context(|| text.clone())
    }

    fn secrets(&self) -> Result<()> {
        fs_err::write(self.path("ca.pem"), self.scenario.lab.get("m1", "cat /etc/kubernetes/pki/ca.crt")?)?;
        fs_err::write(self.path("users"), USERS)?;
        let (user, password) = COLLECTOR.split_once(':').context("a password")?;
        fs_err::write(self.path("password"), password)?;
        let file = |key: &str, name: &str| format!("--from-file={key}={}", self.path(name));
        let create = |namespace: &str, words: &[&str]| self.kubectl.run(&[&["-n", namespace, "create"], words].concat())?.ok().map(drop);
        for namespace in ["opensearch", "logging"] {
            self.kubectl.run(&["create", "namespace", namespace])?.ok()?;
        }
        create("opensearch", &["secret", "generic", "opensearch-users", &file("internal_users.yml", "users")])?;
        create("logging", &["secret", "generic", "store", &format!("--from-literal=username={user}"), &file("password", "password")])
    }

    fn turned_on(&self) -> Result<()> {
        self.scenario.step("without a StorageClass lines go with their pods, which is said; Secrets that are not there are named");
        let bare = "addons:\n  - name: storage\n  - name: opensearch";
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec(bare))?;
        let warned = self.scenario.barque(&["validate"])?.ok()?;
        ensure!(warned.stderr.contains("no StorageClass is named"), "{}{}", warned.stdout, warned.stderr);
        self.file(false)?;
        let planned = self.scenario.remote(&["plan"])?.code(3)?.says(&["Secret opensearch/opensearch-users, by opensearch"])?;
        ensure!(!planned.stdout.contains("opensearch-certificate, by"), "barque's own certificate is waited for: {}", planned.stdout);

        self.scenario.step("turned on: three pods that found each other, each on a node of its own; the second run changes nothing");
        self.secrets()?;
        self.scenario.up(&[])?.ok()?;
        self.scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
        self.scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
        let health = self.get("GET", "_cluster/health", None)?;
        ensure!(health["number_of_nodes"] == 3, "{health}");
        let pods = self.kubectl.json(&["-n", "opensearch", "get", "pods"])?;
        let nodes: BTreeSet<&str> =
            pods["items"].as_array().into_iter().flatten().filter_map(|pod| pod["spec"]["nodeName"].as_str()).collect();
        ensure!(nodes.len() == 3, "on {nodes:?}");
        Ok(())
    }

    fn who_may_what(&self) -> Result<()> {
        self.scenario.step("nobody without a password, and the collector's user writes lines and does nothing else");
        let line = json!({"message": "by hand"});
        for (user, method, path, body, wanted) in [
            (None, "GET", "", None, "401"),
            (Some("admin:admin"), "GET", "", None, "401"),
            (Some("lines:wrong"), "POST", "kubernetes-by-hand/_doc", Some(&line), "401"),
            (Some(COLLECTOR), "POST", "kubernetes-by-hand/_doc", Some(&line), "201"),
            (Some(COLLECTOR), "POST", "other/_doc", Some(&line), "403"),
            (Some(COLLECTOR), "GET", "kubernetes-by-hand/_search", None, "403"),
            (Some(COLLECTOR), "DELETE", "kubernetes-by-hand", None, "403"),
            (Some(COLLECTOR), "GET", "_plugins/_security/api/internalusers", None, "403"),
            (Some(ADMIN), "DELETE", "kubernetes-by-hand", None, "200"),
        ] {
            let (status, text) = self.ask(user, method, path, body)?;
            ensure!(status == wanted, "{method} /{path} as {user:?}: {status} in place of {wanted}: {text}");
        }
        Ok(())
    }

    fn writer(&self, name: &str, lines: usize) -> Result<()> {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  nodeName: n1\n  terminationGracePeriodSeconds: 1\n  \
             containers:\n    - name: writer\n      image: barque.test/toolbox:1\n      imagePullPolicy: Never\n      args: [lines, \"200\", \"{lines}\"]\n"
        );
        self.kubectl.apply(self.scenario.folder.path(), name, &pod)
    }

    /// Every number of 1 to `lines` of a pod is in the store, once. Each fiftieth entry has a second line without a number.
    fn whole(&self, pod: &str, lines: usize) -> Result<()> {
        self.get("POST", "kubernetes-*/_refresh", None)?;
        let (mut seen, mut count) = (BTreeSet::new(), 0);
        let query = json!({
            "size": 5000, "_source": ["message", "kubernetes"], "query": {"term": {"kubernetes.pod.name.keyword": pod}}
        });
        let mut page = self.get("POST", "kubernetes-*/_search?scroll=1m", Some(&query))?;
        loop {
            let hits = page["hits"]["hits"].as_array().with_context(|| page.to_string())?;
            if hits.is_empty() {
                break;
            }
            count += hits.len();
            for hit in hits {
                let message = hit["_source"]["message"].as_str().with_context(|| hit.to_string())?;
                seen.extend(message.split(' ').next().unwrap_or_default().parse::<usize>());
                ensure!(hit["_source"]["kubernetes"]["node"]["name"] == "n1", "{hit}");
            }
            page = self.get("POST", "_search/scroll", Some(&json!({"scroll": "1m", "scroll_id": page["_scroll_id"]})))?;
        }
        let missing = (1..=lines).filter(|number| !seen.contains(number)).count();
        ensure!(missing == 0 && count == lines + lines / 50, "of {lines} lines of {pod} {missing} are missing, {count} are there");
        Ok(())
    }

    fn lines_arrive(&self) -> Result<()> {
        self.scenario.step("collectors send to it what pods write");
        self.file(true)?;
        self.scenario.up(&[])?.ok()?;
        self.writer("first", 1000)?;
        eventually("the lines of a pod are in the store", SOON, || self.whole("first", 1000))
    }

    fn a_pod_goes(&self) -> Result<()> {
        self.scenario.step("one of three pods is killed under 200 lines a second: no line is lost, and it comes back with what it had");
        self.writer("steady", 8000)?;
        eventually("its first lines arrive", SOON, || {
            self.get("POST", "kubernetes-*/_refresh", None)?;
            let count =
                self.get("POST", "kubernetes-*/_count", Some(&json!({"query": {"term": {"kubernetes.pod.name.keyword": "steady"}}})))?;
            ensure!(count["count"].as_u64() > Some(0), "{count}");
            Ok(())
        })?;
        self.kubectl.run_for("1m", &["-n", "opensearch", "delete", "pod", "opensearch-1", "--grace-period=0", "--force"])?.ok()?;
        eventually("every line is in the store", SOON, || self.whole("steady", 8000))?;
        eventually("three pods hold every index twice", SOON, || {
            let health = self.get("GET", "_cluster/health", None)?;
            ensure!(health["status"] == "green" && health["number_of_nodes"] == 3, "{health}");
            Ok(())
        })?;
        self.scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
        Ok(())
    }

    fn off_and_back(&self) -> Result<()> {
        self.scenario.step("turned off: its objects go, and its volumes stay");
        self.scenario.barque(&["addons", "disable", "opensearch"])?.ok()?;
        self.scenario.up(&[])?.ok()?;
        let removal = self.scenario.last_run()?;
        let left = objects(&self.kubectl, LABEL)?;
        ensure!(left.keys().all(|name| name == "Namespace /opensearch"), "left behind: {:?}", left.keys());
        let claims = self.kubectl.json(&["-n", "opensearch", "get", "persistentvolumeclaims"])?;
        ensure!(claims["items"].as_array().map(Vec::len) == Some(3), "{claims}");
        self.scenario.step("a rollback brings it back with every line; what was written meanwhile comes too");
        self.writer("meanwhile", 500)?;
        self.scenario.remote(&["rollback", &removal, "--yes"])?.ok()?;
        eventually("the lines of before are there", SOON, || self.whole("steady", 8000))?;
        eventually("the lines of meanwhile arrive", SOON, || self.whole("meanwhile", 500))
    }
}
