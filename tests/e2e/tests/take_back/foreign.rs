//! What somebody else changes on a host: shown, kept, and put back only when asked for.

use anyhow::{Result, ensure};
use barque_e2e::{Caller, ClusterFile, Kubectl, Scenario, Scope};

const FLAGS: &str = "/etc/kubernetes/kube-apiserver.env";
const SCHEDULER: &str = "/etc/kubernetes/kube-scheduler.env";
const EDIT: &str = "# looked at by hand";

/// Content, mode and owner of a file on m2.
fn of_m2(scenario: &Scenario, path: &str) -> Result<String> {
    scenario.lab.get("m2", &format!("sha256sum {path}; stat -c '%a %u %g' {path}"))
}

/// A plan was saved, then a file was edited: the plan is refused, and nothing is done.
pub(crate) fn a_saved_plan_is_refused_after_an_edit(scenario: &Scenario) -> Result<()> {
    scenario.step("a saved plan after an edit by hand");
    let original = fs_err::read_to_string(scenario.cluster_file())?;
    scenario.write(&ClusterFile::seven(&scenario.lab)?.spec("extraArgs:\n  kubeApiserver:\n    event-ttl: 40m0s"))?;
    let plan = scenario.folder.path().join("before-edit.json").display().to_string();
    scenario.remote(&["plan", "-o", &plan])?.code(3)?;
    scenario.lab.get("m2", &format!("echo '{EDIT}' >>{FLAGS}"))?;
    let before = scenario.lab.listings(&crate::ALL, &Scope::managed().with_times())?;
    scenario.up(&[&plan])?.code(5)?.says(&["m2", FLAGS])?;
    let after = scenario.lab.listings(&crate::ALL, &Scope::managed().with_times())?;
    ensure!(before == after, "a refused plan changed something");
    fs_err::write(scenario.cluster_file(), original)?;
    Ok(())
}

/// `drift` shows the edit, `up` keeps it, `--overwrite-drift` does not.
pub(crate) fn an_edit_is_shown_and_kept(scenario: &Scenario) -> Result<()> {
    scenario.step("an edit by hand is shown");
    let edited = of_m2(scenario, FLAGS)?;
    scenario.remote(&["drift"])?.code(3)?.says(&["m2", FLAGS, EDIT])?;
    scenario.step("up keeps it and says so");
    scenario.up(&[])?.code(4)?.says(&["m2", FLAGS, "--overwrite-drift"])?;
    ensure!(of_m2(scenario, FLAGS)? == edited, "up has written over the edit");
    scenario.step("and puts it back when asked to");
    scenario.up(&["--overwrite-drift"])?.ok()?;
    let text = scenario.lab.get("m2", &format!("cat {FLAGS}"))?;
    ensure!(!text.contains(EDIT), "the edit is still there");
    crate::nothing_differs(scenario)?;
    Ok(())
}

/// One file of a run goes back, and then forward again by taking that back.
pub(crate) fn one_file_is_restored(scenario: &Scenario) -> Result<()> {
    scenario.step("one file alone is restored");
    scenario.lab.get("m2", &format!("echo '{EDIT}' >>{SCHEDULER}; echo '{EDIT}' >>/etc/etcd/etcd.env"))?;
    let edited = of_m2(scenario, SCHEDULER)?;
    scenario.up(&["--overwrite-drift"])?.ok()?;
    let (put_back, etcd) = (of_m2(scenario, SCHEDULER)?, of_m2(scenario, "/etc/etcd/etcd.env")?);
    ensure!(put_back != edited, "up did not put {SCHEDULER} back");
    let run = scenario.last_run()?;
    scenario.remote(&["rollback", &run, "--only", &format!("m2:{SCHEDULER}"), "--yes"])?.ok()?;
    ensure!(of_m2(scenario, SCHEDULER)? == edited, "{SCHEDULER} is not as it was before run {run}");
    ensure!(of_m2(scenario, "/etc/etcd/etcd.env")? == etcd, "another file was restored too");
    scenario.step("which is taken back in turn");
    scenario.remote(&["rollback", "--yes"])?.ok()?;
    ensure!(of_m2(scenario, SCHEDULER)? == put_back, "{SCHEDULER} is not as it was before the rollback");
    crate::nothing_differs(scenario)?;
    Ok(())
}

