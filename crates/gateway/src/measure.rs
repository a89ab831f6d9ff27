//! What the gateway measures of its host itself, in Prometheus's text format.

use std::fmt::Write as _;
use std::net::IpAddr;

use barque_model::MetricsOfHost;
use fs_err as fs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The media type of the text format (Prometheus, "Exposition formats", version 0.0.4).
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Measures now. Blocks for a moment.
pub(crate) fn measure(wanted: &MetricsOfHost) -> String {
    let mut text = String::new();
    if let Some(vip) = wanted.vip {
        let held = barque_host::addresses().map(|addresses| addresses.iter().any(|found| found.address == vip));
        // Without an answer of the kernel there is no measurement, which is not the same as "not held".
        if let Ok(held) = held {
            gauge(&mut text, "barque_vip_held", "Whether this host has the virtual address now", &[(vip_label(vip), u64::from(held))]);
        }
    }
    let programs = wanted.programs.iter().map(|name| (("program", name.clone()), u64::from(barque_host::runs(name))));
    gauge(&mut text, "barque_program_running", "Whether a process of this name runs", &programs.collect::<Vec<_>>());
    let ends = wanted.certificates.iter().map(|path| (("file", path.clone()), not_after(path).unwrap_or(0)));
    gauge(
        &mut text,
        "barque_certificate_not_after_seconds",
        "End of a certificate in seconds since 1970, 0 when it cannot be read",
        &ends.collect::<Vec<_>>(),
    );
    let spaces: Vec<(String, u64, u64)> = wanted.file_systems.iter().filter_map(|path| space(path)).collect();
    let available = spaces.iter().map(|(path, available, _)| (("path", path.clone()), *available));
    gauge(
        &mut text,
        "barque_file_system_available_bytes",
        "Space of the folder's file system that is free for all users",
        &available.collect::<Vec<_>>(),
    );
    let sizes = spaces.iter().map(|(path, _, size)| (("path", path.clone()), *size));
    gauge(&mut text, "barque_file_system_size_bytes", "Size of the folder's file system", &sizes.collect::<Vec<_>>());
    text
}

fn vip_label(vip: IpAddr) -> (&'static str, String) {
    ("vip", vip.to_string())
}

/// Nothing without a value. Labels are paths, addresses and names from barque's own configuration, escaped all the same.
fn gauge(text: &mut String, name: &str, help: &str, values: &[((&str, String), u64)]) {
    if values.is_empty() {
        return;
    }
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge");
    for ((label, value), number) in values {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {number}");
    }
}

fn not_after(path: &str) -> Option<u64> {
    let der = CertificateDer::from_pem_slice(&fs::read(path).ok()?).ok()?;
    let (_, certificate) = X509Certificate::from_der(der.as_ref()).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}

fn space(path: &str) -> Option<(String, u64, u64)> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some((path.to_owned(), found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let (good, wrong) = (folder.path().join("a.crt"), folder.path().join("b.crt"));
        let key = rcgen::KeyPair::generate().unwrap();
        let mut asked = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        asked.not_after = rcgen::date_time_ymd(2030, 1, 2);
        fs::write(&good, asked.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&wrong, "no certificate").unwrap();
        let own = fs::read_to_string("/proc/self/comm").unwrap().trim().to_owned();
        let path = |path: &std::path::Path| path.display().to_string();
        let text = measure(&MetricsOfHost {
            vip: Some(IpAddr::from([127, 0, 0, 1])),
            programs: vec![own.clone(), "no-such".into()],
            certificates: vec![path(&good), path(&wrong)],
            file_systems: vec!["/".into(), "/no/such".into()],
        });
        for line in [
            "barque_vip_held{vip=\"127.0.0.1\"} 1".to_owned(),
            "barque_program_running{program=\"no-such\"} 0".to_owned(),
            format!("barque_certificate_not_after_seconds{{file=\"{}\"}} 1893542400", path(&good)),
            format!("barque_certificate_not_after_seconds{{file=\"{}\"}} 0", path(&wrong)),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.contains("barque_file_system_available_bytes{path=\"/\"} ") && !text.contains("/no/such"), "{text}");
        // The threads of a test have names of their own; the process has the program's.
        assert!(text.contains(&format!("barque_program_running{{program=\"{own}\"}} ")), "{text}");
    }

    #[test]
    fn not_held_and_nothing_asked() {
        let text = measure(&MetricsOfHost { vip: Some(IpAddr::from([192, 0, 2, 1])), ..MetricsOfHost::default() });
        assert!(text.ends_with("barque_vip_held{vip=\"192.0.2.1\"} 0\n"), "{text}");
        assert_eq!(measure(&MetricsOfHost::default()), "");
    }

    #[test]
    fn labels_are_escaped() {
        let mut text = String::new();
        gauge(&mut text, "a", "b", &[(("c", "d\"\\\n".to_owned()), 1)]);
        assert_eq!(text, "# HELP a b.\n# TYPE a gauge\na{c=\"d\\\"\\\\\\n\"} 1\n");
    }
}
