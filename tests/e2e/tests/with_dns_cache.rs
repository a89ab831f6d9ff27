//! A DNS cache on every node: pods ask it, and ask CoreDNS while it is away; turned off, it leaves pods that were told of it with answers.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use anyhow::{Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually, objects};

const TOPOLOGY: &str = "[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";
const LAYOUT: [(&str, &str); 2] = [("m1", "etcd, master, node"), ("n1", "node")];
const LABEL: &str = "barque.dev/addon=dns-cache";
const CACHE: &str = "169.254.20.10";
const SERVICE: &str = "10.96.0.10";
const SOON: Duration = Duration::from_mins(2);

struct Case {
    scenario: Scenario,
    kubectl: Kubectl,
}

#[test]
fn names_are_answered_on_the_node() -> Result<()> {
    let scenario = Scenario::new("dnsc", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?.spec("addons:\n  - name: dns-cache"))?;
    scenario.up(&[])?.ok()?;
    scenario.load_toolbox(&["m1", "n1"])?;
    let case = Case { kubectl: scenario.kubectl()?, scenario };
    case.scenario.step("on: well, and the second run changes nothing");
    case.scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
    case.scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    case.answers()?;
    case.without_the_cache()?;
    case.another_setting()?;
    case.off()
}

impl Case {
    /// A pod that asks for names and gets its answers; its name servers.
    fn asks(&self, name: &str) -> Result<Vec<String>> {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  nodeName: n1\n  restartPolicy: Never\n  \
             terminationGracePeriodSeconds: 1\n  containers:\n    - name: asks\n      image: barque.test/toolbox:1\n      imagePullPolicy: Never\n      \
             args: [resolve, kubernetes.default.svc.cluster.local., kube-dns.kube-system.svc.cluster.local.]\n"
        );
        self.kubectl.apply(self.scenario.folder.path(), name, &pod)?;
        let phase = ["get", "pod", name, "-o", "jsonpath={.status.phase}"];
        eventually("the pod has its answers", SOON, || {
            let phase = self.kubectl.get(&phase)?;
            ensure!(phase == "Succeeded", "{phase}: {}", self.kubectl.get(&["logs", name]).unwrap_or_default());
            Ok(())
        })?;
        let printed = self.kubectl.get(&["logs", name])?;
        ensure!(printed.contains("10.96.0.1") && printed.contains(SERVICE), "{printed}");
        let sandbox =
            self.scenario.lab.get("n1", "cat $(ls -t /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/*/resolv.conf | head -1)")?;
        Ok(sandbox.lines().filter_map(|line| line.strip_prefix("nameserver ")).map(str::to_owned).collect())
    }

    /// What the cache of n1 has counted.
    fn counted(&self, metric: &str) -> Result<f64> {
        let ask = format!("exec 3<>/dev/tcp/{CACHE}/9253; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3");
        let page = self.scenario.lab.get("n1", &format!("bash -c \"{}\"", ask.replace('"', "\\\"")))?;
        let lines = page.lines().filter(|line| line.starts_with(&format!("{metric}{{")));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Where nothing answers at the address, the node says so at once: whoever asks need not wait. A cache that is told to end answers for some seconds.
    fn refuses(&self) -> Result<()> {
        eventually("the node refuses", SOON, || {
            let asked = self.scenario.lab.shell("n1", &format!("timeout 3 bash -c 'exec 3<>/dev/tcp/{CACHE}/53'; echo ended $?"))?;
            ensure!(asked.stdout.contains("ended 1"), "{} {}", asked.stdout, asked.stderr);
            Ok(())
        })
    }

    fn answers(&self) -> Result<()> {
        self.scenario.step("pods ask the cache first; what it has been asked before it answers itself");
        let asked = self.counted("coredns_dns_requests_total")?;
        let servers = self.asks("first")?;
        ensure!(servers == [CACHE, SERVICE], "{servers:?}");
        let hits = self.counted("coredns_cache_hits_total")?;
        self.asks("second")?;
        ensure!(self.counted("coredns_dns_requests_total")? >= asked + 4.0, "the cache was not asked");
        ensure!(self.counted("coredns_cache_hits_total")? >= hits + 2.0, "nothing came from the cache");
        Ok(())
    }

    fn without_the_cache(&self) -> Result<()> {
        self.scenario.step("no cache on the node: pods ask CoreDNS without a wait");
        let on_nodes_with = |label: &str| {
            let patch = format!("{{\"spec\":{{\"template\":{{\"spec\":{{\"nodeSelector\":{{\"barque.test/cache\":{label}}}}}}}}}}}");
            self.kubectl.run(&["-n", "kube-system", "patch", "daemonset", "dns-cache", "-p", &patch])?.ok().map(drop)
        };
        on_nodes_with("\"nowhere\"")?;
        let pods = ["-n", "kube-system", "get", "pods", "-l", "app.kubernetes.io/name=dns-cache", "-o", "name"];
        eventually("the caches are gone", SOON, || {
            let pods = self.kubectl.get(&pods)?;
            ensure!(pods.is_empty(), "{pods}");
            Ok(())
        })?;
        self.refuses()?;
        let servers = self.asks("alone")?;
        ensure!(servers == [CACHE, SERVICE], "{servers:?}");
        on_nodes_with("null")?;
        eventually("the caches are back", SOON, || self.scenario.remote(&["addons", "status"])?.ok().map(drop))
    }

    fn another_setting(&self) -> Result<()> {
        self.scenario.step("another setting: the new caches come before the former go");
        self.scenario.barque(&["addons", "enable", "dns-cache", "--set", "staleSeconds=60"])?.ok()?;
        self.scenario.remote(&["plan"])?.code(3)?.says(&["DaemonSet kube-system/dns-cache"])?;
        self.scenario.up(&[])?.ok()?;
        let restarts = [
            "-n",
            "kube-system",
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/name=dns-cache",
            "-o",
            "jsonpath={.items[*].status.containerStatuses[0].restartCount}",
        ];
        let restarts = self.kubectl.get(&restarts)?;
        ensure!(restarts.split_whitespace().all(|count| count == "0"), "restarts: {restarts}");
        self.asks("changed").map(drop)
    }

    fn off(&self) -> Result<()> {
        self.scenario.step("off: nothing of it is left, pods that were told of it still get answers at once, new ones ask CoreDNS alone");
        self.scenario.barque(&["addons", "disable", "dns-cache"])?.ok()?;
        self.scenario.up(&[])?.ok()?;
        let removal = self.scenario.last_run()?;
        let left = objects(&self.kubectl, LABEL)?;
        ensure!(left.is_empty(), "left behind: {:?}", left.keys());
        self.refuses()?;
        let servers = self.asks("last")?;
        ensure!(servers == [SERVICE], "{servers:?}");
        self.scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
        self.scenario.remote(&["drift"])?.ok()?;

        self.scenario.step("a rollback brings it back");
        self.scenario.remote(&["rollback", &removal, "--yes"])?.ok()?;
        let servers = self.asks("again")?;
        ensure!(servers == [CACHE, SERVICE], "{servers:?}");
        Ok(())
    }
}