/// The balancer that holds the address is changed by hand and put back, and no client notices.
pub(crate) fn the_balancer_is_put_back_without_an_outage(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("the balancers' configuration is put back under a client");
    for host in ["lb1", "lb2"] {
        scenario.lab.get(host, "sed -i 's/timeout connect 2s/timeout connect 3s/' /etc/haproxy/haproxy.cfg")?;
    }
    scenario.remote(&["drift"])?.code(3)?.says(&["lb1", "lb2", "/etc/haproxy/haproxy.cfg", "timeout connect 3s"])?;
    let caller = Caller::start(kubectl, scenario.folder.path())?;
    scenario.up(&["--overwrite-drift"])?.ok()?;
    let calls = caller.finish()?;
    for host in ["lb1", "lb2"] {
        scenario.lab.get(host, "grep 'timeout connect 2s' /etc/haproxy/haproxy.cfg && systemctl is-active haproxy")?;
    }
    calls.all_good()
}

/// Stopped and disabled units, kernel parameters and modes hold nobody's work: `up` puts them back unasked. A replaced program and an edited
/// object may: they stay until it is told to overwrite them.
pub(crate) fn what_carries_no_work_is_put_back(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("a stopped unit, a disabled one, a parameter, a mode, an object, and a replaced program");
    scenario.lab.get("m3", "systemctl stop kube-scheduler; chmod 0644 /etc/kubernetes/scheduler.conf")?;
    scenario.lab.get("n1", "systemctl disable kube-proxy; echo 0 >/proc/sys/net/ipv4/ip_forward")?;
    kubectl.run(&["-n", "kube-system", "scale", "deployment", "coredns", "--replicas=1"])?.ok()?;
    let program = "rm /usr/local/bin/etcdutl; printf '#!/bin/sh\\n' >/usr/local/bin/etcdutl; chmod 755 /usr/local/bin/etcdutl";
    scenario.lab.get("m1", program)?;
    let texts =
        ["kube-scheduler.service", "kube-proxy.service", "scheduler.conf", "net.ipv4.ip_forward", "coredns", "/usr/local/bin/etcdutl"];
    scenario.remote(&["drift"])?.code(3)?.says(&texts)?;
    scenario.step("up keeps the object and the program");
    scenario.up(&[])?.code(4)?.says(&["m1", "/usr/local/bin/etcdutl", "coredns", "--overwrite-drift"])?;
    let state = scenario.lab.get("m3", "systemctl is-active kube-scheduler; stat -c %a /etc/kubernetes/scheduler.conf")?;
    ensure!(state == "active\n600", "m3: {state}");
    let state = scenario.lab.get("n1", "systemctl is-enabled kube-proxy; cat /proc/sys/net/ipv4/ip_forward")?;
    ensure!(state == "enabled\n1", "n1: {state}");
    let wanted = || kubectl.get(&["-n", "kube-system", "get", "deployment", "coredns", "-o", "jsonpath={.spec.replicas}"]);
    ensure!(wanted()? == "1", "up has written over somebody's object");
    ensure!(scenario.lab.get("m1", "cat /usr/local/bin/etcdutl")? == "#!/bin/sh", "up has replaced somebody's program");
    scenario.up(&["--overwrite-drift"])?.ok()?;
    ensure!(wanted()? == "2", "the object is as somebody left it");
    scenario.lab.get("m1", "test -L /usr/local/bin/etcdutl && etcdutl version")?;
    crate::nothing_differs(scenario)?;
    Ok(())
}
