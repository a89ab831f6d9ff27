//! Web addresses: through the VIP and through nodes, by name and by TLS, with the client's own address; a page for what nobody serves; changed,
//! with a balancer and a pod gone, turned off, and brought back.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Caller, ClusterFile, Finished, Kubectl, Scenario, eventually, objects, run};

const TOPOLOGY: &str = "[[hosts]]\nname = \"lb1\"\n[[hosts]]\nname = \"lb2\"\n[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";
const LAYOUT: [(&str, &str); 4] = [("lb1", "loadBalancer"), ("lb2", "loadBalancer"), ("m1", "etcd, master, node"), ("n1", "node")];

const LABEL: &str = "barque.dev/addon=ingress";
const NAME: &str = "shop.barque.test";
/// A new pod's start, and a change of an Ingress on its way to Traefik.
const SOON: Duration = Duration::from_mins(2);

/// A shop with two pods, and its web address.
const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: shop
          image: barque.test/toolbox:1
          imagePullPolicy: Never
          ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec:
  selector: {app: shop}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: default}
spec:
  tls: [{hosts: [shop.barque.test], secretName: shop}]
  rules:
    - host: shop.barque.test
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}
";

#[test]
fn by_name_and_tls_through_the_vip() -> Result<()> {
    let scenario = Scenario::new("web", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?)?;
    scenario.up(&[])?.ok()?;
    scenario.load_toolbox(&["m1", "n1"])?;
    let web = Web::new(&scenario)?;
    let before = objects(&web.kubectl, "")?;

    web.turned_on()?;
    web.bad_input()?;
    web.serves_by_name()?;
    web.page_for_what_nobody_serves()?;
    web.a_page_of_ones_own()?;
    web.a_certificate_for_all_other_names()?;
    web.without_a_balancer()?;
    web.without_a_pod()?;
    let removal = web.turned_off(&before)?;
    web.brought_back(&removal)
}

/// The cluster from outside.
struct Web<'scenario> {
    scenario: &'scenario Scenario,
    kubectl: Kubectl,
    vip: String,
}

impl<'scenario> Web<'scenario> {
    fn new(scenario: &'scenario Scenario) -> Result<Self> {
        Ok(Self { scenario, kubectl: scenario.kubectl()?, vip: scenario.lab.vip().to_string() })
    }

    /// curl's arguments for a name, wherever it stands in DNS, at an address and port. What it trusts is the shop's own certificate alone.
    fn arguments(&self, url: &str, name: &str, address: &str, port: u16) -> Vec<String> {
        let authority = self.scenario.folder.path().join("shop.crt");
        let connect = format!("{name}:{}:{address}:{port}", if url.starts_with("https") { 443 } else { 80 });
        ["--cacert", &authority.display().to_string(), "--connect-to", &connect, url].map(str::to_owned).to_vec()
    }

    /// Asks once: the status and the body.
    fn ask(&self, url: &str, address: &str, port: u16) -> Result<(u16, String)> {
        let name = url.split('/').nth(2).context("a URL with a host")?;
        let quiet = ["--silent", "--show-error", "--noproxy", "*", "--max-time", "10", "--write-out", "\n%{http_code}"].map(str::to_owned);
        let finished = run("curl", quiet.into_iter().chain(self.arguments(url, name, address, port)))?;
        let output = finished.ok()?.stdout;
        let (body, status) = output.rsplit_once('\n').context("curl writes the status")?;
        Ok((status.trim().parse()?, body.to_owned()))
    }

    fn certificate(&self, name: &str, days: &str) -> Result<()> {
        let script = "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days \"$2\" -subj \"/CN=$1\" \
                      -addext \"subjectAltName=DNS:$1\" -keyout \"$3.key\" -out \"$3.crt\"";
        let path = self.scenario.folder.path().join(name.split('.').next().unwrap_or(name));
        run("sh", ["-c", script, "sh", name, days, &path.display().to_string()])?.ok()?;
        Ok(())
    }

    /// The subject of the certificate that is shown for a name.
    fn presented(&self, name: &str) -> Result<String> {
        let script =
            "openssl s_client -connect \"$1:443\" -servername \"$2\" </dev/null 2>/dev/null | openssl x509 -noout -subject -serial";
        Ok(run("sh", ["-c", script, "sh", &self.vip, name])?.ok()?.stdout)
    }

