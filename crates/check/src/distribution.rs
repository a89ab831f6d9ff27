//! What barque knows of a distribution.

use barque_plan::OsRelease;

/// Distributions that barque has been tried on, as `ID` and `VERSION_ID` of `/etc/os-release`.
const TRIED: [(&str, &str); 2] = [("debian", "12"), ("debian", "13")];

/// Distributions with systemd whose releases from this one on have the kernel and the systemd that are needed, by `ID`. Nobody has tried them.
const ALIKE: [(&str, &[u32]); 16] = [
    ("almalinux", &[9]),
    ("amzn", &[2023]),
    ("anolis", &[23]),
    ("centos", &[9]),
    ("debian", &[12]),
    ("deepin", &[23]),
    ("fedora", &[40]),
    ("ol", &[9]),
    ("opencloudos", &[9]),
    ("openEuler", &[24, 3]),
    ("opensuse-leap", &[15, 6]),
    ("rhel", &[9]),
    ("rocky", &[9]),
    ("sles", &[15, 6]),
    ("tencentos", &[4]),
    ("ubuntu", &[22, 4]),
];

/// How far a distribution is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// barque has been tried on it.
    Tried,
    /// It has what barque needs; nobody has tried.
    Alike,
    /// It is older than what barque needs, or barque does not know it.
    Unknown,
}

/// How far the distribution of a host is known.
pub fn standing(os: &OsRelease) -> Standing {
    if TRIED.contains(&(os.id.as_str(), os.version_id.as_str())) {
        return Standing::Tried;
    }
    let version = numbers(&os.version_id);
    let is_alike = ALIKE.iter().any(|(id, least)| *id == os.id && version.as_deref().is_some_and(|version| version >= *least));
    if is_alike { Standing::Alike } else { Standing::Unknown }
}

/// Whether the distribution's package manager is used on a host, so that its state matters.
pub(crate) fn has_packages(os: &OsRelease) -> bool {
    (os.id.as_str(), os.version_id.as_str()) == ("debian", "13")
}

/// The command that installs a package on a host.
pub(crate) fn install(os: &OsRelease, package: &str) -> String {
    let manager = match os.id.as_str() {
        "debian" | "ubuntu" | "deepin" => "apt-get",
        "opensuse-leap" | "sles" => "zypper",
        _ => "dnf",
    };
    format!("{manager} install {package}")
}

/// What barque has been tried on, and what is like it, for people.
pub(crate) fn known() -> String {
    let alike = ALIKE.iter().map(|(id, least)| match least {
        // Months and service packs of two digits, as their makers write them.
        [year, month] if *year > 20 => format!("{id} {year}.{month:02}"),
        [major, minor] => format!("{id} {major}.{minor}"),
        [major, ..] => format!("{id} {major}"),
        [] => (*id).to_owned(),
    });
    format!("{}, or a later release of these", alike.collect::<Vec<_>>().join(", "))
}

/// `22.04` is 22 and 4, so that 22.10 is later.
fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str, version_id: &str) -> Standing {
        standing(&OsRelease { id: id.into(), version_id: version_id.into(), pretty_name: String::new() })
    }

    #[test]
    fn releases_compare_by_their_numbers() {
        assert_eq!([of("debian", "12"), of("debian", "13"), of("debian", "14")], [Standing::Tried, Standing::Tried, Standing::Alike]);
        for (id, version) in [("ubuntu", "24.04"), ("ubuntu", "22.10"), ("rocky", "9.6"), ("rhel", "10.0"), ("openEuler", "24.03")] {
            assert_eq!(of(id, version), Standing::Alike, "{id} {version}");
        }
        for (id, version) in [("debian", "11"), ("ubuntu", "20.04"), ("centos", "7"), ("rocky", "8.10"), ("alpine", "3.22"), ("debian", "")]
        {
            assert_eq!(of(id, version), Standing::Unknown, "{id} {version}");
        }
        assert!(ALIKE.is_sorted_by_key(|(id, _)| id.to_ascii_lowercase()));
    }
}
