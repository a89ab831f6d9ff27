//! Certificates as text.

use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

/// Subject, usages and names of a certificate as one line.
pub(crate) fn line(pem: &str) -> String {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let usages = certificate.extended_key_usage().unwrap().unwrap().value;
    let mut words = vec![certificate.subject().to_string()];
    words.extend(usages.server_auth.then(|| "server".to_owned()));
    words.extend(usages.client_auth.then(|| "client".to_owned()));
    if let Some(names) = certificate.subject_alternative_name().unwrap() {
        for name in &names.value.general_names {
            words.push(match name {
                GeneralName::DNSName(name) => (*name).to_owned(),
                GeneralName::IPAddress(octets) if octets.len() == 4 => octets.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
                GeneralName::IPAddress(octets) => format!("{:?}", std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*octets).unwrap())),
                other => panic!("unexpected name {other}"),
            });
        }
    }
    words.join(" ")
}