    fn set(&self, settings: &[&str]) -> Result<Finished> {
        let mut arguments = vec!["addons", "enable", "ingress"];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        self.scenario.barque(&arguments)
    }

    fn turned_on(&self) -> Result<()> {
        self.scenario.step("turned on: objects in the cluster, two more frontends on the balancers");
        self.set(&[])?.ok()?;
        let plan = self.scenario.remote(&["plan"])?.code(3)?;
        plan.says(&["Deployment ingress/traefik", "IngressClass traefik", "frontend ingress-http", "docker.io/library/traefik"])?;
        self.scenario.up(&[])?.ok()?;
        self.scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
        self.scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
        for app in ["traefik", "default-backend"] {
            let label = format!("app.kubernetes.io/name={app}");
            let nodes = self.kubectl.get(&["-n", "ingress", "get", "pods", "-l", &label, "-o", "jsonpath={.items[*].spec.nodeName}"])?;
            let mut nodes: Vec<&str> = nodes.split_whitespace().collect();
            nodes.sort_unstable();
            ensure!(nodes == ["m1", "n1"], "pods of {app} run on {nodes:?}");
        }
        Ok(())
    }

    fn bad_input(&self) -> Result<()> {
        self.scenario.step("ports that cannot be: the file and the cluster stay");
        let (file, before) = (fs_err::read_to_string(self.scenario.cluster_file())?, objects(&self.kubectl, LABEL)?);
        for (setting, says) in [
            ("httpPort=443", "`httpPort` and `httpsPort` are the same"),
            ("httpsPort=6443", "which haproxy has for the API"),
            ("httpNodePort=80", "outside the cluster's node ports 30000-32767"),
            ("httpsNodePort=30080", "are the same"),
            ("logLevel=LOUD", "logLevel"),
        ] {
            self.set(&[setting])?.code(2)?.says(&[says])?;
        }
        ensure!(fs_err::read_to_string(self.scenario.cluster_file())? == file, "the cluster file has changed");
        ensure!(objects(&self.kubectl, LABEL)? == before, "the cluster has changed");
        Ok(())
    }

    fn serves_by_name(&self) -> Result<()> {
        self.scenario.step("a shop by name and TLS, through the VIP and through every node; it sees who its clients are");
        let folder = self.scenario.folder.path();
        self.certificate(NAME, "2")?;
        let file = |ending: &str| folder.join(format!("shop.{ending}")).display().to_string();
        let (certificate, key) = (format!("--cert={}", file("crt")), format!("--key={}", file("key")));
        self.kubectl.run(&["create", "secret", "tls", "shop", &certificate, &key])?.ok()?;
        self.kubectl.apply(folder, "shop", SHOP)?;
        let url = format!("https://{NAME}/forwarded");
        eventually("the shop answers", SOON, || {
            let (status, body) = self.ask(&url, &self.vip, 443)?;
            ensure!(status == 200, "status {status}: {body}");
            Ok(())
        })?;
        // The certificate was verified: what curl trusts is the one of the Secret. The lab's own first address is this machine's.
        let mut places = vec![(self.vip.clone(), 443, 80)];
        for host in ["lb1", "lb2"] {
            places.push((self.scenario.lab.host(host)?.address.to_string(), 443, 80));
        }
        for host in ["m1", "n1"] {
            places.push((self.scenario.lab.host(host)?.address.to_string(), 30443, 30080));
        }
        let own = run("ip", ["-4", "-brief", "address"])?.ok()?.stdout;
        for (address, https, http) in &places {
            for (scheme, port) in [("https", https), ("http", http)] {
                // Each Traefik learns of the shop by itself, and requests go to one after the other.
                let body = eventually("every Traefik knows the shop", SOON, || {
                    let (status, body) = self.ask(&format!("{scheme}://{NAME}/forwarded"), address, *port)?;
                    ensure!(status == 200, "{address} {scheme}: status {status}: {body}");
                    Ok(body)
                })?;
                let (client, protocol) = body.trim().split_once(' ').with_context(|| format!("{address}: {body}"))?;
                ensure!(protocol == scheme, "{address} {scheme}: {body}");
                ensure!(
                    own.contains(&format!(" {client}/")),
                    "{address}: the shop's client is {client}, no address of this machine:\n{own}"
                );
            }
        }
        let status = self.kubectl.json(&["get", "ingress", "shop"])?;
        ensure!(status["status"]["loadBalancer"]["ingress"][0]["ip"] == self.vip.as_str(), "{}", status["status"]);

        self.scenario.step("nobody but a balancer says for whom it speaks");
        let node = self.scenario.lab.host("n1")?.address.to_string();
        let mut connection = TcpStream::connect((node.as_str(), 30080))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request = format!("GET /forwarded HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
        connection.write_all(format!("PROXY TCP4 192.0.2.77 {node} 4711 80\r\n{request}").as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        ensure!(answer.contains(" http") && !answer.contains("192.0.2.77"), "a client has said who it is, and was believed: {answer}");
        let spoken = ["--silent", "--max-time", "10", "--header", "X-Forwarded-For: 192.0.2.99"].map(str::to_owned);
        let arguments = spoken.into_iter().chain(self.arguments(&format!("http://{NAME}/forwarded"), NAME, &self.vip, 80));
        let answer = run("curl", arguments)?.ok()?.stdout;
        ensure!(answer.contains(" http") && !answer.contains("192.0.2.99"), "a client's own header was believed: {answer}");
        Ok(())
    }

    fn page_for_what_nobody_serves(&self) -> Result<()> {
        self.scenario.step("a name that nobody serves has a page of its own, and a name without pods is out of order");
        let (status, body) = self.ask("http://nobody.barque.test/any/where", &self.vip, 80)?;
        ensure!(status == 404 && body.contains("Nothing is served at this address"), "status {status}: {body}");
        self.kubectl.run(&["scale", "deployment", "shop", "--replicas=0"])?.ok()?;
        eventually("the shop is out of order", SOON, || {
            let (status, body) = self.ask(&format!("https://{NAME}/"), &self.vip, 443)?;
            ensure!(status == 503, "status {status}: {body}");
            Ok(())
        })?;
        self.kubectl.run(&["scale", "deployment", "shop", "--replicas=2"])?.ok()?;
        eventually("the shop is open again", SOON, || {
            let (status, body) = self.ask(&format!("https://{NAME}/"), &self.vip, 443)?;
            ensure!(status == 200, "status {status}: {body}");
            Ok(())
        })
    }

    fn a_page_of_ones_own(&self) -> Result<()> {
        self.scenario.step("a setting: another page, and nothing but the default backend starts again");
        let generations = objects(&self.kubectl, LABEL)?;
        let page = "<h1>Closed {env.HOME} \"today\" & tomorrow</h1>";
        self.set(&[&format!("page={page}")])?.ok()?;
        self.scenario.up(&[])?.ok()?;
        let (status, body) = self.ask("http://nobody.barque.test/", &self.vip, 80)?;
        ensure!(status == 404 && body.contains("\"today\" & tomorrow</h1>"), "status {status}: {body}");
        let after = objects(&self.kubectl, LABEL)?;
        let changed: Vec<&String> = after.keys().filter(|name| generations.get(*name) != after.get(*name)).collect();
        ensure!(changed == ["Deployment ingress/default-backend"], "changed: {changed:?}");
        Ok(())
    }

    fn a_certificate_for_all_other_names(&self) -> Result<()> {
        self.scenario.step("a certificate for all other names, HTTP sent to HTTPS, while a client goes on; a renewed one is taken up");
        let folder = self.scenario.folder.path();
        self.certificate("other.barque.test", "2")?;
        let file = |ending: &str| folder.join(format!("other.{ending}")).display().to_string();
        let secret = || -> Result<String> {
            let (certificate, key) = (format!("--cert={}", file("crt")), format!("--key={}", file("key")));
            let made = self.kubectl.get(&[
                "-n",
                "ingress",
                "create",
                "secret",
                "tls",
                "wildcard",
                &certificate,
                &key,
                "--dry-run=client",
                "-o",
                "yaml",
            ])?;
            self.kubectl.apply(folder, "wildcard", &made)?;
            Ok(made)
        };
        secret()?;
        self.set(&["defaultCertificate=wildcard", "redirectToHttps=true"])?.ok()?;
        let arguments = self.arguments(&format!("https://{NAME}/"), NAME, &self.vip, 443);
        let caller = Caller::of(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.scenario.up(&[])?.ok()?;
        let calls = caller.finish()?;
        self.scenario.step(&format!("{} calls while Traefik was replaced", calls.made));
        calls.all_good()?;
        let first = self.presented("nobody.barque.test")?;
        ensure!(first.contains("other.barque.test"), "{first}");
        ensure!(self.presented(NAME)?.contains(NAME), "the shop shows another certificate");
        let (status, _) = self.ask(&format!("http://{NAME}/"), &self.vip, 80)?;
        ensure!(status == 301 || status == 308, "status {status} in place of a redirection");

        self.certificate("other.barque.test", "3")?;
        secret()?;
        // kubelet looks at Secrets about once a minute.
        eventually("the renewed certificate is shown", Duration::from_mins(4), || {
            let now = self.presented("nobody.barque.test")?;
            ensure!(now.contains("other.barque.test") && now != first, "{now}");
            Ok(())
        })
    }

    fn without_a_balancer(&self) -> Result<()> {
        self.scenario.step("the holder of the VIP without power: the other one serves");
        let holder = ["lb1", "lb2"].into_iter().find(|host| {
            self.scenario.lab.get(host, "ip -brief address").is_ok_and(|addresses| addresses.contains(&format!(" {}/", self.vip)))
        });
        let holder = holder.context("no balancer holds the VIP")?;
        self.scenario.lab.kill(holder)?;
        self.shop_answers()?;
        self.scenario.lab.boot(holder)
    }

    fn without_a_pod(&self) -> Result<()> {
        self.scenario.step("a pod of Traefik that is deleted while a client goes on");
        eventually("both pods of Traefik are ready", SOON, || {
            let ready = self.kubectl.get(&["-n", "ingress", "get", "deployment", "traefik", "-o", "jsonpath={.status.readyReplicas}"])?;
            ensure!(ready == "2", "{ready} ready");
            Ok(())
        })?;
        eventually("both balancers pass on", SOON, || {
            for host in ["lb1", "lb2"] {
                let address = self.scenario.lab.host(host)?.address.to_string();
                ensure!(self.ask(&format!("https://{NAME}/"), &address, 443)?.0 == 200, "{host} does not pass on");
            }
            Ok(())
        })?;
        let arguments = self.arguments(&format!("https://{NAME}/"), NAME, &self.vip, 443);
        let caller = Caller::of(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
        let pod = self.kubectl.get(&[
            "-n",
            "ingress",
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/name=traefik",
            "-o",
            "jsonpath={.items[0].metadata.name}",
        ])?;
        self.kubectl.run(&["-n", "ingress", "delete", "pod", &pod])?.ok()?;
        self.shop_answers()?;
        caller.finish()?.all_good()
    }

    fn shop_answers(&self) -> Result<()> {
        eventually("the shop answers", SOON, || {
            let (status, body) = self.ask(&format!("https://{NAME}/"), &self.vip, 443)?;
            ensure!(status == 200, "status {status}: {body}");
            Ok(())
        })
    }

    fn turned_off(&self, before: &std::collections::BTreeMap<String, String>) -> Result<String> {
        self.scenario.step("turned off: objects, frontends and ports are gone; what was somebody's stays");
        self.scenario.barque(&["addons", "disable", "ingress"])?.ok()?;
        self.scenario.up(&[])?.ok()?.says(&["ingress"])?;
        let removal = self.scenario.last_run()?;
        let left = objects(&self.kubectl, LABEL)?;
        // The Secret that somebody made in its namespace keeps the namespace.
        ensure!(left.keys().all(|name| name == "Namespace /ingress"), "left behind: {:?}", left.keys());
        let others = objects(&self.kubectl, "")?;
        for (name, generation) in before {
            ensure!(others.get(name) == Some(generation), "{name} was disturbed");
        }
        for host in ["lb1", "lb2"] {
            let text = self.scenario.lab.get(host, "ss -Hltn; cat /etc/haproxy/haproxy.cfg")?;
            ensure!(!text.contains(":443 ") && !text.contains(":80 ") && !text.contains("ingress"), "{host}:\n{text}");
        }
        self.scenario.remote(&["drift"])?.ok()?;
        Ok(removal)
    }

    fn brought_back(&self, removal: &str) -> Result<()> {
        self.scenario.step("a rollback brings it back with its settings");
        self.scenario.remote(&["rollback", removal, "--yes"])?.ok()?;
        self.shop_answers()?;
        eventually("the certificate of the settings is shown", SOON, || {
            let shown = self.presented("nobody.barque.test")?;
            ensure!(shown.contains("other.barque.test"), "{shown}");
            Ok(())
        })
    }
}
